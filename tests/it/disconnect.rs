//! The plan that removes a connection which no run of this journal created: exactly what the plan names is deleted,
//! in Microsoft's order, and nothing else.

use serde_json::{Value, json};
use twinspan_engine::{Choice, RunId, RunStatus, Signal, StepKey, StepState, WaitKind};
use twinspan_plans::Inputs;
use twinspan_sim::{Change, World};

use crate::conformance::cases::Act;
use crate::conformance::stage::{Process, Stage};

pub(crate) const MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group";
pub(crate) const TARGET: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
pub(crate) const TENANT: &str = "22222222-0000-0000-0000-00000000000f";
const SPOKE: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app";
const HUB: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-hub";

pub(crate) fn act(kind: &str, identities: &[&'static str], params: Value) -> Act {
    Act { kind: kind.to_owned(), params, identities: identities.to_vec(), auxiliary: None, absent: false }
}

pub(crate) fn scope_connection(scope: &str) -> Act {
    let params =
        json!({ "network_manager": MANAGER, "name": "to-central", "tenant": TENANT, "scope": scope });
    act("avnm.scope-connection", &["central"], params)
}

pub(crate) fn network_manager_connection() -> Act {
    let params = json!({ "scope": TARGET, "name": "to-central", "network_manager": MANAGER });
    act("avnm.network-manager-connection", &["target"], params)
}

fn group(name: &str) -> Act {
    act("avnm.network-group", &["central"], json!({ "network_manager": MANAGER, "name": name }))
}

fn member(group: &str, network: &str) -> Act {
    let params = json!({ "group": format!("{MANAGER}/networkGroups/{group}"), "virtual_network": network });
    let abroad = network.starts_with(TARGET);
    Act { auxiliary: abroad.then_some("target"), ..act("avnm.static-member", &["central"], params) }
}

pub(crate) fn absent(act: Act) -> Act {
    Act { absent: true, auxiliary: None, ..act }
}

/// A connection with a member on each side, created by an operator with another journal.
async fn connected(more: &[Act]) -> Stage {
    let stage = Stage::of(World::ready().unwrap());
    let status = json!({
        "scope_connection": format!("{MANAGER}/scopeConnections/to-central"),
        "network_manager_connection": format!("{TARGET}/providers/Microsoft.Network/networkManagerConnections/to-central"),
    });
    let mut acts = vec![
        scope_connection(TARGET),
        network_manager_connection(),
        act("avnm.connection-status", &["central", "target"], status),
        group("ng-spokes"),
        member("ng-spokes", SPOKE),
        member("ng-spokes", HUB),
    ];
    acts.extend_from_slice(more);
    let acts: Vec<&Act> = acts.iter().collect();
    let theirs = stage.process_at("theirs.db", None);
    let run = stage.accept(&theirs, &acts, 99).await.unwrap();
    assert_eq!(theirs.finish(run).await.unwrap(), []);
    stage
}

/// The steps that remove the connection.
fn back() -> Vec<Act> {
    vec![
        absent(member("ng-spokes", SPOKE)),
        act(
            "avnm.members-in-scope",
            &["central"],
            json!({ "network_manager": MANAGER, "scope": TARGET, "expect": "none" }),
        ),
        absent(scope_connection(TARGET)),
        absent(network_manager_connection()),
        act(
            "avnm.connection-status",
            &["central", "target"],
            json!({ "network_manager": MANAGER, "tenant": TENANT, "scope": TARGET, "expect": "gone" }),
        ),
    ]
}

async fn disconnect(stage: &Stage, process: &Process, number: u64) -> (RunId, RunStatus) {
    let acts = back();
    let run = stage.accept(process, &acts.iter().collect::<Vec<_>>(), number).await.unwrap();
    let status = process.drive(run).await.unwrap();
    (run, status)
}

async fn of(process: &Process, run: RunId, step: &str) -> StepState {
    process.state(run).await.find(&StepKey::from(step)).unwrap().state().unwrap().clone()
}

/// Resources that were deleted since, in order: the last part of each path.
fn removed(stage: &Stage, writes: usize) -> Vec<String> {
    stage.world.with(|world| {
        let effects = world.effects()[writes..].iter();
        let changed = effects.filter(|effect| effect.change != Change::None);
        changed
            .map(|effect| {
                let mut pieces = effect.path.rsplit('/');
                let (name, kind) = (pieces.next().unwrap(), pieces.next().unwrap());
                let name =
                    name.rsplit_once('-').filter(|_| kind == "staticMembers").map_or(name, |(name, _)| name);
                format!("{} {kind}/{name}", effect.method)
            })
            .collect()
    })
}

const DONE: RunStatus = RunStatus::Done { skipped: 0 };

#[tokio::test]
async fn exactly_what_the_plan_names_is_removed_in_order_and_once() {
    let stage = connected(&[]).await;
    let writes = stage.writes();
    let process = stage.process(None);
    let (run, status) = disconnect(&stage, &process, 1).await;
    assert_eq!(status, DONE);
    let order = [
        "DELETE staticMembers/vnet-app",
        "DELETE scopeConnections/to-central",
        "DELETE networkManagerConnections/to-central",
    ];
    assert_eq!(removed(&stage, writes), order);
    let exists = stage.what_exists().to_string();
    assert!(exists.contains("staticmembers/vnet-hub-"), "another member of the group stays");
    assert!(!exists.contains("staticmembers/vnet-app-") && !exists.contains("onnections/to-central"));
    let writes = stage.writes();
    let (_, status) = disconnect(&stage, &process, 2).await;
    assert_eq!((status, removed(&stage, writes)), (DONE, vec![]), "a second run finds nothing to do");
    process.signal(run, Signal::Undo).await.unwrap();
    assert_eq!(process.drive(run).await.unwrap(), RunStatus::Undone);
    assert_eq!(removed(&stage, writes), Vec::<String>::new());
    assert!(
        matches!(of(&process, run, "s2").await, StepState::Kept { reason } if reason.contains("the plan deleted it"))
    );
}

#[tokio::test]
async fn a_connection_of_that_name_that_points_elsewhere_is_left_alone() {
    let stage = Stage::of(World::ready().unwrap());
    let elsewhere = "/providers/Microsoft.Management/managementGroups/mg-fabrikam";
    let theirs = stage.process_at("theirs.db", None);
    let run = stage.accept(&theirs, &[&scope_connection(elsewhere), &group("ng-spokes")], 99).await.unwrap();
    theirs.finish(run).await.unwrap();
    let (writes, process) = (stage.writes(), stage.process(None));
    let (run, status) = disconnect(&stage, &process, 1).await;
    assert!(matches!(status, RunStatus::Halted { .. }), "{status:?}");
    let StepState::NeedsDecision { decision, .. } = of(&process, run, "s2").await else { panic!() };
    assert!(decision.what.contains("not the one that the plan describes (scope)"), "{}", decision.what);
    assert_eq!(decision.differences[0].found, elsewhere);
    assert_eq!(removed(&stage, writes), Vec::<String>::new());
    // A person skips this step, and the rest continues.
    let step = StepKey::from("s2");
    process.signal(run, Signal::Skip { step, values: Default::default() }).await.unwrap();
    assert_eq!(process.drive(run).await.unwrap(), RunStatus::Done { skipped: 1 });
    assert_eq!(removed(&stage, writes), Vec::<String>::new());
    assert!(stage.what_exists().to_string().contains("scopeconnections/to-central"));
}

#[tokio::test]
async fn a_member_outside_the_plan_stops_it_before_the_link_is_cut() {
    let stage = connected(&[group("ng-other"), member("ng-other", SPOKE)]).await;
    let (writes, process) = (stage.writes(), stage.process(None));
    let (run, status) = disconnect(&stage, &process, 1).await;
    assert!(matches!(status, RunStatus::Halted { .. }), "{status:?}");
    let StepState::NeedsDecision { decision, .. } = of(&process, run, "s1").await else { panic!() };
    assert!(decision.what.contains("in group ng-other"), "{}", decision.what);
    assert_eq!(removed(&stage, writes), ["DELETE staticMembers/vnet-app"]);
    let step = StepKey::from("s1");
    process.signal(run, Signal::Decide { step, choice: Choice::Adopt }).await.unwrap();
    assert_eq!(process.drive(run).await.unwrap(), DONE);
    assert!(stage.what_exists().to_string().contains("networkgroups/ng-other/staticmembers/vnet-app-"));
}

/// A hub is in no group, and depends on the connection like a member.
#[tokio::test]
async fn a_hub_in_the_scope_stops_it_before_the_link_is_cut() {
    let hub = SPOKE.replace("rg-app", "rg-data").replace("vnet-app", "vnet-data");
    let groups = json!([{ "group": format!("{MANAGER}/networkGroups/ng-other") }]);
    let params = json!({ "network_manager": MANAGER, "name": "spokes", "topology": "hub-and-spoke", "hub": hub,
        "groups": groups });
    let configuration = act("avnm.connectivity-configuration", &["central"], params);
    let configuration = Act { auxiliary: Some("target"), ..configuration };
    let stage = connected(&[group("ng-other"), configuration]).await;
    let (writes, process) = (stage.writes(), stage.process(None));
    let (run, status) = disconnect(&stage, &process, 1).await;
    assert!(matches!(status, RunStatus::Halted { .. }), "{status:?}");
    let StepState::NeedsDecision { decision, .. } = of(&process, run, "s1").await else { panic!() };
    assert!(decision.what.starts_with("1 hub(s) of network manager nm-group"), "{}", decision.what);
    assert!(decision.what.ends_with("vnet-data (hub of configuration spokes)"), "{}", decision.what);
    assert_eq!(removed(&stage, writes), ["DELETE staticMembers/vnet-app"]);
}

/// A run that created a group with a member, and another run that added its own member.
async fn shared_group(stage: &Stage, process: &Process) -> (RunId, Process, RunId) {
    let ours = [group("ng-ours"), member("ng-ours", HUB)];
    let ours = stage.accept(process, &ours.iter().collect::<Vec<_>>(), 1).await.unwrap();
    assert_eq!(process.finish(ours).await.unwrap(), []);
    let neighbours = stage.process_at("neighbours.db", None);
    let theirs = stage.accept(&neighbours, &[&member("ng-ours", SPOKE)], 98).await.unwrap();
    assert_eq!(neighbours.finish(theirs).await.unwrap(), []);
    (ours, neighbours, theirs)
}

#[tokio::test]
async fn undo_does_not_remove_a_group_with_members_that_others_put_in() {
    for choice in [Some(Choice::Adopt), Some(Choice::Overwrite), None] {
        let (stage, step) = (connected(&[]).await, StepKey::from("s0"));
        let process = stage.process(None);
        let (run, neighbours, theirs) = shared_group(&stage, &process).await;
        let writes = stage.writes();
        process.signal(run, Signal::Undo).await.unwrap();
        process.drive(run).await.unwrap();
        let StepState::NeedsDecision { decision, .. } = of(&process, run, "s0").await else {
            panic!("{:?}", of(&process, run, "s0").await)
        };
        assert!(decision.what.contains("changed since (static members)"), "{}", decision.what);
        let found = &decision.differences[0].found;
        assert!(found.starts_with("1: ") && found.contains(SPOKE), "its own member was gone before: {found}");
        assert_eq!(removed(&stage, writes), ["DELETE staticMembers/vnet-hub"]);
        match choice {
            Some(choice) => process.signal(run, Signal::Decide { step, choice }).await.unwrap(),
            // The run that added the member deletes it.
            None => {
                neighbours.signal(theirs, Signal::Undo).await.unwrap();
                assert_eq!(neighbours.drive(theirs).await.unwrap(), RunStatus::Undone);
                process.signal(run, Signal::Retry { step: Some(step) }).await.unwrap();
            }
        }
        assert_eq!(process.drive(run).await.unwrap(), RunStatus::Undone, "{choice:?}");
        let exists = stage.what_exists().to_string();
        let left = exists.contains("networkgroups/ng-ours/staticmembers/vnet-app-");
        assert_eq!(left, choice == Some(Choice::Adopt), "{choice:?}");
        assert_eq!(exists.contains("networkgroups/ng-ours"), left, "{choice:?}");
    }
}

#[tokio::test]
async fn a_plan_that_removes_a_group_removes_no_members_that_it_does_not_name() {
    let stage = connected(&[]).await;
    let process = stage.process(None);
    let (ours, ..) = shared_group(&stage, &process).await;
    let writes = stage.writes();
    let named = [absent(member("ng-ours", HUB)), absent(group("ng-ours"))];
    let run = stage.accept(&process, &named.iter().collect::<Vec<_>>(), 2).await.unwrap();
    let status = process.drive(run).await.unwrap();
    assert!(matches!(status, RunStatus::Halted { .. }), "{status:?}");
    let StepState::NeedsDecision { decision, .. } = of(&process, run, "s1").await else { panic!() };
    assert!(
        decision.what.contains("not the one that the plan describes (static members)"),
        "{}",
        decision.what
    );
    assert_eq!(removed(&stage, writes), ["DELETE staticMembers/vnet-hub"]);
    process.signal(run, Signal::Cancel).await.unwrap();
    process.drive(run).await.unwrap();
    // A plan that also names the other member needs no decision.
    let named = [absent(member("ng-ours", SPOKE)), absent(group("ng-ours"))];
    let run = stage.accept(&process, &named.iter().collect::<Vec<_>>(), 3).await.unwrap();
    assert_eq!(process.drive(run).await.unwrap(), DONE);
    assert!(!stage.what_exists().to_string().contains("networkgroups/ng-ours"));
    process.signal(ours, Signal::Undo).await.unwrap();
    assert_eq!(process.drive(ours).await.unwrap(), RunStatus::Undone, "nothing is left to undo");
}

/// The shipped plan, to remove one virtual network from this group.
async fn shipped_plan(stage: &Stage, process: &Process, group: &str) -> RunId {
    let text = std::fs::read_to_string(crate::program::shipped("disconnect.yaml")).unwrap();
    let inputs = json!({
        "central_tenant": "11111111-0000-0000-0000-00000000000c",
        "network_manager": MANAGER,
        "target_tenant": TENANT,
        "target_scope": TARGET,
        "connection_name": "to-central",
        "network_group": group,
        "virtual_networks": [SPOKE],
        "remove_role": "keep",
        "remove_guest": "keep",
    });
    let inputs: Inputs = serde_json::from_value(inputs).unwrap();
    stage.accept_text(process, text, inputs, 1).await.unwrap()
}

#[tokio::test]
async fn the_shipped_plan_finds_a_wrong_name_before_anything_is_removed() {
    let stage = connected(&[]).await;
    let (writes, process) = (stage.writes(), stage.process(None));
    let run = shipped_plan(&stage, &process, "ng-spoke").await;
    let status = process.drive(run).await.unwrap();
    assert_eq!(status, RunStatus::Halted { failed: vec![StepKey::from("group")], undecided: vec![] });
    assert_eq!(stage.writes(), writes);
}

/// The target's administrator reads and approves the effect, then exactly that is deleted.
#[tokio::test]
async fn the_shipped_plan_asks_first_and_then_removes_exactly_that() {
    let stage = connected(&[]).await;
    let (writes, process) = (stage.writes(), stage.process(None));
    let run = shipped_plan(&stage, &process, "ng-spokes").await;
    let status = process.drive(run).await.unwrap();
    // The group carries the marker of the run that created it; here it is only found.
    assert_eq!(status, RunStatus::Waiting { on: vec![WaitKind::Approval] });
    assert_eq!(removed(&stage, writes), Vec::<String>::new());
    let (step, speaks_for) = (StepKey::from("go"), Some("target-admin".to_owned()));
    process.signal(run, Signal::Approve { step, speaks_for }).await.unwrap();
    assert_eq!(process.drive(run).await.unwrap(), DONE);
    let order = [
        "DELETE staticMembers/vnet-app",
        "DELETE scopeConnections/to-central",
        "DELETE networkManagerConnections/to-central",
    ];
    assert_eq!(removed(&stage, writes), order);
    assert!(stage.what_exists().to_string().contains("staticmembers/vnet-hub-"));
}
