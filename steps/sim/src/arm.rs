//! Azure Resource Manager's front: whose token, which provider.

use http::Method;

use crate::caller::Caller;
use crate::hierarchy::Place;
use crate::ledger::Change;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;
use crate::{network, resource_graph};

/// A path taken apart at its last `providers` segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArmPath {
    /// What comes before, as spelled: `/subscriptions/…`, `/providers/Microsoft.Management/managementGroups/…`,
    /// a resource, or `/`.
    pub(crate) scope: String,
    /// Where that lies.
    pub(crate) place: Place,
    /// As spelled; empty: the path has no provider.
    pub(crate) namespace: String,
    /// Segments after the namespace, as spelled.
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

    /// `rest` in lower case, to match on.
    pub(crate) fn words(&self) -> Vec<String> {
        self.rest.iter().map(|s| s.to_ascii_lowercase()).collect()
    }
}

/// Whether a request is a write for the ledger: queries by POST are not.
pub(crate) fn is_write(method: &Method, path: &str) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    let last = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let query = last.starts_with("list") || path.to_ascii_lowercase().contains("/microsoft.resourcegraph/");
    *method != Method::POST || !query
}

/// A request to ARM for which no fault was told.
pub(crate) fn handle(world: &mut World, request: &Request) -> Handled {
    let caller: Caller = world.caller(request)?;
    let path = ArmPath::parse(&request.path);
    if request.api_version().is_none() {
        return Err(Reply::gateway_error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    }
    match path.namespace.to_ascii_lowercase().as_str() {
        "microsoft.network" => network::handle(world, &caller, request, &path),
        "microsoft.resourcegraph" => resource_graph::handle(world, &caller, request),
        _ => Ok(Reply::empty(404).changed(Change::None)),
    }
}
