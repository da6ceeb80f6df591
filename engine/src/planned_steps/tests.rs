//! The planned steps of small plans: identities, values, and what is not known yet.

mod stages;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use twinspan_plans::{EffectClass, Inputs};

use crate::clock::VirtualClock;
use crate::driver::trial::{compiled, noon, plan_of};
use crate::event::{Event, RunStarted, StepEvent};
use crate::failure::StepError;
use crate::hand_over::{Act, Create, Find, HandOver, Request, Task, Variable};
use crate::ids::ClaimKey;
use crate::ids::{RunId, Seq};
use crate::kind_meta::{KindMeta, WriteMeta};
use crate::observation::{Applied, Observed, Readiness, Undone};
use crate::planned_steps::{PlannedStep, PlannedTask, foresee};
use crate::registry::Registry;
use crate::signal::Actor;
use crate::state::{RunState, fold};
use crate::step::{Step, StepCx};
use crate::{Digest, Recorded, Rollout};

/// Makes a thing whose number only the answer tells; its path is known before.
struct Numbered;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Params {
    /// Its name.
    name: String,
    /// The number of another.
    #[serde(default)]
    other: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Output {
    /// Its number.
    number: String,
    /// Its path.
    path: String,
    /// How it is.
    state: String,
}

impl Step for Numbered {
    const META: KindMeta = KindMeta::writes(
        "numbered",
        "Make a thing with a number",
        WriteMeta {
            effect: EffectClass::PostWithProbe,
            consistency_delay: Duration::ZERO,
            request_window: Duration::ZERO,
        },
    );

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { name: "a".to_owned(), other: None }
    }

    fn claims(&self, _cx: &StepCx<'_>, _params: &Params) -> Vec<ClaimKey> {
        Vec::new()
    }

    async fn precondition(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Readiness, StepError> {
        panic!("looking ahead reads nothing")
    }

    async fn check(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Observed<Output>, StepError> {
        panic!("looking ahead reads nothing")
    }

    async fn apply(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Applied, StepError> {
        panic!("looking ahead sends nothing")
    }

    async fn undo(&self, _cx: &StepCx<'_>, _params: &Params, _found: &Output) -> Result<Undone, StepError> {
        panic!("looking ahead sends nothing")
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let number = cx.variable("number", format!("number of {}", params.name), None);
        let path = format!("/things/{}", params.name);
        let make = Create {
            look: vec![(Request::default(), Find::default())],
            write: Request {
                path: path.clone(),
                body: Some(json!({ "other": params.other })),
                ..Request::default()
            },
            yields: Some((number.clone(), "number")),
            pass_on: None,
            not_yet: &[],
            there: &[],
        };
        Ok(HandOver {
            task: Some(Task { acts: vec![Act::Create(make)], ..Task::default() }),
            outputs: BTreeMap::from([("number", json!(number.stand_in)), ("path", json!(path))]),
            ..HandOver::default()
        })
    }
}

const IDENTITIES: &str =
    "identities:\n  admin: { contact: a@x.example }\n  other: { contact: o@x.example }\n";

struct Ahead {
    state: RunState,
    registry: Registry,
    seq: u64,
}

impl Ahead {
    fn new(steps: &str) -> Self {
        let registry = Registry::new().with(Numbered);
        let text = plan_of(steps).replacen("steps:\n", &format!("{IDENTITIES}steps:\n"), 1);
        let mut ahead = Ahead { state: RunState::new(compiled(&text, &registry)), registry, seq: 0 };
        ahead.event(Event::RunStarted(Box::new(RunStarted {
            run: RunId::of_seed(7),
            name: "trial".to_owned(),
            plan: Digest::of(b"trial"),
            inputs: Inputs::default(),
            starter: Actor("nina".to_owned()),
            paused: false,
            seed: 7,
            rollout: Rollout::default(),
        })));
        ahead
    }

    fn event(&mut self, event: Event) {
        self.seq += 1;
        fold(&mut self.state, &Recorded { seq: Seq(self.seq), at: noon(), event }).unwrap();
    }

    /// Each step, and what it would send: with `<variable>` for what is not known, or why it cannot be said.
    fn steps(&self) -> Vec<(String, String)> {
        let seen = foresee(&self.state, &self.registry, &VirtualClock::new(noon()));
        let variables: Vec<Variable> =
            seen.iter().filter_map(|step| Some(made(step)?.yields.clone()?.0)).collect();
        let words = |step: &PlannedStep| match &step.planned_task {
            PlannedTask::NotYet(why) => why.clone(),
            PlannedTask::Known(_) => {
                let make = made(step).unwrap();
                let text = format!("{} {}", make.write.path, make.write.body.as_ref().unwrap()["other"]);
                variables.iter().fold(text, |text, variable| {
                    text.replace(&variable.stand_in, &format!("<{}>", variable.name))
                })
            }
        };
        seen.iter().map(|step| (step.key.to_string(), words(step))).collect()
    }
}

fn made(step: &PlannedStep) -> Option<&Create> {
    let PlannedTask::Known(said) = &step.planned_task else { return None };
    match said.task.as_ref()?.acts.first()? {
        Act::Create(make) => Some(make),
        _ => None,
    }
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted.iter().map(|(step, words)| ((*step).to_owned(), (*words).to_owned())).collect()
}

#[test]
fn steps_come_in_the_order_of_their_needs_with_variables_for_what_only_doing_them_tells() {
    let ahead = Ahead::new(concat!(
        "  - { id: last, uses: numbered, as: admin, with: { name: z, other: \"${{ steps.first.number }}\" } }\n",
        "  - { id: first, uses: numbered, as: admin, with: { name: a } }\n",
    ));
    assert_eq!(
        ahead.steps(),
        pairs(&[("first", "/things/a null"), ("last", "/things/z \"<first_number>\"")])
    );
}

#[test]
fn what_another_identity_does_is_known_only_as_far_as_its_kind_foretells_it() {
    let ahead = Ahead::new(concat!(
        "  - { id: one, uses: numbered, as: other, with: { name: a } }\n",
        "  - { id: path, uses: numbered, as: admin, with: { name: b, other: \"${{ steps.one.path }}\" } }\n",
        "  - { id: number, uses: numbered, as: admin, with: { name: c, other: \"no ${{ steps.one.number }}\" } }\n",
        "  - { id: state, uses: numbered, as: other, with: { name: d, other: \"${{ steps.one.state }}\" } }\n",
    ));
    let until =
        |output: &str| format!("it takes `{output}` of step one, which is known only when that step is done");
    let wanted = [
        ("one", "/things/a null"),
        ("path", "/things/b \"/things/a\""),
        ("number", &until("number")),
        ("state", &until("state")),
    ];
    assert_eq!(ahead.steps(), pairs(&wanted));
}

#[test]
fn elements_are_foreseen_and_conditions_that_are_false_are_left_out() {
    let ahead = Ahead::new(concat!(
        "  - id: each\n    for_each: [x, y]\n    steps:\n",
        "      - { id: own, uses: numbered, as: admin, with: { name: \"${{ each.value }}\" } }\n",
        "      - { id: next, uses: numbered, as: admin, with: { name: n, other: \"${{ steps.own.number }}\" } }\n",
        "  - { id: one-of, uses: numbered, as: admin, with: { name: o, other: \"${{ steps.each['x'].own.path }}\" } }\n",
        "  - { id: never, uses: numbered, as: admin, when: \"${{ run.id == 'x' }}\", with: { name: v } }\n",
        "  - { id: perhaps, uses: numbered, as: admin, when: \"${{ steps.one-of.state == 'x' }}\", with: { name: p } }\n",
    ));
    let steps = ahead.steps();
    let of = |key: &str| steps.iter().find(|(step, _)| step == key).map(|(_, words)| words.as_str());
    assert_eq!(of("each[y].own"), Some("/things/y null"));
    let next = of("each[y].next").unwrap();
    assert!(next.contains("each_y__own_") && next.contains("_number>"), "{next}");
    assert_ne!(of("each[x].next"), of("each[y].next"));
    assert_eq!(of("one-of"), Some("/things/o \"/things/x\""));
    assert_eq!(of("never"), None);
    assert_eq!(of("perhaps"), Some("/things/p null"), "what cannot be told yet may come");
    assert_eq!(steps.len(), 6, "{steps:#?}");
}

#[test]
fn an_output_that_a_person_stated_is_used() {
    let mut ahead = Ahead::new(concat!(
        "  - { id: one, uses: numbered, as: other, with: { name: a } }\n",
        "  - { id: two, uses: numbered, as: admin, with: { name: b, other: \"${{ steps.one.number }}\" } }\n",
    ));
    let stated =
        StepEvent::Provided { output: "number".to_owned(), value: json!("41"), by: Actor("nina".to_owned()) };
    ahead.event(Event::Step { step: "one".into(), event: stated });
    assert_eq!(ahead.steps()[1].1, "/things/b \"41\"");
    let item = ahead.state.find(&"one".into()).unwrap();
    let stated = &item.stated().unwrap()["number"];
    assert_eq!((&stated.value, stated.by.0.as_str(), stated.at), (&json!("41"), "nina", noon()));
}
