//! `-v`: what the parts of the program say of themselves, on stderr.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Nothing without `-v`; `-v` tells what twinspan does, `-vv` more, `-vvv` also what its libraries do.
pub(crate) fn install(verbose: u8, colored: bool) {
    let filter = match verbose {
        0 => return,
        1 => own("info"),
        2 => own("debug"),
        _ => EnvFilter::default().add_directive(LevelFilter::TRACE.into()),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Off where stderr is no terminal: the default writes escapes into pipes.
        .with_ansi(colored)
        .finish();
    // A second installation in one process (a test) leaves the first in place.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn own(level: &str) -> EnvFilter {
    EnvFilter::new(
        ["twinspan", "twinspan_plans", "twinspan_engine", "twinspan_steps", "twinspan_sim"]
            .map(|name| format!("{name}={level}"))
            .join(","),
    )
}
