//! A durable engine that runs plans.
//!
//! ```text
//! events ─fold─▶ RunState ─decide(now)─▶ effects ─perform(Step)─▶ fact ─interpret─▶ events, appended
//! ```
//!
//! The event journal is the authoritative record. `fold`, `decide`, `interpret` and `take_signal` are pure functions that
//! contain every rule; the driver sleeps, the performer calls steps, the journal stores events.

mod accounts;
mod attempt_log;
mod backend;
mod check;
mod clock;
mod contents;
mod decide;
mod decision;
mod digest;
mod drift;
mod drift_check;
mod driver;
mod earlier_runs;
mod error;
mod event;
mod failure;
mod finding;
mod future;
mod guards;
mod hand_over;
mod identity;
mod ids;
mod job;
mod journal;
mod kind_meta;
mod observation;
mod ownership;
mod perform;
mod permission;
mod plan_cache;
mod planned_steps;
mod preview;
mod registry;
mod remote;
mod rollout;
mod schedule;
mod search;
mod signal;
mod sqlite_backend;
mod state;
mod step;
mod suggested;
mod wait;

pub use accounts::{Group, own_account};
pub use attempt_log::{AttemptLog, Exchange};
pub use backend::{
    Backend, Begins, DriveOptions, Filter, NewRollout, NewRun, Parked, RunSummary, Runs, Started, StopToken,
    Stopper,
};
pub use check::{Check, Reading};
pub use clock::{Clock, Now, SystemClock, VirtualClock};
pub use contents::{Content, Contents};
pub use decide::{
    Command, Effect, NOT_DELETED, check_signal, choices, decide, interpret, legal_commands, take_signal,
};
pub use decision::{Cause, Decision, Difference};
pub use drift::{NotRepairable, RepairAct, repairs};
pub use drift_check::look;
pub use earlier_runs::{LeftOver, left_over};
pub use error::{BackendError, LeaseHolder};
pub use event::{Event, Origin, Outcome, Recorded, RunStarted, StepEvent, TakeOver, TakenBecause};
pub use failure::{Certainty, FailureClass, StepError};
pub use finding::{DriftState, FieldChange, Finding, Sought, SoughtState};
pub use future::BoxFuture;
pub use guards::{Guard, Guards};
pub use hand_over::{Act, Back, Create, Find, Fits, HandOver, Removal, Request, Task, Variable};
pub use identity::{ActedAs, Identity};
pub use ids::{ClaimKey, Epoch, RunId, Seq, SignalId, StepKey};
pub use job::{Fact, Job, KindRules, READ_SERVES, Reads, Seen};
pub use journal::{
    Acceptance, CutPoint, CutPoints, Durability, Examination, JournalReport, LEASE, Mode, Opening, Remarks,
    Sharing, Transcript, Wider, belongs_to_another, examine as examine_journal, recover as recover_journal,
};
pub use kind_meta::{DeleteDelay, KindMeta, WriteMeta};
pub use observation::{
    Applied, Evidence, Guarded, Marker, Observed, Phase, ReadProof, Readiness, Undone, id_of,
};
pub use ownership::{KeepReason, PlannedUndo, UndoRule};
pub use perform::{Performer, panic_becomes_failure};
pub use permission::Permission;
pub use planned_steps::{PlannedStep, PlannedTask, foresee};
pub use preview::{PlannedChange, Preview, Previewed, preview};
pub use registry::{Kind, Registry};
pub use remote::Remote;
pub use rollout::{Created, EarlierRun, Labels, Rollout, RunKey};
pub use search::lost_tail;
pub use signal::{Actor, Approval, Choice, Repair, Signal, SignalRefused, SignalRow};
pub use sqlite_backend::{BackedUp, InboxFile, SignalOutcome, SqliteBackend};
pub use state::{
    Absence, BlockState, Control, Counts, Direction, Goal, HaltedBlock, IllegalTransition, ItemKind,
    ItemView, OpenWait, Pause, Proof, RunState, RunStatus, Stated, StepState, Verified, Waiting, fold,
};
pub use step::{Compare, Misfit, Step, StepCx};
pub use twinspan_plans::expr::SECRET;
pub use twinspan_plans::{Clash, Digest, EffectClass, Ensure, Identities, parse_duration};
pub use wait::{Approvers, Wait, WaitKind};
