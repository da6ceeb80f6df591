//! The world behind the sockets.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;

use super::{Origin, Reply};
use crate::faults::ConnectionFault;
use crate::world::World;

/// A world that many connections ask, one request at a time, on the caller's clock.
pub struct Served {
    world: Mutex<World>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Served {
    /// `clock` says what time it is; the world's own `advance` comes on top.
    pub fn new(world: World, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Served { world: Mutex::new(world), clock: Box::new(clock) }
    }

    /// The world, while nobody else asks it.
    pub fn world(&self) -> MutexGuard<'_, World> {
        // A request that panicked has left the world between two states at worst; the next one is still answered.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origin for Served {
    fn answer(&self, request: Request<Bytes>) -> Reply {
        let now = (self.clock)();
        match self.world().handle(request, now) {
            Ok(answer) => Reply::Whole(answer),
            // A request whose head was read can no longer be refused: the client sees a connection that ends early.
            Err(ConnectionFault::Refused | ConnectionFault::Reset) => Reply::Reset,
            Err(ConnectionFault::TimedOut) => Reply::Silence,
            Err(ConnectionFault::AnswerLost) => Reply::Closed,
            Err(ConnectionFault::Truncated(answer)) => Reply::Half(answer),
            Err(ConnectionFault::Slow(answer, by)) => {
                Reply::Slow(answer, Duration::try_from(by).unwrap_or_default())
            }
        }
    }
}
