//! One request to the provider, with helpers for its handlers.

use serde_json::{Map, Value, json};

use super::dialect::Dialect;
use super::operations::{self, End, Operation};
use super::resource::{Kind, Resource};
use crate::arm::ArmPath;
use crate::authorization::authorize;
use crate::caller::Caller;
use crate::hierarchy::key;
use crate::ledger::Change;
use crate::lies::Lie;
use crate::regions;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

pub(super) struct Call<'a> {
    pub(super) world: &'a mut World,
    pub(super) caller: &'a Caller,
    pub(super) request: &'a Request,
    pub(super) path: &'a ArmPath,
    pub(super) dialect: Dialect,
    /// Id of the resource at the path, with the provider's own spelling of the types.
    pub(super) id: String,
}

impl Call<'_> {
    /// Returns 403 unless the caller is allowed this (`networkManagers/read`) on the resource at the path.
    pub(super) fn authorize(&self, action: &str) -> Result<(), Reply> {
        let action = format!("Microsoft.Network/{action}");
        authorize(self.world, self.caller, self.request, &action, &self.id)
    }

    /// Returns 403 unless the caller may `read`, `write` or `delete` resources of this kind here.
    pub(super) fn authorize_kind(&self, kind: Kind, verb: &str) -> Result<(), Reply> {
        let action = format!("{}/{verb}", kind.name());
        authorize(self.world, self.caller, self.request, &action, &self.id)
    }

    /// The gateway's 404, for resources that the gateway itself knows not to exist.
    pub(super) fn gateway_not_found(&self, id: &str) -> Reply {
        let (group, resource) = match id.split_once("/providers/") {
            Some((scope, resource)) => (scope.rsplit('/').next().unwrap_or_default(), resource),
            None => ("", id),
        };
        Reply::resource_not_found(resource, group)
    }

    /// The provider's 404; message before code, and two spaces in the previews.
    pub(super) fn provider_not_found(&self, id: &str) -> Reply {
        let gap = if self.dialect.preview() { "  " } else { " " };
        let message = format!("Resource{gap}[{id}] does not exist or has been deleted");
        Reply::json(404, json!({ "error": { "message": message, "code": "NotFound" } }))
    }

    /// `force=true`.
    pub(super) fn forced(&self) -> bool {
        self.request.query("force").is_some_and(|force| force.eq_ignore_ascii_case("true"))
    }

    pub(super) fn bad_request(message: &str) -> Reply {
        Reply::json(400, json!({ "error": { "message": message, "code": "BadRequest" } }))
    }

    /// The network manager of the path; the gateway's 404 if it does not exist.
    pub(super) fn manager(&self) -> Result<&Resource, Reply> {
        let id = self.manager_id();
        self.world.network.seen(&id).ok_or_else(|| self.gateway_not_found(&id))
    }

    /// Returns 404 if the parent of a resource of this kind does not exist: the gateway's for a network manager, the provider's
    /// for a group.
    pub(super) fn parent(&self, kind: Kind) -> Result<(), Reply> {
        match kind {
            Kind::Manager | Kind::Connection | Kind::VirtualNetwork => Ok(()),
            Kind::ScopeConnection | Kind::Group | Kind::Configuration => self.manager().map(|_| ()),
            Kind::Member => self.group().map(|_| ()),
        }
    }

    /// The network group of the path.
    pub(super) fn group(&self) -> Result<&Resource, Reply> {
        self.manager()?;
        let id = self.id.split("/staticMembers").next().unwrap_or_default();
        self.world.network.seen(id).ok_or_else(|| self.provider_not_found(id))
    }

    /// Id of the network manager that the path names or that contains it.
    pub(super) fn manager_id(&self) -> String {
        let name = self.path.rest.get(1).map(String::as_str).unwrap_or_default();
        format!("{}/providers/Microsoft.Network/networkManagers/{name}", self.path.scope)
    }

    /// The body's `properties`; absent counts as empty.
    pub(super) fn properties(&self) -> Result<Map<String, Value>, Reply> {
        let body = self.request.json()?;
        match body.get("properties") {
            None | Some(Value::Null) if body.is_object() => Ok(Map::new()),
            Some(Value::Object(properties)) => Ok(properties.clone()),
            _ => Err(Reply::error(
                400,
                "InvalidRequestFormat",
                "Cannot parse the request: 'properties' must be an object.",
            )),
        }
    }

    /// Returns 412 if the condition in the headers is not met.
    pub(super) fn check_conditions(&self) -> Result<(), Reply> {
        let existing = self.world.network.get(&self.id);
        let failed = |what: &str| {
            let message = format!("Precondition failed: {what} for resource [{}].", self.id);
            Err(Reply::error(412, "PreconditionFailed", &message))
        };
        if let Some(wanted) = self.request.header("if-match") {
            let etag = existing.map(Resource::etag);
            let matches = etag
                .is_some_and(|etag| wanted == "*" || wanted.split(',').any(|w| strong(w) == strong(&etag)));
            if !matches {
                return failed("the etag does not match");
            }
        }
        if self.request.header("if-none-match") == Some("*") && existing.is_some() {
            return failed("it exists");
        }
        Ok(())
    }

    /// The location of the tracked resource at the path: from the body, or where it already is. 400 for an unknown region, 409
    /// if it is in another one.
    pub(super) fn location(&self, kind: Kind, body: &Value) -> Result<String, Reply> {
        let existing = self.world.network.get(&self.id);
        let given = body.get("location").and_then(Value::as_str).filter(|location| !location.is_empty());
        let location = match (given, existing) {
            (None, Some(existing)) => return Ok(existing.location.clone()),
            (None, None) => return Err(Reply::location_required()),
            (Some(given), _) => given,
        };
        regions::check_for_type(location, kind.name())?;
        let location = regions::normal(location);
        let elsewhere =
            existing.map(|existing| regions::normal(&existing.location)).filter(|own| *own != location);
        let Some(elsewhere) = elsewhere else { return Ok(location) };
        let name = self.id.rsplit('/').next().unwrap_or_default();
        let group = self.path.scope.rsplit('/').next().unwrap_or_default();
        let message = format!(
            "The resource '{name}' already exists in location '{elsewhere}' in resource group '{group}'. A resource with the \
             same name cannot be created in location '{location}'. Please select a new resource name."
        );
        Err(Reply::gateway_error(409, "InvalidResourceLocation", &message))
    }

    /// The tags of a body; 400 if they are not texts.
    pub(super) fn tags(body: &Value) -> Result<Option<Value>, Reply> {
        crate::resource_groups::tags(body)
    }

    /// The resource to write: a copy of the existing one, or a new one.
    pub(super) fn draft(&mut self, kind: Kind) -> (Resource, Change) {
        let at = self.request.at;
        let revision = self.world.draw();
        let (mut resource, change) = match self.world.network.get(&self.id) {
            Some(existing) => (existing.clone(), Change::Updated),
            None => {
                let guid = self.world.draw();
                (Resource::new(kind, self.id.clone(), guid, revision, at), Change::Created)
            }
        };
        resource.written_by(self.caller, at, revision);
        (resource, change)
    }

    /// The properties to write, after all checks that precede a write.
    pub(super) fn to_write(&self, kind: Kind) -> Result<Map<String, Value>, Reply> {
        self.authorize_kind(kind, "write")?;
        self.parent(kind)?;
        self.check_conditions()?;
        self.properties()
    }

    /// Stores a draft with its new properties, and returns it; equal properties are no change.
    pub(super) fn keep(
        &mut self,
        (mut draft, change): (Resource, Change),
        properties: Map<String, Value>,
        show: impl Fn(&Self, &Resource) -> Value,
    ) -> Handled {
        let change = if draft.properties == properties { Change::None } else { change };
        draft.properties = properties;
        let mut body = show(self, &draft);
        // The etag in responses to writes is empty.
        body["etag"] = json!("");
        self.world.network.insert(draft);
        Ok(Reply::ok(body).changed(change))
    }

    /// GET of the resource at the path.
    pub(super) fn read(&self, kind: Kind, show: impl Fn(&Self, &Resource) -> Value) -> Handled {
        self.authorize_kind(kind, "read")?;
        self.parent(kind)?;
        match self.world.network.seen(&self.id) {
            Some(found) => Ok(Reply::ok(show(self, found))),
            None => Err(self.provider_not_found(&self.id)),
        }
    }

    /// One page of resources of the kind at the path, each rendered by `show`.
    pub(super) fn list(&self, kind: Kind, show: impl Fn(&Self, &Resource) -> Value) -> Handled {
        self.authorize_kind(kind, "read")?;
        self.parent(kind)?;
        let scope = self.id.rsplit_once("/").map_or("", |(scope, _)| scope);
        let scope = scope.strip_suffix("/providers/Microsoft.Network").unwrap_or(scope);
        let items = self.world.network.below(scope, kind);
        crate::paging::page(self.request, &self.world.hosts.arm, items, |r| show(self, r)).map(Reply::ok)
    }

    /// DELETE of the resource at the path and its children. `background`: 202 with an operation URL, otherwise 200.
    pub(super) fn delete(&mut self, kind: Kind, background: Option<End>) -> Handled {
        let at = self.request.at;
        self.authorize_kind(kind, "delete")?;
        if self.world.network.seen(&self.id).is_none() {
            return Ok(Reply::empty(204));
        }
        let id = self.id.clone();
        let gone = at.saturating_add(self.world.lags.delete).unwrap_or(at);
        let already = self.world.network.get(&id).is_none();
        let change = if already || self.world.tells(Lie::DeleteDeletesNothing) {
            Change::None
        } else {
            remove(self.world, &id, at, gone);
            Change::Deleted
        };
        let Some(end) = background else { return Ok(Reply::empty(200).changed(change)) };
        let operation = Operation { under: id.clone(), end, done: gone, polls: 1, looked: 0 };
        let address = operations::begin(self, &id, operation);
        Ok(Reply::accepted(&address).with("retry-after", "1").changed(change))
    }
}

/// Deletes a resource and its children: links break at once, reads find it until `gone`.
pub(super) fn remove(world: &mut World, id: &str, at: jiff::Timestamp, gone: jiff::Timestamp) {
    for key in world.network.tree(id) {
        let Some(kind) = world.network.get(&key).map(|resource| resource.kind) else { continue };
        world.network.change(&key, |resource| resource.gone = Some(gone));
        if kind.is_half() {
            super::handshake::half_removed(world, &key, at);
        }
    }
    let manager = key(id);
    world.network.deployments.retain(|d| d.manager != manager);
    world.network.purge(at);
}

/// An entity tag without the mark of a weak one: Azure Resource Manager accepts in `If-Match` what a read returned.
fn strong(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}
