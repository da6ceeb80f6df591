use serde_json::{Value, json};

use super::*;
use crate::azure::scripted::Bench;
use crate::kinds::wire_test::{Attempt, asked, body, wait};

const MANAGER: &str = default_world::MANAGER;

fn kind(bench: &Bench) -> Deployment {
    Deployment { azure: Arc::clone(&bench.azure) }
}

fn ours() -> String {
    default_world::configuration().path().to_owned()
}

fn theirs() -> String {
    format!("{MANAGER}/connectivityConfigurations/theirs")
}

fn goal(status: &str, at: &str, configurations: &[String]) -> Value {
    json!({ "commitTime": at, "region": "West Europe", "deploymentStatus": status, "deploymentType": "connectivity",
        "configurationIds": configurations, "errorMessage": if status == "Failed" { "no gateway" } else { "" } })
}

fn listed(goals: &[Value]) -> Value {
    json!({ "skipToken": "", "value": goals })
}

const NOON: &str = "2026-11-23T12:00:00Z";

fn written(at: &str) -> Value {
    json!({ "name": "hub-and-spoke", "properties": {}, "systemData": { "lastModifiedAt": at } })
}

async fn seen(phase: Phase, receipt: Option<Value>, answers: &[Value]) -> Observed<Output> {
    seen_of("2026-11-23T10:00:00Z", phase, receipt, answers).await
}

async fn seen_of(at: &str, phase: Phase, receipt: Option<Value>, answers: &[Value]) -> Observed<Output> {
    let bench = Bench::new();
    // A forward check reads the configuration first.
    if !matches!(phase, Phase::UndoProbe | Phase::UndoVerify) {
        bench.script.answer(200, &written(at));
    }
    for answer in answers {
        bench.script.answer(200, answer);
    }
    let attempt = Attempt { receipt, ..Attempt::new(&bench, phase) };
    attempt.check(&kind(&bench), &Deployment::example()).await.unwrap()
}

#[tokio::test]
async fn every_page_is_read_and_the_last_commit_of_the_region_counts() {
    let bench = Bench::new();
    let mut elsewhere = goal("Deployed", "2026-11-23T13:00:00Z", &[]);
    elsewhere["region"] = json!("northeurope");
    let mut of_another_type = goal("Deployed", "2026-11-23T13:00:00Z", &[]);
    of_another_type["deploymentType"] = json!("AdminPolicy");
    let first = [goal("Deployed", "2026-11-23T11:00:00Z", &[]), elsewhere, of_another_type];
    bench.script.answer(200, &written("2026-11-23T12:00:00.9Z"));
    bench.script.answer(200, &json!({ "skipToken": "20", "value": first }));
    bench.script.answer(200, &listed(&[goal("Deployed", NOON, &[ours().to_uppercase()])]));
    let found =
        Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &Deployment::example()).await.unwrap();
    let Observed::Present { output, marker } = found else { panic!("{found:?}") };
    assert_eq!(
        (output.region.as_str(), output.committed_at.as_str(), marker),
        ("westeurope", NOON, Marker::NoPlace)
    );
    let requests = bench.script.requests();
    let body = json!({ "regions": ["westeurope"], "deploymentTypes": ["Connectivity"] });
    assert_eq!(requests[1].body, body);
    assert_eq!(requests[2].body["skipToken"], json!("20"));
    assert!(
        asked(&bench)[2].starts_with(&format!("POST {MANAGER}/listDeploymentStatus?")),
        "the proof comes last"
    );
}

#[tokio::test]
async fn how_far_a_commit_is_decides() {
    assert_eq!(seen(Phase::Probe, None, &[listed(&[])]).await, Observed::Absent);
    let others = listed(&[goal("Deployed", NOON, &[theirs()])]);
    assert_eq!(seen(Phase::Probe, None, &[others]).await, Observed::Absent);
    for status in ["NotStarted", "Deploying", "Pondering"] {
        let seen = seen(Phase::Verify, None, &[listed(&[goal(status, NOON, &[ours()])])]).await;
        let wait = wait(seen);
        assert_eq!(wait.what, format!("the deployment of hub-and-spoke to westeurope is {status}"));
        assert!(wait.who.unwrap().contains("15 to 20 minutes"));
    }
    let failed = seen(Phase::Verify, None, &[listed(&[goal("Failed", NOON, &[ours()])])]).await;
    let Observed::Broken { decision, .. } = failed else { panic!("{failed:?}") };
    assert_eq!(decision.what, "the deployment of hub-and-spoke to westeurope failed: no gateway");
}

#[tokio::test]
async fn the_commit_that_stood_before_says_nothing_of_ours() {
    let before = listed(&[goal("Failed", NOON, &[ours()])]);
    let receipt = json!({ "before": NOON, "already": [] });
    let early = wait(seen(Phase::Verify, Some(receipt.clone()), &[before]).await);
    assert!(
        early.what.contains("is not listed yet; the list still shows the commit of 2026-11-23T12:00:00Z"),
        "{}",
        early.what
    );
    let after = listed(&[goal("Failed", "2026-11-23T12:00:01Z", &[ours()])]);
    let failed = seen(Phase::Verify, Some(receipt), &[after]).await;
    assert!(matches!(failed, Observed::Broken { .. }), "{failed:?}");
}

#[tokio::test]
async fn a_configuration_that_was_edited_is_not_what_was_deployed() {
    let deployed = listed(&[goal("Deployed", NOON, &[ours()])]);
    let edited = seen_of("2026-11-23T12:05:00Z", Phase::Probe, None, &[deployed]).await;
    let Observed::Differs { differences, .. } = edited else { panic!("{edited:?}") };
    assert_eq!(differences[0].field, "configuration hub-and-spoke");
    assert_eq!(differences[0].wanted, "as it was written at 2026-11-23T12:05:00Z");
}

#[tokio::test]
async fn what_is_deployed_there_is_committed_along_and_undo_takes_only_its_own() {
    let bench = Bench::new();
    bench.script.answer(200, &listed(&[goal("Deployed", NOON, &[theirs()])]));
    // The address of the operation is invalid, and the body may be empty.
    bench.script.answer_with(202, &[("location", "https://management.azure.com/x/operationResults/0")], "");
    let mut attempt = Attempt::new(&bench, Phase::Apply);
    let applied = attempt.apply(&kind(&bench), &Deployment::example()).await.unwrap();
    let sent = json!({ "targetLocations": ["westeurope"], "configurationIds": [theirs(), ours()],
        "commitType": "Connectivity" });
    assert_eq!(body(&bench), sent);
    assert_eq!(applied.receipt, Some(json!({ "before": NOON, "already": [] })));
    attempt.receipt = applied.receipt;
    let found = Output {
        id: String::new(),
        network_manager: default_world::manager(),
        region: "westeurope".to_owned(),
        configurations: Vec::new(),
        committed_at: NOON.to_owned(),
    };
    bench.script.answer(200, &listed(&[goal("Deployed", NOON, &[ours(), theirs().to_uppercase()])]));
    bench.script.answer(202, &json!({}));
    attempt.undo(&kind(&bench), &Deployment::example(), &found).await.unwrap();
    assert_eq!(body(&bench)["configurationIds"], json!([theirs().to_uppercase()]));
    attempt.receipt = Some(json!({ "before": NOON, "already": [ours()] }));
    bench.script.answer(200, &listed(&[goal("Deployed", NOON, &[ours()])]));
    bench.script.answer(202, &json!({}));
    attempt.undo(&kind(&bench), &Deployment::example(), &found).await.unwrap();
    assert_eq!(body(&bench)["configurationIds"], json!([ours()]), "it was deployed before this step");
}

#[tokio::test]
async fn an_empty_list_is_no_reason_to_take_away_what_is_in_force() {
    let bench = Bench::new();
    bench.script.answer(200, &listed(&[]));
    bench
        .script
        .answer(200, &json!({ "value": [{ "id": theirs(), "region": "westeurope" }], "skipToken": "" }));
    bench.script.answer(202, &json!({}));
    Attempt::new(&bench, Phase::Apply).apply(&kind(&bench), &Deployment::example()).await.unwrap();
    assert_eq!(body(&bench)["configurationIds"], json!([theirs(), ours()]));
    let path = |what: &str| format!("POST {MANAGER}/{what}?api-version=2024-10-01");
    let all = ["listDeploymentStatus", "listActiveConnectivityConfigurations", "commit"].map(path);
    assert_eq!(asked(&bench), all);
}

#[tokio::test]
async fn undo_waits_until_the_region_is_free_of_it() {
    let active =
        |ids: &[String]| json!({ "value": ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>() });
    let there = seen(Phase::UndoVerify, None, &[listed(&[goal("Deployed", NOON, &[ours()])])]).await;
    assert!(matches!(there, Observed::Present { .. }), "{there:?}");
    let going = wait(seen(Phase::UndoVerify, None, &[listed(&[goal("Deploying", NOON, &[])])]).await);
    assert_eq!(going.what, "hub-and-spoke is being withdrawn from westeurope: the deployment is Deploying");
    let unlisted = wait(seen(Phase::UndoVerify, None, &[listed(&[]), active(&[ours()])]).await);
    assert!(unlisted.what.ends_with("not listed yet"), "{}", unlisted.what);
    assert_eq!(seen(Phase::UndoVerify, None, &[listed(&[]), active(&[theirs()])]).await, Observed::Absent);
    let rest = listed(&[goal("Deployed", NOON, &[theirs()])]);
    assert_eq!(seen(Phase::UndoVerify, None, &[rest]).await, Observed::Absent);
    let bench = Bench::new();
    let failed = listed(&[goal("Failed", NOON, &[])]);
    bench.script.answer(200, &failed);
    let attempt = Attempt::new(&bench, Phase::UndoVerify);
    let error = attempt.check(&kind(&bench), &Deployment::example()).await.unwrap_err();
    assert_eq!(error.message, "withdrawing hub-and-spoke from westeurope failed: no gateway");
    let again = seen(Phase::UndoProbe, None, &[failed]).await;
    assert!(matches!(again, Observed::Present { .. }), "it is committed again: {again:?}");
}

#[tokio::test]
async fn what_is_to_be_gone_is_withdrawn_whoever_deployed_it() {
    let bench = Bench::new();
    bench.script.answer(200, &listed(&[goal("Deployed", NOON, &[ours(), theirs()])]));
    bench.script.answer(200, &listed(&[goal("Deployed", NOON, &[theirs()])]));
    let attempt = Attempt::removing(&bench);
    let there = attempt.check(&kind(&bench), &Deployment::example()).await.unwrap();
    assert!(matches!(there, Observed::Present { .. }), "{there:?}");
    assert_eq!(attempt.check(&kind(&bench), &Deployment::example()).await.unwrap(), Observed::Absent);
}

#[tokio::test]
async fn what_cannot_be_deployed_is_refused_before_anything_is_asked() {
    for (field, value, words) in [
        ("region", json!("west/europe"), "is not the name of a region"),
        ("configurations", json!([]), "`configurations`: it is empty"),
        (
            "configurations",
            json!([ours().replace("nm-group", "nm-other")]),
            "does not belong to network manager",
        ),
    ] {
        let bench = Bench::new();
        let mut given = serde_json::to_value(Deployment::example()).unwrap();
        given[field] = value;
        let given = serde_json::from_value(given).unwrap();
        let error = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &given).await.unwrap_err();
        assert!(error.message.contains(words), "{}", error.message);
        assert_eq!(asked(&bench).len(), 0);
    }
}

#[test]
fn a_region_has_one_goal_however_it_is_spelled() {
    let bench = Bench::new();
    let log = twinspan_engine::AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    let mut given = Deployment::example();
    let one = kind(&bench).claims(&cx, &given);
    given.region = "West Europe".to_owned();
    given.configurations = vec![theirs().parse().unwrap()];
    assert_eq!(kind(&bench).claims(&cx, &given), one);
    let said = kind(&bench).hand_over(&cx, &given).unwrap().task.unwrap();
    assert!(said.by_hand.unwrap().contains("az network manager post-commit --network-manager-name nm-group"));
    assert!(said.what.contains("Azure withdraws what a commit omits"));
}

/// Warnings of the check for one configuration with a group and hubs.
async fn warned(members: &[&str], hub: Option<&str>) -> Vec<String> {
    let bench = Bench::new();
    let group = format!("{MANAGER}/networkGroups/spokes");
    let mut configuration = written("2026-11-23T10:00:00Z");
    configuration["properties"] = json!({ "connectivityTopology": if hub.is_some() { "HubAndSpoke" } else { "Mesh" },
        "appliesToGroups": [{ "networkGroupId": group }],
        "hubs": [{ "resourceId": default_world::hub().path() }] });
    bench.script.answer(200, &configuration);
    let listed_members: Vec<Value> = members
        .iter()
        .enumerate()
        .map(|(number, region)| {
            let id = format!("{group}/staticMembers/m{number}");
            json!({ "id": id, "name": format!("m{number}"), "properties": { "resourceId": "x", "location": region } })
        })
        .collect();
    bench.script.answer(200, &json!({ "value": listed_members }));
    if let Some(region) = hub {
        let id = default_world::hub();
        bench.script.answer(
            200,
            &json!({ "id": id.path(), "name": id.name(), "location": region, "properties": {} }),
        );
    }
    bench.script.answer(200, &listed(&[goal("Deployed", NOON, &[ours()])]));
    let attempt = Attempt::new(&bench, Phase::Verify);
    let (found, warnings) = attempt.check_and_warn(&kind(&bench), &Deployment::example()).await.unwrap();
    assert!(matches!(found, Observed::Present { .. }), "{found:?}");
    let requests = asked(&bench);
    assert!(
        requests.last().unwrap().contains("/listDeploymentStatus?"),
        "the proof comes last: {requests:?}"
    );
    warnings
}

#[tokio::test]
async fn a_region_in_which_nothing_is_reached_is_warned_about() {
    let elsewhere = warned(&["West US 2", "northeurope"], None).await;
    assert_eq!(elsewhere.len(), 1, "{elsewhere:?}");
    assert!(
        elsewhere[0]
            .contains("reaches no member in westeurope: its virtual networks are in northeurope, westus2"),
        "{elsewhere:?}"
    );
    let none = warned(&[], Some("westus2")).await;
    assert!(none[0].contains("its virtual networks are in westus2"), "{none:?}");
    assert!(warned(&[], None).await[0].contains("have no static members yet"));
    for (members, hub) in
        [(&["westus2", "West Europe"][..], None), (&["westus2"], Some("westeurope")), (&[""], None)]
    {
        assert_eq!(warned(members, hub).await, Vec::<String>::new(), "{members:?} {hub:?}");
    }
}
