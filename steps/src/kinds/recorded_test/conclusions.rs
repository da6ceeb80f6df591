//! Compares what each kind concludes from one recorded response with what the response means.

use crate::kinds::named_resource::{Named, NamedResource};
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use twinspan_engine::{AttemptLog, Observed, Phase, Readiness, Reading, Step, StepError};

use super::lists::{committed, listed, members, queried, siblings};
use super::polls;
use super::recording::{Exchange, Session};
use crate::avnm::{API, ConnectionSide, Found, Manager, NamesManager, NamesScope};
use crate::azure::scripted::Bench;
use crate::kinds::arm_resource::ArmResource;
use crate::kinds::connection_status::ConnectionStatus;
use crate::kinds::network_group::NetworkGroup;
use crate::kinds::network_manager::NetworkManager;
use crate::kinds::network_manager_connection::NetworkManagerConnection;
use crate::kinds::scope_connection::ScopeConnection;
use crate::kinds::static_member::StaticMember;
use crate::kinds::wire_test::{Attempt, asked, params};

/// A subscription that no recording knows.
pub(super) const STRANGER: &str = "/subscriptions/99999999-0000-0000-0000-000000000001";

/// A conclusion of a kind, and the expected one.
pub(super) struct Conclusion {
    /// Kind and request.
    pub(super) asked: String,
    /// What the bare JSON means.
    pub(super) expected: String,
    /// What the kind concluded.
    pub(super) drawn: String,
}

/// Reads one session from its beginning.
pub(super) struct Conclusions<'a> {
    session: &'a Session,
    /// The last response about each resource, by its path in lower case.
    last: BTreeMap<String, Value>,
}

/// Input of a kind.
struct Shape {
    params: Value,
    /// The output that `undo` gets.
    output: Value,
    /// Whether the kind finds the resource in a list.
    listed: bool,
}

/// Scripts this response as the next one.
pub(super) fn answering(bench: &Bench, exchange: &Exchange) {
    let headers: Vec<(&str, &str)> =
        exchange.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    bench.script.answer_with(exchange.status, &headers, &exchange.text());
}

/// A result as a short text.
pub(super) fn words<O: Serialize>(seen: Result<Observed<O>, StepError>) -> String {
    match seen {
        Ok(Observed::Absent) => "absent".to_owned(),
        Ok(Observed::Converging { .. }) => "waits".to_owned(),
        Ok(Observed::Conflict(_)) => "a person decides".to_owned(),
        Ok(Observed::Broken { output, .. }) => {
            format!("does not heal: {}", serde_json::to_value(output).unwrap()["state"].as_str().unwrap())
        }
        Ok(Observed::Differs { .. }) => "differs".to_owned(),
        Ok(Observed::Present { output, .. }) => {
            let output = serde_json::to_value(output).unwrap();
            let state = output["state"].as_str().map(|state| format!(", {state}"));
            format!("there{}", state.unwrap_or_default())
        }
        Err(error) => refused(&error),
    }
}

pub(super) fn refused(error: &StepError) -> String {
    format!("refused: {}", error.code.as_deref().unwrap_or("without a code"))
}

/// The text of a field, unless it is missing or empty.
pub(super) fn said<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value[field].as_str().filter(|text| !text.is_empty())
}

/// The meaning of the state of a connection, from Microsoft's documents.
fn half_means(state: &str) -> String {
    match state {
        "Pending" | "Connected" => format!("there, {state}"),
        other => format!("does not heal: {other}"),
    }
}

/// The meaning of a provisioning state.
pub(super) fn provisioning_means(state: Option<&str>) -> &'static str {
    match state {
        None | Some("Succeeded") => "there",
        Some("Failed" | "Canceled") => "differs",
        Some(_) => "waits",
    }
}

impl<'a> Conclusions<'a> {
    pub(super) fn new(session: &'a Session) -> Self {
        Conclusions { session, last: BTreeMap::new() }
    }

    /// Remembers the response about a resource.
    pub(super) fn passed(&mut self, exchange: &Exchange) {
        if exchange.status == 200 && exchange.body["id"].is_string() {
            self.last.insert(exchange.path.to_ascii_lowercase(), exchange.body.clone());
        }
    }

    /// Draws the conclusions from a response, for each way in which a step would request it.
    pub(super) async fn of(&self, exchange: &Exchange) -> Vec<Conclusion> {
        let kind = exchange.kind().unwrap();
        let mut all = Vec::new();
        match kind.rsplit('/').next().unwrap() {
            "networkmanagers" if exchange.is_list() => {
                let state = |item: &Found<Manager>| item.properties.provisioning_state.to_string();
                all.push(
                    listed(exchange, "network managers", state, |item| {
                        said(&item["properties"], "provisioningState").unwrap_or("Succeeded").to_owned()
                    })
                    .await,
                );
            }
            "networkmanagers" => {
                let (shape, bench) = (manager(exchange), Bench::new());
                let kind = NetworkManager { azure: Arc::clone(&bench.azure) };
                all.push(self.one(&bench, kind, &shape, exchange).await);
                all.extend(self.members_of(exchange).await);
            }
            "scopeconnections" if exchange.is_list() => {
                let state =
                    |item: &Found<ConnectionSide<NamesScope>>| item.properties.connection_state.to_string();
                all.push(listed(exchange, "scope connections", state, connection_state).await);
            }
            "scopeconnections" => {
                let (shape, bench) = (self.scope_half(exchange), Bench::new());
                let kind = Named::<ScopeConnection>::new(&bench.azure);
                all.push(self.one(&bench, kind, &shape, exchange).await);
                all.extend(self.without_consent(exchange).await);
            }
            "networkmanagerconnections" if exchange.is_list() => {
                let state =
                    |item: &Found<ConnectionSide<NamesManager>>| item.properties.connection_state.to_string();
                all.push(listed(exchange, "network manager connections", state, connection_state).await);
                all.extend(siblings(exchange).await);
            }
            "networkmanagerconnections" => {
                let (shape, bench) = (self.manager_half(exchange), Bench::new());
                let kind = Named::<NetworkManagerConnection>::new(&bench.azure);
                all.push(self.one(&bench, kind, &shape, exchange).await);
            }
            "networkgroups" if exchange.is_list() => {
                let state = |item: &Found<crate::avnm::Group>| item.properties.provisioning_state.to_string();
                all.push(
                    listed(exchange, "network groups", state, |item| {
                        said(&item["properties"], "provisioningState").unwrap_or("Succeeded").to_owned()
                    })
                    .await,
                );
            }
            "networkgroups" => {
                let (shape, bench) = (self.group(exchange), Bench::new());
                let kind = Named::<NetworkGroup>::new(&bench.azure);
                all.push(self.one(&bench, kind, &shape, exchange).await);
            }
            "staticmembers" if exchange.is_list() => all.extend(members(exchange).await),
            "staticmembers" => {
                let (shape, bench) = (self.member(exchange), Bench::new());
                let kind = Named::<StaticMember>::new(&bench.azure);
                all.push(self.one(&bench, kind, &shape, exchange).await);
            }
            "connectivityconfigurations" if exchange.is_list() => {
                let state = |item: &Found<Value>| {
                    item.properties["provisioningState"].as_str().unwrap_or_default().to_owned()
                };
                all.push(
                    listed(exchange, "connectivity configurations", state, |item| {
                        said(&item["properties"], "provisioningState").unwrap_or_default().to_owned()
                    })
                    .await,
                );
            }
            "connectivityconfigurations" => {
                let (shape, bench) = (self.configuration(exchange), Bench::new());
                let kind = ArmResource { azure: Arc::clone(&bench.azure) };
                all.push(self.one(&bench, kind, &shape, exchange).await);
            }
            "operationresults" => all.push(polls::asked(exchange).await),
            "commit" => all.push(committed(exchange).await),
            // listDeploymentStatus, listActive…, listNetworkManagerEffective…
            query => all.push(queried(exchange, query).await),
        }
        all
    }

    /// Checks a response about one resource that is read, written or deleted.
    async fn one<S: Step>(&self, bench: &Bench, kind: S, shape: &Shape, exchange: &Exchange) -> Conclusion {
        let known = self.known(exchange);
        let (expected, drawn) = match exchange.method.as_str() {
            "GET" => (expected(S::META.name, exchange), self.look(bench, &kind, shape, exchange).await),
            "PUT" => {
                let expected = match exchange.status {
                    200 | 201 => "accepted; only a read proves the result".to_owned(),
                    _ => format!("refused: {}", exchange.body["error"]["code"].as_str().unwrap()),
                };
                // A step gives a member its own name, not the recorded one.
                if shape.listed && exchange.status < 300 {
                    bench.script.answer_here(exchange.status, &[], &exchange.body);
                } else {
                    answering(bench, exchange);
                }
                let params: S::Params = params(shape.params.clone());
                let written = Attempt::new(bench, Phase::Apply).apply(&kind, &params).await;
                let drawn = match written {
                    Ok(_) => "accepted; only a read proves the result".to_owned(),
                    Err(error) => refused(&error),
                };
                (expected, drawn)
            }
            "DELETE" => {
                ("deleted, as a read proves".to_owned(), removed(bench, &kind, shape, exchange, known).await)
            }
            other => panic!("{other} of {}", exchange.path),
        };
        let answered =
            if exchange.method == "DELETE" { format!(" → {}", exchange.status) } else { String::new() };
        Conclusion { asked: format!("`{}` {}{answered}", S::META.name, exchange.method), expected, drawn }
    }

    async fn look<S: Step>(&self, bench: &Bench, kind: &S, shape: &Shape, exchange: &Exchange) -> String {
        // A step gives a member its own name: a member with the recorded name is found only in a list, before a write.
        let phase = if shape.listed { Phase::Probe } else { Phase::Verify };
        if shape.listed {
            let list = json!({ "value": [exchange.body], "nextLink": "" });
            bench.script.answer(200, &list);
        } else {
            answering(bench, exchange);
        }
        // A connection that is missing under its own name may exist under another one.
        let halves = [ScopeConnection::META.name, NetworkManagerConnection::META.name];
        let looks = if exchange.status == 404 && halves.contains(&S::META.name) { 2 } else { 1 };
        if looks == 2 {
            bench.script.answer(200, &json!({ "value": [], "nextLink": "" }));
        }
        let params: S::Params = params(shape.params.clone());
        let seen = Attempt::new(bench, phase).check(kind, &params).await;
        assert_eq!(bench.script.requests().len(), looks, "reads of {}", exchange.path);
        words(seen)
    }

    /// The last known body of the resource: from this response, or from an earlier one.
    fn known(&self, exchange: &Exchange) -> Value {
        if exchange.status == 200 && exchange.body["properties"].is_object() {
            return exchange.body.clone();
        }
        let path = exchange.path.to_ascii_lowercase();
        self.last.get(&path).cloned().unwrap_or_else(|| json!({ "properties": {} }))
    }

    fn scope_half(&self, exchange: &Exchange) -> Shape {
        let (above, name) = cut(&exchange.path, "scopeConnections");
        let known = self.known(exchange);
        let tenant = said(&known["properties"], "tenantId").unwrap_or("11111111-0000-0000-0000-00000000000c");
        let scope = said(&known["properties"], "resourceId").unwrap_or(STRANGER);
        Shape {
            params: json!({ "network_manager": above, "name": name, "tenant": tenant, "scope": scope }),
            output: json!({ "id": exchange.path, "name": name, "state": "Pending" }),
            listed: false,
        }
    }

    fn manager_half(&self, exchange: &Exchange) -> Shape {
        let (above, name) = cut(&exchange.path, "providers/Microsoft.Network/networkManagerConnections");
        let known = self.known(exchange);
        // A connection without a network manager cannot be what a plan wants.
        let stranger =
            format!("{STRANGER}/resourceGroups/rg/providers/Microsoft.Network/networkManagers/another");
        let manager = said(&known["properties"], "networkManagerId").unwrap_or(&stranger);
        Shape {
            params: json!({ "scope": above, "name": name, "network_manager": manager }),
            output: json!({ "id": exchange.path, "name": name, "state": "Pending" }),
            listed: false,
        }
    }

    fn group(&self, exchange: &Exchange) -> Shape {
        let (above, name) = cut(&exchange.path, "networkGroups");
        let known = self.known(exchange);
        let of = said(&known["properties"], "memberType").unwrap_or("VirtualNetwork");
        Shape {
            params: json!({ "network_manager": above, "name": name, "member_type": of }),
            output: json!({ "id": exchange.path, "name": name, "member_type": of }),
            listed: false,
        }
    }

    fn member(&self, exchange: &Exchange) -> Shape {
        let (group, name) = cut(&exchange.path, "staticMembers");
        let known = self.known(exchange);
        let network = known["properties"]["resourceId"].as_str().unwrap();
        Shape {
            params: json!({ "group": group, "virtual_network": network }),
            output: json!({ "id": exchange.path, "name": name, "virtual_network": network, "region": "" }),
            listed: true,
        }
    }

    /// The parameters are those of the last write.
    fn configuration(&self, exchange: &Exchange) -> Shape {
        let mut writes = self.session.exchanges.iter().filter(|other| {
            other.method == "PUT" && other.path == exchange.path && other.seq <= exchange.seq
        });
        let wanted = writes.next_back().map_or(json!({ "properties": {} }), |write| write.sent.clone());
        Shape {
            params: json!({ "id": exchange.path, "api_version": API, "body": wanted }),
            output: json!({ "id": exchange.path, "body": wanted }),
            listed: false,
        }
    }

    /// Checks that a member is sent only if the manager's scope contains its network.
    async fn members_of(&self, exchange: &Exchange) -> Vec<Conclusion> {
        let mut all = Vec::new();
        if exchange.status != 200 || exchange.method == "DELETE" {
            return all;
        }
        let own = exchange.body["properties"]["networkManagerScopes"]["subscriptions"].as_array().unwrap();
        let own = own.iter().map(|id| (id.as_str().unwrap().to_owned(), "may be sent"));
        let groups = exchange.body["properties"]["networkManagerScopes"]["managementGroups"].as_array();
        // The contents of a management group are not known here, so nothing waits.
        let below = if groups.is_some_and(|groups| !groups.is_empty()) { "may be sent" } else { "waits" };
        for (subscription, expected) in own.chain([(STRANGER.to_owned(), below)]) {
            let bench = Bench::new();
            answering(&bench, exchange);
            let params = params(json!({
                "group": format!("{}/networkGroups/g", exchange.path),
                "virtual_network": format!("{subscription}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"),
            }));
            let kind = Named::<StaticMember>::new(&bench.azure);
            let ready = Attempt::new(&bench, Phase::Probe).precondition(&kind, &params).await;
            let drawn = match ready {
                Ok(Readiness::Ready) => "may be sent".to_owned(),
                Ok(Readiness::Waiting(_)) => "waits".to_owned(),
                Ok(Readiness::Undecided(_)) => "a person decides".to_owned(),
                Err(error) => refused(&error),
            };
            all.push(Conclusion {
                asked: "`avnm.static-member` whether the manager holds its subscription".to_owned(),
                expected: expected.to_owned(),
                drawn,
            });
        }
        all
    }

    /// Checks that a scope connection inside the manager's own scope, which Azure shows as Connected without consent, is never
    /// taken for the consent of another tenant.
    async fn without_consent(&self, exchange: &Exchange) -> Option<Conclusion> {
        let (manager, name) = cut(&exchange.path, "scopeConnections");
        let manager = self.last.get(&manager.to_ascii_lowercase())?;
        let half = &exchange.body["properties"];
        if exchange.method != "GET" || half["connectionState"] != "Connected" {
            return None;
        }
        let bench = Bench::new();
        let other =
            json!({ "properties": { "networkManagerId": manager["id"], "connectionState": "Connected" } });
        let mut scope_half = exchange.body.clone();
        // The scope connection must name the tenant of the identity that checks.
        scope_half["properties"]["tenantId"] = json!(crate::azure::scripted::CENTRAL);
        bench.script.answer(200, &scope_half).answer(200, &other).answer(200, manager);
        let kind = Reading(ConnectionStatus { azure: Arc::clone(&bench.azure) });
        let scope = half["resourceId"].as_str().unwrap();
        let params = params(json!({
            "scope_connection": exchange.path,
            "network_manager_connection": format!("{scope}/providers/Microsoft.Network/networkManagerConnections/{name}"),
        }));
        Some(Conclusion {
            asked: "`avnm.connection-status` of a Connected scope connection inside the manager's own scope"
                .to_owned(),
            expected: "waits".to_owned(),
            drawn: words(Attempt::new(&bench, Phase::Verify).check(&kind, &params).await),
        })
    }
}

/// The meaning of a read of one resource.
fn expected(kind: &str, exchange: &Exchange) -> String {
    if exchange.status == 404 {
        return "absent".to_owned();
    }
    let properties = &exchange.body["properties"];
    match kind {
        "avnm.scope-connection" => half_means(properties["connectionState"].as_str().unwrap()),
        "avnm.network-manager-connection" if said(properties, "networkManagerId").is_none() => {
            "differs".to_owned()
        }
        "avnm.network-manager-connection" => half_means(properties["connectionState"].as_str().unwrap()),
        _ => provisioning_means(said(properties, "provisioningState")).to_owned(),
    }
}

fn connection_state(item: &Value) -> String {
    item["properties"]["connectionState"].as_str().unwrap().to_owned()
}

/// Splits a path into the parent and the name of a resource of this type.
fn cut<'p>(path: &'p str, of_type: &str) -> (&'p str, &'p str) {
    let (above, name) = path.rsplit_once('/').unwrap();
    let above = above.get(..above.len() - of_type.len() - 1).unwrap();
    (above, name)
}

fn manager(exchange: &Exchange) -> Shape {
    let name = exchange.path.rsplit('/').next().unwrap();
    let asked = &exchange.sent["properties"]["networkManagerScopes"];
    let scopes: Vec<&Value> = ["subscriptions", "managementGroups"]
        .iter()
        .flat_map(|field| asked[*field].as_array().into_iter().flatten())
        .collect();
    let create = json!({
        "location": exchange.sent["location"].as_str().unwrap_or("eastus2"),
        "scopes": scopes,
        "scope_accesses": exchange.sent["properties"]["networkManagerScopeAccesses"].as_array().cloned().unwrap_or_default(),
    });
    let mut params = json!({ "id": exchange.path });
    if exchange.method == "PUT" {
        params["create"] = create;
    }
    Shape {
        params,
        output: json!({
            "id": exchange.path, "name": name, "subscription": STRANGER, "resource_group": "rg", "location": "",
            "scope_accesses": [],
        }),
        listed: false,
    }
}

/// Deletes a resource with the recorded response, and reads it: first it still exists, then it is gone, with both codes of 404.
/// The address that a 202 returns is not polled.
async fn removed<S: Step>(
    bench: &Bench,
    kind: &S,
    shape: &Shape,
    exchange: &Exchange,
    known: Value,
) -> String {
    let params: S::Params = params(shape.params.clone());
    let output: S::Output = serde_json::from_value(shape.output.clone()).unwrap();
    answering(bench, exchange);
    if let Err(error) = Attempt::new(bench, Phase::Undo).undo(kind, &params, &output).await {
        return refused(&error);
    }
    // Undo ignores a member that a list shows under another name; a delete that the plan orders finds it.
    let looking =
        || if shape.listed { Attempt::removing(bench) } else { Attempt::new(bench, Phase::UndoVerify) };
    let there = if shape.listed { json!({ "value": [known], "nextLink": "" }) } else { known };
    bench.script.answer(200, &there);
    let before = words(looking().check(kind, &params).await);
    let mut after = Vec::new();
    for code in ["NotFound", "ResourceNotFound"] {
        if shape.listed {
            bench.script.answer_with(200, &[], r#"{"value":[],"nextLink":""}"#);
        } else {
            bench.script.answer(404, &json!({ "error": { "message": "gone", "code": code } }));
        }
        after.push(words(looking().check(kind, &params).await));
    }
    let kept = signature_kept(exchange).await;
    let elsewhere = asked(bench).iter().any(|asked| asked.to_ascii_lowercase().contains("operationresults"));
    if before != "absent" && after == ["absent", "absent"] && !elsewhere && !kept {
        "deleted, as a read proves".to_owned()
    } else {
        format!("{before} before, {after:?} after; asked {:?}; signature kept: {kept}", asked(bench))
    }
}

/// Whether a part of the signed address of a 202 would get into the journal.
async fn signature_kept(exchange: &Exchange) -> bool {
    let bench = Bench::new();
    answering(&bench, exchange);
    let log = AttemptLog::new(Phase::Undo);
    let cx = bench.cx(Phase::Undo, &log);
    bench.azure.arm(&cx, &bench.central).delete(&exchange.path, API, &[]).await.unwrap();
    let kept = format!("{:?}", log.into_exchanges());
    let addresses = exchange.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("location"));
    let mut parts = addresses.flat_map(|(_, address)| address.split(['?', '&']).skip(1));
    parts.any(|part| !part.starts_with("api-version") && kept.contains(part))
}
