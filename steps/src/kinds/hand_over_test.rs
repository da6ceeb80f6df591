//! Checks that the hand-over tells a person to send exactly what the kind itself sends: method, path and body.

use crate::kinds::named_resource::Named;
use serde_json::{Value, json};
use std::sync::Arc;
use twinspan_engine::{Act, Create, EffectClass, HandOver, Phase, Step, StepCx};

use super::wire_test::{Attempt, asked, body, params};
use super::*;
use crate::azure::scripted::Bench;
use crate::default_world;

const ROLE: &str = "4d97b98b-1d4f-4787-a291-c67834d212e7";
const PRINCIPAL: &str = "ffffffff-1111-0000-0000-000000000001";

fn write(said: &HandOver) -> &Create {
    let mut acts = said.task.iter().flat_map(|task| &task.acts);
    acts.find_map(|act| match act {
        Act::Create(make) => Some(make),
        _ => None,
    })
    .unwrap()
}

/// Applies, and compares the write with the hand-over. `before`: responses to the reads before the write.
async fn same<S: Step>(
    kind: impl Fn(&Bench) -> S,
    given: Value,
    before: &[Value],
    answer: Value,
) -> HandOver {
    let bench = Bench::new();
    for read in before {
        bench.script.answer(200, read);
    }
    bench.script.answer_here(200, &[], &answer);
    let (kind, params) = (kind(&bench), params::<S::Params>(given));
    let mut attempt = Attempt::new(&bench, Phase::Apply);
    attempt.auxiliary = S::META.auxiliary;
    attempt.apply(&kind, &params).await.unwrap();
    let said = attempt.hand_over(&kind, &params).unwrap();
    let make = write(&said);
    let learnt = said.task.iter().flat_map(|task| &task.acts).find_map(|act| match act {
        Act::Learn { variable, .. } => Some(variable.stand_in.clone()),
        _ => None,
    });
    let filled = |text: String| learnt.as_ref().map_or(text.clone(), |stand_in| text.replace(stand_in, ROLE));
    let query: Vec<String> = make.write.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    let address = format!("{} {}{mark}{}", make.write.verb, make.write.path, query.join("&"));
    assert_eq!(filled(address), *asked(&bench).last().unwrap());
    let sent = make.write.body.clone().unwrap_or(Value::Null).to_string();
    assert_eq!(filled(sent), body(&bench).to_string());
    let requests = bench.script.requests();
    let tenant = requests.last().unwrap().token("x-ms-authorization-auxiliary").map(|(_, tenant)| tenant);
    assert_eq!(make.write.auxiliary, tenant);
    for what in [&said.proof, &said.task.as_ref().unwrap().what, &said.task.as_ref().unwrap().back.words] {
        assert!(what.len() > 10, "{what:?}");
    }
    assert!(!said.task.as_ref().unwrap().privilege.is_empty());
    said
}

#[tokio::test]
async fn what_a_person_sends_is_what_the_kind_sends() {
    let manager = default_world::MANAGER;
    let target = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
    same(
        |bench| guest_user::GuestUser { azure: Arc::clone(&bench.azure) },
        json!({ "email": "o'neill@contoso.example", "send_invitation": true, "message": "it's us" }),
        &[],
        json!({ "id": "x", "inviteRedeemUrl": "https://x", "invitedUser": { "id": PRINCIPAL } }),
    )
    .await;
    same(
        |bench| service_principal::ServicePrincipal { azure: Arc::clone(&bench.azure) },
        json!({ "app_id": "33333333-0000-0000-0000-00000000000a" }),
        &[],
        json!({ "id": PRINCIPAL }),
    )
    .await;
    let role = json!({ "value": [{ "id": format!("/providers/Microsoft.Authorization/roleDefinitions/{ROLE}"),
        "properties": { "roleName": "Network Contributor" } }] });
    let assigned = json!({ "id": "x", "properties": {} });
    same(
        |bench| role_assignment::RoleAssignment { azure: Arc::clone(&bench.azure) },
        json!({ "scope": target, "role": "Network Contributor", "principal": PRINCIPAL, "principal_type": "User",
            "description": "ticket 7" }),
        &[role],
        assigned,
    )
    .await;
    same(
        |bench| resource_provider::ResourceProvider { azure: Arc::clone(&bench.azure) },
        json!({ "scope": target, "namespace": "Microsoft.Network" }),
        &[],
        json!({ "registrationState": "Registering" }),
    )
    .await;
    same(
        |bench| network_manager::NetworkManager { azure: Arc::clone(&bench.azure) },
        json!({ "id": manager, "create": { "location": "westeurope", "scopes": [target], "tags": { "owner": "net" } } }),
        &[],
        json!({}),
    )
    .await;
    // What a named resource sends and hands over is one value, so one of them stands for all.
    same(
        |bench| Named::<static_member::StaticMember>::new(&bench.azure),
        json!({ "group": default_world::group(), "virtual_network": default_world::spoke() }),
        &[],
        json!({}),
    )
    .await;
    same(
        |bench| arm_resource::ArmResource { azure: Arc::clone(&bench.azure) },
        json!({ "id": format!("{target}/resourceGroups/rg"), "api_version": "2022-09-01", "body": { "location": "x" } }),
        &[],
        json!({}),
    )
    .await;
}

/// Kinds that write have a task for a person; kinds that only read have none, except for what only a person can do.
#[test]
fn every_kind_that_writes_says_what_a_person_does() {
    let bench = Bench::new();
    let registry = registry(Arc::clone(&bench.azure), CommandPolicy::deny());
    for kind in registry.kinds() {
        let said = kind.hand_over(
            &bench.cx(Phase::Probe, &twinspan_engine::AttemptLog::new(Phase::Probe)),
            &kind.example,
        );
        let said = said.unwrap_or_else(|error| panic!("{}: {error}", kind.meta.name));
        // A local program, and a network manager that must exist (the example has no `create`), have no task either.
        let nothing_to_do = ["command", "avnm.network-manager"].contains(&kind.meta.name);
        // Only a person can do it, so these read and have a task.
        let of_a_person = ["approval", "entra.invitation-accepted"].contains(&kind.meta.name);
        let writes = kind.meta.effect != EffectClass::Read;
        assert_eq!(said.task.is_some(), (writes && !nothing_to_do) || of_a_person, "{}", kind.meta.name);
    }
}

#[test]
fn a_role_for_an_account_that_is_still_to_be_made_is_named_by_the_script() {
    let bench = Bench::new();
    let log = twinspan_engine::AttemptLog::new(Phase::Probe);
    let guest = guest_user::GuestUser { azure: Arc::clone(&bench.azure) };
    let cx = bench.cx(Phase::Probe, &log);
    let invited = guest.hand_over(&cx, &guest_user::GuestUser::example()).unwrap();
    let variable = write(&invited).yields.clone().unwrap().0;
    assert_eq!(invited.outputs["object_id"], json!(variable.stand_in));
    let role = role_assignment::RoleAssignment { azure: Arc::clone(&bench.azure) };
    let wanted: role_assignment::Params = params(json!({ "scope": default_world::target().scope(),
        "role": format!("/providers/Microsoft.Authorization/roleDefinitions/{ROLE}"), "principal": variable.stand_in }));
    let unknown = [variable.clone()];
    let said = role.hand_over(&StepCx { unknown: &unknown, ..cx }, &wanted).unwrap();
    let task = said.task.as_ref().unwrap();
    let [Act::Name { variable: name, text, .. }, Act::Create(make)] = &task.acts[..] else {
        panic!("{task:?}")
    };
    assert!(text.contains(&variable.stand_in) && make.write.path.ends_with(&name.stand_in), "{text}");
    let properties = &make.write.body.as_ref().unwrap()["properties"];
    assert_eq!(properties["principalType"], "User", "the type of the guest is known");
    assert_eq!(properties["principalId"], json!(variable.stand_in));
    assert!(task.what.starts_with("Give the guest nina.network@contoso.example the role"), "{}", task.what);
}

/// The hand-over tells a person to delete exactly what the kind itself deletes, found in the same way.
#[test]
fn every_kind_that_can_be_removed_says_how() {
    let bench = Bench::new();
    let registry = registry(Arc::clone(&bench.azure), CommandPolicy::deny());
    let mut removable = 0;
    for kind in registry.kinds().filter(|kind| kind.meta.removable) {
        removable += 1;
        let log = twinspan_engine::AttemptLog::new(Phase::UndoProbe);
        let cx = StepCx { ensure: Ensure::Absent, ..bench.cx(Phase::UndoProbe, &log) };
        let said =
            kind.hand_over(&cx, &kind.example).unwrap_or_else(|error| panic!("{}: {error}", kind.meta.name));
        let task = said.task.unwrap_or_else(|| panic!("{} has no task", kind.meta.name));
        assert!(said.outputs.is_empty(), "{}", kind.meta.name);
        if task.acts.is_empty() {
            // The content of a commit is known only when it is sent: a description, and no script.
            assert_eq!(kind.meta.name, "avnm.deployment");
            let words = task.by_hand.unwrap();
            assert!(task.what.starts_with("Remove") && words.contains("first command shows but"), "{words}");
            continue;
        }
        let [.., Act::Remove(removal)] = &task.acts[..] else {
            panic!("{}: {:?}", kind.meta.name, task.acts)
        };
        assert_eq!(removal.request.verb, "DELETE", "{}", kind.meta.name);
        assert!(
            !removal.look.is_empty() && task.what.starts_with("Remove"),
            "{}: {}",
            kind.meta.name,
            task.what
        );
        assert!(!task.privilege.iter().any(|line| line.contains("/write")), "{}: {task:?}", kind.meta.name);
        if let Some(found) = &removal.found {
            assert!(removal.request.path.contains(&found.stand_in), "{}: {removal:?}", kind.meta.name);
        }
    }
    assert!(removable >= 9, "{removable}");
}
