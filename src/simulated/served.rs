//! A world behind sockets, on the machine's clock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use twinspan_engine::{Clock, SystemClock};
use twinspan_sim::listener::{Origin, Reply};
use twinspan_sim::{ConnectionFault, World};

/// A world that many connections ask at once; it answers one at a time.
pub(crate) struct Served(Mutex<World>);

impl Served {
    pub(crate) fn new(world: World) -> Self {
        Served(Mutex::new(world))
    }
}

impl Origin for Served {
    fn answer(&self, request: Request<Bytes>) -> Reply {
        let mut world = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match world.handle(request, SystemClock.now()) {
            Ok(answer) => Reply::Whole(answer),
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
