//! The same plan and inputs have the same instances when the inputs are bound, before a run, and in the run.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_plans::{Identities, Inputs, RawInputs};

use crate::backend::Backend;
use crate::check::Check;
use crate::clock::Clock;
use crate::driver::trial::{self, Trial};
use crate::event::{Event, RunStarted};
use crate::failure::StepError;
use crate::ids::{RunId, Seq};
use crate::kind_meta::KindMeta;
use crate::observation::{Marker, Observed};
use crate::planned_steps::{KnownReadings, foresee, outlines};
use crate::registry::Registry;
use crate::signal::Actor;
use crate::state::{RunState, StepState, fold};
use crate::step::StepCx;
use crate::{Digest, Recorded, Rollout};

/// Lists names that only the run learns.
struct Listing;

#[derive(Serialize, Deserialize, JsonSchema)]
struct ListingParams {
    /// The names.
    #[serde(default)]
    names: Vec<String>,
    /// Others, by key.
    #[serde(default)]
    others: BTreeMap<String, Named>,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Named {
    /// Its name.
    name: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct ListingOutput {
    /// The names.
    names: Vec<String>,
}

impl Check for Listing {
    const META: KindMeta =
        KindMeta { identities: Identities::None, ..KindMeta::reads("listing", "List names") };
    type Params = ListingParams;
    type Output = ListingOutput;

    fn example() -> ListingParams {
        ListingParams { names: Vec::new(), others: BTreeMap::new() }
    }

    async fn check(
        &self,
        _cx: &StepCx<'_>,
        params: &ListingParams,
    ) -> Result<Observed<ListingOutput>, StepError> {
        let output = ListingOutput { names: params.names.clone() };
        Ok(Observed::Present { output, marker: Marker::NoPlace })
    }
}

/// A step and its parameters, as JSON.
type Steps = Vec<(String, String)>;

/// What each stage says.
struct Stages {
    /// The steps, or the codes and messages of the diagnostics.
    bound: Result<Steps, String>,
    foreseen: Steps,
    run: Steps,
    /// Errors of the run's items.
    failed: Vec<String>,
}

fn registry(trial: &Trial) -> Arc<Registry> {
    let world = &trial.world;
    let things =
        Registry::new().with(trial::Thing(Arc::clone(world))).check(trial::Person(Arc::clone(world)));
    Arc::new(things.check(Listing))
}

fn never_run(text: &str, inputs: Inputs, registry: &Registry) -> RunState {
    let plan = trial::compiled(text, registry);
    let started = RunStarted {
        run: RunId::of_seed(7),
        name: "trial".to_owned(),
        plan: Digest::of(b"trial"),
        inputs,
        starter: Actor("nina".to_owned()),
        paused: false,
        seed: 7,
        rollout: Rollout::default(),
    };
    let mut state = RunState::new(plan);
    let event = Event::RunStarted(Box::new(started));
    fold(&mut state, &Recorded { seq: Seq(1), at: trial::noon(), event }).unwrap();
    state
}

/// Runs a plan through all stages. `declared` are its inputs, `inputs` their values as JSON.
async fn stages(declared: &str, steps: &str, inputs: &str) -> Stages {
    let trial = Trial::new();
    let registry = registry(&trial);
    let text = trial::plan_of(steps).replacen("steps:\n", &format!("inputs: {{ {declared} }}\nsteps:\n"), 1);
    let plan = trial::compiled(&text, &registry);
    let mut raw = RawInputs::new();
    raw.file("inputs.yaml", inputs.as_bytes(), &mut |_| Err("no other file".to_owned())).unwrap();
    let bound = plan.bind(&raw);
    let given = match &bound {
        Ok(inputs) => inputs.clone(),
        // A run whose inputs were not bound: the other stages do not depend on that.
        Err(_) => serde_json::from_str(inputs).unwrap(),
    };
    let bound = bound.map_err(|problems| problems.render(false)).map(|inputs| {
        let known = plan.known_params(&inputs).into_iter().filter(|known| known.certain);
        known
            .map(|known| {
                let values = serde_json::Map::from_iter(known.values);
                (known.instance, Value::Object(values).to_string())
            })
            .collect()
    });
    let state = never_run(&text, given.clone(), &registry);
    let (seen, _) = outlines(&state, &registry, &*trial.clock, &KnownReadings::new(), false);
    let foreseen = seen.into_iter().filter(|outline| outline.applies).map(|outline| {
        let params = outline.params.map_or_else(|| "?".to_owned(), |params| params.to_string());
        (outline.key.to_string(), params)
    });
    let foreseen = foreseen.collect();
    let clock: Arc<dyn Clock> = Arc::clone(&trial.clock) as Arc<dyn Clock>;
    let opening = crate::journal::Opening::rehearsal(Arc::clone(&registry), Arc::clone(&clock));
    let backend = crate::sqlite_backend::SqliteBackend::open(&trial.path(), opening).unwrap();
    let mut new = trial::new_run(&registry, 7, &text);
    new.inputs = given;
    let run = new.run;
    backend.start(new).await.unwrap();
    let performer = Arc::new(crate::perform::Performer::new(Arc::clone(&registry), clock));
    let (_stopper, stop) = crate::backend::StopToken::new();
    let options = crate::backend::DriveOptions { until_blocked: true, ..Default::default() };
    backend.drive(crate::backend::Runs::These(vec![run]), performer, options, stop).await.unwrap();
    let state = backend.load(run).await.unwrap();
    let begun = state.steps().filter_map(|item| Some((item.key().to_string(), item.params()?.to_string())));
    let failed = state.outline().into_iter().filter_map(|item| {
        if let Some(crate::state::BlockState::Failed(error)) = item.block_state() {
            return Some(format!("{}: {error}", item.key()));
        }
        match item.state()? {
            StepState::Failed { error, .. } => Some(format!("{}: {error}", item.key())),
            _ => None,
        }
    });
    Stages { bound, foreseen, run: begun.collect(), failed: failed.collect() }
}

impl Stages {
    /// Checks that all stages have the same steps, and returns them.
    fn agree(self) -> Steps {
        let sorted = |mut steps: Steps| {
            steps.sort();
            steps
        };
        assert_eq!(self.failed, [] as [&str; 0], "the run failed");
        let bound = sorted(self.bound.unwrap_or_else(|text| panic!("{text}")));
        assert_eq!(bound, sorted(self.foreseen), "bound, then foreseen");
        assert_eq!(bound, sorted(self.run.clone()), "bound, then run");
        self.run
    }

    /// Checks that every stage refuses the elements for the same reason.
    fn refuse(self, why: &str) {
        let bound = self.bound.expect_err("bound");
        // Keys of a map in a file are refused where they are written, in words of their own.
        let in_file = bound.contains("TS0410") && bound.contains("second time");
        assert!(bound.contains(why) || in_file, "bound: {bound}");
        assert_eq!(self.foreseen, [], "foreseen");
        assert_eq!(self.failed.len(), 1, "{:?}", self.failed);
        assert!(self.failed[0].contains(why), "{:?}", self.failed);
    }
}

fn names(steps: &Steps) -> Vec<&str> {
    steps.iter().map(|(name, _)| name.as_str()).collect()
}

const LIST: &str = "all: { type: list, of: string }";
const MAP: &str = "all: { type: map, of: string }";

/// One step for each element of the input `all`.
const EACH: &str = "  - { id: make, for_each: \"${{ inputs.all }}\", uses: thing, with: { name: \"${{ each.key }}\", value: v } }\n";

const NETWORK: &str =
    "/subscriptions/b/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet-App";

#[tokio::test]
async fn elements_have_the_same_keys_and_order_at_every_stage() {
    let found =
        stages(LIST, EACH, &format!("{{\"all\": [\"z\", \"{NETWORK}/\", \"a b\", \"a.b\"]}}")).await.agree();
    let key = twinspan_plans::elements::element_key(NETWORK);
    assert_eq!(names(&found), ["make[z]", &format!("make[{key}]"), "make[a b]", "make[a.b]"]);
    assert_eq!(
        found[1].1,
        format!("{{\"name\":\"{key}\",\"value\":\"v\"}}"),
        "`each.key` names the instance"
    );
    let found = stages(MAP, EACH, "{\"all\": {\"b\": \"1\", \"A\": \"2\"}}").await.agree();
    assert_eq!(names(&found), ["make[b]", "make[A]"]);
}

#[tokio::test]
async fn two_notations_of_one_element_are_refused_at_every_stage() {
    let other = NETWORK.replace("vnet-App", "vnet-app");
    for (ty, all, why) in [
        (LIST, format!("[\"{NETWORK}\", \"{other}\"]"), "are not case-sensitive"),
        (LIST, format!("[\"{NETWORK}\", \"{NETWORK}/\"]"), "twice"),
        (LIST, "[\"x\", \"X\"]".to_owned(), "twice"),
        (MAP, "{\"x\": \"1\", \"X\": \"2\"}".to_owned(), "twice"),
        (MAP, format!("{{\"{NETWORK}\": \"1\", \"{other}/\": \"2\"}}"), "twice"),
        // A resource id and its key are one name in `needs` and references.
        (
            MAP,
            format!(
                "{{\"{NETWORK}\": \"1\", \"{}\": \"2\"}}",
                twinspan_plans::elements::element_key(NETWORK)
            ),
            "twice",
        ),
    ] {
        stages(ty, EACH, &format!("{{\"all\": {all}}}")).await.refuse(why);
    }
}

#[tokio::test]
async fn a_key_that_makes_instance_names_ambiguous_is_refused_at_every_stage() {
    // `outer[x].inner[y]` would be the element `x].inner[y` of `outer`, too.
    for (ty, all) in [
        (LIST, "[\"x].inner[y\"]"),
        (LIST, "[\"a]b\"]"),
        (LIST, "[\"a[b\"]"),
        (LIST, "[\"\"]"),
        (LIST, "[\"a\\nb\"]"),
        (MAP, "{\"a]b\": \"1\"}"),
        (MAP, "{\"\": \"1\"}"),
    ] {
        stages(ty, EACH, &format!("{{\"all\": {all}}}")).await.refuse("cannot name an instance");
    }
}

#[tokio::test]
async fn the_inner_each_hides_the_outer_one_only_inside() {
    let declared = "all: { type: map, of: { on: { type: bool }, zone: { type: string }, parts: { type: list, of: string } } }";
    let steps = concat!(
        "  - id: zone\n    for_each: [north, south]\n    uses: thing\n    with: { name: \"${{ each.key }}\", value: v }\n",
        "  - id: outer\n    for_each: ${{ inputs.all }}\n    when: ${{ each.value.on }}\n",
        "    needs: [\"zone[${{ each.value.zone }}]\"]\n    steps:\n",
        "      - id: inner\n        for_each: ${{ each.value.parts }}\n        uses: thing\n",
        "        with: { name: \"${{ each.outer.key }}-${{ each.key }}-${{ each.outer.value.zone }}\", value: \"${{ each.value }}\" }\n",
    );
    let inputs = "{\"all\": {\"a\": {\"on\": true, \"zone\": \"North\", \"parts\": [\"x\", \"y\"]}, \"b\": {\"on\": false, \"zone\": \"south\", \"parts\": [\"x\"]}}}";
    let found = stages(declared, steps, inputs).await.agree();
    assert_eq!(names(&found), ["zone[north]", "zone[south]", "outer[a].inner[x]", "outer[a].inner[y]"]);
    assert_eq!(found[3].1, "{\"name\":\"a-y-North\",\"value\":\"y\"}");
}

#[tokio::test]
async fn elements_are_not_evaluated_while_the_condition_before_them_is_false() {
    let steps = "  - { id: make, when: \"${{ run.id == 'x' }}\", for_each: \"${{ inputs.all }}\", uses: thing, with: { name: a, value: v } }\n";
    let known = steps.replace("run.id == 'x'", "inputs.on");
    let declared = format!("{LIST}, on: {{ type: bool }}");
    let found = stages(&declared, &known, "{\"all\": [\"x\", \"X\"], \"on\": false}").await.agree();
    assert_eq!(found, []);
    // Neither are elements that only another step knows.
    let steps = concat!(
        "  - { id: list, uses: listing, with: { names: [a] } }\n",
        "  - id: block\n    for_each: ${{ steps.list.names }}\n    when: ${{ inputs.on }}\n    steps:\n",
        "      - { id: make, uses: thing, with: { name: \"${{ each.value }}\", value: v } }\n",
    );
    let found = stages("on: { type: bool }", steps, "{\"on\": false}").await.agree();
    assert_eq!(names(&found), ["list"]);
}

#[tokio::test]
async fn outputs_of_no_instance_are_an_empty_map_and_those_of_unknown_instances_are_not_known() {
    let steps = concat!(
        "  - { id: list, uses: listing, with: { names: [a] } }\n",
        "  - id: none\n    for_each: ${{ inputs.all }}\n    uses: thing\n    with: { name: a, value: v }\n",
        "  - id: later\n    for_each: ${{ steps.list.names }}\n    uses: thing\n    with: { name: a, value: v }\n",
        "  - { id: of-none, uses: listing, with: { others: \"${{ steps.none }}\" } }\n",
        "  - { id: of-later, uses: listing, with: { others: \"${{ steps.later }}\" } }\n",
        "  - { id: of-one, uses: thing, with: { name: \"${{ steps.later['a'].name }}\", value: v } }\n",
    );
    let found = stages(LIST, steps, "{\"all\": []}").await;
    let of = |steps: &Steps, key: &str| {
        steps.iter().find(|(step, _)| step == key).map(|(_, params)| params.clone()).unwrap()
    };
    assert_eq!(of(&found.run, "of-none"), "{\"others\":{}}");
    assert_eq!(of(&found.foreseen, "of-none"), of(&found.run, "of-none"));
    assert_eq!(of(&found.run, "of-later"), "{\"others\":{\"a\":{\"name\":\"a\"}}}");
    assert_eq!(of(&found.foreseen, "of-later"), "?");
    assert_eq!(of(&found.foreseen, "of-one"), "?");
}

#[tokio::test]
async fn an_element_that_the_run_does_not_have_waits_for_what_its_collection_waits_for() {
    let trial = Trial::new();
    let steps = concat!(
        "  - { id: first, uses: thing, with: { name: a, value: v } }\n",
        "  - id: block\n    for_each: [x]\n    needs: [first]\n    steps:\n",
        "      - { id: inside, uses: thing, with: { name: \"${{ each.value }}\", value: v } }\n",
        "  - { id: one, for_each: [x], needs: [first], uses: thing, with: { name: b, value: v } }\n",
    );
    let registry = registry(&trial);
    let state = never_run(&trial::plan_of(steps), Inputs::default(), &registry);
    let after: Vec<(String, Vec<String>)> = foresee(&state, &registry, &*trial.clock)
        .into_iter()
        .map(|step| (step.key.to_string(), step.after.iter().map(ToString::to_string).collect()))
        .collect();
    let first = || vec!["first".to_owned()];
    let wanted = [("first", Vec::new()), ("block[x].inside", first()), ("one[x]", first())];
    assert_eq!(after, wanted.map(|(step, after)| (step.to_owned(), after)));
}
