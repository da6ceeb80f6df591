//! Microsoft.Network.

use crate::arm::ArmPath;
use crate::caller::Caller;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// Everything of this provider.
#[derive(Default)]
pub(crate) struct Network {}

/// A request to `…/providers/Microsoft.Network/…` that is not about registration. Its scope exists, belongs to the
/// caller's tenant, and its api-version is given. What the caller may do is asked here.
pub(crate) fn handle(_world: &mut World, _caller: &Caller, _request: &Request, _path: &ArmPath) -> Handled {
    Err(Reply::gateway_error(404, "InvalidResourceType", "The resource type could not be found."))
}

/// A virtual network of a world's description. `id` is its full id.
pub(crate) fn place_virtual_network(_world: &mut World, _id: &str, _location: &str, _prefixes: &[String]) {}

/// A network manager of a world's description with its own scope: ids of subscriptions and management groups.
pub(crate) fn place_network_manager(_world: &mut World, _id: &str, _location: &str, _scopes: &[String]) {}

/// A resource group is gone: so is what was in it. `id` is the resource group's.
pub(crate) fn resource_group_deleted(_world: &mut World, _id: &str) {}

/// What exists, without times and drawn names: two runs that did the same have the same.
pub(crate) fn snapshot(_world: &World) -> serde_json::Value {
    serde_json::Value::Null
}
