//! A run of several days in virtual time, driven by one process: tokens expire and are renewed, a sign-in or a
//! secret expires and a person renews it, and the run continues without a signal.

use jiff::SignedDuration;
use serde_json::{Value, json};
use twinspan_engine::{Clock, Event, RunId, RunStatus, StepEvent, WaitKind};
use twinspan_sim::World;

use crate::failures::stage::{CENTRAL, FABRIKAM, NINA, Process, Stage, plan};
use crate::failures::table::{NETWORK, SUBSCRIPTION};

const ADDRESS: &str = "nina.network@contoso.example";

/// The shipped world without guest users; the provider is registered.
fn world() -> World {
    let mut world: Value = serde_json::from_str(World::example_json()).unwrap();
    *world
        .pointer_mut("/tenants/1/subscriptions/0")
        .unwrap()
        .as_object_mut()
        .unwrap()
        .entry("registered")
        .or_insert(Value::Null) = json!(["Microsoft.Network"]);
    World::from_json(&world.to_string()).unwrap()
}

/// The steps from the invitation to a member of the other tenant.
fn steps() -> Vec<Value> {
    let manager = format!("{NETWORK}/networkManagers/nm-group");
    let spoke =
        format!("{SUBSCRIPTION}/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app");
    let step = |id: &str, uses: &str, identity: &str, needs: &[&str], with: Value| json!({ "id": id, "uses": uses, "as": identity, "needs": needs, "with": with });
    let mut member = step(
        "member",
        "avnm.static-member",
        "central",
        &["group", "connection"],
        json!({ "group": format!("{manager}/networkGroups/ng-days"), "virtual_network": spoke }),
    );
    member["auxiliary"] = json!("target");
    vec![
        step("guest", "entra.guest-user", "target-admin", &[], json!({ "email": ADDRESS, "send_invitation": false })),
        step(
            "role",
            "azure.role-assignment",
            "target-admin",
            &["guest"],
            json!({ "scope": SUBSCRIPTION, "role": "Network Contributor", "principal": "${{ steps.guest.object_id }}" }),
        ),
        step("accepted", "entra.invitation-accepted", "target", &["role"], json!({ "guest": "${{ steps.guest.id }}" })),
        step("sign-in", "azure.sign-in", "target", &["accepted"], json!({})),
        step(
            "half",
            "avnm.scope-connection",
            "central",
            &["sign-in"],
            json!({ "network_manager": manager, "name": "to-fabrikam", "tenant": FABRIKAM, "scope": SUBSCRIPTION }),
        ),
        step(
            "connection",
            "avnm.network-manager-connection",
            "target",
            &["half"],
            json!({ "network_manager": manager, "name": "to-central", "scope": SUBSCRIPTION }),
        ),
        step("gate", "delay", "", &["connection"], json!({ "for": "20h" })),
        step("group", "avnm.network-group", "central", &["gate"], json!({ "network_manager": manager, "name": "ng-days" })),
        member,
    ]
    .into_iter()
    .map(|mut step| {
        if step["as"] == "" {
            step.as_object_mut().unwrap().remove("as");
        }
        step
    })
    .collect()
}

/// Descriptions of the waits of this kind: each once, in order.
async fn waits(process: &Process, run: RunId, kind: WaitKind) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for recorded in process.events(run).await {
        if let Event::Step { step, event: StepEvent::Waiting { wait, .. } } = recorded.event
            && wait.kind == kind
        {
            let said = format!("{step}: {}", wait.what);
            if !all.contains(&said) {
                all.push(said);
            }
        }
    }
    all
}

fn succeeded(status: &RunStatus) -> bool {
    matches!(status, RunStatus::Done { .. })
}

/// How many tokens were issued, and how many requests had the status 401.
fn tokens(stage: &Stage) -> (usize, usize) {
    stage.world.with(|world| {
        let requests = world.requests();
        let given =
            requests.iter().filter(|seen| seen.path.ends_with("/oauth2/v2.0/token") && seen.status == 200);
        let refused = requests.iter().filter(|seen| !seen.path.contains("/oauth2/") && seen.status == 401);
        (given.count(), refused.count())
    })
}

#[tokio::test]
async fn a_guest_who_accepts_after_two_days_finds_a_run_whose_tokens_are_fresh() {
    let stage = Stage::set(world());
    stage.after(48, |stage| {
        let now = stage.clock.now();
        assert_eq!(stage.world.with(|world| world.redeem(ADDRESS, now)), [FABRIKAM]);
    });
    let process = stage.process();
    let began = stage.clock.now();
    let run = process.start(plan(&steps()), 1).await;
    let status = process.drive_on(run).await;
    assert!(succeeded(&status), "{status:?}");
    let took = stage.clock.now().duration_since(began);
    let (given, refused) = tokens(&stage);
    println!(
        "{} h of virtual time, {given} tokens, {refused} requests refused for their token",
        took.as_hours()
    );
    assert!(took.as_hours() >= 68 && took.as_hours() < 72, "{took}");
    assert_eq!(refused, 0, "each token is renewed before it ends");
    // At least two for each tenant, before and after the days in between.
    assert!(given >= 6, "{given}");
    let people = waits(&process, run, WaitKind::Person).await;
    assert!(people.iter().all(|wait| wait.starts_with("accepted: ")) && !people.is_empty(), "{people:#?}");
}

#[tokio::test]
async fn a_sign_in_and_a_secret_that_end_on_the_way_are_waited_for_and_then_it_goes_on_by_itself() {
    let stage = Stage::set(world());
    stage.after(1, |stage| {
        let now = stage.clock.now();
        stage.world.with(|world| {
            world.redeem(ADDRESS, now);
            // Before the scope connection is created, the person's refresh token expires.
            world.set_barrier(NINA, CENTRAL, Some(700_082));
        });
    });
    // Then it is revoked, too.
    stage.after(30, |stage| stage.world.with(|world| world.set_barrier(NINA, CENTRAL, Some(50_173))));
    stage.after(40, |stage| {
        stage.world.with(|world| {
            world.set_barrier(NINA, CENTRAL, None);
            // And then, before the network manager connection, the secret has expired.
            world.set_barrier(NINA, FABRIKAM, Some(7_000_222));
        });
    });
    stage.after(60, |stage| stage.world.with(|world| world.set_barrier(NINA, FABRIKAM, None)));
    let process = stage.process();
    let began = stage.clock.now();
    let run = process.start(plan(&steps()), 1).await;
    let status = process.drive_on(run).await;
    assert!(succeeded(&status), "{status:?}");
    let took = stage.clock.now().duration_since(began);
    // The delay of 20 hours comes after both.
    assert!(took.as_hours() >= 80 && took.as_hours() < 84, "{took}");
    let people = waits(&process, run, WaitKind::Person).await;
    for code in ["AADSTS700082", "AADSTS50173"] {
        let said = format!("the sign-in has expired ({code})");
        assert!(people.iter().any(|wait| wait.contains(&said)), "{code}: {people:#?}");
    }
    let credentials = waits(&process, run, WaitKind::Credential).await;
    assert!(
        credentials
            .iter()
            .any(|wait| wait.starts_with("connection: the application's secret has expired (AADSTS7000222)")),
        "{credentials:#?}"
    );
    // No signal was sent to the run.
    let events = process.events(run).await;
    assert!(!events.iter().any(|recorded| matches!(recorded.event, Event::SignalTaken { .. })));
    assert_eq!(tokens(&stage).1, 0);
}

/// A machine that slept: the remote's clock went on, and every token has expired there.
#[tokio::test]
async fn tokens_that_have_ended_are_all_taken_anew_and_the_write_is_repeated_once() {
    let stage = Stage::set(world());
    stage.after(1, |stage| {
        let now = stage.clock.now();
        stage.world.with(|world| world.redeem(ADDRESS, now));
    });
    stage.meanwhile("PUT", "/staticMembers/", |stage| {
        stage.world.with(|world| world.advance(SignedDuration::from_mins(61)));
    });
    let process = stage.process();
    let run = process.start(plan(&steps()), 1).await;
    let status = process.drive_on(run).await;
    assert!(succeeded(&status), "{status:?}");
    let asked: Vec<(String, String, u16)> = stage.world.with(|world| {
        let requests = world.requests();
        let from = requests.iter().position(|seen| seen.method == "PUT" && seen.status == 401).unwrap();
        requests[from..].iter().map(|seen| (seen.method.clone(), seen.path.clone(), seen.status)).collect()
    });
    let puts: Vec<u16> =
        asked.iter().filter(|(method, ..)| method == "PUT").map(|(.., status)| *status).collect();
    assert_eq!(puts, [401, 200], "{asked:#?}");
    let again = asked.iter().rposition(|(method, ..)| method == "PUT").unwrap();
    for tenant in [CENTRAL, FABRIKAM] {
        let taken = asked[..again]
            .iter()
            .filter(|(_, path, _)| path.starts_with(&format!("/{tenant}/oauth2")))
            .count();
        assert_eq!(taken, 1, "a new token of tenant {tenant}: {asked:#?}");
    }
}
