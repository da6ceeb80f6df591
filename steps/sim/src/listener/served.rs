//! Connects a world to the sockets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};

use super::{Origin, Reply};
use crate::faults::{ConnectionFault, Held};
use crate::world::{Answer, World};

/// A world that serves many connections, one request at a time, with the caller's clock.
#[derive(Clone)]
pub struct Served {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Served {
    /// `clock` returns the current time; the world's own `advance` is added to it.
    pub fn new(world: World, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Served { world: Arc::new(Mutex::new(world)), clock: Arc::new(clock) }
    }

    /// The world, locked.
    pub fn world(&self) -> MutexGuard<'_, World> {
        // A request that panicked may have left the world inconsistent; the next one is still served.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Processes a slow request when it is due; its response is delayed separately.
    fn hold(&self, held: Held) -> Reply {
        let (served, before) = (self.clone(), real(held.before));
        let let_in = move || {
            let now = (served.clock)();
            let (answer, after) = (served.world().let_in(&held, now), real(held.after));
            Reply::Later(after, Box::new(move || served.let_out(&held, answer)))
        };
        Reply::Later(before, Box::new(let_in))
    }

    fn let_out(&self, held: &Held, answer: Answer) -> Reply {
        self.world().let_out(held);
        Reply::Whole(answer)
    }
}

fn real(time: SignedDuration) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}

impl Origin for Served {
    fn answer(&self, request: Request<Bytes>) -> Reply {
        let now = (self.clock)();
        // A separate statement, so that the lock is released before the reply.
        let handled = self.world().handle(request, now);
        match handled {
            Ok(answer) => Reply::Whole(answer),
            // The head of the request was read, so the connection cannot be refused any more: the client sees it
            // end early.
            Err(ConnectionFault::Refused | ConnectionFault::Reset) => Reply::Reset,
            Err(ConnectionFault::TimedOut) => Reply::Silence,
            Err(ConnectionFault::AnswerLost) => Reply::Closed,
            Err(ConnectionFault::Truncated(answer)) => Reply::Half(answer),
            Err(ConnectionFault::Held(held)) => self.hold(held),
        }
    }
}
