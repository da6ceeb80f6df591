//! Previews of small plans.

use std::sync::Arc;

use twinspan_plans::Inputs;

use super::{PlannedChange, Preview, Previewed, preview};
use crate::driver::trial::{Trial, compiled, plan_of};
use crate::failure::FailureClass;
use crate::ids::RunId;
use crate::rollout::Rollout;

async fn looked_at(trial: &Trial, steps: &str) -> Preview {
    let identities = "identities:\n  boss: { contact: boss@x.example }\n";
    let text = plan_of(steps).replacen("steps:\n", &format!("{identities}steps:\n"), 1);
    let plan = compiled(&text, &trial.registry);
    preview(plan, Inputs::default(), RunId::of_seed(7), Rollout::default(), trial.performer()).await.unwrap()
}

fn of<'p>(preview: &'p Preview, key: &str) -> &'p Previewed {
    preview.steps.iter().find(|step| &*step.key.0 == key).unwrap_or_else(|| panic!("{key}: {preview:#?}"))
}

fn after(preview: &Preview, key: &str) -> Vec<String> {
    of(preview, key).after.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_is_there_tells_the_parameters_of_what_comes_next_and_what_is_not_leaves_them_unknown() {
    let trial = Trial::new();
    trial.world.place("a");
    trial.world.place("copy-of-a");
    let preview = looked_at(
        &trial,
        concat!(
            "  - { id: there, uses: thing, with: { name: a, value: v, claim: true } }\n",
            "  - { id: copy, uses: thing, with: { name: \"copy-of-${{ steps.there.name }}\", value: v, claim: true } }\n",
            "  - { id: next, uses: thing, with: { name: \"next-${{ steps.copy.name }}\", value: v, claim: true } }\n",
            "  - { id: last, uses: thing, with: { name: \"last-${{ steps.next.name }}\", value: v, claim: true } }\n",
        ),
    )
    .await;
    assert_eq!(of(&preview, "there").planned, PlannedChange::Unchanged);
    assert_eq!(of(&preview, "copy").planned, PlannedChange::Unchanged, "found by what `there` put out");
    assert_eq!(of(&preview, "next").planned, PlannedChange::WouldCreate { gate: None });
    assert_eq!(of(&preview, "next").params.as_ref().unwrap()["name"], "next-copy-of-a");
    let last = of(&preview, "last");
    let PlannedChange::Unknown { why } = &last.planned else { panic!("{last:#?}") };
    assert_eq!(why, "it takes `name` of step next, which is known only when that step is done");
    assert_eq!(after(&preview, "last"), ["next"]);
    assert_eq!(after(&preview, "next"), [] as [&str; 0]);
    assert_eq!(trial.world.ledger(), [] as [&str; 0], "nothing was written");
    assert!(!trial.path().exists(), "and nothing kept");
}

#[tokio::test]
async fn people_and_gates_are_told_and_conditions_that_are_false() {
    let trial = Trial::new();
    let preview = looked_at(
        &trial,
        concat!(
            "  - { id: nina, uses: person, with: { act: tea } }\n",
            "  - { id: gated, uses: thing, approval: { by: [boss] }, with: { name: a, value: v } }\n",
            "  - { id: behind, uses: person, needs: [gated], with: { act: cake } }\n",
            "  - { id: never, uses: thing, when: \"${{ run.id == 'x' }}\", with: { name: n, value: v } }\n",
            "  - { id: free, uses: thing, needs: [never], with: { name: f, value: v } }\n",
        ),
    )
    .await;
    let PlannedChange::Waits(wait) = &of(&preview, "nina").planned else { panic!("{preview:#?}") };
    assert_eq!(wait.what, "tea is not done");
    let PlannedChange::WouldCreate { gate: Some(gate) } = &of(&preview, "gated").planned else {
        panic!("{preview:#?}")
    };
    assert_eq!(gate.who.as_deref(), Some("boss"));
    assert_eq!(gate.action.as_deref(), Some("twinspan approve RUN gated"));
    let PlannedChange::Unknown { why } = &of(&preview, "behind").planned else { panic!("{preview:#?}") };
    assert_eq!(why, "as it is now: cake is not done");
    assert_eq!(after(&preview, "behind"), ["gated"]);
    assert_eq!(of(&preview, "never").planned, PlannedChange::ConditionFalse);
    assert_eq!(after(&preview, "free"), [] as [&str; 0], "what does not apply is no obstacle");
}

#[tokio::test]
async fn an_element_waits_for_its_own_and_a_need_with_a_key_for_that_one() {
    let trial = Trial::new();
    trial.world.place("x");
    let preview = looked_at(
        &trial,
        concat!(
            "  - id: each\n    for_each: [x, y]\n    steps:\n",
            "      - { id: own, uses: thing, with: { name: \"${{ each.value }}\", value: v, claim: true } }\n",
            "      - { id: next, uses: thing, needs: [own], with: { name: \"n-${{ each.value }}\", value: v } }\n",
            "  - { id: of-y, uses: thing, needs: [\"each[y]\"], with: { name: o, value: v } }\n",
            "  - { id: of-all, uses: thing, needs: [each], with: { name: p, value: v } }\n",
        ),
    )
    .await;
    assert_eq!(of(&preview, "each[x].own").planned, PlannedChange::Unchanged);
    assert_eq!(after(&preview, "each[x].next"), [] as [&str; 0]);
    assert_eq!(after(&preview, "each[y].next"), ["each[y].own"]);
    assert_eq!(after(&preview, "of-y"), ["each[y].own", "each[y].next"]);
    assert_eq!(after(&preview, "of-all"), ["each[y].own", "each[x].next", "each[y].next"]);
}

#[tokio::test]
async fn a_need_of_a_block_reads_the_element_of_the_block_and_not_the_one_inside() {
    let trial = Trial::new();
    let preview = looked_at(
        &trial,
        concat!(
            "  - { id: zone, for_each: [a, b], uses: thing, with: { name: \"${{ each.value }}\", value: v } }\n",
            "  - id: outer\n    for_each: [a, b]\n    needs: [\"zone[${{ each.value }}]\"]\n    steps:\n",
            "      - { id: inner, for_each: [b, x], uses: thing, with: { name: \"${{ each.value }}\", value: v } }\n",
        ),
    )
    .await;
    assert_eq!(after(&preview, "outer[a].inner[b]"), ["zone[a]"]);
    assert_eq!(after(&preview, "outer[b].inner[x]"), ["zone[b]"]);
}

#[tokio::test]
async fn a_step_that_breaks_is_told_and_the_look_goes_on() {
    let trial = Trial::new();
    let plan = compiled(
        &plan_of(
            "  - { id: one, uses: thing, with: { name: a, value: v } }\n  - { id: two, uses: person, with: { act: b } }\n",
        ),
        &trial.registry,
    );
    // The previewing program lacks a kind that the checking program had.
    let lacking =
        crate::registry::Registry::new().check(crate::driver::trial::Person(Arc::clone(&trial.world)));
    let clock: Arc<dyn crate::clock::Clock> = Arc::clone(&trial.clock) as Arc<dyn crate::clock::Clock>;
    let performer = Arc::new(crate::perform::Performer::new(Arc::new(lacking), clock));
    let preview =
        preview(plan, Inputs::default(), RunId::of_seed(7), Rollout::default(), performer).await.unwrap();
    let PlannedChange::Fails(error) = &of(&preview, "one").planned else { panic!("{preview:#?}") };
    assert_eq!(error.class, FailureClass::PlanWrong);
    assert!(matches!(of(&preview, "two").planned, PlannedChange::Waits(_)), "{preview:#?}");
}
