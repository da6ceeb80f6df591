//! Ctrl-C and SIGTERM: the first lets requests in flight end and parks, the second stops at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use twinspan_engine::{StopToken, Stopper};

use crate::error::CommandError;
use crate::exit::Exit;

/// The two signals, and what they stop.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    stopper: Stopper,
    /// How the process ends because of the first of them.
    exit: Option<Exit>,
    times: u8,
}

impl Interrupts {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<(Self, StopToken), CommandError> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                CommandError::new(Exit::Failed, "signals cannot be listened for").cause(&error)
            })
        };
        let (stopper, token) = StopToken::new();
        let interrupts = Interrupts {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            stopper,
            exit: None,
            times: 0,
        };
        Ok((interrupts, token))
    }

    /// Returns when the next one came and was passed on; says which time it was.
    pub(crate) async fn next(&mut self) -> u8 {
        let exit = tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        };
        self.exit.get_or_insert(exit);
        self.times = self.times.saturating_add(1);
        self.stopper.stop();
        self.times
    }

    /// How the process ends, if one of them came.
    pub(crate) fn exit(&self) -> Option<Exit> {
        self.exit
    }
}
