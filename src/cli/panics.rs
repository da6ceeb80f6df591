//! Panics: a panic is a bug in this program, with a message for the operator and an exit code.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use twinspan_engine::panic_becomes_failure;

use crate::cli::exit::Exit;

/// Whether a panic occurred in this process.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Replaces the panic output with one message; with `-v` the usual output precedes it. Both are encoded for the
/// terminal.
pub(crate) fn install(verbose: bool) {
    std::panic::set_hook(Box::new(move |panic| {
        if verbose {
            let trace = std::backtrace::Backtrace::capture();
            let dump = format!("{panic}\n{trace}");
            // As below.
            let _ = writeln!(std::io::stderr(), "{}", twinspan_encode::terminal::lines(&dump));
        }
        let place = panic.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        // If stderr is closed, no message can be shown.
        let _ = writeln!(
            std::io::stderr(),
            "Error: internal error (bug){place}; the journal is intact, and `twinspan resume` continues.\n\
             Hint: run it again with -v and report what it prints"
        );
        PANICKED.store(true, Ordering::Release);
        // The engine turns a panic of a step kind into a failure of the step. After any other panic other threads may
        // wait
        // forever: the process ends here as if killed, which the journal tolerates.
        if !panic_becomes_failure() {
            #[expect(
                clippy::exit,
                clippy::disallowed_methods,
                reason = "the end of a process that panicked"
            )]
            std::process::exit(Exit::Bug.code().into());
        }
    }));
}

/// The exit code at the end of the process: 70 after a panic, else `exit`.
pub(crate) fn exit(exit: Exit) -> Exit {
    if PANICKED.load(Ordering::Acquire) { Exit::Bug } else { exit }
}
