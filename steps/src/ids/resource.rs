//! Resource ids of Azure Resource Manager.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::NotValid;
use super::text::Guid;

/// A resource type that is known at compile time.
pub trait ResourceType: 'static {
    /// The type, such as `Microsoft.Network/networkManagers`; empty for any type.
    const TYPE: &'static str;
    /// The expected value in an error: "the id of a network manager (/subscriptions/…/networkManagers/…)".
    const WANTED: &'static str;
    /// Name of the plan type in schemas.
    const SCHEMA: &'static str;
}

/// Any resource, including a resource group.
#[derive(Clone, Copy, Debug)]
pub struct AnyResource;
/// `Microsoft.Network/networkManagers`
#[derive(Clone, Copy, Debug)]
pub struct NetworkManagers;
/// `Microsoft.Network/networkManagers/networkGroups`
#[derive(Clone, Copy, Debug)]
pub struct NetworkGroups;
/// `Microsoft.Network/networkManagers/connectivityConfigurations`
#[derive(Clone, Copy, Debug)]
pub struct ConnectivityConfigurations;
/// `Microsoft.Network/networkManagers/scopeConnections`
#[derive(Clone, Copy, Debug)]
pub struct ScopeConnections;
/// `Microsoft.Network/networkManagerConnections`
#[derive(Clone, Copy, Debug)]
pub struct NetworkManagerConnections;

impl ResourceType for AnyResource {
    const TYPE: &'static str = "";
    const WANTED: &'static str = "a resource id (/subscriptions/…)";
    const SCHEMA: &'static str = "resource-id";
}

impl ResourceType for NetworkManagers {
    const TYPE: &'static str = "Microsoft.Network/networkManagers";
    const WANTED: &'static str =
        "the id of a network manager (/subscriptions/…/providers/Microsoft.Network/networkManagers/…)";
    const SCHEMA: &'static str = "resource-id(Microsoft.Network/networkManagers)";
}

impl ResourceType for NetworkGroups {
    const TYPE: &'static str = "Microsoft.Network/networkManagers/networkGroups";
    const WANTED: &'static str =
        "the id of a network group (/subscriptions/…/networkManagers/…/networkGroups/…)";
    const SCHEMA: &'static str = "resource-id(Microsoft.Network/networkManagers/networkGroups)";
}

impl ResourceType for ConnectivityConfigurations {
    const TYPE: &'static str = "Microsoft.Network/networkManagers/connectivityConfigurations";
    const WANTED: &'static str = "the id of a connectivity configuration (/subscriptions/…/networkManagers/…/connectivityConfigurations/…)";
    const SCHEMA: &'static str = "resource-id(Microsoft.Network/networkManagers/connectivityConfigurations)";
}

impl ResourceType for ScopeConnections {
    const TYPE: &'static str = "Microsoft.Network/networkManagers/scopeConnections";
    const WANTED: &'static str =
        "the id of a scope connection (/subscriptions/…/networkManagers/…/scopeConnections/…)";
    const SCHEMA: &'static str = "resource-id(Microsoft.Network/networkManagers/scopeConnections)";
}

impl ResourceType for NetworkManagerConnections {
    const TYPE: &'static str = "Microsoft.Network/networkManagerConnections";
    const WANTED: &'static str =
        "the id of a network manager connection (…/providers/Microsoft.Network/networkManagerConnections/…)";
    const SCHEMA: &'static str = "resource-id(Microsoft.Network/networkManagerConnections)";
}

/// Segments of a path without its outer slashes; `None` if the text cannot be a path of Azure.
pub(super) fn pieces(text: &str) -> Option<Vec<&str>> {
    if text.len() > 2_048 {
        return None;
    }
    let inner = text.strip_prefix('/').unwrap_or(text);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let pieces: Vec<&str> = inner.split('/').collect();
    // An id contains nothing that would leave the path (a query, a fragment, an escape) or ascend in it.
    let plain = |piece: &&str| {
        !piece.is_empty()
            && *piece != "."
            && *piece != ".."
            && !piece.chars().any(|c| c.is_whitespace() || c.is_control() || "?#%\\<>\"&*".contains(c))
    };
    pieces.iter().all(plain).then_some(pieces)
}

/// The resource type of a path, from its last `providers` segment; empty for a resource group or above.
pub(super) fn type_of(pieces: &[&str]) -> Option<String> {
    let Some(at) = pieces.iter().rposition(|piece| piece.eq_ignore_ascii_case("providers")) else {
        return Some(String::new());
    };
    let mut rest = pieces[at + 1..].iter();
    let mut name = (*rest.next()?).to_owned();
    let mut pairs = 0;
    while let Some(kind) = rest.next() {
        rest.next()?;
        name.push('/');
        name.push_str(kind);
        pairs += 1;
    }
    (pairs > 0).then_some(name)
}

/// Whether the path begins at a scope that can contain resources.
pub(super) fn rooted(pieces: &[&str]) -> bool {
    let keyword =
        |at: usize, word: &str| pieces.get(at).is_some_and(|piece| piece.eq_ignore_ascii_case(word));
    if keyword(0, "providers") {
        return pieces.len() >= 4;
    }
    if !keyword(0, "subscriptions") || pieces.get(1).is_none_or(|id| id.parse::<Guid>().is_err()) {
        return false;
    }
    match pieces.len() {
        0..=2 => false,
        3 => false,
        _ => {
            (keyword(2, "resourceGroups") && (pieces.len() == 4 || keyword(4, "providers")))
                || keyword(2, "providers")
        }
    }
}

pub(super) fn with_slash(text: &str) -> String {
    format!("/{}", text.trim_matches('/'))
}

/// Id of a resource, of type `T` if one is known. Kept as written, with a leading slash; comparison ignores case.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "String", into = "String", bound = "T: ResourceType")]
pub struct ResourceId<T: ResourceType = AnyResource> {
    path: String,
    of: PhantomData<fn() -> T>,
}

impl<T: ResourceType> ResourceId<T> {
    /// An id known at compile time; a test validates every one.
    pub(crate) fn known(path: &'static str) -> Self {
        ResourceId { path: path.to_owned(), of: PhantomData }
    }

    /// Id of a child resource: its type below this one, and its name.
    pub fn child<C: ResourceType>(&self, kind: &str, name: &str) -> Result<ResourceId<C>, NotValid> {
        format!("{}/{kind}/{name}", self.path).parse()
    }

    /// The id as a path: begins with `/`, ends without one.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The form for comparison.
    pub fn key(&self) -> String {
        self.path.to_lowercase()
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Type of the resource, as written in the id; empty for a resource group.
    pub fn resource_type(&self) -> String {
        let pieces: Vec<&str> = self.path[1..].split('/').collect();
        type_of(&pieces).unwrap_or_default()
    }

    /// Whether it is of this type.
    pub fn is_a(&self, resource_type: &str) -> bool {
        self.resource_type().eq_ignore_ascii_case(resource_type)
    }

    /// The subscription that it lies in.
    pub fn subscription(&self) -> Option<Guid> {
        let mut pieces = self.path[1..].split('/');
        pieces.next().filter(|word| word.eq_ignore_ascii_case("subscriptions"))?;
        pieces.next()?.parse().ok()
    }

    /// The resource group that it lies in.
    pub fn resource_group(&self) -> Option<&str> {
        let mut pieces = self.path[1..].split('/').skip(2);
        pieces.next().filter(|word| word.eq_ignore_ascii_case("resourceGroups"))?;
        pieces.next()
    }

    /// Path of the resource `levels` above, each level a type and a name: the network manager of a network group.
    pub fn above(&self, levels: usize) -> &str {
        let mut path = self.path.as_str();
        for _ in 0..levels * 2 {
            path = path.rsplit_once('/').map_or("", |(head, _)| head);
        }
        path
    }
}

impl<T: ResourceType> FromStr for ResourceId<T> {
    type Err = NotValid;

    fn from_str(text: &str) -> Result<Self, NotValid> {
        let fits = pieces(text).is_some_and(|pieces| {
            rooted(&pieces)
                && type_of(&pieces)
                    .is_some_and(|name| T::TYPE.is_empty() || name.eq_ignore_ascii_case(T::TYPE))
        });
        if fits {
            Ok(ResourceId { path: with_slash(text), of: PhantomData })
        } else {
            Err(NotValid::new(text, T::WANTED))
        }
    }
}

impl<T: ResourceType> TryFrom<String> for ResourceId<T> {
    type Error = NotValid;

    fn try_from(text: String) -> Result<Self, NotValid> {
        text.parse()
    }
}

impl<T: ResourceType> From<ResourceId<T>> for String {
    fn from(id: ResourceId<T>) -> String {
        id.path
    }
}

impl<T: ResourceType> fmt::Display for ResourceId<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

// Not derived: a derive would require the same traits of the marker types.
impl<T: ResourceType> fmt::Debug for ResourceId<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResourceId").field(&self.path).finish()
    }
}

impl<T: ResourceType> Clone for ResourceId<T> {
    fn clone(&self) -> Self {
        ResourceId { path: self.path.clone(), of: PhantomData }
    }
}

impl<T: ResourceType> PartialEq for ResourceId<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T: ResourceType> Eq for ResourceId<T> {}

impl<T: ResourceType> Hash for ResourceId<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl<T: ResourceType> JsonSchema for ResourceId<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::SCHEMA.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-twinspan-type": T::SCHEMA })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
    const MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/\
                           Microsoft.Network/networkManagers/nm-group";

    #[test]
    fn ids_compare_without_case_and_leading_slash() {
        let id: ResourceId<NetworkManagers> = MANAGER.parse().unwrap();
        let same: ResourceId<NetworkManagers> =
            MANAGER.trim_start_matches('/').to_uppercase().parse().unwrap();
        assert_eq!(id, same);
        assert_eq!(id.path(), MANAGER);
        assert!(same.path().starts_with("/SUBSCRIPTIONS/"));
    }

    #[test]
    fn an_id_says_where_it_lies() {
        let group: ResourceId<NetworkGroups> = format!("{MANAGER}/networkGroups/ng-spokes").parse().unwrap();
        assert_eq!(group.name(), "ng-spokes");
        assert_eq!(group.above(1), MANAGER);
        assert_eq!(group.resource_group(), Some("rg-network"));
        assert_eq!(group.subscription().unwrap().to_string(), "aaaaaaaa-0000-0000-0000-000000000001");
        assert!(group.is_a("microsoft.network/networkmanagers/networkgroups"));
    }

    #[test]
    fn an_id_of_the_wrong_type_is_refused() {
        assert!(format!("{MANAGER}/networkGroups/x").parse::<ResourceId<NetworkManagers>>().is_err());
        assert!(MANAGER.parse::<ResourceId<NetworkGroups>>().is_err());
        assert!(SUBSCRIPTION.parse::<ResourceId>().is_err());
        for right in [
            "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg",
            "/providers/Microsoft.Management/managementGroups/mg/providers/Microsoft.Network/networkManagerConnections/c",
            "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/providers/Microsoft.Network/networkManagerConnections/c",
            "/providers/Microsoft.Authorization/roleAssignments/aaaaaaaa-0000-0000-0000-000000000001",
        ] {
            assert!(right.parse::<ResourceId>().is_ok(), "{right}");
        }
    }

    #[test]
    fn what_would_leave_the_path_is_refused() {
        for wrong in ["", "/", "//", "/subscriptions", "/subscriptions/x/resourceGroups/rg", "a", "/a/b/c"] {
            assert!(wrong.parse::<ResourceId>().is_err(), "{wrong:?}");
        }
        for tail in
            ["/../x", "?api-version=1", "#x", "/%2e%2e", "/a b", "//x", "/networkGroups", "/\\x", "/."]
        {
            assert!(format!("{MANAGER}{tail}").parse::<ResourceId>().is_err(), "{tail:?}");
        }
    }

    #[test]
    fn schemas_name_the_type() {
        let schema = serde_json::to_value(schemars::schema_for!(ResourceId<NetworkManagers>)).unwrap();
        assert_eq!(schema["x-twinspan-type"], "resource-id(Microsoft.Network/networkManagers)");
    }
}
