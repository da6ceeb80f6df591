//! The API versions of each resource type, and the errors for others.

use http::Method;

use crate::arm::ArmPath;
use crate::hierarchy::Place;
use crate::regions;
use crate::reply::Reply;
use crate::request::Request;
use crate::world::World;

/// Virtual networks and child resources: the list that Azure gives in its errors (Azure/azure-cli#17545, #28496), and later
/// versions. Oldest first.
const NETWORK: [&str; 75] = [
    "2014-12-01-preview",
    "2015-05-01-preview",
    "2015-06-15",
    "2016-03-30",
    "2016-06-01",
    "2016-07-01",
    "2016-08-01",
    "2016-09-01",
    "2016-10-01",
    "2016-11-01",
    "2016-12-01",
    "2017-03-01",
    "2017-04-01",
    "2017-06-01",
    "2017-08-01",
    "2017-09-01",
    "2017-10-01",
    "2017-11-01",
    "2018-01-01",
    "2018-02-01",
    "2018-03-01",
    "2018-04-01",
    "2018-05-01",
    "2018-06-01",
    "2018-07-01",
    "2018-08-01",
    "2018-10-01",
    "2018-11-01",
    "2018-12-01",
    "2019-02-01",
    "2019-04-01",
    "2019-06-01",
    "2019-07-01",
    "2019-08-01",
    "2019-09-01",
    "2019-11-01",
    "2019-12-01",
    "2020-01-01",
    "2020-03-01",
    "2020-04-01",
    "2020-05-01",
    "2020-06-01",
    "2020-07-01",
    "2020-08-01",
    "2020-11-01",
    "2021-01-01",
    "2021-02-01",
    "2021-03-01",
    "2021-04-01",
    "2021-05-01",
    "2021-06-01",
    "2021-08-01",
    "2021-12-01",
    "2022-01-01",
    "2022-05-01",
    "2022-07-01",
    "2022-09-01",
    "2022-11-01",
    "2023-02-01",
    "2023-04-01",
    "2023-05-01",
    "2023-06-01",
    "2023-09-01",
    "2023-11-01",
    "2024-01-01",
    "2024-03-01",
    "2024-05-01",
    "2024-07-01",
    "2024-10-01",
    "2025-01-01",
    "2025-03-01",
    "2025-05-01",
    "2025-07-01",
    "2025-09-01",
    "2026-03-01",
];

/// Network managers and child resources: every recorded version, and all stable ones since the first.
const MANAGER: [&str; 28] = [
    "2021-02-01-preview",
    "2021-05-01-preview",
    "2022-01-01",
    "2022-02-01-preview",
    "2022-04-01-preview",
    "2022-05-01",
    "2022-07-01",
    "2022-09-01",
    "2022-11-01",
    "2023-02-01",
    "2023-03-01-preview",
    "2023-04-01",
    "2023-05-01",
    "2023-06-01",
    "2023-09-01",
    "2023-11-01",
    "2024-01-01",
    "2024-01-01-preview",
    "2024-03-01",
    "2024-05-01",
    "2024-07-01",
    "2024-10-01",
    "2025-01-01",
    "2025-03-01",
    "2025-05-01",
    "2025-07-01",
    "2025-09-01",
    "2026-03-01",
];

/// Azure Resource Manager itself: subscriptions, tenants, resource groups, providers (the list that Azure gives is in
/// ansible-collections/azure#1739; later versions are added).
const RESOURCES: [&str; 61] = [
    "2013-03-01",
    "2014-01-01",
    "2014-02-26",
    "2014-04",
    "2014-04-01",
    "2014-04-01-preview",
    "2015-01-01",
    "2015-11-01",
    "2016-02-01",
    "2016-06-01",
    "2016-07-01",
    "2016-09-01",
    "2017-03-01",
    "2017-05-01",
    "2017-05-10",
    "2017-06-01",
    "2017-08-01",
    "2017-12-01",
    "2018-01-01",
    "2018-02-01",
    "2018-05-01",
    "2018-06-01",
    "2018-07-01",
    "2018-08-01",
    "2018-09-01",
    "2018-11-01",
    "2019-03-01",
    "2019-05-01",
    "2019-05-10",
    "2019-06-01",
    "2019-07-01",
    "2019-08-01",
    "2019-09-01",
    "2019-10-01",
    "2019-11-01",
    "2020-01-01",
    "2020-05-01",
    "2020-06-01",
    "2020-07-01",
    "2020-08-01",
    "2020-09-01",
    "2020-10-01",
    "2021-01-01",
    "2021-04-01",
    "2022-01-01",
    "2022-03-01-preview",
    "2022-05-01",
    "2022-06-01",
    "2022-09-01",
    "2022-11-01-preview",
    "2022-12-01",
    "2023-03-01-preview",
    "2023-07-01",
    "2023-07-01-preview",
    "2024-03-01",
    "2024-06-01-preview",
    "2024-07-01",
    "2024-08-01",
    "2024-11-01",
    "2025-03-01",
    "2025-04-01",
];

/// Role assignments (the list that Azure gave in 2020 is in Azure/azure-quickstart-templates#8013).
const ASSIGNMENTS: &[&str] = &[
    "2014-04-01-preview",
    "2014-07-01-preview",
    "2014-10-01-preview",
    "2015-05-01-preview",
    "2015-06-01",
    "2015-07-01",
    "2016-07-01",
    "2017-05-01",
    "2017-09-01",
    "2017-10-01-preview",
    "2018-01-01-preview",
    "2018-07-01",
    "2018-09-01-preview",
    "2018-12-01-preview",
    "2019-04-01-preview",
    "2020-03-01-preview",
    "2020-04-01-preview",
    "2020-08-01-preview",
    "2020-10-01-preview",
    "2021-04-01-preview",
    "2022-01-01-preview",
    "2022-04-01",
];
/// Role definitions and permissions.
const ROLES: &[&str] = &[
    "2014-04-01-preview",
    "2014-07-01-preview",
    "2014-10-01-preview",
    "2015-05-01-preview",
    "2015-06-01",
    "2015-07-01",
    "2016-07-01",
    "2017-05-01",
    "2017-09-01",
    "2018-01-01-preview",
    "2018-07-01",
    "2022-04-01",
    "2022-05-01-preview",
    "2023-07-01-preview",
];
const SCHEDULES: &[&str] = &["2020-10-01", "2020-10-01-preview", "2022-04-01-preview", "2024-09-01-preview"];
const LOCKS: &[&str] =
    &["2015-01-01", "2015-05-01-preview", "2015-06-01", "2016-09-01", "2017-04-01", "2020-05-01"];
const POLICIES: &[&str] = &[
    "2015-10-01-preview",
    "2015-11-01",
    "2016-04-01",
    "2016-12-01",
    "2017-06-01-preview",
    "2018-03-01",
    "2018-05-01",
    "2019-01-01",
    "2019-06-01",
    "2019-09-01",
    "2020-03-01",
    "2020-08-01",
    "2020-09-01",
    "2021-06-01",
    "2022-06-01",
    "2023-04-01",
    "2024-04-01",
    "2024-05-01",
    "2025-01-01",
    "2025-03-01",
];
const DENIALS: &[&str] =
    &["2018-07-01", "2018-07-01-preview", "2019-03-01-preview", "2022-04-01", "2024-07-01-preview"];
const MANAGEMENT: &[&str] = &[
    "2018-01-01-preview",
    "2018-03-01-beta",
    "2018-03-01-preview",
    "2019-11-01",
    "2020-02-01",
    "2020-05-01",
    "2020-10-01",
    "2021-04-01",
    "2023-04-01",
];
const GRAPH: &[&str] = &[
    "2018-09-01-preview",
    "2019-04-01",
    "2020-04-01-preview",
    "2021-03-01",
    "2021-06-01-preview",
    "2022-10-01",
    "2024-04-01",
];
const FEATURES: &[&str] = &["2014-08-01-preview", "2015-12-01", "2021-07-01"];

/// Versions of a resource type, oldest first; `None` if this world does not have the type. `kind` is its path of types
/// (`virtualNetworks/subnets`), ignoring case.
pub(crate) fn of(namespace: &str, kind: &str) -> Option<&'static [&'static str]> {
    let kind = kind.to_ascii_lowercase();
    let first = kind.split('/').next().unwrap_or_default();
    Some(match (namespace.to_ascii_lowercase().as_str(), first) {
        // An action of network managers, although its path begins with a virtual network.
        ("microsoft.network", "virtualnetworks") if kind.contains("listnetworkmanager") => &MANAGER,
        ("microsoft.network", "virtualnetworks") => &NETWORK,
        (
            "microsoft.network",
            "networkmanagers" | "networkmanagerconnections" | "networkgroupmemberships",
        ) => &MANAGER,
        ("microsoft.authorization", "roleassignments") => ASSIGNMENTS,
        ("microsoft.authorization", "roledefinitions" | "permissions") => ROLES,
        (
            "microsoft.authorization",
            "roleassignmentscheduleinstances" | "roleeligibilityscheduleinstances",
        ) => SCHEDULES,
        ("microsoft.authorization", "locks") => LOCKS,
        ("microsoft.authorization", "policyassignments") => POLICIES,
        ("microsoft.authorization", "denyassignments") => DENIALS,
        ("microsoft.management", "managementgroups") => MANAGEMENT,
        ("microsoft.resourcegraph", "resources") => GRAPH,
        ("microsoft.features", _) => FEATURES,
        ("microsoft.resources", _) => &RESOURCES,
        _ => return None,
    })
}

/// Returns 400 unless the request has an API version that its resource type supports. Types that this world lacks are handled
/// elsewhere.
pub(crate) fn check(world: &World, request: &Request, path: &ArmPath) -> Result<(), Reply> {
    let version = request.api_version().filter(|version| !version.is_empty());
    let version = version.ok_or_else(Reply::missing_api_version)?;
    let features = crate::providers::is_features(path);
    let registration =
        path.rest.is_empty() || matches!(path.words().as_slice(), [only] if only.ends_with("register"));
    let own = path.namespace.is_empty()
        || registration
        || path.namespace.eq_ignore_ascii_case("Microsoft.Resources");
    let (namespace, kind) = match () {
        () if features => ("Microsoft.Features", "features".to_owned()),
        () if own => ("Microsoft.Resources", String::new()),
        () => (
            path.namespace.as_str(),
            path.rest.iter().step_by(2).map(String::as_str).collect::<Vec<_>>().join("/"),
        ),
    };
    let Some(known) = of(namespace, &kind) else { return Ok(()) };
    if known.iter().any(|known| known.eq_ignore_ascii_case(version)) {
        return Ok(());
    }
    if own && !features {
        return Err(invalid(version, known));
    }
    let by_name = path.rest.len() > 1 || request.method != Method::GET;
    Err(if by_name {
        no_provider(world, request, path, version, &kind, known)
    } else {
        no_type(path, version, &kind, known)
    })
}

/// Azure's error for types of Azure Resource Manager itself: newest first.
fn invalid(version: &str, known: &[&str]) -> Reply {
    let supported: Vec<&str> = known.iter().rev().copied().collect();
    let message = format!(
        "The api-version '{version}' is invalid. The supported versions are '{}'.",
        supported.join(",")
    );
    Reply::gateway_error(400, "InvalidApiVersionParameter", &message)
}

/// Azure's error for a provider's resource: oldest first, and the type's locations.
fn no_provider(
    world: &World,
    request: &Request,
    path: &ArmPath,
    version: &str,
    kind: &str,
    known: &[&str],
) -> Reply {
    let given = request.json().ok().and_then(|body| body["location"].as_str().map(str::to_owned));
    let location = given.or_else(|| location_of(world, path)).unwrap_or_default();
    // Extension resources have no location of their own.
    let extension = !path.namespace.eq_ignore_ascii_case("Microsoft.Network");
    let locations = if extension { String::new() } else { regions::names(", ") };
    let message = format!(
        "No registered resource provider found for location '{location}' and API version '{version}' for type '{kind}'. The \
         supported api-versions are '{}'. The supported locations are '{locations}'.",
        known.join(", ")
    );
    Reply::gateway_error(400, "NoRegisteredProviderFound", &message)
}

fn location_of(world: &World, path: &ArmPath) -> Option<String> {
    let Place::Subscription { subscription, resource_group: Some(group) } = &path.place else { return None };
    let found = world.hierarchy.subscription(subscription)?.resource_groups.get(group)?;
    Some(found.location.clone())
}

/// Azure's error for a list (Azure/azure-powershell#12061).
fn no_type(path: &ArmPath, version: &str, kind: &str, known: &[&str]) -> Reply {
    let message = format!(
        "The resource type '{kind}' could not be found in the namespace '{}' for api version '{version}'. The supported \
         api-versions are '{}'.",
        path.namespace,
        known.join(",")
    );
    Reply::gateway_error(404, "InvalidResourceType", &message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::trial::{CENTRAL, CENTRAL_SUBSCRIPTION, Trial};

    #[test]
    fn versions_are_dates_in_order() {
        for known in [
            &NETWORK[..],
            &MANAGER,
            &RESOURCES,
            ASSIGNMENTS,
            ROLES,
            LOCKS,
            POLICIES,
            DENIALS,
            MANAGEMENT,
            GRAPH,
        ] {
            assert!(known.is_sorted_by(|a, b| a < b), "{known:?}");
        }
    }

    #[test]
    fn a_version_that_a_type_does_not_know_is_refused_with_those_that_it_knows() {
        let mut trial = Trial::ready();
        let token = trial.arm_token("app", CENTRAL);
        let group = format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-network");
        let network = format!("{group}/providers/Microsoft.Network");
        let provider = "NoRegisteredProviderFound";
        let own = "InvalidApiVersionParameter";
        for (method, path, version, status, code) in [
            ("GET", format!("{network}/networkManagers/nm-group"), "2020-11-01", 400, provider),
            ("GET", format!("{network}/networkManagers/nm-group"), "2099-01-01", 400, provider),
            ("PUT", format!("{network}/networkManagers/nm-group"), "2024-10-02", 400, provider),
            (
                "GET",
                format!("{network}/networkManagers/nm-group/scopeConnections"),
                "2024-02-01",
                400,
                provider,
            ),
            ("GET", format!("{network}/networkManagers"), "2021-08-01", 404, "InvalidResourceType"),
            ("GET", format!("{network}/virtualNetworks/vnet-hub"), "2021-05-01-preview", 400, provider),
            ("GET", format!("{network}/virtualNetworks"), "2010-01-01", 404, "InvalidResourceType"),
            ("GET", CENTRAL_SUBSCRIPTION.to_owned(), "2024-10-01", 400, own),
            ("GET", "/subscriptions".to_owned(), "latest", 400, own),
            ("GET", group.clone(), "2022-13-01", 400, own),
            ("PUT", format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-new"), "2022-13-01", 400, own),
            (
                "POST",
                format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.Network/register"),
                "2024-10-01",
                400,
                own,
            ),
            ("GET", format!("{CENTRAL_SUBSCRIPTION}/providers"), "2024-10-01", 400, own),
            (
                "GET",
                format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments/x"),
                "2015-06-15",
                400,
                provider,
            ),
            (
                "GET",
                "/providers/Microsoft.Management/managementGroups/x".to_owned(),
                "2024-10-01",
                400,
                provider,
            ),
        ] {
            let asked = format!("{path}?api-version={version}");
            let got = trial.arm(&token, method, &asked, &json!({ "location": "westeurope" }));
            assert_eq!(got.refusal(), (status, code), "{method} {asked}: {}", got.body);
            assert!(got.message().contains(&format!("'{version}'")), "{asked}: {}", got.message());
            assert!(got.message().contains(" supported "), "{asked}: {}", got.message());
            assert_eq!(got.header("x-ms-failure-cause"), "gateway");
        }
        let asked = format!("{network}/networkManagers/nm-group?api-version=2020-01-01");
        let got = trial.arm(&token, "GET", &asked, &Value::Null);
        assert!(
            got.message().starts_with(
                "No registered resource provider found for location 'westeurope' and API version '2020-01-01' for type \
                 'networkManagers'. The supported api-versions are '2021-02-01-preview, 2021-05-01-preview, 2022-01-01, "
            ),
            "{}",
            got.message()
        );
        assert!(trial.world.effects().iter().all(|effect| effect.change == crate::Change::None));
    }
}
