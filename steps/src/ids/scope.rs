//! Scopes: where roles are assigned, and what can be connected to a network manager.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::NotValid;
use super::resource::{pieces, rooted, type_of, with_slash};
use super::text::Guid;

/// The kind of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeKind {
    /// `/subscriptions/{id}`
    Subscription,
    /// `/providers/Microsoft.Management/managementGroups/{id}`
    ManagementGroup,
    /// A resource group, or a resource.
    Below,
}

/// A subscription, a management group, or anything below a subscription: where roles can be assigned.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(String);

/// A subscription or a management group: what can be connected to a network manager.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConnectionScope(Scope);

fn scope_kind(pieces: &[&str]) -> Option<ScopeKind> {
    match pieces {
        [first, id] if first.eq_ignore_ascii_case("subscriptions") => {
            id.parse::<Guid>().is_ok().then_some(ScopeKind::Subscription)
        }
        [providers, namespace, groups, id]
            if providers.eq_ignore_ascii_case("providers")
                && namespace.eq_ignore_ascii_case("Microsoft.Management")
                && groups.eq_ignore_ascii_case("managementGroups") =>
        {
            (id.len() <= 90).then_some(ScopeKind::ManagementGroup)
        }
        [first, ..] if first.eq_ignore_ascii_case("subscriptions") => {
            (rooted(pieces) && type_of(pieces).is_some()).then_some(ScopeKind::Below)
        }
        _ => None,
    }
}

impl Scope {
    /// A scope known at compile time; a test validates every one.
    pub(crate) fn known(path: &'static str) -> Self {
        Scope(path.to_owned())
    }

    /// The scope as a path: begins with `/`, ends without one.
    pub fn path(&self) -> &str {
        &self.0
    }

    /// The form for comparison.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// The kind of the scope.
    pub fn kind(&self) -> ScopeKind {
        let pieces: Vec<&str> = self.0[1..].split('/').collect();
        scope_kind(&pieces).unwrap_or(ScopeKind::Below)
    }

    /// The last segment: a subscription's GUID, a management group's id, a resource's name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The subscription, if the scope is one or lies in one.
    pub fn subscription(&self) -> Option<Guid> {
        let mut pieces = self.0[1..].split('/');
        pieces.next().filter(|word| word.eq_ignore_ascii_case("subscriptions"))?;
        pieces.next()?.parse().ok()
    }

    /// Whether `other` is this scope or lies below it, judged by the paths alone.
    pub fn holds(&self, other: &Scope) -> bool {
        let (own, other) = (self.key(), other.key());
        other.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl ConnectionScope {
    /// A subscription.
    pub fn of_subscription(id: Guid) -> Self {
        ConnectionScope(Scope(format!("/subscriptions/{id}")))
    }

    /// A scope known at compile time; a test validates every one.
    pub(crate) fn known(path: &'static str) -> Self {
        ConnectionScope(Scope::known(path))
    }

    /// The scope, as one where roles can be assigned.
    pub fn scope(&self) -> &Scope {
        &self.0
    }

    /// The scope as a path: begins with `/`, ends without one.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The form for comparison.
    pub fn key(&self) -> String {
        self.0.key()
    }

    /// Whether it is a management group rather than a subscription.
    pub fn is_management_group(&self) -> bool {
        self.0.kind() == ScopeKind::ManagementGroup
    }

    /// "subscription bbbb…" or "management group mg-fabrikam", for messages.
    pub fn words(&self) -> String {
        self.0.words()
    }
}

impl Scope {
    /// "subscription bbbb…", "management group mg-fabrikam" or the path, for messages.
    pub fn words(&self) -> String {
        match self.kind() {
            ScopeKind::Subscription => format!("subscription {}", self.name()),
            ScopeKind::ManagementGroup => format!("management group {}", self.name()),
            ScopeKind::Below => self.0.clone(),
        }
    }
}

impl FromStr for Scope {
    type Err = NotValid;

    fn from_str(text: &str) -> Result<Self, NotValid> {
        match pieces(text).and_then(|pieces| scope_kind(&pieces)) {
            Some(_) => Ok(Scope(with_slash(text))),
            None => Err(NotValid::new(
                text,
                "a scope (/subscriptions/…, /providers/Microsoft.Management/managementGroups/…, or the id of a \
                 resource group or resource)",
            )),
        }
    }
}

impl FromStr for ConnectionScope {
    type Err = NotValid;

    fn from_str(text: &str) -> Result<Self, NotValid> {
        match text.parse::<Scope>() {
            Ok(scope) if scope.kind() != ScopeKind::Below => Ok(ConnectionScope(scope)),
            _ => Err(NotValid::new(
                text,
                "a subscription (/subscriptions/…) or a management group \
                 (/providers/Microsoft.Management/managementGroups/…)",
            )),
        }
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Scope {}

impl Hash for Scope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ConnectionScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Scope {
    type Error = NotValid;

    fn try_from(text: String) -> Result<Self, NotValid> {
        text.parse()
    }
}

impl TryFrom<String> for ConnectionScope {
    type Error = NotValid;

    fn try_from(text: String) -> Result<Self, NotValid> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        scope.0
    }
}

impl From<ConnectionScope> for String {
    fn from(scope: ConnectionScope) -> String {
        scope.0.0
    }
}

impl JsonSchema for Scope {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scope".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-twinspan-type": "scope" })
    }
}

impl JsonSchema for ConnectionScope {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ConnectionScope".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Scope::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
    const MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/\
                           Microsoft.Network/networkManagers/nm-group";

    #[test]
    fn scopes_are_told_apart() {
        let kinds = [
            (SUBSCRIPTION, ScopeKind::Subscription),
            ("providers/Microsoft.Management/managementGroups/mg-fabrikam", ScopeKind::ManagementGroup),
            ("/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg", ScopeKind::Below),
            (MANAGER, ScopeKind::Below),
        ];
        for (text, kind) in kinds {
            assert_eq!(text.parse::<Scope>().unwrap().kind(), kind, "{text}");
            assert_eq!(text.parse::<ConnectionScope>().is_ok(), kind != ScopeKind::Below, "{text}");
        }
        assert!("/subscriptions/not-a-guid".parse::<Scope>().is_err());
        assert_eq!(
            "management group mg-fabrikam",
            "/providers/Microsoft.Management/managementGroups/mg-fabrikam".parse::<Scope>().unwrap().words()
        );
    }

    #[test]
    fn a_scope_holds_what_lies_below_it() {
        let subscription: Scope = SUBSCRIPTION.parse().unwrap();
        let manager: Scope = MANAGER.to_uppercase().parse().unwrap();
        assert!(subscription.holds(&manager) && subscription.holds(&subscription));
        assert!(!manager.holds(&subscription));
        let group: Scope = format!("{SUBSCRIPTION}/resourceGroups/rg").parse().unwrap();
        let longer: Scope = format!("{SUBSCRIPTION}/resourceGroups/rg-2").parse().unwrap();
        assert!(!group.holds(&longer));
    }

    #[test]
    fn what_would_leave_the_path_is_refused() {
        for wrong in ["", "/", "//", "/subscriptions", "a", "/a/b/c"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong:?}");
        }
        for tail in ["/../x", "?api-version=1", "#x", "/%2e%2e", "/a b", "//x", "/\\x", "/."] {
            assert!(format!("{MANAGER}{tail}").parse::<Scope>().is_err(), "{tail:?}");
        }
    }

    #[test]
    fn a_schema_names_the_type() {
        let schema = serde_json::to_value(schemars::schema_for!(Option<ConnectionScope>)).unwrap();
        assert_eq!(schema["x-twinspan-type"], "scope");
    }
}
