//! Who manages a scope already: a connection of another network manager with the same feature ends in Conflict, and that
//! state does not heal by itself.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_encode::sh;
use twinspan_engine::{Identity, StepError};

use super::giving::blade;
use super::{Asked, Asker, Attempt, SignIn, side_by_side, tenant_of};
use crate::avnm::{API, ConnectionState, Found, Half, Manager, NamesManager, or_default, same_path};
use crate::hierarchy;
use crate::ids::{ConnectionScope, NetworkManagers, ResourceId};
use crate::kinds::CONNECTS;

/// So many subscriptions and management groups are looked at for one scope; how many are left is said.
const MOST: usize = 25;

/// One scope that is to be connected.
#[derive(Clone, Debug)]
pub struct Rivals {
    /// The step that connects it.
    pub step: String,
    /// Who would.
    pub identity: Identity,
    /// The scope.
    pub scope: ConnectionScope,
    /// Others that have it, or asked for it.
    pub found: Vec<Rival>,
    /// Where others were looked for.
    pub looked: Vec<String>,
    /// Where they were not, and why.
    pub not_looked: Vec<String>,
}

/// Another network manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rival {
    /// The network manager.
    pub network_manager: String,
    /// How it has the scope: the name of its connection, or that its own scope holds it.
    pub through: String,
    /// Id of its connection, where it has the scope through one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// What its owner types: to take its half away, or to see what it holds.
    pub command: String,
    /// Where it is clicked.
    pub portal: String,
    /// The least that it takes.
    pub least_privilege: Vec<String>,
    /// How it is done by somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
    /// State of its connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What that means for ours.
    pub means: String,
    /// Whom to ask.
    pub owner: String,
}

/// The parameters that matter here.
#[derive(Clone, Deserialize)]
struct Connection {
    scope: ConnectionScope,
    network_manager: ResourceId<NetworkManagers>,
}

/// A network manager in a list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    properties: Manager,
}

/// Every scope, and how many requests it took.
pub(super) async fn look(
    asker: &Asker,
    steps: &[Asked],
    sign_ins: &[SignIn],
) -> Result<(Vec<Rivals>, usize), StepError> {
    let wanted = steps.iter().filter(|step| step.open && step.kind == CONNECTS).filter_map(|step| {
        let params = step.params.clone().unwrap_or(Value::Null);
        let connection = Connection::deserialize(params).ok()?;
        let own = step.identities.first()?;
        // Whoever of the tenant is let in may look.
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
            let rivals = Rivals {
                step,
                scope: connection.scope.clone(),
                identity: own,
                found: Vec::new(),
                looked: Vec::new(),
                not_looked: Vec::new(),
            };
            let mut look = Look { asker, who, wanted: connection, rivals, reads: 0 };
            if look.who.is_empty() {
                look.rivals.not_looked.push(format!("anything, as nobody of tenant {tenant} can sign in"));
                return (look.rivals, 0);
            }
            let scope = look.wanted.scope.clone();
            look.connections(&scope).await;
            look.managers().await;
            look.above(&tenant).await;
            (look.rivals, look.reads)
        }
    });
    let asked = asked.await?;
    let reads = asked.iter().map(|(_, reads)| reads).sum();
    Ok((asked.into_iter().map(|(rivals, _)| rivals).collect(), reads))
}

/// One scope, while it is looked at.
struct Look {
    asker: Asker,
    /// Who may look, one after the other.
    who: Vec<Identity>,
    wanted: Connection,
    rivals: Rivals,
    reads: usize,
}

impl Look {
    /// A list, as the first who is answered; otherwise what refused the last one.
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

    /// Connections on one place, the scope itself or a management group above it, that name another network manager.
    async fn connections(&mut self, on: &ConnectionScope) {
        let path = format!("{}/providers/Microsoft.Network/networkManagerConnections", on.path());
        match self.list::<Found<Half<NamesManager>>>(&path, API).await {
            Ok(all) => {
                self.rivals.looked.push(format!("connections on {}", on.words()));
                let found = all.into_iter().filter_map(|found| rival(&self.wanted, on, found));
                self.rivals.found.extend(found);
            }
            Err(why) => self.rivals.not_looked.push(format!("connections on {} ({why})", on.words())),
        }
    }

    /// Network managers in the scope whose own scope holds it, or a part of it.
    async fn managers(&mut self) {
        let scope = self.wanted.scope.clone();
        let parts = if scope.is_management_group() {
            match self.below(&scope).await {
                Ok(below) => below.into_iter().filter(|below| !below.is_management_group()).collect(),
                Err(why) => {
                    self.rivals.not_looked.push(format!("network managers in {} ({why})", scope.words()));
                    return;
                }
            }
        } else {
            vec![scope.clone()]
        };
        if let Some(left) = parts.len().checked_sub(MOST).filter(|left| *left > 0) {
            let words = format!("network managers in {left} more subscriptions of {}", scope.words());
            self.rivals.not_looked.push(words);
        }
        for subscription in parts.iter().take(MOST) {
            let path = format!("{}/providers/Microsoft.Network/networkManagers", subscription.path());
            let words = format!("network managers in {}", subscription.words());
            match self.list::<Listed>(&path, API).await {
                Ok(all) => {
                    self.rivals.looked.push(words);
                    let found = all.into_iter().filter_map(|listed| holding(&self.wanted, &parts, listed));
                    self.rivals.found.extend(found);
                }
                Err(why) => self.rivals.not_looked.push(format!("{words} ({why})")),
            }
        }
    }

    /// What lies in a management group, at whatever depth.
    async fn below(&mut self, group: &ConnectionScope) -> Result<Vec<ConnectionScope>, String> {
        let path = format!("{}/descendants", group.path());
        let all: Vec<hierarchy::Listed> = self.list(&path, hierarchy::MANAGEMENT_GROUPS_API).await?;
        Ok(all.iter().filter_map(hierarchy::Listed::scope).collect())
    }

    /// Connections on the management groups above: they reach the scope, too.
    async fn above(&mut self, tenant: &str) {
        let scope = self.wanted.scope.clone();
        if scope.scope().name().eq_ignore_ascii_case(tenant) {
            return;
        }
        let mut seen: Vec<ConnectionScope> = Vec::new();
        let mut refused = None;
        // Who sees one group and who sees another need not be the same.
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
        // Whoever sees the tenant's own group, which is above all, sees every one.
        if !seen.iter().any(|group| group.scope().name().eq_ignore_ascii_case(tenant)) {
            let why =
                refused.unwrap_or_else(|| "nobody here sees the whole hierarchy of its tenant".to_owned());
            let words = format!("connections on management groups above it that are not listed ({why})");
            self.rivals.not_looked.push(words);
        }
        if let Some(left) = seen.len().checked_sub(MOST).filter(|left| *left > 0) {
            self.rivals
                .not_looked
                .push(format!("connections on {left} more management groups, if they hold it"));
        }
        for group in seen.iter().take(MOST) {
            match self.below(group).await {
                Ok(below) if below.iter().any(|below| below.key() == scope.key()) => {
                    self.connections(group).await;
                }
                Ok(_) => {}
                Err(why) => {
                    let words = format!("connections on {}, if it holds it ({why})", group.words());
                    self.rivals.not_looked.push(words);
                }
            }
        }
    }
}

/// What a connection on `on` means for ours.
fn rival(wanted: &Connection, on: &ConnectionScope, found: Found<Half<NamesManager>>) -> Option<Rival> {
    let manager = found.properties.names.network_manager_id;
    if manager.is_empty() || same_path(&manager, wanted.network_manager.path()) {
        return None;
    }
    let state = found.properties.connection_state;
    let here = on.key() == wanted.scope.key();
    let place = if here { String::new() } else { format!(" on {}, which holds it", on.words()) };
    let means = match &state {
        ConnectionState::Connected => format!(
            "it manages {} already: where both have the same feature, our connection becomes Conflict, which does not \
             heal by itself",
            wanted.scope.words()
        ),
        ConnectionState::Pending => {
            "whichever of the two is connected first has the scope; the other becomes Conflict".to_owned()
        }
        state => format!("its connection is {state}; ask what it is for"),
    };
    let connection =
        format!("{}/providers/Microsoft.Network/networkManagerConnections/{}", on.path(), found.name);
    Some(Rival {
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
            "whoever administers {} takes the other half away: az rest --method delete --url {}",
            on.words(),
            sh::word(&format!("{connection}?api-version={API}"))
        )),
        connection: Some(connection),
        network_manager: manager,
        state: Some(state.to_string()),
        means,
    })
}

/// A network manager whose own scope holds ours, or a part of it.
fn holding(wanted: &Connection, parts: &[ConnectionScope], listed: Listed) -> Option<Rival> {
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
    Some(Rival {
        owner: owner(&listed.id),
        command: format!(
            "az rest --method get --url {} --query properties.networkManagerScopes",
            sh::word(&format!("{}?api-version={API}", listed.id))
        ),
        portal: format!("Azure portal: {} > Scope", at(&listed.id)),
        least_privilege: vec![
            format!("Microsoft.Network/networkManagers/read on {} to look", listed.id),
            "and Microsoft.Network/networkManagers/write there to take the scope out".to_owned(),
        ],
        otherwise: None,
        network_manager: listed.id,
        through: match (whole, part) {
            (true, _) => format!("its own scope ({with})"),
            (false, Some(part)) => format!("its own scope, which has {part} of it ({with})"),
            (false, None) => format!("management groups in its own scope, which may hold it ({with})"),
        },
        connection: None,
        state: None,
        means:
            "where both have the same feature, our connection becomes Conflict, which does not heal by itself"
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

    async fn looked(bench: &Bench, scope: &str) -> Rivals {
        let step = Asked {
            step: StepKey::from("connect"),
            kind: CONNECTS.to_owned(),
            identities: vec![bench.target.clone()],
            others: Vec::new(),
            params: Some(json!({ "scope": scope, "network_manager": MANAGER })),
            rights: Vec::new(),
            open: true,
        };
        let now = "2026-11-25T09:00:00Z".parse().unwrap();
        let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(VirtualClock::new(now));
        let ready = readiness::look(&bench.azure, &clock, RunId(uuid::Uuid::nil()), &[step]).await.unwrap();
        assert!(bench.script.requests().iter().all(|request| request.verb == "GET"));
        ready.rivals.into_iter().next().unwrap()
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

    /// Nothing on the subscription, nothing in it.
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
        let rivals = looked(&bench, SUBSCRIPTION).await;
        assert_eq!(rivals.not_looked, Vec::<String>::new());
        let [rival] = rivals.found.as_slice() else { panic!("{rivals:#?}") };
        assert_eq!(rival.network_manager, other);
        assert!(rival.through.contains("on management group mg-fabrikam, which holds it"), "{rival:#?}");
        let id = format!("{GROUP}/providers/Microsoft.Network/networkManagerConnections/theirs");
        assert_eq!(rival.connection, Some(id));
        assert_eq!(rivals.looked.len(), 4, "{rivals:#?}");
    }

    #[tokio::test]
    async fn what_is_above_and_not_seen_is_not_fine() {
        // Only one group is seen; then none may be listed; then one whose connections may not be read.
        let forbidden = json!({ "error": { "code": "AuthorizationFailed", "message": "no" } });
        let bench = Bench::new();
        nothing_on_it(&bench);
        bench.script.answer(200, &list(&[named(GROUP)])).answer(200, &list(&[named(SUBSCRIPTION)]));
        bench.script.answer(403, &forbidden);
        let rivals = looked(&bench, SUBSCRIPTION).await;
        let [hierarchy, group] = rivals.not_looked.as_slice() else { panic!("{rivals:#?}") };
        assert!(hierarchy.contains("nobody here sees the whole hierarchy"), "{hierarchy}");
        assert!(group.starts_with("connections on management group mg-fabrikam ("), "{group}");
        let bench = Bench::new();
        nothing_on_it(&bench);
        bench.script.answer(403, &forbidden);
        let rivals = looked(&bench, SUBSCRIPTION).await;
        assert_eq!(rivals.not_looked.len(), 1, "{rivals:#?}");
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
        let rivals = looked(&bench, GROUP).await;
        let through: Vec<&str> = rivals.found.iter().map(|rival| rival.through.as_str()).collect();
        assert_eq!(
            through,
            [
                "its own scope, which has /subscriptions/bbbbbbbb-0000-0000-0000-000000000001 of it (Connectivity)",
                "its own scope (Connectivity)"
            ]
        );
        assert_eq!(rivals.not_looked, Vec::<String>::new());
        // Where nobody may list what lies in it, that is said.
        let bench = Bench::new();
        let forbidden = json!({ "error": { "code": "AuthorizationFailed", "message": "no" } });
        bench.script.answer(200, &list(&[])).answer(403, &forbidden).answer(403, &forbidden);
        let rivals = looked(&bench, GROUP).await;
        assert!(rivals.not_looked[0].starts_with("network managers in management group mg-fabrikam ("));
    }
}
