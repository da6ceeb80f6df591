//! Who manages a scope already: a connection of another network manager with the same feature ends in Conflict, and that
//! state does not heal by itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_engine::{Identity, StepError};

use super::{Asked, Asker, Attempt, SignIn, side_by_side, tenant_of};
use crate::avnm::{API, ConnectionState, Found, Half, Manager, NamesManager, or_default, same_path};
use crate::ids::{ConnectionScope, NetworkManagers, ResourceId};
use crate::kinds::CONNECTS;

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
    /// What could not be read, and why.
    pub unknown: Option<String>,
}

/// Another network manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rival {
    /// The network manager.
    pub network_manager: String,
    /// How it has the scope: the name of its connection, or that its own scope holds it.
    pub through: String,
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
        let who = std::iter::once(own).chain(&step.others).find(|identity| {
            let signed_in = |sign_in: &&SignIn| sign_in.identity == **identity;
            tenant_of(identity) == tenant_of(own)
                && sign_ins.iter().find(signed_in).is_some_and(|sign_in| sign_in.signed_in().is_some())
        });
        Some((step.step.to_string(), own.clone(), who.cloned(), connection))
    });
    let asked = side_by_side(wanted, |(step, own, who, connection)| {
        let asker = asker.clone();
        async move {
            let mut rivals = Rivals {
                step,
                identity: own.clone(),
                scope: connection.scope.clone(),
                found: Vec::new(),
                unknown: None,
            };
            let Some(who) = who else {
                rivals.unknown = Some(format!("nobody of tenant {} can sign in to look", tenant_of(&own)));
                return (rivals, 0);
            };
            let attempt = Attempt::new(&asker, &who);
            let connections = connections(&asker, &attempt, &who, &connection).await;
            let managers = managers(&asker, &attempt, &who, &connection).await;
            for result in [connections, managers] {
                match result {
                    Ok(found) => rivals.found.extend(found),
                    Err(error) => {
                        rivals.unknown.get_or_insert(error.to_string());
                    }
                }
            }
            (rivals, attempt.reads())
        }
    });
    let asked = asked.await?;
    let reads = asked.iter().map(|(_, reads)| reads).sum();
    Ok((asked.into_iter().map(|(rivals, _)| rivals).collect(), reads))
}

/// Connections on the scope that name another network manager.
async fn connections(
    asker: &Asker,
    attempt: &Attempt<'_>,
    who: &Identity,
    wanted: &Connection,
) -> Result<Vec<Rival>, StepError> {
    let cx = attempt.cx();
    let path = format!("{}/providers/Microsoft.Network/networkManagerConnections", wanted.scope.path());
    let all: Vec<Found<Half<NamesManager>>> = asker.azure.arm(&cx, who).list(&path, API, &[]).await?;
    let others = all.into_iter().filter_map(|found| {
        let manager = found.properties.names.network_manager_id;
        if manager.is_empty() || same_path(&manager, wanted.network_manager.path()) {
            return None;
        }
        let state = found.properties.connection_state;
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
        Some(Rival {
            owner: owner(&manager),
            network_manager: manager,
            through: format!("network manager connection {}", found.name),
            state: Some(state.to_string()),
            means,
        })
    });
    Ok(others.collect())
}

/// Network managers of the scope's own subscription whose own scope holds it.
async fn managers(
    asker: &Asker,
    attempt: &Attempt<'_>,
    who: &Identity,
    wanted: &Connection,
) -> Result<Vec<Rival>, StepError> {
    if wanted.scope.is_management_group() {
        return Ok(Vec::new());
    }
    let cx = attempt.cx();
    let path = format!("{}/providers/Microsoft.Network/networkManagers", wanted.scope.path());
    let all: Vec<Listed> = asker.azure.arm(&cx, who).list(&path, API, &[]).await?;
    let others = all.into_iter().filter(|listed| !same_path(&listed.id, wanted.network_manager.path()));
    let holding = others.filter_map(|listed| {
        let scopes = listed.properties.network_manager_scopes;
        let named = scopes.subscriptions.iter().any(|id| same_path(id, wanted.scope.path()));
        if !named && scopes.management_groups.is_empty() {
            return None;
        }
        let with = listed.properties.network_manager_scope_accesses.join(", ");
        Some(Rival {
            owner: owner(&listed.id),
            network_manager: listed.id,
            through: match named {
                true => format!("its own scope ({with})"),
                false => format!("management groups in its own scope, which may hold it ({with})"),
            },
            state: None,
            means: "where both have the same feature, our connection becomes Conflict, which does not heal by itself"
                .to_owned(),
        })
    });
    Ok(holding.collect())
}

fn owner(manager: &str) -> String {
    match manager.parse::<ResourceId<NetworkManagers>>().ok().and_then(|id| id.subscription()) {
        Some(subscription) => {
            format!("the administrator of network manager {manager} (subscription {subscription})")
        }
        None => format!("the administrator of network manager {manager}"),
    }
}
