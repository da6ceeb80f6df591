//! Ctrl-C and SIGTERM: the first lets requests in flight end and parks, the second stops at once.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use twinspan_engine::{StopToken, Stopper};

use crate::error::CommandError;
use crate::exit::Exit;

/// How long a process may take to end after the second signal.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ends the process some time after the second signal, whatever it is doing: a driver may hang in a system call.
fn end_in_any_case(mut interrupt: Signal, mut terminate: Signal) {
    tokio::spawn(async move {
        let mut first = None;
        for _ in 0..2 {
            let exit = tokio::select! {
                _ = interrupt.recv() => Exit::Interrupted,
                _ = terminate.recv() => Exit::Terminated,
            };
            first.get_or_insert(exit);
        }
        // A thread: the runtime may be what hangs.
        std::thread::spawn(move || {
            std::thread::sleep(PATIENCE);
            #[expect(
                clippy::exit,
                clippy::disallowed_methods,
                reason = "nothing else ends a process that hangs"
            )]
            std::process::exit(first.unwrap_or(Exit::Terminated).code().into());
        });
    });
}

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
        end_in_any_case(listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
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
