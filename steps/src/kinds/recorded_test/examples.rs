//! Reads the responses in Microsoft's official examples of the operations that these kinds use.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use twinspan_engine::{AttemptLog, Observed, Phase, Reading, Step, StepError};

use crate::avnm::{API, ConnectionSide, Found, Group, Manager, Member, NamesManager, NamesScope};
use crate::azure::scripted::Bench;
use crate::hierarchy;
use crate::ids::ConnectionScope;
use crate::kinds::resource_provider::ResourceProvider;
use crate::kinds::virtual_networks::VirtualNetworks;
use crate::kinds::wire_test::Attempt;
use crate::permissions::{GrantedActions, RoleAssignment, RoleDefinition};

/// Examples by the prefix of their file name, and how each is read. Longest prefixes first.
const READ: [(&str, Reader); 15] = [
    ("NetworkManagerScopeConnection", Reader::ScopeHalf),
    ("NetworkManagerConnectionManagementGroup", Reader::ManagerHalf),
    ("NetworkManagerConnectionSubscription", Reader::ManagerHalf),
    ("NetworkManagerGroup", Reader::Group),
    ("NetworkManagerStaticMember", Reader::Member),
    ("NetworkManagerGet", Reader::Manager),
    ("NetworkManagerList", Reader::Manager),
    ("NetworkManagerPut", Reader::Manager),
    ("RoleAssignments_", Reader::Assignment),
    ("GetRoleDefinition", Reader::Definition),
    ("GetPermissions", Reader::GrantedActions),
    ("GetResourcePermissions", Reader::GrantedActions),
    ("GetManagementGroup", Reader::ManagementGroup),
    ("GetSubscription.", Reader::Subscription),
    ("GetProvider.", Reader::Provider),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reader {
    Assignment,
    Definition,
    Group,
    ManagementGroup,
    Manager,
    ManagerHalf,
    Member,
    GrantedActions,
    Provider,
    ScopeHalf,
    Subscription,
    VirtualNetwork,
}

/// Reads all examples. Returns a summary in Markdown, and the examples that were misread.
pub(super) async fn read_all(root: &Path) -> (String, Vec<String>) {
    let (mut counts, mut wrong) = (BTreeMap::<Reader, usize>::new(), Vec::new());
    for (name, example) in examples(root) {
        let known = READ.iter().find(|(beginning, _)| name.starts_with(beginning)).map(|(_, reader)| *reader);
        let network = name.starts_with("VirtualNetworkGet.").then_some(Reader::VirtualNetwork);
        let Some(reader) = known.or(network) else { continue };
        for (status, answer) in example["responses"].as_object().unwrap() {
            let body = &answer["body"];
            // Responses with 202 and 204 have no body; deletes are not read.
            if body.is_null() || name.contains("Delete") || !status.starts_with('2') {
                continue;
            }
            let (says, drawn) = reader.read(body.clone()).await;
            *counts.entry(reader).or_default() += 1;
            if drawn.as_ref().ok() != Some(&says) || says.iter().all(String::is_empty) {
                wrong.push(format!("{name} {status}: expected {says:?}, concluded {drawn:?}"));
            }
        }
    }
    let mut text = String::new();
    let _ = writeln!(text, "{} responses in official examples are read:\n", counts.values().sum::<usize>());
    for (reader, count) in &counts {
        let _ = writeln!(text, "- {}: {count}", reader.words());
    }
    let missing: Vec<&str> = READ
        .iter()
        .filter(|(_, reader)| !counts.contains_key(reader))
        .map(|(beginning, _)| *beginning)
        .collect();
    wrong.extend(missing.iter().map(|beginning| format!("no example begins with {beginning}")));
    (text, wrong)
}

/// Loads every example by its name; if several versions have the same name, the newest.
fn examples(root: &Path) -> BTreeMap<String, Value> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.parent().is_some_and(|parent| parent.ends_with("examples")) {
                files.push(path);
            }
        }
    }
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), serde_json::from_slice(&fs::read(path).unwrap()).unwrap())).collect()
}

/// The text at a JSON pointer.
fn at(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Returns the expected text of each item of a response, and the one that the client reads. `nextLink` of a list is cleared,
/// because links in the examples lead nowhere.
async fn items<T: DeserializeOwned>(
    mut body: Value,
    says: impl Fn(&Value) -> String,
    drawn: impl Fn(&T) -> String,
) -> (Vec<String>, Result<Vec<String>, StepError>) {
    let bench = Bench::new();
    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    let arm = bench.azure.arm(&cx, &bench.central);
    // The ids in the examples do not match the paths of their requests, so each item is requested under its own id.
    let place = |item: &Value| match item["id"].as_str() {
        Some(id) if id.contains('/') => format!("/{}", id.trim_matches('/')),
        _ => "/x".to_owned(),
    };
    if let Some(listed) = body["value"].as_array().cloned() {
        body["nextLink"] = json!("");
        let first = listed.first().map(place).unwrap_or_else(|| "/x/x".to_owned());
        let permissions = listed.first().is_some_and(|item| item.get("actions").is_some());
        let collection = match first.rsplit_once('/') {
            _ if permissions => "/x/providers/Microsoft.Authorization/permissions",
            Some((collection, _)) if collection.len() > 1 => collection,
            _ => "/x",
        };
        bench.script.answer(200, &body);
        let read: Result<Vec<T>, StepError> = arm.list(collection, API, &[]).await;
        (listed.iter().map(says).collect(), read.map(|read| read.iter().map(drawn).collect()))
    } else {
        // In some examples the name does not match the id.
        if let (Some(name), true) = (place(&body).rsplit('/').next(), body["name"].is_string()) {
            body["name"] = json!(name);
        }
        bench.script.answer(200, &body);
        let read: Result<Option<T>, StepError> = arm.get(&place(&body), API).await;
        (vec![says(&body)], read.map(|read| read.iter().map(drawn).collect()))
    }
}

/// Reads a response with a kind, and returns one of its outputs.
async fn concluded<S: Step>(
    bench: &Bench,
    kind: S,
    body: &Value,
    output: &str,
) -> Result<Vec<String>, StepError> {
    bench.script.answer_here(200, &[], body);
    let seen = Attempt::new(bench, Phase::Probe).check(&kind, &S::example()).await?;
    Ok(match seen {
        Observed::Present { output: found, .. } => vec![at(&serde_json::to_value(found).unwrap(), output)],
        Observed::Converging { .. } => vec!["waits".to_owned()],
        other => panic!("{:?}", serde_json::to_value(other).unwrap()),
    })
}

async fn scope(body: &Value, scope: &str) -> Result<Vec<String>, StepError> {
    let bench = Bench::new();
    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    bench.script.answer_here(200, &[], body);
    let scope: ConnectionScope = scope.parse().unwrap();
    let seen = hierarchy::read(&bench.azure.arm(&cx, &bench.central), &scope).await?;
    Ok(seen.iter().map(|seen| format!("{} {}", seen.name, seen.state)).collect())
}

impl Reader {
    fn words(self) -> &'static str {
        match self {
            Reader::Assignment => "role assignments",
            Reader::Definition => "role definitions",
            Reader::Group => "network groups",
            Reader::ManagementGroup => "management groups",
            Reader::Manager => "network managers",
            Reader::ManagerHalf => "network manager connections",
            Reader::Member => "static members",
            Reader::GrantedActions => "permissions",
            Reader::Provider => "resource providers",
            Reader::ScopeHalf => "scope connections",
            Reader::Subscription => "subscriptions",
            Reader::VirtualNetwork => "virtual networks",
        }
    }

    /// Returns the expected text from the bare JSON, and the text that the client reads.
    async fn read(self, body: Value) -> (Vec<String>, Result<Vec<String>, StepError>) {
        match self {
            Reader::Assignment => {
                items(
                    body,
                    |item| {
                        format!(
                            "{} {}",
                            at(item, "/properties/principalId"),
                            at(item, "/properties/roleDefinitionId")
                        )
                    },
                    |found: &RoleAssignment| {
                        format!("{} {}", found.properties.principal_id, found.properties.role_definition_id)
                    },
                )
                .await
            }
            Reader::Definition => {
                items(
                    body,
                    |item| format!("{} {}", at(item, "/id"), at(item, "/properties/roleName")),
                    |found: &RoleDefinition| format!("{} {}", found.id, found.properties.role_name),
                )
                .await
            }
            Reader::Group => {
                items(
                    body,
                    |item| format!("{} {}", at(item, "/name"), at(item, "/properties/description")),
                    |found: &Found<Group>| format!("{} {}", found.name, found.properties.description),
                )
                .await
            }
            Reader::Manager => {
                items(
                    body,
                    |item| {
                        let count = |field: &str| {
                            let scopes = &item["properties"]["networkManagerScopes"][field];
                            scopes.as_array().map_or(0, Vec::len)
                        };
                        format!(
                            "{} {} {}",
                            at(item, "/name"),
                            count("subscriptions"),
                            count("managementGroups")
                        )
                    },
                    |found: &Found<Manager>| {
                        let scopes = &found.properties.network_manager_scopes;
                        format!(
                            "{} {} {}",
                            found.name,
                            scopes.subscriptions.len(),
                            scopes.management_groups.len()
                        )
                    },
                )
                .await
            }
            Reader::ManagerHalf => {
                items(
                    body,
                    |item| {
                        format!(
                            "{} {}",
                            at(item, "/properties/networkManagerId"),
                            at(item, "/properties/connectionState")
                        )
                    },
                    |found: &Found<ConnectionSide<NamesManager>>| {
                        let half = &found.properties;
                        format!("{} {}", half.names.network_manager_id, half.connection_state)
                    },
                )
                .await
            }
            Reader::Member => {
                items(
                    body,
                    |item| {
                        format!("{} {}", at(item, "/properties/resourceId"), at(item, "/properties/region"))
                    },
                    |found: &Found<Member>| {
                        format!("{} {}", found.properties.resource_id, found.properties.region())
                    },
                )
                .await
            }
            Reader::GrantedActions => {
                items(
                    body,
                    |item| format!("{} {}", item["actions"], item["notActions"]),
                    |found: &GrantedActions| format!("{} {}", json!(found.actions), json!(found.not_actions)),
                )
                .await
            }
            Reader::ScopeHalf => {
                items(
                    body,
                    |item| {
                        format!(
                            "{} {} {}",
                            at(item, "/properties/tenantId"),
                            at(item, "/properties/resourceId"),
                            at(item, "/properties/connectionState")
                        )
                    },
                    |found: &Found<ConnectionSide<NamesScope>>| {
                        let half = &found.properties;
                        format!(
                            "{} {} {}",
                            half.names.tenant_id, half.names.resource_id, half.connection_state
                        )
                    },
                )
                .await
            }
            Reader::ManagementGroup => {
                let says = format!("{} Enabled", at(&body, "/properties/displayName"));
                (vec![says], scope(&body, "/providers/Microsoft.Management/managementGroups/group").await)
            }
            Reader::Subscription => {
                let says = format!("{} {}", at(&body, "/displayName"), at(&body, "/state"));
                (vec![says], scope(&body, "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001").await)
            }
            Reader::Provider => {
                let bench = Bench::new();
                let kind = ResourceProvider { azure: Arc::clone(&bench.azure) };
                let says = at(&body, "/registrationState").replace("Registering", "waits");
                (vec![says], concluded(&bench, kind, &body, "/state").await)
            }
            Reader::VirtualNetwork => {
                let bench = Bench::new();
                let kind = Reading(VirtualNetworks { azure: Arc::clone(&bench.azure) });
                let says = at(&body, "/properties/addressSpace/addressPrefixes/0");
                (vec![says], concluded(&bench, kind, &body, "/networks/0/address_prefixes/0").await)
            }
        }
    }
}
