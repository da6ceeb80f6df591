//! What a delete would remove together with its target, and what an overwrite keeps.

use serde_json::{Value, json};
use twinspan_engine::{Choice, Decision, RunId, Signal, StepKey, StepState, choices};
use twinspan_sim::World;

use crate::conformance::Stage;
use crate::conformance::cases::Act;
use crate::conformance::stage::Process;

const GROUP: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-shared";
const MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group";
const HUB: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-hub";

fn act(kind: &str, params: Value) -> Act {
    Act { kind: kind.to_owned(), params, identities: vec!["central"], auxiliary: None, absent: false }
}

fn resource_group() -> Act {
    let body = json!({ "location": "westeurope" });
    act("arm.resource", json!({ "id": GROUP, "api_version": "2022-09-01", "body": body }))
}

fn network(name: &str) -> Act {
    let id = format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/{name}");
    let space = json!({ "addressPrefixes": ["10.77.0.0/16"] });
    let body = json!({ "location": "westeurope", "properties": { "addressSpace": space } });
    act("arm.resource", json!({ "id": id, "api_version": "2024-10-01", "body": body }))
}

fn group() -> Act {
    act("avnm.network-group", json!({ "network_manager": MANAGER, "name": "ng-shared" }))
}

fn member() -> Act {
    let group = format!("{MANAGER}/networkGroups/ng-shared");
    act("avnm.static-member", json!({ "group": group, "virtual_network": HUB }))
}

/// A run of these steps, one after the other, to its end.
async fn done(stage: &Stage, process: &Process, acts: &[&Act], number: u64) -> RunId {
    let run = stage.accept(process, acts, number).await.unwrap();
    assert_eq!(process.finish(run).await.unwrap(), []);
    run
}

/// The decision that a step of the run needs.
async fn asked(process: &Process, run: RunId, step: &str) -> Option<Decision> {
    let state = process.state(run).await;
    let Some(StepState::NeedsDecision { decision, .. }) = state.find(&StepKey::from(step))?.state().cloned()
    else {
        return None;
    };
    assert!(!choices(&state, &StepKey::from(step)).is_empty());
    Some(*decision)
}

/// Undo of a container needs a decision about resources that others put in, names them, and deletes it only when a
/// person chooses that.
#[tokio::test]
async fn what_others_put_into_a_container_is_not_deleted_unasked() {
    let network_id = format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-of-others");
    for (container, content, named) in
        [(resource_group(), network("vnet-of-others"), network_id.as_str()), (group(), member(), HUB)]
    {
        for choice in [Choice::Adopt, Choice::Overwrite] {
            let stage = Stage::of(World::shipped().unwrap());
            let process = stage.process(None);
            let run = done(&stage, &process, &[&container], 1).await;
            let others = stage.process_at("others.db", None);
            done(&stage, &others, &[&content], 2).await;
            let (before, writes) = (stage.what_exists(), stage.writes());
            process.signal(run, Signal::Undo).await.unwrap();
            process.drive(run).await.unwrap();
            let decision = asked(&process, run, "s0").await.unwrap();
            assert!(decision.differences[0].found.contains(named), "{decision:?}");
            assert_eq!(
                (stage.writes(), stage.what_exists()),
                (writes, before.clone()),
                "nothing is sent before"
            );
            let step = StepKey::from("s0");
            process.signal(run, Signal::Decide { step, choice }).await.unwrap();
            assert_eq!(process.finish(run).await.unwrap(), []);
            assert_eq!(stage.what_exists() == before, choice == Choice::Adopt, "{choice:?}");
        }
    }
}

#[tokio::test]
async fn what_the_run_itself_put_in_is_no_question() {
    for (container, content) in [(resource_group(), network("vnet-own")), (group(), member())] {
        let stage = Stage::of(World::shipped().unwrap());
        let before = stage.what_exists();
        let process = stage.process(None);
        let run = done(&stage, &process, &[&container, &content], 1).await;
        process.signal(run, Signal::Undo).await.unwrap();
        assert_eq!(process.finish(run).await.unwrap(), []);
        assert_eq!(stage.what_exists(), before);
    }
}

/// The same for a plan that orders the removal.
#[tokio::test]
async fn a_plan_that_removes_a_container_asks_about_what_is_in_it() {
    let stage = Stage::of(World::shipped().unwrap());
    let others = stage.process_at("others.db", None);
    done(&stage, &others, &[&resource_group(), &network("vnet-of-others")], 2).await;
    let process = stage.process(None);
    let removal = Act { absent: true, ..resource_group() };
    let run = stage.accept(&process, &[&removal], 1).await.unwrap();
    let writes = stage.writes();
    process.drive(run).await.unwrap();
    let decision = asked(&process, run, "s0").await.unwrap();
    assert!(decision.differences[0].found.contains("vnet-of-others"), "{decision:?}");
    assert_eq!(stage.writes(), writes);
}

/// A field that no update changes: overwriting is neither offered nor accepted.
#[tokio::test]
async fn what_azure_only_recreates_is_not_overwritten() {
    let stage = Stage::of(World::shipped().unwrap());
    let others = stage.process_at("others.db", None);
    done(&stage, &others, &[&resource_group()], 2).await;
    let process = stage.process(None);
    let mut elsewhere = resource_group();
    elsewhere.params["body"]["location"] = json!("northeurope");
    let run = stage.accept(&process, &[&elsewhere], 1).await.unwrap();
    process.drive(run).await.unwrap();
    let decision = asked(&process, run, "s0").await.unwrap();
    assert!(decision.advice.starts_with("location cannot be changed in place: recreate it"), "{decision:?}");
    let state = process.state(run).await;
    assert_eq!(choices(&state, &StepKey::from("s0")), [Choice::Adopt, Choice::Abort, Choice::Recreate]);
    let writes = stage.writes();
    let overwrite = Signal::Decide { step: StepKey::from("s0"), choice: Choice::Overwrite };
    process.signal(run, overwrite).await.ok();
    process.drive(run).await.unwrap();
    assert_eq!(stage.writes(), writes);
}
