//! `-v`: the program's diagnostic events on stderr. Each event is one line without active terminal sequences.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Installs the subscriber: none without `-v`; `-v` info and `-vv` debug of twinspan, `-vvv` everything, also of
/// libraries.
pub(crate) fn install(verbose: u8) {
    let filter = match verbose {
        0 => return,
        1 => own("info"),
        2 => own("debug"),
        _ => EnvFilter::default().add_directive(LevelFilter::TRACE.into()),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Encoded(io::stderr()))
        .with_ansi(false)
        .finish();
    // A second installation in one process (a test) leaves the first in place.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// A writer that encodes each event; it receives every event as a whole.
struct Encoded<W>(W);

impl<W: Write> Write for Encoded<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = twinspan_encode::terminal::line(text.trim_end_matches('\n'));
        self.0.write_all(format!("{line}\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn own(level: &str) -> EnvFilter {
    EnvFilter::new(
        ["twinspan", "twinspan_plans", "twinspan_engine", "twinspan_steps", "twinspan_sim"]
            .map(|name| format!("{name}={level}"))
            .join(","),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_in_which_nothing_acts() {
        let mut written = Vec::new();
        Encoded(&mut written).write_all("INFO name=\u{1b}]0;x\u{7}\nWARN forged\u{9b}\n".as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "INFO name=\\u{1b}]0;x\\u{7}\\u{a}WARN forged\\u{9b}\n"
        );
    }
}
