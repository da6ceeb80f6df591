//! How long a service may keep us away.

use std::time::Duration;

/// The longest pause that is believed. Azure's own are counted in minutes.
const LONGEST: Duration = Duration::from_secs(3600);

/// The pause that is kept; where more was asked for, words that say so.
pub(super) fn believed(asked: Option<Duration>) -> (Option<Duration>, Option<String>) {
    match asked {
        Some(asked) if asked > LONGEST => {
            let words = format!("it asks to be left alone for {}; it is asked again after 1 h", span(asked));
            (Some(LONGEST), Some(words))
        }
        asked => (asked, None),
    }
}

/// In the largest unit that fits.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..86_400 => format!("{} h", seconds.div_ceil(3600)),
        _ => format!("{} d", seconds / 86_400),
    }
}
