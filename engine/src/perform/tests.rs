//! A step that does not respond, panics, or gets unreadable input still ends in a fact.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twinspan_plans::{EffectClass, Ensure};

use super::{Job, Performer, Seen};
use crate::clock::Clock;
use crate::failure::{Certainty, FailureClass, StepError};
use crate::ids::ClaimKey;
use crate::ids::RunId;
use crate::kind_meta::{KindMeta, WriteMeta};
use crate::observation::{Applied, Marker, Observed, Phase, Readiness, Undone};
use crate::registry::Registry;
use crate::step::{Step, StepCx};

/// A clock on which every sleep ends at once.
#[derive(Debug)]
struct Hasty;

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }

    fn steady(&self) -> Timestamp {
        self.now()
    }

    fn sleep(&self, _time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

struct Moody;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    mood: String,
    #[serde(default)]
    inner: Option<Inner>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Inner {
    count: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Output {
    id: String,
}

impl Step for Moody {
    const META: KindMeta = KindMeta::writes(
        "test.moody",
        "Do as the mood is",
        WriteMeta {
            effect: EffectClass::PutSame,
            consistency_delay: Duration::from_secs(9),
            request_window: Duration::ZERO,
        },
    );

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { mood: "good".to_owned(), inner: None }
    }

    fn claims(&self, _cx: &StepCx<'_>, params: &Params) -> Vec<ClaimKey> {
        vec![ClaimKey(params.mood.clone())]
    }

    async fn check(&self, _cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        match params.mood.as_str() {
            "good" => {
                Ok(Observed::Present { output: Output { id: "it".to_owned() }, marker: Marker::NoPlace })
            }
            "panic" => panic!("out of spirits"),
            "silent" => std::future::pending().await,
            _ => Ok(Observed::Absent),
        }
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        if params.mood == "early" {
            return std::future::pending().await;
        }
        cx.log.take_write("the write")?;
        match params.mood.as_str() {
            "panic" => panic!("out of spirits"),
            "twice" => cx.log.take_write("another").map(|()| Applied::default()),
            "silent" => std::future::pending().await,
            _ => Ok(Applied { receipt: Some(json!("thanks")) }),
        }
    }

    async fn undo(&self, _cx: &StepCx<'_>, _params: &Params, found: &Output) -> Result<Undone, StepError> {
        Ok(Undone::Kept(found.id.clone()))
    }
}

fn perform(phase: Phase, params: Value, found: Option<Value>) -> Result<Seen, StepError> {
    perform_for(Ensure::Present, phase, params, found)
}

fn perform_for(ensure: Ensure, phase: Phase, params: Value, found: Option<Value>) -> Result<Seen, StepError> {
    let performer = Performer::new(Arc::new(Registry::new().with(Moody)), Arc::new(Hasty));
    let job = Job {
        run: RunId(uuid::Uuid::from_u128(1)),
        step: "s".into(),
        owner: None,
        kind: "test.moody".to_owned(),
        phase,
        ensure,
        attempt: 1,
        params: Arc::new(params),
        identities: Vec::new(),
        others: Vec::new(),
        auxiliary: None,
        since: Timestamp::UNIX_EPOCH,
        waited: Duration::ZERO,
        asked: crate::ids::Seq(1),
        earlier: Arc::default(),
        overwrites: false,
        decided: None,
        created: Vec::new(),
        approval: None,
        receipt: None,
        needed_receipts: Vec::new(),
        stated: Default::default(),
        found: found.map(Arc::new),
        timeout: Duration::from_secs(300),
        written: None,
        reads: crate::job::Reads::Own,
        guards: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let fact = runtime.block_on(performer.perform(job));
    assert_eq!(fact.rules.settle, Duration::from_secs(9));
    fact.result
}

fn mood(mood: &str) -> Value {
    json!({ "mood": mood })
}

#[test]
fn a_look_brings_what_was_found_what_is_claimed_and_in_a_probe_whether_it_may_be_written() {
    let seen = |phase, params| match perform(phase, params, None) {
        Ok(Seen::Checked { observed, readiness, claims, .. }) => (observed, readiness, claims.len()),
        other => panic!("{other:?}"),
    };
    let (observed, readiness, claims) = seen(Phase::Probe, mood("good"));
    assert_eq!(observed, Observed::Present { output: json!({ "id": "it" }), marker: Marker::NoPlace });
    assert_eq!((readiness, claims), (None, 1));
    assert_eq!(seen(Phase::Probe, mood("bad")), (Observed::Absent, Some(Readiness::Ready), 1));
    assert_eq!(seen(Phase::Verify, mood("bad")).1, None);
}

#[test]
fn what_does_not_answer_is_ended_and_uncertain_only_once_its_write_was_begun() {
    for (phase, params, certainty) in [
        (Phase::Verify, mood("silent"), Certainty::NotDone),
        (Phase::Apply, mood("early"), Certainty::NotDone),
        (Phase::Apply, mood("silent"), Certainty::Unknown),
    ] {
        let error = perform(phase, params, None).unwrap_err();
        assert_eq!((error.class, error.certainty), (FailureClass::Transient, certainty), "{error}");
        assert!(error.message.contains("300 s"));
    }
}

#[test]
fn a_panic_is_a_bug_of_the_kind_and_not_the_end() {
    for (phase, certainty) in [(Phase::Probe, Certainty::NotDone), (Phase::Apply, Certainty::Unknown)] {
        let error = perform(phase, mood("panic"), None).unwrap_err();
        assert_eq!((error.class, error.certainty), (FailureClass::Bug, certainty));
        assert!(error.message.contains("out of spirits"));
    }
}

#[test]
fn a_second_write_is_stopped() {
    let error = perform(Phase::Apply, mood("twice"), None).unwrap_err();
    assert_eq!(error.class, FailureClass::Bug);
    assert!(perform(Phase::Apply, mood("fine"), None).is_ok());
}

#[test]
fn parameters_that_cannot_be_read_are_named_with_their_place() {
    let wrong = json!({ "mood": "good", "inner": { "count": "many" } });
    let error = perform(Phase::Probe, wrong, None).unwrap_err();
    assert_eq!(error.class, FailureClass::PlanWrong);
    assert!(error.message.contains("with.inner.count of test.moody"), "{error}");
    let error = perform(Phase::Probe, json!({ "mood": "good", "extra": 1 }), None).unwrap_err();
    assert!(error.message.contains("extra"), "{error}");
}

#[test]
fn undo_is_told_what_was_found() {
    let kept = perform(Phase::Undo, mood("good"), Some(json!({ "id": "this" })));
    assert_eq!(kept, Ok(Seen::Undone(Undone::Kept("this".to_owned()))));
    assert_eq!(perform(Phase::Undo, mood("good"), None).unwrap_err().class, FailureClass::Bug);
}

#[test]
fn what_is_to_be_gone_is_looked_at_and_removed_as_in_undo() {
    let found = || Some(json!({ "id": "it" }));
    let removed = perform_for(Ensure::Absent, Phase::Apply, mood("good"), found()).unwrap();
    assert_eq!(removed, Seen::Undone(Undone::Kept("it".to_owned())), "its one write is the removal");
    let seen = perform_for(Ensure::Absent, Phase::Probe, mood("bad"), None).unwrap();
    assert!(
        matches!(seen, Seen::Checked { observed: Observed::Absent, readiness: None, .. }),
        "whether it could be made is not asked: {seen:?}"
    );
}
