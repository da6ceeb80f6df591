//! Microsoft.ResourceGraph.

use crate::caller::Caller;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// `POST /providers/Microsoft.ResourceGraph/resources`.
pub(crate) fn handle(_world: &mut World, _caller: &Caller, _request: &Request) -> Handled {
    Err(Reply::gateway_error(404, "InvalidResourceType", "The resource type could not be found."))
}
