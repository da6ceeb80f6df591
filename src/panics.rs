//! A panic is a bug of this program: one sentence for the operator, and the exit code for it.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use twinspan_engine::panic_becomes_failure;

use crate::exit::Exit;

/// Something panicked in this process.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Says a sentence instead of a dump; with `-v` what the usual dump says comes first. It may quote what others wrote.
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
        // A panic of a step kind becomes a failure of its step. Any other one leaves a thread or task behind that others
        // wait for: the process ends here, as if it had been killed, and the journal is made for that.
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

/// The exit code of a process that reaches its end: 70 after a panic, whatever else happened.
pub(crate) fn exit(exit: Exit) -> Exit {
    if PANICKED.load(Ordering::Acquire) { Exit::Bug } else { exit }
}
