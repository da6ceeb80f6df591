//! Ctrl-C and SIGTERM: the first signal lets requests in flight finish, the second stops at once.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use twinspan_engine::{StopToken, Stopper};

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;

/// Maximum time until the process ends after the second signal.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ends the process after [`PATIENCE`] from the second signal, even if the driver hangs in a system call.
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
        // A thread, because the runtime itself may hang.
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

/// The receivers of both signals, and the stopper of the driver.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    stopper: Stopper,
    /// The exit code for the first signal.
    exit: Option<Exit>,
    times: u8,
}

impl Interrupts {
    /// Begins to listen for signals.
    pub(crate) fn listen() -> Result<(Self, StopToken), CommandError> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| CommandError::new(Exit::Failed, "cannot listen for signals").cause(&error))
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

    /// Waits for the next signal, passes it to the driver, and returns the number of signals so far.
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

    /// The exit code, if a signal was received.
    pub(crate) fn exit(&self) -> Option<Exit> {
        self.exit
    }
}
