//! A panic is a mistake of this program: one sentence for the operator, and the exit code for it.

use std::io::Write;

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
        // Nobody reads it: there is no one left to tell.
        let _ = writeln!(
            std::io::stderr(),
            "Error: twinspan has a mistake{place}; the journal is safe, and `twinspan resume` goes on.\n\
             Hint: run it again with -v and report what it prints"
        );
    }));
}
