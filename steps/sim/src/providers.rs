//! Registration of resource providers.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::arm::ArmPath;
use crate::authorization::{self, authorize};
use crate::caller::Caller;
use crate::hierarchy::{Place, Registration, management_group_id};
use crate::ledger::Change;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;
use crate::{catalogue, not_simulated, regions, versions};

/// Simulated namespaces, with the types that they list.
const KNOWN: [(&str, &[&str]); 5] = [
    (
        "Microsoft.Network",
        &[
            "virtualNetworks",
            "virtualNetworks/subnets",
            "virtualNetworks/virtualNetworkPeerings",
            "networkManagers",
            "networkManagers/scopeConnections",
            "networkManagers/networkGroups",
            "networkManagers/networkGroups/staticMembers",
            "networkManagers/connectivityConfigurations",
            "networkManagerConnections",
            "networkGroupMemberships",
        ],
    ),
    (
        "Microsoft.Authorization",
        &[
            "roleAssignments",
            "roleDefinitions",
            "permissions",
            "locks",
            "policyAssignments",
            "denyAssignments",
        ],
    ),
    ("Microsoft.Management", &["managementGroups"]),
    ("Microsoft.ResourceGraph", &["resources"]),
    ("Microsoft.Resources", &["subscriptions", "resourceGroups"]),
];

/// `…/providers/{namespace}[/register|/unregister]` of a subscription or a management group.
pub(crate) fn handle(world: &mut World, caller: &Caller, request: &Request, path: &ArmPath) -> Handled {
    let known = KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(&path.namespace));
    if known.is_none() {
        return Err(no_such_type(request, path));
    }
    if request.query("$expand").is_some_and(|wanted| wanted.to_ascii_lowercase().contains("aliases")) {
        return Err(not_simulated::arm(request, "aliases of properties"));
    }
    match (request.method.as_str(), path.words().first().map(String::as_str), &path.place) {
        ("GET", None, Place::Subscription { subscription, resource_group: None }) => {
            let scope = format!("/subscriptions/{subscription}");
            require_any_role(world, caller, request, &scope)?;
            let (name, types) = known.ok_or_else(|| unknown(&path.namespace))?;
            Ok(Reply::ok(shown(world, &scope, name, types, request.at)))
        }
        ("GET", None, Place::Root) => {
            let (name, types) = known.ok_or_else(|| unknown(&path.namespace))?;
            Ok(Reply::ok(shown_to_tenant(name, types)))
        }
        ("POST", Some("register"), Place::Subscription { subscription, resource_group: None }) => {
            let scope = format!("/subscriptions/{subscription}");
            let (name, types) = known.ok_or_else(|| unknown(&path.namespace))?;
            authorize(world, caller, request, &format!("{name}/register/action"), &scope)?;
            let done = register(world, &path.place, name, request.at);
            let mut body = shown(world, &scope, name, types, request.at);
            if done >= request.at {
                // Azure never returns `Registered` at once.
                body["registrationState"] = json!("Registering");
            }
            Ok(Reply::ok(body).changed(Change::Updated))
        }
        ("POST", Some("unregister"), Place::Subscription { subscription, resource_group: None }) => {
            let scope = format!("/subscriptions/{subscription}");
            let (name, types) = known.ok_or_else(|| unknown(&path.namespace))?;
            authorize(world, caller, request, &format!("{name}/unregister/action"), &scope)?;
            require_unused(world, name, &scope)?;
            let done = later(world, request.at);
            let found = world.hierarchy.subscriptions.get_mut(subscription);
            let known = found.and_then(|s| s.registrations.get_mut(&name.to_ascii_lowercase()));
            if let Some(registration) = known.filter(|registration| !registration.leaving) {
                *registration = Registration { done, leaving: true };
            }
            Ok(Reply::ok(shown(world, &scope, name, types, request.at)).changed(Change::Updated))
        }
        ("POST", Some("register"), Place::ManagementGroup(group)) => {
            let (name, _) = known.ok_or_else(|| unknown(&path.namespace))?;
            let scope = management_group_id(group);
            authorize(world, caller, request, &format!("{name}/register/action"), &scope)?;
            register(world, &path.place, name, request.at);
            Ok(Reply::empty(200).changed(Change::Updated))
        }
        ("POST", Some("unregister"), Place::ManagementGroup(_)) => {
            Err(not_simulated::arm(request, "unregistering at a management group"))
        }
        (
            _,
            Some("register" | "unregister"),
            Place::Subscription { resource_group: None, .. } | Place::ManagementGroup(_),
        ) => Err(Reply::method_not_allowed()),
        (_, None, Place::Subscription { resource_group: None, .. } | Place::Root) => {
            Err(Reply::method_not_allowed())
        }
        // The registration state of a management group has no documented URL.
        _ => Err(Reply::gateway_error(404, "NotFound", &format!("No address '{}'.", request.path))),
    }
}

/// Whether the path is the list of a provider's preview features in a subscription.
pub(crate) fn is_features(path: &ArmPath) -> bool {
    path.words() == ["features"] && path.scope.to_ascii_lowercase().ends_with("/providers/microsoft.features")
}

/// `/subscriptions/{id}/providers/Microsoft.Features/providers/{namespace}/features`: always empty here.
pub(crate) fn features(world: &World, caller: &Caller, request: &Request, path: &ArmPath) -> Handled {
    if request.method != http::Method::GET {
        return Err(Reply::method_not_allowed());
    }
    let Place::Subscription { subscription, .. } = &path.place else {
        return Err(unknown("Microsoft.Features"));
    };
    require_any_role(world, caller, request, &format!("/subscriptions/{subscription}"))?;
    Ok(Reply::ok(json!({ "value": [] })))
}

/// Whether the path is a list of providers, of a subscription or of the tenant.
pub(crate) fn is_list(request: &Request) -> bool {
    let words = request.segments();
    let named = |word: &str, wanted: &str| word.eq_ignore_ascii_case(wanted);
    match words.as_slice() {
        [only] => named(only, "providers"),
        [first, _, last] => named(first, "subscriptions") && named(last, "providers"),
        _ => false,
    }
}

/// `/providers` and `/subscriptions/{id}/providers`. These lists are not paged here: all namespaces fit on one page.
pub(crate) fn list(world: &World, caller: &Caller, request: &Request, path: &ArmPath) -> Handled {
    if request.method != http::Method::GET {
        return Err(Reply::method_not_allowed());
    }
    let value: Vec<Value> = match &path.place {
        Place::Subscription { subscription, .. } => {
            let scope = format!("/subscriptions/{subscription}");
            require_any_role(world, caller, request, &scope)?;
            KNOWN.iter().map(|(name, types)| shown(world, &scope, name, types, request.at)).collect()
        }
        _ => KNOWN.iter().map(|(name, types)| shown_to_tenant(name, types)).collect(),
    };
    Ok(Reply::ok(json!({ "value": value })))
}

fn require_any_role(world: &World, caller: &Caller, request: &Request, scope: &str) -> Result<(), Reply> {
    if authorization::has_any_role(world, &caller.holder, scope, request.at) {
        return Ok(());
    }
    Err(authorization::refusal(&caller.holder, "Microsoft.Resources/subscriptions/providers/read", scope))
}

/// Returns 409 if the subscription contains a resource of the provider. Microsoft documents the refusal ("you can't unregister a
/// resource provider when you still have resource types from that resource provider in your subscription"), but not its text.
fn require_unused(world: &World, namespace: &str, scope: &str) -> Result<(), Reply> {
    let used = if namespace == "Microsoft.Network" { world.network.ids_below(scope) } else { Vec::new() };
    let Some(first) = used.first() else { return Ok(()) };
    let message = format!(
        "The resource provider '{namespace}' cannot be unregistered in subscription '{}' because resources of it still exist, \
         among them '{first}'.",
        scope.rsplit('/').next().unwrap_or_default()
    );
    Err(Reply::gateway_error(409, "Conflict", &message))
}

/// The error for a type that this world lacks: "not simulated" if Azure has it, otherwise Azure's error for an unknown type or
/// namespace.
pub(crate) fn no_such_type(request: &Request, path: &ArmPath) -> Reply {
    let words = path.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let kind = path.rest.iter().step_by(2).map(String::as_str).collect::<Vec<_>>().join("/");
    if matches!(words.as_slice(), ["providerpermissions" | "resourcetypes"]) {
        return not_simulated::arm(request, &format!("{kind} of a provider"));
    }
    let here = KNOWN.iter().any(|(name, _)| name.eq_ignore_ascii_case(&path.namespace));
    if catalogue::is_namespace(&path.namespace) || catalogue::is_type(&path.namespace, &words) {
        return not_simulated::arm(request, format!("{}/{kind}", path.namespace).trim_end_matches('/'));
    }
    if !here {
        return unknown(&path.namespace);
    }
    let message =
        format!("The resource type '{kind}' could not be found in the namespace '{}'.", path.namespace);
    Reply::gateway_error(404, "InvalidResourceType", &message)
}

fn unknown(namespace: &str) -> Reply {
    Reply::gateway_error(
        404,
        "InvalidResourceNamespace",
        &format!("The resource namespace '{namespace}' is invalid."),
    )
}

/// Starts a registration, unless there is one; returns when it is or was complete.
fn register(world: &mut World, place: &Place, namespace: &str, at: Timestamp) -> Timestamp {
    let begun = Registration { done: later(world, at), leaving: false };
    let registrations = match place {
        Place::ManagementGroup(name) => {
            world.hierarchy.management_groups.get_mut(name).map(|g| &mut g.registrations)
        }
        Place::Subscription { subscription, .. } => {
            world.hierarchy.subscriptions.get_mut(subscription).map(|s| &mut s.registrations)
        }
        Place::Root | Place::Elsewhere => None,
    };
    let Some(known) = registrations else { return begun.done };
    let known = known.entry(namespace.to_ascii_lowercase()).or_insert(begun);
    if known.leaving {
        *known = begun;
    }
    known.done
}

/// When a change of a registration that starts now is complete.
fn later(world: &World, at: Timestamp) -> Timestamp {
    at.saturating_add(world.lags.provider).unwrap_or(at)
}

fn state(world: &World, scope: &str, namespace: &str, at: Timestamp) -> &'static str {
    // ARM's own providers are always registered.
    if namespace != "Microsoft.Network" {
        return "Registered";
    }
    let Place::Subscription { subscription, .. } = Place::of(scope) else { return "NotRegistered" };
    let key = namespace.to_ascii_lowercase();
    let known = world.hierarchy.subscription(&subscription).and_then(|s| s.registrations.get(&key));
    known.map_or("NotRegistered", |registration| registration.state(at))
}

fn shown(world: &World, scope: &str, namespace: &str, types: &[&str], at: Timestamp) -> Value {
    json!({
        "id": format!("{scope}/providers/{namespace}"),
        "namespace": namespace,
        "resourceTypes": types_shown(namespace, types),
        "registrationState": state(world, scope, namespace, at),
        "registrationPolicy": "RegistrationRequired",
    })
}

/// At tenant level there is no registration state.
fn shown_to_tenant(namespace: &str, types: &[&str]) -> Value {
    json!({ "namespace": namespace, "resourceTypes": types_shown(namespace, types) })
}

/// Newest version first: clients use the first one.
fn types_shown(namespace: &str, types: &[&str]) -> Vec<Value> {
    // Types of the other namespaces are extension resources, or have no region.
    let locations = if namespace == "Microsoft.Network" { regions::display_names() } else { Vec::new() };
    let shown = |name: &&str| {
        let versions: Vec<&str> =
            versions::of(namespace, name).into_iter().flatten().rev().copied().collect();
        json!({ "resourceType": name, "locations": locations, "apiVersions": versions, "capabilities": "None" })
    };
    types.iter().map(shown).collect()
}

/// Returns 409 for a PUT into a subscription where the provider is not registered, after the 403 for a caller without permission.
pub(crate) fn require_registered(
    world: &World,
    caller: &Caller,
    request: &Request,
    path: &ArmPath,
) -> Result<(), Reply> {
    let Place::Subscription { subscription, .. } = &path.place else { return Ok(()) };
    if request.method != http::Method::PUT
        || world.hierarchy.registered(&path.namespace, &path.scope, request.at)
    {
        return Ok(());
    }
    let types: Vec<&str> = path.rest.iter().step_by(2).map(String::as_str).collect();
    authorize(
        world,
        caller,
        request,
        &format!("{}/{}/write", path.namespace, types.join("/")),
        &request.path,
    )?;
    Err(Reply::gateway_error(
        409,
        "MissingSubscriptionRegistration",
        &format!(
            "The subscription '{subscription}' is not registered to use namespace '{}'. See \
             https://aka.ms/rps-not-found for how to register subscriptions.",
            path.namespace
        ),
    ))
}
