//! The common fields of all resources of the provider, and their rendering.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::caller::{Caller, PrincipalKind};

/// The stored types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Manager,
    ScopeConnection,
    Connection,
    Group,
    Member,
    Configuration,
    VirtualNetwork,
}

impl Kind {
    /// The type's full name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Manager => "Microsoft.Network/networkManagers",
            Kind::ScopeConnection => "Microsoft.Network/networkManagers/scopeConnections",
            Kind::Connection => "Microsoft.Network/networkManagerConnections",
            Kind::Group => "Microsoft.Network/networkManagers/networkGroups",
            Kind::Member => "Microsoft.Network/networkManagers/networkGroups/staticMembers",
            Kind::Configuration => "Microsoft.Network/networkManagers/connectivityConfigurations",
            Kind::VirtualNetwork => "Microsoft.Network/virtualNetworks",
        }
    }

    /// Whether it is one side of a connection.
    pub(crate) fn is_half(self) -> bool {
        matches!(self, Kind::ScopeConnection | Kind::Connection)
    }
}

/// State of one side of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Link {
    #[default]
    Pending,
    Connected,
    Conflict,
    Revoked,
}

impl Link {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Link::Pending => "Pending",
            Link::Connected => "Connected",
            Link::Conflict => "Conflict",
            Link::Revoked => "Revoked",
        }
    }
}

/// A resource, as it was last written.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) kind: Kind,
    /// Full id, in the spelling of the request that created it.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tags: Value,
    /// The properties from the client, and internal ones (existing peerings) that are shown in another form.
    pub(crate) properties: Map<String, Value>,
    pub(crate) guid: Uuid,
    /// Changes with every write; the etag is derived from it.
    pub(crate) revision: Uuid,
    pub(crate) written: Timestamp,
    by: String,
    by_kind: &'static str,
    /// When a deleted resource disappears.
    pub(crate) gone: Option<Timestamp>,
    /// Sides of connections: when this link was requested. Members: when this network was requested.
    pub(crate) since: Timestamp,
    /// Sides of connections: the state.
    pub(crate) link: Link,
    /// Sides of connections: connected because the manager's own scope contains the scope, not because the
    /// other side exists.
    pub(crate) by_own_scope: bool,
    /// Sides of connections: written in a version in which that is enough.
    pub(crate) shortcut: bool,
    /// Groups: whether it ever had a member.
    pub(crate) had_members: bool,
}

impl Resource {
    pub(crate) fn new(kind: Kind, id: String, guid: Uuid, revision: Uuid, at: Timestamp) -> Self {
        let name = id.rsplit('/').next().unwrap_or_default().to_owned();
        Resource {
            kind,
            id,
            name,
            location: String::new(),
            tags: json!({}),
            properties: Map::new(),
            guid,
            revision,
            written: at,
            by: "world".to_owned(),
            by_kind: "Application",
            gone: None,
            since: at,
            link: Link::Pending,
            by_own_scope: false,
            shortcut: false,
            had_members: false,
        }
    }

    /// Records who wrote it and when. `createdAt` changes as well, as in Azure.
    pub(crate) fn written_by(&mut self, caller: &Caller, at: Timestamp, revision: Uuid) {
        self.written = at;
        self.revision = revision;
        self.by = caller.holder.name.clone();
        self.by_kind = match caller.holder.kind {
            PrincipalKind::User => "User",
            PrincipalKind::ServicePrincipal => "Application",
        };
    }

    /// A text property; empty if it was not given.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.properties.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A property that is a list of texts.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.properties.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The etag as reads return it, with quotes. It is empty in responses to writes.
    pub(crate) fn etag(&self) -> String {
        if self.kind == Kind::VirtualNetwork {
            return format!("W/\"{}\"", self.revision);
        }
        let hex = self.revision.simple().to_string();
        let (first, rest) = hex.split_at(8);
        format!("\"{first}-0000-0200-0000-{}0000\"", rest.get(..8).unwrap_or_default())
    }

    pub(crate) fn system_data(&self) -> Value {
        let at = format!("{:.7}", self.written);
        json!({
            "createdBy": self.by,
            "createdByType": self.by_kind,
            "createdAt": at,
            "lastModifiedBy": self.by,
            "lastModifiedByType": self.by_kind,
            "lastModifiedAt": at,
        })
    }

    /// The common rendering of resources below a manager that have an etag.
    pub(crate) fn shown(&self, properties: Map<String, Value>) -> Value {
        json!({
            "name": self.name,
            "id": self.id,
            "type": self.kind.name(),
            "etag": self.etag(),
            "properties": properties,
            "systemData": self.system_data(),
        })
    }

    /// Whether it exists at that time.
    pub(crate) fn exists(&self, at: Timestamp) -> bool {
        self.gone.is_none_or(|gone| gone > at)
    }
}
