//! The views of a run: one set of structs for `--output json`, for text output, and for the exit code.
//!
//! ```text
//! RunState, events ─▶ RunView ─┬─▶ JSON          a contract: "schema"
//!                              ├─▶ text          words may change
//!                              └─▶ Exit
//! ```

mod drift;
mod event;
mod halted;
mod next;
mod page;
mod run;
mod status;
mod step;
mod summary;
mod text;
mod time;
mod transcript;
mod wait;

pub(crate) use drift::{FindingView, VerificationView, VerificationsView};
pub(crate) use event::{EventView, Words, origin_word, signal_word, step};
pub(crate) use next::resume;
pub(crate) use page::Page;
pub(crate) use run::{Facts, RunView};
pub(crate) use status::{ended, exit, is_blocked};
pub(crate) use step::{EvidenceView, StepView};
pub(crate) use summary::RunsView;
pub(crate) use text::counted;
pub(crate) use time::{ahead, between, span, stamp};
pub(crate) use transcript::{TranscriptView, write_transcripts};
pub(crate) use wait::{Motion, ReminderView, WaitView};
