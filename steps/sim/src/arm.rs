//! The front end of Azure Resource Manager: checks token, subscription and provider, then dispatches.

use http::Method;

use crate::caller::{self, Caller, PrincipalKind};
use crate::hierarchy::Place;
use crate::ledger::Change;
use crate::lies::Lie;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::throttling::Sort;
use crate::world::World;
use crate::{
    authorization, management_groups, metadata, network, providers, resource_graph, resource_groups,
    subscriptions, tokens, versions,
};

/// Path of an operation that was accepted and failed (fault `accepted-then-failed`).
pub(crate) const FAILED_OPERATION: &str = "/operationresults/failed";

/// A path, split at its last `providers` segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArmPath {
    /// The part before, as written: `/subscriptions/…`, `/providers/Microsoft.Management/managementGroups/…`, a resource,
    /// or `/`.
    pub(crate) scope: String,
    /// The location of the scope.
    pub(crate) place: Place,
    /// As written; empty if the path has no provider.
    pub(crate) namespace: String,
    /// Segments after the namespace, as written.
    pub(crate) rest: Vec<String>,
}

impl ArmPath {
    pub(crate) fn parse(path: &str) -> ArmPath {
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        let at = segments.iter().rposition(|s| s.eq_ignore_ascii_case("providers"));
        let (before, after) = match at {
            Some(i) => (segments.get(..i).unwrap_or_default(), segments.get(i + 1..).unwrap_or_default()),
            None => (segments.as_slice(), [].as_slice()),
        };
        let scope = format!("/{}", before.join("/"));
        let (namespace, rest) = after.split_first().map_or(("", [].as_slice()), |(n, rest)| (*n, rest));
        ArmPath {
            place: Place::of(&scope),
            scope,
            namespace: namespace.to_owned(),
            rest: rest.iter().map(|s| (*s).to_owned()).collect(),
        }
    }

    /// `rest` in lower case, for matching.
    pub(crate) fn words(&self) -> Vec<String> {
        self.rest.iter().map(|s| s.to_ascii_lowercase()).collect()
    }
}

/// Whether the ledger counts a request as a write; queries by POST are not.
pub(crate) fn is_write(method: &Method, path: &str) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    let last = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let query = last.starts_with("list")
        || last == "getbyids"
        || path.to_ascii_lowercase().contains("/microsoft.resourcegraph/");
    *method != Method::POST || !query
}

/// Handles a request to ARM for which no fault was set.
pub(crate) fn handle(world: &mut World, request: &Request) -> Handled {
    if metadata::is_asked_for(request) {
        return metadata::handle(world, request);
    }
    let path = ArmPath::parse(&request.path);
    let subscription = match Place::of(&request.path) {
        Place::Subscription { subscription, .. } => Some(subscription),
        _ => None,
    };
    // As in Azure, a caller without a token can distinguish unknown subscriptions from known ones, and learns the tenant
    // of a known one.
    if let Some(id) = subscription.as_deref().filter(|id| world.hierarchy.subscription(id).is_none()) {
        return Err(subscriptions::not_found(id));
    }
    let caller = caller::of_arm_request(world, request)?;
    world.buckets.take(&request.path, &caller.holder.object_id, Sort::of(request), request.at)?;
    if request.path == FAILED_OPERATION {
        return Ok(Reply::error(500, "InternalServerError", "The operation failed: an error occurred."));
    }
    versions::check(world, request, &path)?;
    if let Some(id) = &subscription {
        check_issuer(world, &caller, request, id)?;
    }
    check_second_factor(world, &caller, request)?;
    route(world, &caller, request, &path)
}

fn route(world: &mut World, caller: &Caller, request: &Request, path: &ArmPath) -> Handled {
    let words = path.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let namespace = path.namespace.to_ascii_lowercase();
    match (namespace.as_str(), &path.place, words.as_slice()) {
        _ if providers::is_list(request) => providers::list(world, caller, request, path),
        _ if providers::is_features(path) => providers::features(world, caller, request, path),
        ("", Place::Root, []) | ("", Place::Elsewhere, _) => {
            subscriptions::handle_root(world, caller, request)
        }
        ("", Place::Subscription { .. }, _) => resource_groups::handle(world, caller, request),
        ("microsoft.management", _, ["managementgroups", ..]) => {
            management_groups::handle(world, caller, request, &words)
        }
        ("microsoft.authorization", ..) => authorization::handle(world, caller, request, path),
        ("microsoft.resourcegraph", _, ["resources"]) => resource_graph::handle(world, caller, request),
        (_, _, [] | ["register" | "unregister"]) => providers::handle(world, caller, request, path),
        ("microsoft.network", ..) => {
            providers::require_registered(world, caller, request, path)?;
            network::handle(world, caller, request, path)
        }
        _ => Err(providers::no_such_type(request, path)),
    }
}

/// A token is valid only for subscriptions of the tenant that issued it.
fn check_issuer(world: &World, caller: &Caller, request: &Request, subscription: &str) -> Result<(), Reply> {
    let Some(owner) = world.hierarchy.subscription(subscription).map(|s| s.tenant.clone()) else {
        return Err(subscriptions::not_found(subscription));
    };
    if caller.holder.tenant == owner || world.tells(Lie::AnyTenantToken) {
        return Ok(());
    }
    let message = format!(
        "The access token is from the wrong issuer '{}'. It must match the tenant '{}' associated with this \
         subscription. Please use the authority (URL) 'https://login.windows.net/{owner}' to get the token. Note, if \
         the subscription is transferred to another tenant there is no impact to the services, but information about \
         new tenant could take time to propagate (up to an hour). If you just transferred your subscription and see \
         this error message, please try back later.",
        tokens::issuer(&caller.holder.tenant),
        tokens::issuer(&owner),
    );
    Err(Reply::gateway_error(401, "InvalidAuthenticationTokenTenant", &message)
        .with("www-authenticate", &caller::challenge(world, request)))
}

/// Under this policy, people need a second factor to change resources; applications, and reads, do not.
fn check_second_factor(world: &World, caller: &Caller, request: &Request) -> Result<(), Reply> {
    let holder = &caller.holder;
    let changes = matches!(request.method, Method::PUT | Method::PATCH | Method::DELETE);
    if changes
        && holder.kind == PrincipalKind::User
        && !holder.stepped_up
        && world.step_up.contains(&holder.tenant)
    {
        return Err(crate::refusals::step_up(world, request));
    }
    Ok(())
}

/// The change of a DELETE, unless the world's lies include that it deletes nothing.
pub(crate) fn really_deletes(world: &World) -> Option<Change> {
    (!world.tells(Lie::DeleteDeletesNothing)).then_some(Change::Deleted)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod path_tests {
    use super::*;

    #[test]
    fn a_path_is_cut_at_its_last_provider() {
        let path = ArmPath::parse(
            "/subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/providers/\
             Microsoft.Authorization/roleAssignments/a",
        );
        assert_eq!(
            path.scope,
            "/subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"
        );
        assert_eq!(path.namespace, "Microsoft.Authorization");
        assert_eq!(path.words(), ["roleassignments", "a"]);

        let path = ArmPath::parse(
            "/providers/Microsoft.Management/managementGroups/MG/providers/Microsoft.Network/register",
        );
        assert_eq!(path.place, Place::ManagementGroup("mg".into()));
        assert_eq!(path.words(), ["register"]);

        assert_eq!(ArmPath::parse("/subscriptions").namespace, "");
        assert_eq!(ArmPath::parse("/").place, Place::Root);
    }

    #[test]
    fn queries_by_post_are_not_writes() {
        assert!(!is_write(&Method::POST, "/x/networkManagers/n/listDeploymentStatus"));
        assert!(!is_write(&Method::POST, "/providers/Microsoft.ResourceGraph/resources"));
        assert!(!is_write(&Method::POST, "/v1.0/directoryObjects/getByIds"));
        assert!(is_write(&Method::POST, "/x/networkManagers/n/commit"));
        assert!(is_write(&Method::DELETE, "/x/listings"));
    }
}
