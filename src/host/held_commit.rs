//! Debug builds only: holds the journal at a chosen commit, so that a test can kill the process there.
//!
//! `TWINSPAN_HOLD_COMMIT` lists the places, one per line: `before-commit intended STEP`, `after-commit intended STEP`,
//! `before-commit accepted STEP`. The first place that is reached is written to the file `TWINSPAN_HOLD_FILE`; then the
//! journal's
//! thread stops, or panics if the line begins with `panic`. A release build ignores these variables.

use twinspan_engine::Opening;

use crate::cli::environment::Environment;
use crate::cli::error::CommandError;

#[cfg(debug_assertions)]
pub(crate) use places::opening;

#[cfg(not(debug_assertions))]
pub(crate) fn opening(opening: Opening, _environment: &Environment) -> Result<Opening, CommandError> {
    Ok(opening)
}

#[cfg(debug_assertions)]
mod places {
    use std::path::PathBuf;
    use std::sync::Arc;

    use twinspan_engine::{CutPoint, CutPoints, Event, Phase, Recorded, StepEvent};

    use super::{CommandError, Environment, Opening};

    /// `opening` with the places of the environment.
    pub(crate) fn opening(opening: Opening, environment: &Environment) -> Result<Opening, CommandError> {
        let (Some(places), Some(file)) =
            (environment.get("TWINSPAN_HOLD_COMMIT"), environment.path("TWINSPAN_HOLD_FILE"))
        else {
            return Ok(opening);
        };
        let places = places.lines().map(TestJournal::read).collect::<Result<_, _>>()?;
        Ok(opening.cut_points(Arc::new(HeldCommit { places, file })))
    }

    struct HeldCommit {
        places: Vec<TestJournal>,
        file: PathBuf,
    }

    /// A commit at which the journal is held.
    struct TestJournal {
        point: CutPoint,
        event: fn(&StepEvent) -> bool,
        step: String,
        panics: bool,
        text: String,
    }

    impl TestJournal {
        fn read(text: &str) -> Result<Self, CommandError> {
            let wrong =
                || CommandError::usage(format!("TWINSPAN_HOLD_COMMIT: {text:?} is not a valid place"));
            let panics = text.starts_with("panic ");
            let mut words = text.trim_start_matches("panic ").splitn(3, ' ');
            let point = match words.next() {
                Some("before-commit") => CutPoint::BeforeCommit,
                Some("after-commit") => CutPoint::BeforeAnswer,
                _ => return Err(wrong()),
            };
            let event: fn(&StepEvent) -> bool = match words.next() {
                Some("intended") => |event| matches!(event, StepEvent::Intended { phase: Phase::Apply, .. }),
                Some("accepted") => |event| matches!(event, StepEvent::Accepted { phase: Phase::Apply, .. }),
                _ => return Err(wrong()),
            };
            let step = words.next().ok_or_else(wrong)?.to_owned();
            Ok(TestJournal { point, event, step, panics, text: text.to_owned() })
        }

        fn is_in(&self, recorded: &Recorded) -> bool {
            matches!(&recorded.event, Event::Step { step, event } if *step.0 == *self.step && (self.event)(event))
        }
    }

    impl CutPoints for HeldCommit {
        fn cut(&self, _commit: u64, point: CutPoint, events: &[Recorded]) -> bool {
            let reached = self
                .places
                .iter()
                .find(|place| place.point == point && events.iter().any(|recorded| place.is_in(recorded)));
            let Some(place) = reached else { return false };
            if let Err(error) = std::fs::write(&self.file, &place.text) {
                tracing::error!(%error, "the test that waits for this place cannot be notified");
            }
            #[expect(clippy::panic, reason = "test builds only: the end of a process that panics is tested")]
            if place.panics {
                panic!("at {}", place.text);
            }
            loop {
                std::thread::park();
            }
        }
    }
}
