//! What Azure penalizes when resources are deleted in the wrong order or too soon: neither `undo` nor a plan that
//! deletes runs into it; a plan with a wrong order does.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use twinspan_engine::{
    Choice, CutPoint, CutPoints, Event, Recorded, RunId, RunStatus, Signal, StepEvent, StepKey, StepState,
};
use twinspan_sim::{Lags, World};

use crate::conformance::cases::Act;
use crate::conformance::stage::{Process, Stage};
use crate::disconnect::{MANAGER, TARGET, TENANT, absent, act, network_manager_connection, scope_connection};

const SECOND: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-second";

/// The ready world, in which deletes take a while and haste is penalized.
fn unforgiving() -> Stage {
    let mut world = World::ready().unwrap();
    let lags = Lags {
        delete: SignedDuration::from_secs(20),
        poison: SignedDuration::from_secs(45),
        ..world.lags().clone()
    };
    world.set_lags(lags);
    Stage::of(world)
}

/// A second network manager with a connection and a group.
fn chain() -> Vec<Act> {
    let create = json!({
        "location": "westeurope",
        "scopes": ["/subscriptions/aaaaaaaa-0000-0000-0000-000000000001"],
        "scope_accesses": ["SecurityAdmin"],
    });
    let mut manager = act("avnm.network-manager", &["central"], json!({ "id": SECOND, "create": create }));
    manager.absent = false;
    let mut ours = scope_connection(TARGET);
    ours.params["network_manager"] = json!(SECOND);
    let mut theirs = network_manager_connection();
    theirs.params["network_manager"] = json!(SECOND);
    let group = act("avnm.network-group", &["central"], json!({ "network_manager": SECOND, "name": "ng" }));
    vec![manager, ours, theirs, group]
}

async fn play(stage: &Stage, process: &Process, acts: &[Act], number: u64) -> (RunId, RunStatus) {
    let acts: Vec<&Act> = acts.iter().collect();
    let run = stage.accept(process, &acts, number).await.unwrap();
    let status = process.drive(run).await.unwrap();
    (run, status)
}

fn poisoned(stage: &Stage) -> Value {
    stage.what_exists()["azure"]["network"]["poisoned"].clone()
}

/// Cuts the journal off once the write was accepted.
struct Accepted;

impl CutPoints for Accepted {
    fn cut(&self, _commit: u64, _point: CutPoint, events: &[Recorded]) -> bool {
        let accepted =
            |event: &Recorded| matches!(event.event, Event::Step { event: StepEvent::Accepted { .. }, .. });
        events.iter().any(accepted)
    }
}

const DONE: RunStatus = RunStatus::Done { skipped: 0 };

/// Status of each DELETE that the world refused.
fn refused_removals(stage: &Stage) -> Vec<u16> {
    stage.world.with(|world| {
        let removals = world.requests().iter().filter(|request| request.method == "DELETE");
        removals.map(|request| request.status).filter(|status| *status >= 400).collect()
    })
}

#[tokio::test]
async fn undo_and_a_plan_that_removes_spare_the_subscription_and_meet_no_refusal() {
    for undo in [true, false] {
        let stage = unforgiving();
        let process = stage.process(None);
        let (made, status) = play(&stage, &process, &chain(), 1).await;
        assert_eq!(status, DONE);
        if undo {
            process.signal(made, Signal::Undo).await.unwrap();
            assert_eq!(process.drive(made).await.unwrap(), RunStatus::Undone);
        } else {
            let mut back: Vec<Act> = chain().into_iter().map(absent).collect();
            // The group, then the scope connection, then the network manager connection, the network manager last.
            let manager = back.remove(0);
            back.rotate_right(1);
            back.push(manager);
            assert_eq!(play(&stage, &process, &back, 2).await.1, DONE);
        }
        assert!(!stage.what_exists().to_string().contains("nm-second"), "undo: {undo}");
        assert_eq!(poisoned(&stage), json!([]), "undo: {undo}");
        assert_eq!(refused_removals(&stage), Vec::<u16>::new(), "undo: {undo}");
    }
}

/// One run deletes the connection, and right after it another run deletes the manager: the second run learns of the
/// first only from the journal.
#[tokio::test]
async fn a_manager_is_not_removed_right_after_another_run_removed_its_connections() {
    let stage = unforgiving();
    let process = stage.process(None);
    play(&stage, &process, &chain(), 1).await;
    let mut back: Vec<Act> = chain().into_iter().map(absent).collect();
    let manager = back.remove(0);
    assert_eq!(play(&stage, &process, &back, 2).await.1, DONE);
    assert_eq!(play(&stage, &process, &[manager], 3).await.1, DONE);
    assert_eq!(poisoned(&stage), json!([]));
}

/// One run created the manager and another one connected it; both are undone, one right after the other.
#[tokio::test]
async fn undo_of_a_manager_waits_although_another_run_undid_its_connections() {
    let stage = unforgiving();
    let process = stage.process(None);
    let chain = chain();
    let (manager, status) = play(&stage, &process, &chain[..1], 1).await;
    assert_eq!(status, DONE);
    let (connections, status) = play(&stage, &process, &chain[1..3], 2).await;
    assert_eq!(status, DONE);
    for run in [connections, manager] {
        process.signal(run, Signal::Undo).await.unwrap();
        assert_eq!(process.drive(run).await.unwrap(), RunStatus::Undone);
    }
    assert!(!stage.what_exists().to_string().contains("nm-second"));
    assert_eq!(poisoned(&stage), json!([]));
    assert_eq!(refused_removals(&stage), Vec::<u16>::new());
}

/// A manager that differs from the plan is recreated right after its connections were deleted.
#[tokio::test]
async fn a_manager_that_is_made_anew_is_not_removed_right_after_its_connections() {
    let stage = unforgiving();
    let process = stage.process(None);
    play(&stage, &process, &chain(), 1).await;
    let mut manager = chain().remove(0);
    manager.params["create"]["scope_accesses"] = json!(["Connectivity"]);
    let (run, status) = play(&stage, &process, &[manager], 2).await;
    assert!(matches!(status, RunStatus::Halted { .. }), "{status:?}");
    // The group, then both sides: they are deleted right before the decision.
    let mut back: Vec<Act> = chain().into_iter().skip(1).map(absent).collect();
    back.rotate_right(1);
    assert_eq!(play(&stage, &process, &back, 3).await.1, DONE);
    process.signal(run, Signal::Decide { step: "s0".into(), choice: Choice::Recreate }).await.unwrap();
    assert_eq!(process.drive(run).await.unwrap(), DONE);
    assert_eq!(poisoned(&stage), json!([]));
    assert_eq!(refused_removals(&stage), Vec::<u16>::new());
}

/// The same deletes without the delete delay: this world does penalize haste.
#[tokio::test]
async fn haste_spoils_the_subscription_in_this_world() {
    let stage = unforgiving();
    let process = stage.process(None);
    play(&stage, &process, &chain(), 1).await;
    let delete = |path: String, version: &str| {
        let wait = json!({ "id": path, "api_version": version, "body": {} });
        absent(act("arm.resource", &["central"], wait))
    };
    let version = "2024-10-01";
    let mut others: Vec<Act> = chain().into_iter().skip(2).map(absent).collect();
    others.push(delete(format!("{SECOND}/scopeConnections/to-central"), version));
    others.push(delete(SECOND.to_owned(), version));
    // A plain resource has no delete delay.
    let (_, status) = play(&stage, &process, &others, 2).await;
    assert_eq!(status, DONE);
    assert_ne!(poisoned(&stage), json!([]));
    let (_, status) = play(&stage, &process, &chain()[..1], 3).await;
    assert!(matches!(status, RunStatus::Halted { .. }), "no manager can be made for it any more: {status:?}");
}

/// The manager before its contents: Azure refuses the delete while they exist, and the step reports that.
#[tokio::test]
async fn a_manager_with_something_in_it_is_refused_and_the_step_says_so_in_the_end() {
    let stage = unforgiving();
    let process = stage.process(None);
    play(&stage, &process, &[chain().remove(0), chain().remove(3)], 1).await;
    let (run, status) = play(&stage, &process, &[absent(chain().remove(0))], 2).await;
    assert!(matches!(status, RunStatus::Halted { .. }), "{status:?}");
    let Some(StepState::NeedsDecision { decision, .. }) = process.step(run).await else { panic!() };
    assert!(decision.differences.iter().any(|held| held.found.contains("networkGroups/ng")), "{decision:?}");
    let overwrite = Signal::Decide { step: StepKey::from("s0"), choice: Choice::Overwrite };
    process.signal(run, overwrite).await.unwrap();
    assert!(matches!(process.drive(run).await.unwrap(), RunStatus::Halted { .. }));
    // A decision is for one attempt: contents that still exist need a new decision.
    assert!(matches!(process.step(run).await, Some(StepState::NeedsDecision { .. })));
    let refused = refused_removals(&stage);
    assert!(!refused.is_empty() && refused.iter().all(|status| *status == 409), "{refused:?}");
    assert!(stage.what_exists().to_string().contains("nm-second"));
}

/// A person added a feature: it is no longer the manager that the plan describes.
#[tokio::test]
async fn a_manager_that_does_more_than_the_plan_describes_is_not_removed_unasked() {
    let stage = unforgiving();
    let process = stage.process(None);
    let made = chain().remove(0);
    let mut more = made.clone();
    more.params["create"]["scope_accesses"] = json!(["SecurityAdmin", "Routing"]);
    assert_eq!(play(&stage, &process, &[more], 1).await.1, DONE);
    let (run, status) = play(&stage, &process, &[absent(made)], 2).await;
    assert!(matches!(status, RunStatus::Halted { .. }), "{status:?}");
    let Some(StepState::NeedsDecision { decision, .. }) = process.step(run).await else { panic!() };
    assert!(
        decision.what.contains("not the one that the plan describes (scope accesses)"),
        "{}",
        decision.what
    );
    assert!(stage.what_exists().to_string().contains("nm-second"));
    process
        .signal(run, Signal::Decide { step: StepKey::from("s0"), choice: Choice::Overwrite })
        .await
        .unwrap();
    assert_eq!(process.drive(run).await.unwrap(), DONE);
    assert!(!stage.what_exists().to_string().contains("nm-second"));
}

/// A resource that was deleted a moment ago still counts as contained: the delete is retried until that has passed.
#[tokio::test]
async fn a_manager_whose_children_are_on_their_way_out_is_tried_again() {
    let mut world = World::ready().unwrap();
    world.set_lags(Lags { delete: SignedDuration::from_secs(90), ..world.lags().clone() });
    let stage = Stage::of(world);
    let process = stage.process(None);
    play(&stage, &process, &[chain().remove(0), chain().remove(3)], 1).await;
    // Another process deletes the group, and is killed before the group is gone.
    let path = format!("{SECOND}/networkGroups/ng");
    let theirs = stage.process_at("theirs.db", Some(Arc::new(Accepted)));
    let removal = absent(act(
        "arm.resource",
        &["central"],
        json!({ "id": path, "api_version": "2024-10-01", "body": {} }),
    ));
    let run = stage.accept(&theirs, &[&removal], 9).await.unwrap();
    assert!(theirs.drive(run).await.is_err());
    let (run, status) = play(&stage, &process, &[absent(chain().remove(0))], 2).await;
    assert!(matches!(status, RunStatus::Halted { .. }), "what is still listed needs a decision: {status:?}");
    let mut status = status;
    for _ in 0..40 {
        if status == DONE {
            break;
        }
        let overwrite = Signal::Decide { step: StepKey::from("s0"), choice: Choice::Overwrite };
        process.signal(run, overwrite).await.unwrap();
        status = process.drive(run).await.unwrap();
    }
    assert_eq!(status, DONE);
    assert!(refused_removals(&stage).contains(&409), "it was in the way at first");
}

/// The network manager connection first: the scope connection becomes Revoked, and can still be deleted.
#[tokio::test]
async fn the_wrong_side_first_leaves_the_other_revoked_and_it_can_still_be_removed() {
    let stage = unforgiving();
    let process = stage.process(None);
    play(&stage, &process, &chain(), 1).await;
    // Time passes, and both sides are Connected.
    stage.what_exists();
    let mut half = network_manager_connection();
    half.params["network_manager"] = json!(SECOND);
    assert_eq!(play(&stage, &process, &[absent(half)], 2).await.1, DONE);
    let exists = stage.what_exists();
    let resources = exists["azure"]["network"]["resources"].as_object().unwrap();
    let survivor = resources.iter().find(|(id, _)| id.contains("nm-second/scopeconnections")).unwrap().1;
    assert_eq!(survivor["connectionState"], "Revoked");
    let gone = json!({ "network_manager": SECOND, "tenant": TENANT, "scope": TARGET, "expect": "gone" });
    let gone = act("avnm.connection-status", &["central", "target"], gone);
    let (run, status) = play(&stage, &process, std::slice::from_ref(&gone), 3).await;
    assert!(matches!(status, RunStatus::Halted { .. }), "{status:?}");
    let StepState::NeedsDecision { decision, .. } = process.step(run).await.unwrap() else { panic!() };
    assert!(
        decision.what.contains("scope connection to-central (Revoked) is still there"),
        "{}",
        decision.what
    );
    let step = StepKey::from("s0");
    process.signal(run, Signal::Decide { step, choice: Choice::Abort }).await.unwrap();
    let mut ours = scope_connection(TARGET);
    ours.params["network_manager"] = json!(SECOND);
    assert_eq!(play(&stage, &process, &[absent(ours), gone], 4).await.1, DONE);
}

/// Azure responds to DELETE before the resource is gone: the step is done only when it is gone.
#[tokio::test]
async fn a_removal_that_is_answered_early_is_done_when_the_resource_is_gone() {
    let stage = unforgiving();
    let process = stage.process(None);
    let group = act("avnm.network-group", &["central"], json!({ "network_manager": MANAGER, "name": "ng" }));
    play(&stage, &process, std::slice::from_ref(&group), 1).await;
    let writes = stage.writes();
    let (run, status) = play(&stage, &process, &[absent(group)], 2).await;
    assert_eq!(status, DONE);
    assert_eq!(stage.changes_since(writes).len(), 1, "sent once");
    let Some(StepState::Done(proof)) = process.step(run).await else { panic!() };
    let (ended, read) = (proof.evidence.write_ended.unwrap(), proof.evidence.read_began);
    assert!(read.duration_since(ended) >= SignedDuration::from_secs(20 + 6), "{ended} {read}");
}

/// A group with a configuration: Azure refuses its delete, the error names the configuration, and the delete is
/// never forced.
#[tokio::test]
async fn a_group_that_a_configuration_applies_to_is_refused_and_never_forced() {
    let stage = unforgiving();
    let process = stage.process(None);
    let group = act("avnm.network-group", &["central"], json!({ "network_manager": MANAGER, "name": "ng" }));
    let body = json!({ "properties": {
        "connectivityTopology": "Mesh",
        "appliesToGroups": [{ "networkGroupId": format!("{MANAGER}/networkGroups/ng"), "groupConnectivity": "None" }],
    } });
    let id = format!("{MANAGER}/connectivityConfigurations/mesh");
    let mesh =
        act("arm.resource", &["central"], json!({ "id": id, "api_version": "2024-10-01", "body": body }));
    assert_eq!(play(&stage, &process, &[group.clone(), mesh.clone()], 1).await.1, DONE);
    let (run, status) = play(&stage, &process, &[absent(group.clone())], 2).await;
    assert!(matches!(status, RunStatus::Halted { .. }), "{status:?}");
    let Some(StepState::Failed { error, .. }) = process.step(run).await else { panic!() };
    assert!(error.message.contains("connectivityConfigurations/mesh"), "{error}");
    let forced = stage.world.with(|world| {
        world.requests().iter().any(|request| format!("{request:?}").to_lowercase().contains("force=true"))
    });
    assert!(!forced && stage.what_exists().to_string().contains("networkgroups/ng"));
    // No other run may change a resource of an unfinished run.
    process.signal(run, Signal::Cancel).await.unwrap();
    process.drive(run).await.unwrap();
    // In the right order both are deleted.
    assert_eq!(play(&stage, &process, &[absent(mesh), absent(group)], 3).await.1, DONE);
}
