//! Reads recorded lists and queries: their items, their last page, and the conclusions of the kinds that use them.

use crate::kinds::named_resource::Named;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use twinspan_engine::{AttemptLog, Observed, Phase, Readiness, Reading, StepError};

use super::conclusions::{Conclusion, STRANGER, answering, provisioning_means, refused, said, words};
use super::recording::Exchange;
use crate::avnm::API;
use crate::azure::scripted::Bench;
use crate::kinds::group_members::GroupMembers;
use crate::kinds::network_manager_connection::NetworkManagerConnection;
use crate::kinds::static_member::StaticMember;
use crate::kinds::wire_test::{Attempt, params};

/// Reads a list that has one page: an empty `nextLink` is not followed.
pub(super) async fn listed<T: DeserializeOwned>(
    exchange: &Exchange,
    what: &str,
    drawn: impl Fn(&T) -> String,
    says: impl Fn(&Value) -> String,
) -> Conclusion {
    let bench = Bench::new();
    answering(&bench, exchange);
    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    let items: Result<Vec<T>, StepError> =
        bench.azure.arm(&cx, &bench.central).list(&exchange.path, API, &[]).await;
    let summed = |mut states: Vec<String>| {
        states.sort();
        if states.is_empty() { "nothing".to_owned() } else { states.join(", ") }
    };
    let said = exchange.body["value"].as_array().unwrap();
    Conclusion {
        asked: format!("list of {what}"),
        expected: summed(said.iter().map(says).collect()),
        drawn: items.map_or_else(|error| refused(&error), |items| summed(items.iter().map(drawn).collect())),
    }
}

/// Checks whether the scope has a network manager connection that names the manager, under any name. If it has none although
/// the scope connection is Connected, nothing is written.
pub(super) async fn siblings(exchange: &Exchange) -> Vec<Conclusion> {
    let scope = exchange.path.trim_end_matches("/providers/Microsoft.Network/networkManagerConnections");
    let named = exchange.body["value"].as_array().unwrap().iter();
    let named: Vec<&str> = named.filter_map(|item| said(&item["properties"], "networkManagerId")).collect();
    let stranger =
        format!("{STRANGER}/resourceGroups/rg/providers/Microsoft.Network/networkManagers/another");
    let mut all = Vec::new();
    let strangers = [(stranger.as_str(), "none, so a person decides")];
    for (manager, expected) in named.iter().map(|manager| (*manager, "found")).chain(strangers) {
        let bench = Bench::new();
        // Before a write one list shows the connection both under its own name and under another one.
        answering(&bench, exchange);
        let kind = Named::<NetworkManagerConnection>::new(&bench.azure);
        let params = params(json!({
            "scope": scope, "name": "other", "network_manager": manager, "scope_connection_state": "Connected",
        }));
        let probe = Attempt::new(&bench, Phase::Probe);
        let drawn = match probe.check(&kind, &params).await {
            Ok(Observed::Absent) => match probe.precondition(&kind, &params).await {
                Ok(Readiness::Undecided(_)) => "none, so a person decides".to_owned(),
                other => format!("none, and {other:?}"),
            },
            Ok(_) => "found".to_owned(),
            Err(error) => refused(&error),
        };
        all.push(Conclusion {
            asked: "`avnm.network-manager-connection` whether a network manager connection that names the manager exists"
                .to_owned(),
            expected: expected.to_owned(),
            drawn,
        });
    }
    all
}

/// Checks each member of a list with the kind that creates members and with the kind that verifies the group.
pub(super) async fn members(exchange: &Exchange) -> Vec<Conclusion> {
    let group = exchange.path.trim_end_matches("/staticMembers");
    let mut all = Vec::new();
    for item in exchange.body["value"].as_array().unwrap() {
        let properties = &item["properties"];
        let expected = provisioning_means(said(properties, "provisioningState"));
        let network = properties["resourceId"].as_str().unwrap();
        let bench = Bench::new();
        answering(&bench, exchange);
        let kind = Named::<StaticMember>::new(&bench.azure);
        let wanted = params(json!({ "group": group, "virtual_network": network }));
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind, &wanted).await;
        if let Ok(Observed::Present { output, .. }) = &seen {
            let output = serde_json::to_value(output).unwrap();
            let region = said(properties, "region").or(said(properties, "location")).unwrap_or_default();
            assert_eq!(output["region"], region, "{item}");
        }
        all.push(Conclusion {
            asked: "`avnm.static-member` GET (list)".to_owned(),
            expected: expected.to_owned(),
            drawn: words(seen),
        });
        let bench = Bench::new();
        answering(&bench, exchange);
        let kind = Reading(GroupMembers { azure: Arc::clone(&bench.azure) });
        let wanted = params(json!({ "group": group, "expect": [network] }));
        all.push(Conclusion {
            asked: "`avnm.group-members` GET (list)".to_owned(),
            // This kind did not create the member, so it cannot create it again.
            expected: expected.replace("differs", "a person decides"),
            drawn: words(Attempt::new(&bench, Phase::Verify).check(&kind, &wanted).await),
        });
    }
    let bench = Bench::new();
    answering(&bench, exchange);
    let kind = Named::<StaticMember>::new(&bench.azure);
    let network = format!("{STRANGER}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v");
    let wanted = params(json!({ "group": group, "virtual_network": network }));
    all.push(Conclusion {
        asked: "`avnm.static-member` GET (list) of a network that was not added".to_owned(),
        expected: "absent".to_owned(),
        drawn: words(Attempt::new(&bench, Phase::Probe).check(&kind, &wanted).await),
    });
    all
}

/// Checks that a commit is accepted and its response repeats the request; the effect of the commit is not tested here.
pub(super) async fn committed(exchange: &Exchange) -> Conclusion {
    let bench = Bench::new();
    answering(&bench, exchange);
    let log = AttemptLog::new(Phase::Apply);
    let cx = bench.cx(Phase::Apply, &log);
    let arm = bench.azure.arm(&cx, &bench.central);
    let accepted: Result<Option<Value>, StepError> =
        arm.post(&exchange.path, API, Some(&exchange.sent)).await;
    let drawn = match accepted {
        Ok(Some(body)) => format!("accepted, commit id: {}", body["commitId"].is_string()),
        Ok(None) => "accepted without a body".to_owned(),
        Err(error) => refused(&error),
    };
    let expected = format!("accepted, commit id: {}", said(&exchange.body, "commitId").is_some());
    Conclusion { asked: "commit".to_owned(), expected, drawn }
}

/// Checks a query such as `{"skipToken":"","value":[]}`: no items, and no next page.
pub(super) async fn queried(exchange: &Exchange, query: &str) -> Conclusion {
    let bench = Bench::new();
    answering(&bench, exchange);
    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    let arm = bench.azure.arm(&cx, &bench.central);
    let answer: Result<Value, StepError> = arm.query(&exchange.path, API, &exchange.sent).await;
    let sum = |answer: &Value| {
        let next = said(answer, "skipToken").map_or("no next page", |_| "a next page");
        format!("{} items, {next}", answer["value"].as_array().unwrap().len())
    };
    let drawn = answer.map_or_else(|error| refused(&error), |answer| sum(&answer));
    Conclusion { asked: query.to_owned(), expected: sum(&exchange.body), drawn }
}
