//! A simulated world in this process, on a virtual clock; requests reach it without a socket.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use twinspan_engine::{BoxFuture, Clock, VirtualClock};
use twinspan_sim::{ConnectionFault, World};
use twinspan_steps::{InProcess, TransportFault};

/// A simulated world with a virtual clock.
pub struct InProcessWorld {
    world: Mutex<World>,
    clock: Arc<VirtualClock>,
}

impl InProcessWorld {
    /// `world`, with the time of `clock`.
    pub fn new(world: World, clock: Arc<VirtualClock>) -> Self {
        InProcessWorld { world: Mutex::new(world), clock }
    }

    /// Reads or changes the world directly, as the simulator's control interface does.
    pub fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl InProcess for InProcessWorld {
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportFault>> {
        Box::pin(async move {
            let now = self.clock.now();
            match self.with(|world| world.handle(request, now)) {
                Ok(answer) => Ok(answer),
                Err(ConnectionFault::Refused) => {
                    Err(TransportFault::Refused("connection refused".to_owned()))
                }
                // The world saw no request, but a client cannot know that.
                Err(ConnectionFault::Reset) => Err(TransportFault::Lost("connection reset".to_owned())),
                Err(ConnectionFault::TimedOut) => Err(TransportFault::TimedOut),
                Err(ConnectionFault::AnswerLost) => Err(TransportFault::Lost("connection closed".to_owned())),
                Err(ConnectionFault::Truncated(_)) => {
                    Err(TransportFault::Truncated("connection closed".to_owned()))
                }
                Err(ConnectionFault::Held(held)) => {
                    self.clock.advance(held.before);
                    let now = self.clock.now();
                    let answer = self.with(|world| world.let_in(&held, now));
                    self.clock.advance(held.after);
                    self.with(|world| world.let_out(&held));
                    Ok(answer)
                }
            }
        })
    }
}
