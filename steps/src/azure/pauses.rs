//! Bounds the delays that services request.

use std::time::Duration;

/// The longest delay that is accepted. Azure's own are minutes.
const LONGEST: Duration = Duration::from_secs(3600);

/// The delay to use, and a note if a longer one was requested.
pub(super) fn believed(asked: Option<Duration>) -> (Option<Duration>, Option<String>) {
    match asked {
        Some(asked) if asked > LONGEST => {
            let words = format!(
                "the service requests a delay of {}; the next request is sent after 1 h",
                span(asked)
            );
            (Some(LONGEST), Some(words))
        }
        asked => (asked, None),
    }
}

/// The duration in the largest unit that fits.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..86_400 => format!("{} h", seconds.div_ceil(3600)),
        _ => format!("{} d", seconds / 86_400),
    }
}
