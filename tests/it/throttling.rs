//! Rate limits, with the real client and engine in the simulated Azure: no request comes too early, a bucket that is
//! nearly empty is not emptied further, and a limit that one step learns counts for all.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use twinspan_engine::{Clock, Event, RunStatus, StepEvent, WaitKind};
use twinspan_sim::{Fault, Rate, Rates, World};

use crate::failures::stage::{Process, Stage, plan};
use crate::failures::table::NETWORK;

const CENTRAL_SUBSCRIPTION: &str = "aaaaaaaa-0000-0000-0000-000000000001";

fn group(id: &str, name: &str) -> Value {
    json!({ "id": id, "uses": "avnm.network-group", "as": "central", "with": {
        "network_manager": format!("{NETWORK}/networkManagers/nm-group"), "name": name,
    }})
}

/// Virtual networks in the central subscription, and a plan that adds each to one group, independently of each
/// other.
fn many(members: usize) -> (World, String) {
    let mut world: Value = serde_json::from_str(World::example_json()).unwrap();
    let networks = world.pointer_mut("/tenants/0/subscriptions/0/virtual_networks").unwrap();
    *networks = (0..members)
        .map(|number| {
            json!({
                "name": format!("vnet-{number}"), "resource_group": "rg-network", "location": "westeurope",
                "address_prefixes": [format!("10.{}.0.0/16", number % 200)],
            })
        })
        .collect();
    let mut steps = vec![group("group", "ng-many")];
    steps.extend((0..members).map(|number| {
        json!({ "id": format!("member-{number}"), "uses": "avnm.static-member", "as": "central", "needs": ["group"], "with": {
            "group": format!("{NETWORK}/networkManagers/nm-group/networkGroups/ng-many"),
            "virtual_network": format!("{NETWORK}/virtualNetworks/vnet-{number}"),
        }})
    }));
    (World::from_json(&world.to_string()).unwrap(), plan(&steps))
}

fn succeeded(status: &RunStatus) -> bool {
    matches!(status, RunStatus::Done { .. })
}

/// Every wait for a rate limit that a run records.
async fn limits(process: &Process, run: twinspan_engine::RunId) -> Vec<String> {
    let events = process.events(run).await;
    events
        .iter()
        .filter_map(|recorded| match &recorded.event {
            Event::Step { event: StepEvent::Waiting { wait, .. }, .. } if wait.kind == WaitKind::Limit => {
                Some(wait.what.clone())
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn forty_members_at_once_go_through_a_small_bucket_and_no_request_comes_too_early() {
    let (world, text) = many(40);
    let stage = Stage::set(world);
    let pause = SignedDuration::from_secs(5);
    stage.world.with(|world| {
        world.set_rates(Rates {
            writes: Some(Rate { burst: 10, per_second: 1.0, pause }),
            reads: Some(Rate { burst: 60, per_second: 10.0, pause }),
            ..Rates::default()
        });
    });
    let process = stage.process();
    let began = stage.clock.now();
    let run = process.start(text, 1).await;
    let status = process.drive(run).await;
    assert!(succeeded(&status), "{status:?}");
    let took = stage.clock.now().duration_since(began);
    let (refused, early) = stage.world.with(|world| world.throttled());
    let writes =
        stage.world.with(|world| world.effects().iter().filter(|effect| effect.method == "PUT").count());
    println!("41 writes in {}: {refused} requests refused with 429, {early} of them too early", took);
    assert_eq!(early, 0, "requests came earlier than Azure had told them");
    assert!(refused <= 3, "{refused} requests ran into the wall");
    assert!(writes <= 41 + usize::try_from(refused).unwrap(), "{writes} writes");
    // 31 of 41 have to wait for one a second.
    assert!(took.as_secs() >= 31 && took.as_secs() < 240, "{took}");
    let waits = limits(&process, run).await;
    assert!(waits.iter().any(|what| what.contains("(writes): next request at 2026-11-23T12:0")), "{waits:?}");
}

#[tokio::test]
async fn what_the_answers_say_is_left_slows_the_client_before_it_is_refused() {
    let stage = Stage::set(World::ready().unwrap());
    let rates = Rate { burst: 5, per_second: 10.0, pause: SignedDuration::from_secs(5) };
    stage.world.with(|world| world.set_rates(Rates { writes: Some(rates), ..Rates::default() }));
    let mut steps: Vec<Value> = Vec::new();
    for number in 0..12 {
        let mut step = group(&format!("group-{number}"), &format!("ng-{number}"));
        if let Some(before) = steps.last() {
            step["needs"] = json!([before["id"]]);
        }
        steps.push(step);
    }
    let process = stage.process();
    let run = process.start(plan(&steps), 1).await;
    let status = process.drive(run).await;
    assert!(succeeded(&status), "{status:?}");
    let (refused, early) = stage.world.with(|world| world.throttled());
    assert_eq!((refused, early), (0, 0), "nothing but headers told it");
    let waits = limits(&process, run).await;
    assert!(!waits.is_empty(), "a bucket of 5 held 12 writes without a wait");
}

#[tokio::test]
async fn what_one_step_is_told_counts_for_all_runs_and_not_for_reads_or_another_subscription() {
    let stage = Stage::set(World::ready().unwrap());
    let process = stage.process();
    let told = Fault::refusal("PUT", "/networkGroups/ng-0", "SubscriptionRequestsThrottled");
    let told = Fault { retry_after: Some(SignedDuration::from_secs(20)), ..told };
    stage.world.with(|world| world.add_faults([told]));
    let mut runs = Vec::new();
    for number in 0..5 {
        let steps = [group("group", &format!("ng-{number}"))];
        runs.push(process.start(plan(&steps), number + 1).await);
    }
    let connection = json!({ "id": "other", "uses": "avnm.network-manager-connection", "as": "target", "with": {
        "network_manager": format!("{NETWORK}/networkManagers/nm-group"), "name": "to-central",
        "scope": "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001",
    }});
    runs.push(process.start(plan(&[connection]), 9).await);
    let began = stage.clock.now();
    let statuses = process.drive_all(runs.clone()).await;
    assert!(statuses.iter().all(succeeded), "{statuses:?}");
    let until = began.saturating_add(SignedDuration::from_secs(20)).unwrap();
    let writes: Vec<(Timestamp, String, u16)> = stage.world.with(|world| {
        let writes = world.requests().iter().filter(|seen| seen.method == "PUT");
        writes.map(|seen| (seen.at, seen.path.clone(), seen.status)).collect()
    });
    let refused = writes.iter().position(|(.., status)| *status == 429).unwrap();
    for (at, path, status) in &writes[refused + 1..] {
        let central = path.contains(CENTRAL_SUBSCRIPTION);
        assert!(!central || *at >= until, "{path} was sent at {at}, before {until}");
        assert!(central || *at < until, "{path} of another subscription had to wait until {at}");
        assert_ne!(*status, 429);
    }
    assert_eq!(
        writes[refused + 1..].iter().filter(|(_, path, _)| path.contains(CENTRAL_SUBSCRIPTION)).count(),
        5
    );
    let read = stage.world.with(|world| {
        world.requests().iter().any(|seen| {
            seen.method == "GET" && seen.path.contains("ng-4") && seen.at < until && seen.status == 404
        })
    });
    assert!(read, "reads are counted apart");
    let mut waits = Vec::new();
    for run in &runs {
        waits.push(limits(&process, *run).await);
    }
    assert!(waits[..5].iter().all(|of_run| of_run.len() == 1) && waits[5].is_empty(), "{waits:#?}");
}

/// A fifth of the rates that Azure documents, so that a hundred writes reach them.
#[tokio::test]
async fn at_a_pace_like_azures_hardly_any_request_is_refused() {
    let (world, text) = many(100);
    let stage = Stage::set(world);
    let fifth = |rate: Option<Rate>| {
        rate.map(|rate| Rate { burst: rate.burst / 5, per_second: rate.per_second / 5.0, ..rate })
    };
    let azure = Rates::azure();
    let rates = Rates { reads: fifth(azure.reads), writes: fifth(azure.writes), ..azure };
    stage.world.with(|world| world.set_rates(rates));
    let process = stage.process();
    let began = stage.clock.now();
    let run = process.start(text, 1).await;
    let status = process.drive(run).await;
    assert!(succeeded(&status), "{status:?}");
    let took = stage.clock.now().duration_since(began);
    let (refused, early) = stage.world.with(|world| world.throttled());
    let (all, reads) = stage.world.with(|world| {
        (world.requests().len(), world.requests().iter().filter(|seen| seen.method == "GET").count())
    });
    println!(
        "101 writes in {took}, {all} requests, {reads} reads: {refused} refused with 429, {early} of them too early"
    );
    assert_eq!(early, 0);
    assert!(refused <= 20, "{refused} requests ran into the wall");
}
