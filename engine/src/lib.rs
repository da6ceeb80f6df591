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
mod clock;
mod contents;
mod decide;
mod decision;
mod drift;
mod driver;
mod event;
mod failure;
mod guards;
mod hand_over;
mod ids;
mod journal;
mod perform;
mod permission;
mod planned_steps;
mod preview;
mod registry;
mod rollout;
mod schedule;
mod search;
mod signal;
mod state;
mod step;
mod suggested;
mod wait;

pub use accounts::{Group, own_account};
pub use backend::{
    BackedUp, Backend, BackendError, Begins, BoxFuture, DriveOptions, Durability, Filter, InboxFile,
    JournalReport, LEASE, LeaseHolder, Mode, NewRollout, NewRun, Opening, Parked, Remarks, RunSummary, Runs,
    SignalOutcome, SqliteBackend, Started, StopToken, Stopper,
};
pub use clock::{Clock, Now, SystemClock, VirtualClock};
pub use contents::{Content, Contents};
pub use decide::{
    Command, Effect, NOT_DELETED, SignalRefused, check_signal, choices, claim_clash, decide, interpret,
    legal_commands, take_signal,
};
pub use drift::{DriftState, FieldChange, Finding, NotRepairable, look, repairs};
pub use event::{
    Event, Evidence, Origin, Outcome, ReadProof, Recorded, RunStarted, StepEvent, TakeOver, TakenBecause,
};
pub use failure::{Certainty, FailureClass, StepError};
pub use guards::{Guard, Guarded, Guards};
pub use hand_over::{Act, Back, Create, Find, Fits, HandOver, Removal, Request, Task, Variable};
pub use ids::{Epoch, RunId, Seq, SignalId, StepKey};
pub use journal::{
    Acceptance, CutPoint, CutPoints, Examination, Sharing, Transcript, Wider, belongs_to_another,
    examine as examine_journal, recover as recover_journal,
};
pub use perform::{Fact, Job, KindRules, Performer, READ_SERVES, Reads, Seen, panic_becomes_failure};
pub use permission::Permission;
pub use planned_steps::{PlannedStep, PlannedTask, foresee};
pub use preview::{PlannedChange, Preview, Previewed, preview};
pub use registry::{Kind, Registry};
pub use rollout::{Created, EarlierRun, Labels, LeftOver, Rollout, RunKey, left_over};
pub use search::{Sought, SoughtState, lost_tail};
pub use signal::{Actor, Choice, Repair, Signal, SignalRow};
pub use state::{
    Absence, BlockState, Control, Counts, Direction, Goal, HaltedBlock, IllegalTransition, ItemKind,
    ItemView, OpenWait, Pause, Proof, RunState, RunStatus, Stated, StepState, Verified, Waiting, fold,
};
pub use step::{
    ActedAs, Applied, Approval, AttemptLog, Cause, ClaimKey, Compare, Decision, DeleteDelay, Difference,
    Exchange, Identity, Marker, Misfit, Observed, Phase, Readiness, Step, StepCx, Undone,
};
pub use twinspan_plans::expr::SECRET;
pub use twinspan_plans::{Clash, Digest, EffectClass, Ensure, Identities, parse_duration};
pub use wait::{Approvers, Wait, WaitKind};
