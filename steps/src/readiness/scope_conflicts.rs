//! Finds scope conflicts before a run: if another network manager already manages a scope with the same feature, the new
//! connection becomes Conflict, and Azure never leaves that state by itself.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_encode::sh;
use twinspan_engine::{Identity, StepError};

use super::giving::blade;
use super::{Asked, Asker, Attempt, SignIn, side_by_side, tenant_of};
use crate::avnm::{
    API, ConnectionSide, ConnectionState, Found, Manager, NamesManager, or_default, same_path,
};
use crate::hierarchy;
use crate::ids::{ConnectionScope, NetworkManagers, ResourceId};
use crate::kinds::CONNECTS;

/// At most so many subscriptions and management groups are checked for one scope; the report counts the rest.
const MOST: usize = 25;

/// The scope conflicts of one scope that the plan connects.
#[derive(Clone, Debug)]
pub struct ScopeConflicts {
    /// The step that connects it.
    pub step: String,
    /// The identity that carries out the step.
    pub identity: Identity,
    /// The scope.
    pub scope: ConnectionScope,
    /// Other network managers that manage it or have a pending connection to it.
    pub found: Vec<ConflictingManager>,
    /// What was checked.
    pub looked: Vec<String>,
    /// What could not be checked, and why.
    pub not_looked: Vec<String>,
}

/// Another network manager that manages the scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConflictingManager {
    /// Id of the network manager.
    pub network_manager: String,
    /// How it manages the scope: the name of its connection, or its own scope.
    pub through: String,
    /// Id of its connection, if it manages the scope through one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// The command for its owner: delete its scope connection, or list what its scope contains.
    pub command: String,
    /// The same in the Azure portal.
    pub portal: String,
    /// The permissions that this takes.
    pub least_privilege: Vec<String>,
    /// How an administrator of the scope's tenant can do it instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
    /// State of its connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What that means for the plan's connection.
    pub means: String,
    /// The owner to contact.
    pub owner: String,
}

/// The parameters of the step that matter here.
#[derive(Clone, Deserialize)]
struct Connection {
    scope: ConnectionScope,
    network_manager: ResourceId<NetworkManagers>,
}

/// A network manager as a list returns it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    properties: Manager,
}

/// Checks every scope. Also returns the number of requests.
pub(super) async fn look(
    asker: &Asker,
    steps: &[Asked],
    sign_ins: &[SignIn],
) -> Result<(Vec<ScopeConflicts>, usize), StepError> {
    let wanted = steps.iter().filter(|step| step.open && step.kind == CONNECTS).filter_map(|step| {
        let params = step.params.clone().unwrap_or(Value::Null);
        let connection = Connection::deserialize(params).ok()?;
        let own = step.identities.first()?;
        // Any identity of the tenant that can sign in may read.
        let mut who: Vec<Identity> = Vec::new();
        for identity in std::iter::once(own).chain(&step.others) {
            let signed_in = |sign_in: &&SignIn| sign_in.identity == *identity;
            let let_in = sign_ins.iter().find(signed_in).is_some_and(|sign_in| sign_in.signed_in().is_some());
            if let_in && tenant_of(identity) == tenant_of(own) && !who.contains(identity) {
                who.push(identity.clone());
            }
        }
        Some((step.step.to_string(), own.clone(), who, connection))
    });
    let asked = side_by_side(wanted, |(step, own, who, connection)| {
        let asker = asker.clone();
        async move {
            let tenant = tenant_of(&own).to_owned();
            let scope_conflicts = ScopeConflicts {
                step,
                scope: connection.scope.clone(),
                identity: own,
                found: Vec::new(),
                looked: Vec::new(),
                not_looked: Vec::new(),
            };
            let mut look = ConflictReader { asker, who, wanted: connection, scope_conflicts, reads: 0 };
            if look.who.is_empty() {
                look.scope_conflicts
                    .not_looked
                    .push(format!("everything, because no identity of tenant {tenant} can sign in"));
                return (look.scope_conflicts, 0);
            }
            let scope = look.wanted.scope.clone();
            look.connections(&scope).await;
            look.managers().await;
            look.above(&tenant).await;
            (look.scope_conflicts, look.reads)
        }
    });
    let asked = asked.await?;
    let reads = asked.iter().map(|(_, reads)| reads).sum();
    Ok((asked.into_iter().map(|(scope_conflicts, _)| scope_conflicts).collect(), reads))
}

/// The check of one scope.
struct ConflictReader {
    asker: Asker,
    /// The identities that may read, in the order in which they are tried.
    who: Vec<Identity>,
    wanted: Connection,
    scope_conflicts: ScopeConflicts,
    reads: usize,
}

impl ConflictReader {
    /// Reads a list with the first identity that is allowed to; otherwise returns the last refusal.
    async fn list<T: DeserializeOwned>(&mut self, path: &str, api: &str) -> Result<Vec<T>, String> {
        let mut refused = String::new();
        for at in 0..self.who.len() {
            match self.list_as(at, path, api).await {
                Ok(all) => return Ok(all),
                Err(why) => refused = why,
            }
        }
        Err(refused)
    }

    async fn list_as<T: DeserializeOwned>(
        &mut self,
        who: usize,
        path: &str,
        api: &str,
    ) -> Result<Vec<T>, String> {
        let identity = &self.who[who];
        let attempt = Attempt::new(&self.asker, identity);
        let cx = attempt.cx();
        let answer = self.asker.azure.arm(&cx, identity).list(path, api, &[]).await;
        self.reads += attempt.reads();
        answer.map_err(|error| error.to_string())
    }

    /// Finds connections of other network managers on `on`, which is the scope itself or a management group above it.
    async fn connections(&mut self, on: &ConnectionScope) {
        let path = format!("{}/providers/Microsoft.Network/networkManagerConnections", on.path());
        match self.list::<Found<ConnectionSide<NamesManager>>>(&path, API).await {
            Ok(all) => {
                self.scope_conflicts.looked.push(format!("connections on {}", on.words()));
                let found = all.into_iter().filter_map(|found| conflicting_manager(&self.wanted, on, found));
                self.scope_conflicts.found.extend(found);
            }
            Err(why) => {
                self.scope_conflicts.not_looked.push(format!("connections on {} ({why})", on.words()))
            }
        }
    }

    /// Finds network managers in the scope whose own scope contains it, or a part of it.
    async fn managers(&mut self) {
        let scope = self.wanted.scope.clone();
        let parts = if scope.is_management_group() {
            match self.below(&scope).await {
                Ok(below) => below.into_iter().filter(|below| !below.is_management_group()).collect(),
                Err(why) => {
                    self.scope_conflicts
                        .not_looked
                        .push(format!("network managers in {} ({why})", scope.words()));
                    return;
                }
            }
        } else {
            vec![scope.clone()]
        };
        if let Some(left) = parts.len().checked_sub(MOST).filter(|left| *left > 0) {
            let words = format!("network managers in {left} more subscriptions of {}", scope.words());
            self.scope_conflicts.not_looked.push(words);
        }
        for subscription in parts.iter().take(MOST) {
            let path = format!("{}/providers/Microsoft.Network/networkManagers", subscription.path());
            let words = format!("network managers in {}", subscription.words());
            match self.list::<Listed>(&path, API).await {
                Ok(all) => {
                    self.scope_conflicts.looked.push(words);
                    let found = all.into_iter().filter_map(|listed| holding(&self.wanted, &parts, listed));
                    self.scope_conflicts.found.extend(found);
                }
                Err(why) => self.scope_conflicts.not_looked.push(format!("{words} ({why})")),
            }
        }
    }

    /// Everything in a management group, at any depth.
    async fn below(&mut self, group: &ConnectionScope) -> Result<Vec<ConnectionScope>, String> {
        let path = format!("{}/descendants", group.path());
        let all: Vec<hierarchy::Listed> = self.list(&path, hierarchy::MANAGEMENT_GROUPS_API).await?;
        Ok(all.iter().filter_map(hierarchy::Listed::scope).collect())
    }

    /// Finds connections on the management groups above the scope: they apply to it as well.
    async fn above(&mut self, tenant: &str) {
        let scope = self.wanted.scope.clone();
        if scope.scope().name().eq_ignore_ascii_case(tenant) {
            return;
        }
        let mut seen: Vec<ConnectionScope> = Vec::new();
        let mut refused = None;
        // Different identities may see different groups.
        for who in 0..self.who.len() {
            let path = hierarchy::MANAGEMENT_GROUPS;
            let listed = self.list_as::<hierarchy::Listed>(who, path, hierarchy::MANAGEMENT_GROUPS_API).await;
            match listed {
                Ok(groups) => {
                    for group in groups.iter().filter_map(hierarchy::Listed::scope) {
                        let known = |group: &ConnectionScope| {
                            group.key() == scope.key() || seen.iter().any(|known| known.key() == group.key())
                        };
                        if !known(&group) {
                            seen.push(group);
                        }
                    }
                }
                Err(why) => refused = Some(why),
            }
        }
        // An identity that sees the tenant's root group sees every group.
        if !seen.iter().any(|group| group.scope().name().eq_ignore_ascii_case(tenant)) {
            let why = refused.unwrap_or_else(|| {
                "no identity of the plan can list all management groups of the tenant".to_owned()
            });
            let words = format!("connections on management groups above it that are not listed ({why})");
            self.scope_conflicts.not_looked.push(words);
        }
        if let Some(left) = seen.len().checked_sub(MOST).filter(|left| *left > 0) {
            self.scope_conflicts
                .not_looked
                .push(format!("connections on {left} more management groups, if they contain it"));
        }
        for group in seen.iter().take(MOST) {
            match self.below(group).await {
                Ok(below) if below.iter().any(|below| below.key() == scope.key()) => {
                    self.connections(group).await;
                }
                Ok(_) => {}
                Err(why) => {
                    let words = format!("connections on {}, if it contains the scope ({why})", group.words());
                    self.scope_conflicts.not_looked.push(words);
                }
            }
        }
    }
}

/// The conflict that a connection on `on` means for the plan's connection, if any.
fn conflicting_manager(
    wanted: &Connection,
    on: &ConnectionScope,
    found: Found<ConnectionSide<NamesManager>>,
) -> Option<ConflictingManager> {
    let manager = found.properties.names.network_manager_id;
    if manager.is_empty() || same_path(&manager, wanted.network_manager.path()) {
        return None;
    }
    let state = found.properties.connection_state;
    let here = on.key() == wanted.scope.key();
    let place = if here { String::new() } else { format!(" on {}, which contains it", on.words()) };
    let means = match &state {
        ConnectionState::Connected => format!(
            "it already manages {}: if both have the same feature, the plan's connection becomes Conflict, which Azure \
             does not leave by itself",
            wanted.scope.words()
        ),
        ConnectionState::Pending => {
            "the connection that is completed first gets the scope; the other becomes Conflict".to_owned()
        }
        state => format!("its connection is {state}; ask its owner what it is for"),
    };
    let connection =
        format!("{}/providers/Microsoft.Network/networkManagerConnections/{}", on.path(), found.name);
    Some(ConflictingManager {
        owner: owner(&manager),
        through: format!("network manager connection {}{place}", found.name),
        command: format!(
            "az rest --method delete --url \"$(az rest --method get --url {} --query {} --output tsv)?api-version={API}\"",
            sh::word(&format!("{manager}/scopeConnections?api-version={API}")),
            sh::word(&format!("value[?properties.resourceId=='{}'].id | [0]", on.path()))
        ),
        portal: format!(
            "Azure portal: {} > Cross-tenant connections > the one to {} > Delete",
            at(&manager),
            on.words()
        ),
        least_privilege: vec![format!(
            "Microsoft.Network/networkManagers/scopeConnections/read and /delete on {manager}"
        )],
        otherwise: Some(format!(
            "an administrator of {} deletes the network manager connection instead: az rest --method delete --url {}",
            on.words(),
            sh::word(&format!("{connection}?api-version={API}"))
        )),
        connection: Some(connection),
        network_manager: manager,
        state: Some(state.to_string()),
        means,
    })
}

/// The conflict with a network manager whose own scope contains the plan's scope, or a part of it, if any.
fn holding(wanted: &Connection, parts: &[ConnectionScope], listed: Listed) -> Option<ConflictingManager> {
    if same_path(&listed.id, wanted.network_manager.path()) {
        return None;
    }
    let scopes = listed.properties.network_manager_scopes;
    let part = scopes.subscriptions.iter().find(|id| parts.iter().any(|part| same_path(id, part.path())));
    let whole = scopes.management_groups.iter().any(|id| same_path(id, wanted.scope.path()))
        || part.is_some_and(|part| same_path(part, wanted.scope.path()));
    if !whole && part.is_none() && scopes.management_groups.is_empty() {
        return None;
    }
    let with = listed.properties.network_manager_scope_accesses.join(", ");
    Some(ConflictingManager {
        owner: owner(&listed.id),
        command: format!(
            "az rest --method get --url {} --query properties.networkManagerScopes",
            sh::word(&format!("{}?api-version={API}", listed.id))
        ),
        portal: format!("Azure portal: {} > Scope", at(&listed.id)),
        least_privilege: vec![
            format!("Microsoft.Network/networkManagers/read on {} to read its scope", listed.id),
            "and Microsoft.Network/networkManagers/write there to remove the scope".to_owned(),
        ],
        otherwise: None,
        network_manager: listed.id,
        through: match (whole, part) {
            (true, _) => format!("its own scope ({with})"),
            (false, Some(part)) => format!("its own scope, which contains {part} ({with})"),
            (false, None) => format!("management groups in its own scope, which may contain it ({with})"),
        },
        connection: None,
        state: None,
        means:
            "if both have the same feature, the plan's connection becomes Conflict, which Azure does not leave by itself"
                .to_owned(),
    })
}

/// Where the portal shows a network manager.
fn at(manager: &str) -> String {
    manager.parse().map_or_else(|_| "Virtual network managers".to_owned(), |scope| blade(&scope))
}

fn owner(manager: &str) -> String {
    match manager.parse::<ResourceId<NetworkManagers>>().ok().and_then(|id| id.subscription()) {
        Some(subscription) => {
            format!("the administrator of network manager {manager} (subscription {subscription})")
        }
        None => format!("the administrator of network manager {manager}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use twinspan_engine::{Clock, RunId, StepKey, VirtualClock};

    use super::*;
    use crate::azure::scripted::{Bench, TARGET};
    use crate::default_world::MANAGER;
    use crate::readiness;

    const SUBSCRIPTION: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
    const GROUP: &str = "/providers/Microsoft.Management/managementGroups/mg-fabrikam";

    async fn looked(bench: &Bench, scope: &str) -> ScopeConflicts {
        let step = Asked {
            step: StepKey::from("connect"),
            kind: CONNECTS.to_owned(),
            identities: vec![bench.target.clone()],
            others: Vec::new(),
            params: Some(json!({ "scope": scope, "network_manager": MANAGER })),
            permissions: Vec::new(),
            open: true,
        };
        let now = "2026-11-25T09:00:00Z".parse().unwrap();
        let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(VirtualClock::new(now));
        let ready = readiness::look(&bench.azure, &clock, RunId(uuid::Uuid::nil()), &[step]).await.unwrap();
        assert!(bench.script.requests().iter().all(|request| request.verb == "GET"));
        ready.scope_conflicts.into_iter().next().unwrap()
    }

    fn list(of: &[Value]) -> Value {
        json!({ "value": of })
    }

    fn named(id: &str) -> Value {
        json!({ "id": id })
    }

    fn connection(manager: &str) -> Value {
        json!({ "name": "theirs", "properties": { "networkManagerId": manager, "connectionState": "Connected" } })
    }

    /// No connections on the subscription and no network managers in it.
    fn nothing_on_it(bench: &Bench) {
        bench.script.answer(200, &list(&[])).answer(200, &list(&[]));
    }

    #[tokio::test]
    async fn a_connection_on_a_management_group_above_is_found() {
        let bench = Bench::new();
        let root = format!("/providers/Microsoft.Management/managementGroups/{TARGET}");
        let elsewhere = "/providers/Microsoft.Management/managementGroups/mg-other";
        let other = MANAGER.replace("nm-group", "nm-other");
        nothing_on_it(&bench);
        bench
            .script
            .answer(200, &list(&[named(&root), named(elsewhere), named(GROUP)]))
            .answer(200, &list(&[named(GROUP), named(elsewhere), named(SUBSCRIPTION)]))
            .answer(200, &list(&[connection(MANAGER)]))
            .answer(200, &list(&[]))
            .answer(
                200,
                &list(&[named(&SUBSCRIPTION.to_uppercase().replace("/SUBSCRIPTIONS/", "/subscriptions/"))]),
            )
            .answer(200, &list(&[connection(&other)]));
        let scope_conflicts = looked(&bench, SUBSCRIPTION).await;
        assert_eq!(scope_conflicts.not_looked, Vec::<String>::new());
        let [conflicting_manager] = scope_conflicts.found.as_slice() else { panic!("{scope_conflicts:#?}") };
        assert_eq!(conflicting_manager.network_manager, other);
        assert!(
            conflicting_manager.through.contains("on management group mg-fabrikam, which contains it"),
            "{conflicting_manager:#?}"
        );
        let id = format!("{GROUP}/providers/Microsoft.Network/networkManagerConnections/theirs");
        assert_eq!(conflicting_manager.connection, Some(id));
        assert_eq!(scope_conflicts.looked.len(), 4, "{scope_conflicts:#?}");
    }

    #[tokio::test]
    async fn what_is_above_and_not_seen_is_not_fine() {
        // Only one group is listed; then the list is forbidden; then the connections on a group are forbidden.
        let forbidden = json!({ "error": { "code": "AuthorizationFailed", "message": "no" } });
        let bench = Bench::new();
        nothing_on_it(&bench);
        bench.script.answer(200, &list(&[named(GROUP)])).answer(200, &list(&[named(SUBSCRIPTION)]));
        bench.script.answer(403, &forbidden);
        let scope_conflicts = looked(&bench, SUBSCRIPTION).await;
        let [hierarchy, group] = scope_conflicts.not_looked.as_slice() else {
            panic!("{scope_conflicts:#?}")
        };
        assert!(hierarchy.contains("no identity of the plan can list all management groups"), "{hierarchy}");
        assert!(group.starts_with("connections on management group mg-fabrikam ("), "{group}");
        let bench = Bench::new();
        nothing_on_it(&bench);
        bench.script.answer(403, &forbidden);
        let scope_conflicts = looked(&bench, SUBSCRIPTION).await;
        assert_eq!(scope_conflicts.not_looked.len(), 1, "{scope_conflicts:#?}");
    }

    #[tokio::test]
    async fn the_network_managers_in_a_management_group_are_looked_at() {
        let bench = Bench::new();
        let root = format!("/providers/Microsoft.Management/managementGroups/{TARGET}");
        let manager = |name: &str, scopes: Value| {
            json!({ "id": format!("{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/networkManagers/{name}"),
                "properties": { "networkManagerScopes": scopes, "networkManagerScopeAccesses": ["Connectivity"] } })
        };
        let part = manager("nm-part", json!({ "subscriptions": [SUBSCRIPTION] }));
        let whole = manager("nm-whole", json!({ "managementGroups": [GROUP] }));
        let elsewhere = manager("nm-elsewhere", json!({ "subscriptions": ["/subscriptions/x"] }));
        bench
            .script
            .answer(200, &list(&[]))
            .answer(
                200,
                &list(&[
                    named("/providers/Microsoft.Management/managementGroups/mg-in"),
                    named(SUBSCRIPTION),
                ]),
            )
            .answer(200, &list(&[part, whole, elsewhere]))
            .answer(200, &list(&[named(&root), named(GROUP)]))
            .answer(200, &list(&[named(GROUP)]))
            .answer(200, &list(&[]));
        let scope_conflicts = looked(&bench, GROUP).await;
        let through: Vec<&str> = scope_conflicts
            .found
            .iter()
            .map(|conflicting_manager| conflicting_manager.through.as_str())
            .collect();
        assert_eq!(
            through,
            [
                "its own scope, which contains /subscriptions/bbbbbbbb-0000-0000-0000-000000000001 (Connectivity)",
                "its own scope (Connectivity)"
            ]
        );
        assert_eq!(scope_conflicts.not_looked, Vec::<String>::new());
        // If the contents cannot be listed, the report says so.
        let bench = Bench::new();
        let forbidden = json!({ "error": { "code": "AuthorizationFailed", "message": "no" } });
        bench.script.answer(200, &list(&[])).answer(403, &forbidden).answer(403, &forbidden);
        let scope_conflicts = looked(&bench, GROUP).await;
        assert!(
            scope_conflicts.not_looked[0].starts_with("network managers in management group mg-fabrikam (")
        );
    }
}
