//! Checks whether a response is about the requested resource.
//!
//! Status 200 alone proves nothing: a proxy, a cache or a fault of the service can return `{}`, an error, or another
//! resource. Such a response proves neither presence nor absence, and the request is retried.

use serde_json::{Map, Value};

/// What a response must be about.
#[derive(Clone, Copy, Debug)]
pub(super) enum About<'a> {
    /// Azure Resource Manager: the resource, subscription, management group or provider at this path.
    Resource(&'a str),
    /// Azure Resource Manager: a page of the collection at this path.
    Collection(&'a str),
    /// Azure Resource Manager: a page of the list that a POST to this path reads.
    Query(&'a str),
    /// Microsoft Graph: the object at this path.
    Object(&'a str),
    /// Microsoft Graph: a page of a collection of objects.
    Objects,
    /// The response to an action: anything but an error.
    Action,
}

/// Namespaces whose resources always have `properties`.
const WITH_PROPERTIES: [&str; 3] = ["microsoft.network", "microsoft.authorization", "microsoft.management"];

impl About<'_> {
    /// Why `body` is not such a response; `None` if it is.
    pub(super) fn unproven(self, body: &Value) -> Option<String> {
        let Some(fields) = body.as_object() else { return Some("expected an object".to_owned()) };
        if fields.get("error").is_some_and(Value::is_object) {
            return Some("it is an error".to_owned());
        }
        match self {
            About::Resource(path) => resource(path, fields),
            About::Collection(path) => each(fields, |item| item_of(path, item)),
            About::Query(path) => each(fields, |item| item_of_query(path, item)),
            About::Object(path) => object(path, fields),
            About::Objects => each(fields, |item| object("", item)),
            About::Action => None,
        }
    }
}

/// Checks every item of a page.
fn each(
    page: &Map<String, Value>,
    unproven: impl Fn(&Map<String, Value>) -> Option<String>,
) -> Option<String> {
    let items = page.get("value").or_else(|| page.get("data")).and_then(Value::as_array);
    let Some(items) = items else { return Some("it contains no list".to_owned()) };
    items.iter().enumerate().find_map(|(at, item)| {
        let reason = match item.as_object() {
            Some(item) => unproven(item)?,
            None => "expected an object".to_owned(),
        };
        Some(format!("item {at}: {reason}"))
    })
}

fn text<'v>(fields: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// An id in the form for comparison: Azure preserves neither case nor the leading slash.
fn plain(id: &str) -> String {
    id.trim_matches('/').to_ascii_lowercase()
}

/// Namespace, type names and resource names after the last `providers` segment of a path; empty without one.
fn typed(path: &str) -> (Option<&str>, Vec<&str>, Vec<&str>) {
    let Some((_, last)) = path.rsplit_once("providers/") else { return (None, Vec::new(), Vec::new()) };
    let mut pieces = last.split('/');
    let namespace = pieces.next();
    let (mut kinds, mut names) = (Vec::new(), Vec::new());
    for (at, piece) in pieces.enumerate() {
        if at % 2 == 0 { kinds.push(piece) } else { names.push(piece) }
    }
    (namespace, kinds, names)
}

fn resource(path: &str, fields: &Map<String, Value>) -> Option<String> {
    let path = plain(path);
    let Some(id) = text(fields, "id").map(plain) else { return Some("it has no id".to_owned()) };
    let (namespace, kinds, names) = typed(&path);
    // The id of a role definition depends on the scope where it is read; the part after the scope identifies the role.
    let tail = |id: &str| {
        id.rsplit_once("providers/microsoft.authorization/roledefinitions/").map(|(_, role)| role.to_owned())
    };
    let same = id == path || tail(&path).is_some_and(|role| tail(&id) == Some(role));
    if !same {
        return Some("it is about another resource".to_owned());
    }
    let other_name = text(fields, "name").map(str::to_ascii_lowercase).is_some_and(|name| {
        // Some providers include the parents in a child's name.
        let last = path.rsplit('/').next().unwrap_or_default();
        name != last && name != names.join("/")
    });
    if other_name && namespace.is_some() && !names.is_empty() {
        return Some("its name is a different one".to_owned());
    }
    if let (Some(kind), Some(namespace), Some(last)) =
        (text(fields, "type").map(plain), namespace, kinds.last())
    {
        let kind = kind.strip_prefix("providers/").unwrap_or(&kind);
        // Older versions omit or add a type in between.
        let fits = kind.split('/').next() == Some(namespace) && kind.rsplit('/').next() == Some(*last);
        if !fits {
            return Some("its type is a different one".to_owned());
        }
    }
    let bare = namespace.is_some_and(|namespace| WITH_PROPERTIES.contains(&namespace))
        && !names.is_empty()
        && !fields.get("properties").is_some_and(Value::is_object);
    bare.then(|| "it has no properties".to_owned())
}

fn item_of(path: &str, item: &Map<String, Value>) -> Option<String> {
    let path = plain(path);
    if path.ends_with("/providers/microsoft.authorization/permissions") {
        let actions = item.get("actions").is_some_and(Value::is_array);
        return (!actions).then(|| "it has no actions".to_owned());
    }
    let Some(id) = text(item, "id").map(plain) else { return Some("it has no id".to_owned()) };
    (!belongs(&path, &id)).then(|| "it does not belong to this list".to_owned())
}

/// Whether a resource with this id can be an element of the collection at `path`.
fn belongs(path: &str, id: &str) -> bool {
    let subscription = |id: &str| id.strip_prefix("subscriptions/").is_some_and(|id| !id.contains('/'));
    let group = |id: &str| id.contains("providers/microsoft.management/managementgroups/");
    if path.ends_with("/descendants") {
        return subscription(id) || group(id);
    }
    if let Some(above) = path.strip_suffix("/resources") {
        return id.strip_prefix(above).is_some_and(|rest| rest.starts_with("/"));
    }
    // Role assignments in a list at a scope may be assigned above or below it; built-in role definitions have no scope.
    if let Some((scope, kind)) = format!("/{path}").rsplit_once("/providers/microsoft.authorization/") {
        let id = format!("/{id}");
        let within = |one: &str, other: &str| {
            other.strip_prefix(one).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        return id.rsplit_once(&format!("/providers/microsoft.authorization/{kind}/")).is_some_and(
            |(given, _)| {
                let group = given
                    .strip_prefix("/providers/microsoft.management/managementgroups/")
                    .is_some_and(|name| !name.contains('/'));
                given.is_empty() || group || within(given, scope) || within(scope, given)
            },
        );
    }
    if id.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')).is_some_and(|name| !name.contains('/')) {
        return true;
    }
    // All resources of one type, in any resource group.
    match path.rsplit_once("/providers/") {
        Some((scope, _)) => {
            let (wanted, found) = (typed(path), typed(id));
            id.strip_prefix(scope).is_some_and(|rest| rest.starts_with('/'))
                && (wanted.0, wanted.1) == (found.0, found.1)
                && found.2.starts_with(&wanted.2)
        }
        None => false,
    }
}

fn item_of_query(path: &str, item: &Map<String, Value>) -> Option<String> {
    let path = plain(path);
    let (above, list) = path.rsplit_once('/').unwrap_or_default();
    let lacks = |name: &str| text(item, name).is_none().then(|| format!("it has no {name}"));
    match list {
        "listdeploymentstatus" => lacks("region").or_else(|| lacks("deploymentType")),
        "listactiveconnectivityconfigurations" | "listnetworkmanagereffectiveconnectivityconfigurations" => {
            let Some(id) = text(item, "id").map(plain) else { return lacks("id") };
            let (owner, kinds, _) = typed(&id);
            let configuration =
                owner == Some("microsoft.network") && kinds.last() == Some(&"connectivityconfigurations");
            // The effective configurations of a network may belong to any network manager.
            let here =
                list.starts_with("listnetworkmanagereffective") || id.starts_with(&format!("{above}/"));
            (!(configuration && here)).then(|| "it does not belong to this list".to_owned())
        }
        _ => lacks("id"),
    }
}

fn object(path: &str, fields: &Map<String, Value>) -> Option<String> {
    let Some(id) = text(fields, "id") else { return Some("it has no id".to_owned()) };
    let last = path.rsplit('/').next().unwrap_or_default();
    let by_id = last.parse::<crate::ids::Guid>().is_ok();
    (by_id && !id.eq_ignore_ascii_case(last)).then(|| "it is about another object".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GROUP: &str =
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/networkManagers/nm/networkGroups/g";

    fn group() -> Value {
        json!({ "id": GROUP, "name": "g", "type": "Microsoft.Network/networkManagers/networkGroups", "properties": {} })
    }

    #[test]
    fn a_resource_is_proven_by_its_id_name_and_type() {
        let about = About::Resource(GROUP);
        assert_eq!(about.unproven(&group()), None);
        let mut shouting = group();
        shouting["id"] = json!(GROUP.to_uppercase().trim_start_matches('/'));
        shouting["name"] = json!("G");
        assert_eq!(about.unproven(&shouting), None, "ids ignore case");
        for (field, value, reason) in [
            ("id", json!(null), "it has no id"),
            ("id", json!(""), "it has no id"),
            ("id", json!(format!("{GROUP}2")), "it is about another resource"),
            ("id", json!(GROUP.replace("nm/", "other/")), "it is about another resource"),
            ("name", json!("other"), "its name is a different one"),
            ("type", json!("Microsoft.Network/networkManagers"), "its type is a different one"),
            ("type", json!("Microsoft.Other/networkManagers/networkGroups"), "its type is a different one"),
            ("properties", json!(null), "it has no properties"),
            ("properties", json!([]), "it has no properties"),
            ("error", json!({ "code": "NotFound" }), "it is an error"),
        ] {
            let mut body = group();
            body[field] = value;
            assert_eq!(about.unproven(&body).as_deref(), Some(reason), "{body}");
        }
        for body in
            [json!({}), json!([group()]), json!(null), json!("x"), json!({ "error": { "code": "NotFound" } })]
        {
            assert!(about.unproven(&body).is_some(), "{body}");
        }
    }

    #[test]
    fn what_is_no_resource_of_a_provider_is_proven_by_its_id() {
        let group = "/providers/Microsoft.Management/managementGroups/mg";
        let role = "providers/Microsoft.Authorization/roleDefinitions/4d97";
        for (path, body) in [
            ("/subscriptions/s", json!({ "id": "/subscriptions/S", "displayName": "x" })),
            (
                "/subscriptions/s/resourceGroups/rg",
                json!({ "id": "/subscriptions/s/resourcegroups/RG", "name": "RG", "type": "Microsoft.Resources/resourceGroups" }),
            ),
            (
                "/subscriptions/s/providers/Microsoft.Network",
                json!({ "id": "/subscriptions/s/providers/Microsoft.Network", "namespace": "Microsoft.Network" }),
            ),
            (
                group,
                json!({ "id": group, "name": "mg", "type": "/providers/Microsoft.Management/managementGroups", "properties": {} }),
            ),
            // A built-in role definition has no scope.
            (
                &format!("/subscriptions/s/{role}"),
                json!({ "id": format!("/{role}"), "name": "4d97", "type": "Microsoft.Authorization/roleDefinitions", "properties": {} }),
            ),
            (
                "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Sql/servers/a/databases/b",
                json!({ "id": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Sql/servers/a/databases/b", "name": "a/b" }),
            ),
        ] {
            assert_eq!(About::Resource(path).unproven(&body), None, "{path}");
            let mut other = body;
            other["id"] = json!("/subscriptions/other");
            assert!(About::Resource(path).unproven(&other).is_some(), "{path}");
        }
    }

    #[test]
    fn each_item_of_a_list_belongs_to_it() {
        let manager = GROUP.rsplitn(3, '/').nth(2).unwrap();
        let page =
            |ids: &[&str]| json!({ "value": ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>() });
        let other = GROUP.replace("/nm/", "/other/");
        for (path, ids, fits) in [
            (format!("{manager}/networkGroups"), vec![GROUP], true),
            (format!("{manager}/networkGroups"), vec![GROUP, &other], false),
            (format!("{manager}/networkGroups"), vec![manager], false),
            (format!("{manager}/networkGroups"), vec![""], false),
            ("/subscriptions/s/providers/Microsoft.Network/networkManagers".to_owned(), vec![manager], true),
            ("/subscriptions/t/providers/Microsoft.Network/networkManagers".to_owned(), vec![manager], false),
            ("/subscriptions/s/providers/Microsoft.Network/networkManagers".to_owned(), vec![GROUP], false),
            ("/subscriptions".to_owned(), vec!["/subscriptions/s"], true),
            ("/subscriptions".to_owned(), vec![GROUP], false),
            ("/subscriptions/s/resourceGroups/rg/resources".to_owned(), vec![manager], true),
            ("/subscriptions/s/resourceGroups/other/resources".to_owned(), vec![manager], false),
            (
                "/providers/Microsoft.Management/managementGroups/mg/descendants".to_owned(),
                vec!["/subscriptions/s", "/providers/Microsoft.Management/managementGroups/child"],
                true,
            ),
            (
                "/providers/Microsoft.Management/managementGroups/mg/descendants".to_owned(),
                vec![GROUP],
                false,
            ),
            (
                "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments".to_owned(),
                vec![
                    "/providers/Microsoft.Management/managementGroups/mg/providers/Microsoft.Authorization/roleAssignments/1",
                ],
                true,
            ),
            (
                "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments".to_owned(),
                vec!["/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/1"],
                false,
            ),
            (
                "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments".to_owned(),
                vec!["/subscriptions/t/providers/Microsoft.Authorization/roleAssignments/1"],
                false,
            ),
            (
                "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments".to_owned(),
                vec![
                    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/1",
                ],
                true,
            ),
        ] {
            assert_eq!(About::Collection(&path).unproven(&page(&ids)).is_none(), fits, "{path} {ids:?}");
            assert_eq!(
                About::Collection(&path).unproven(&page(&[])),
                None,
                "an empty list is a list: {path}"
            );
        }
        let about = About::Collection("/subscriptions");
        for body in [
            json!({}),
            json!({ "value": {} }),
            json!({ "value": null }),
            json!({ "value": [null] }),
            json!({ "error": {}, "value": [] }),
        ] {
            assert!(about.unproven(&body).is_some(), "{body}");
        }
        let permissions = About::Collection("/subscriptions/s/providers/Microsoft.Authorization/permissions");
        assert_eq!(permissions.unproven(&json!({ "value": [{ "actions": ["*"] }] })), None);
        assert!(permissions.unproven(&json!({ "value": [{}] })).is_some());
    }

    #[test]
    fn what_a_query_lists_says_of_what_it_speaks() {
        let manager = GROUP.rsplitn(3, '/').nth(2).unwrap();
        let of = |list: &str, item: Value| {
            let path = format!("{manager}/{list}");
            About::Query(&path).unproven(&json!({ "value": [item] })).is_none()
        };
        assert!(of(
            "listDeploymentStatus",
            json!({ "region": "westeurope", "deploymentType": "Connectivity" })
        ));
        assert!(
            !of("listDeploymentStatus", json!({ "region": "westeurope" }))
                && !of("listDeploymentStatus", json!({}))
        );
        let configuration = json!({ "id": format!("{manager}/connectivityConfigurations/c") });
        let foreign = json!({ "id": format!("{manager}2/connectivityConfigurations/c") });
        assert!(of("listActiveConnectivityConfigurations", configuration.clone()));
        assert!(!of("listActiveConnectivityConfigurations", foreign.clone()));
        assert!(of("listNetworkManagerEffectiveConnectivityConfigurations", foreign));
        assert!(!of("listNetworkManagerEffectiveConnectivityConfigurations", json!({ "id": GROUP })));
    }

    #[test]
    fn an_object_of_the_directory_has_the_id_that_it_is_read_by() {
        let id = "ffffffff-1111-0000-0000-000000000002";
        let path = format!("/users/{id}");
        assert_eq!(About::Object(&path).unproven(&json!({ "id": id.to_uppercase() })), None);
        assert!(About::Object(&path).unproven(&json!({ "id": id.replace('2', "3") })).is_some());
        assert!(About::Object(&path).unproven(&json!({ "mail": "x" })).is_some());
        assert!(About::Objects.unproven(&json!({ "value": [{ "mail": "x" }] })).is_some());
    }
}
