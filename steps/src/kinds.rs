//! All step kinds, one file each, and the registry of them.

mod approval;
mod arm_resource;
pub(crate) mod bounds;
mod command;
mod connection_status;
mod connectivity_configuration;
mod delay;
mod deployment;
mod effective_configuration;
mod group_members;
mod guest_user;
#[cfg(test)]
mod hand_over_test;
mod invitation_accepted;
mod member_effect;
mod members_in_scope;
mod named_resource;
mod network_group;
mod network_manager;
mod network_manager_connection;
mod permissions;
#[cfg(test)]
mod recorded_test;
mod resource_provider;
mod role_assignment;
mod scope;
mod scope_connection;
mod service_principal;
mod sign_in;
mod static_member;
mod virtual_networks;
#[cfg(test)]
pub(crate) mod wire_test;

use std::sync::Arc;

use twinspan_engine::{Ensure, Identity, Permission, Phase, Registry, Remote, Step, StepCx};

use crate::azure::Azure;
use crate::command_policy::CommandPolicy;
use named_resource::{Named, NamedResource};

/// Name of the kind that assigns roles.
pub(crate) const GIVES_ROLES: &str = <role_assignment::RoleAssignment as Step>::META.name;
/// Name of the kind that lets a network manager manage a scope.
pub(crate) const CONNECTS: &str =
    <network_manager_connection::NetworkManagerConnection as NamedResource>::META.name;

/// The list of kinds, sorted like the modules above. The order has no effect: whatever lists kinds sorts them by name.
pub fn registry(azure: Arc<Azure>, commands: CommandPolicy) -> Registry {
    let remote: Arc<dyn Remote> = azure.clone();
    let azure = || Arc::clone(&azure);
    Registry::of(remote)
        .check(approval::Approval)
        .with(arm_resource::ArmResource { azure: azure() })
        .with(command::Command { policy: commands })
        .check(connection_status::ConnectionStatus { azure: azure() })
        .with(Named::<connectivity_configuration::ConnectivityConfiguration>::new(&azure()))
        .check(delay::Delay)
        .with(deployment::Deployment { azure: azure() })
        .check(effective_configuration::EffectiveConfiguration { azure: azure() })
        .check(group_members::GroupMembers { azure: azure() })
        .with(guest_user::GuestUser { azure: azure() })
        .check(invitation_accepted::InvitationAccepted { azure: azure() })
        .check(member_effect::MemberEffect { azure: azure() })
        .check(members_in_scope::MembersInScope { azure: azure() })
        .with(Named::<network_group::NetworkGroup>::new(&azure()))
        .with(network_manager::NetworkManager { azure: azure() })
        .with(Named::<network_manager_connection::NetworkManagerConnection>::new(&azure()))
        .check(permissions::Permissions { azure: azure() })
        .with(resource_provider::ResourceProvider { azure: azure() })
        .with(role_assignment::RoleAssignment { azure: azure() })
        .check(scope::Scope { azure: azure() })
        .with(Named::<scope_connection::ScopeConnection>::new(&azure()))
        .with(service_principal::ServicePrincipal { azure: azure() })
        .check(sign_in::SignIn { azure: azure() })
        .with(Named::<static_member::StaticMember>::new(&azure()))
        .check(virtual_networks::VirtualNetworks { azure: azure() })
}

/// The kind that guards a scope, for tests of other modules.
#[cfg(test)]
pub(crate) fn guarding(azure: &Arc<Azure>) -> twinspan_engine::Reading<scope::Scope> {
    twinspan_engine::Reading(scope::Scope { azure: Arc::clone(azure) })
}

/// Whether this attempt belongs to undo: a resource then counts as present in every state.
pub(crate) fn undoing(cx: &StepCx<'_>) -> bool {
    matches!(cx.phase, Phase::UndoProbe | Phase::Undo | Phase::UndoVerify)
}

/// Permissions that a step needs on the resource `on`: to read `kind`, and to write or delete it, as `ensure` says.
pub(crate) fn reads_and_changes(
    cx: &StepCx<'_>,
    identity: &Identity,
    on: &str,
    kind: &str,
) -> Vec<Permission> {
    let change = if removing(cx) { "delete" } else { "write" };
    Permission::each(identity, on, &[&format!("{kind}/read"), &format!("{kind}/{change}")])
}

/// Whether the plan wants the resource absent. It is deleted, also if another run created it, but only if it is as described.
pub(crate) fn removing(cx: &StepCx<'_>) -> bool {
    cx.ensure == Ensure::Absent
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::azure::scripted::Bench;

    fn kinds() -> Registry {
        registry(Bench::new().azure, CommandPolicy::deny())
    }

    /// Every field has a type that plans know, every example is read as it is written, and every declaration fits.
    #[test]
    fn every_kind_is_declared_without_a_problem() {
        assert_eq!(kinds().problems(), &[] as &[String]);
    }

    #[test]
    fn everything_is_described() {
        fn described(place: &str, schema: &Value) {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
            for (name, field) in properties {
                let about = field.get("description").and_then(Value::as_str).unwrap_or_default();
                assert!(about.len() > 5, "{place}.{name} has no description");
                described(&format!("{place}.{name}"), field);
                if let Some(items) = field.get("items") {
                    described(&format!("{place}.{name}[]"), items);
                }
            }
        }
        for kind in kinds().kinds() {
            described(kind.meta.name, &kind.params);
            described(kind.meta.name, &kind.outputs);
            assert!(
                !kind.meta.summary.ends_with('.') && kind.meta.summary.starts_with(char::is_uppercase),
                "{}",
                kind.meta.name
            );
        }
    }

    fn misfits(kind: &twinspan_plans::KindSpec, values: &Value) -> Vec<twinspan_plans::ParamMisfit> {
        let given = twinspan_plans::GivenParams {
            values: values.as_object().unwrap(),
            unknown: &[],
            ensure: Ensure::Present,
        };
        kind.check.misfits(&given)
    }

    /// Every parameter with a text type (id, name, duration …) is validated before the run, in every kind.
    #[test]
    fn every_kind_refuses_what_is_too_long_or_malformed_before_the_run() {
        use twinspan_plans::Type;

        fn wrong_of(ty: &Type) -> Option<Value> {
            match ty {
                Type::List(inner) => wrong_of(inner).map(|wrong| Value::Array(vec![wrong])),
                Type::Map(_) | Type::Record(_) | Type::Any | Type::String | Type::KeyOf(_) => None,
                Type::Integer | Type::Boolean => Some("x".into()),
                // Valid except for its length.
                _ => Some("n".repeat(3000).into()),
            }
        }
        let registry = kinds();
        let mut tried = 0;
        for kind in registry.catalog().kinds.values() {
            let example = registry.kind(&kind.name).unwrap().example.clone();
            assert_eq!(misfits(kind, &example), [], "{}: its own example", kind.name);
            for field in &kind.params {
                let Some(wrong) = wrong_of(&field.ty) else { continue };
                let mut values = example.clone();
                values[&field.name] = wrong;
                let said = misfits(kind, &values);
                let about = |misfit: &twinspan_plans::ParamMisfit| misfit.parameter() == field.name;
                assert!(said.iter().any(about), "{} takes any {}: {said:?}", kind.name, field.name);
                assert!(said.iter().all(|misfit| misfit.why.len() < 600), "{}: {said:?}", kind.name);
                tried += 1;
            }
            if kind.params.iter().any(|field| field.name == "description") && kind.name.starts_with("avnm.") {
                for (length, good) in [(480, true), (481, false)] {
                    let mut values = example.clone();
                    values["description"] = "d".repeat(length).into();
                    assert_eq!(misfits(kind, &values).is_empty(), good, "{}: {length}", kind.name);
                }
            }
        }
        assert!(tried > 50, "{tried}");
    }

    /// `(kind, parameters that replace those of the example, place of the misfit, part of its reason)`
    #[test]
    fn what_does_not_go_together_is_said_before_the_run() {
        let vnet = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000009/resourceGroups/r/providers/Microsoft.Network/virtualNetworks/v";
        let subnet = format!("{vnet}/subnets/s");
        let manager = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers";
        let create = json!({ "location": "westeurope", "scopes": ["/subscriptions/aaaaaaaa-0000-0000-0000-000000000001"] });
        let registry = kinds();
        for (name, over, place, why) in [
            ("azure.virtual-networks", json!({ "ids": [vnet] }), "ids[0]", "does not lie in"),
            (
                "azure.virtual-networks",
                json!({ "ids": [subnet] }),
                "ids[0]",
                "not the id of a virtual network",
            ),
            (
                "avnm.member-effect",
                json!({ "virtual_networks": [vnet, subnet] }),
                "virtual_networks[1]",
                "effect of subnets",
            ),
            (
                "avnm.effective-configuration",
                json!({ "virtual_network": subnet }),
                "virtual_network",
                "not the id",
            ),
            (
                "avnm.static-member",
                json!({ "virtual_network": manager.replace("networkManagers", "routeTables/r") }),
                "virtual_network",
                "or a subnet",
            ),
            (
                "avnm.group-members",
                json!({ "expect": [manager.replace("networkManagers", "routeTables/r")] }),
                "expect[0]",
                "or a subnet",
            ),
            (
                "avnm.network-manager",
                json!({ "id": format!("{manager}/{}", "n".repeat(65)), "create": create }),
                "id",
                "1 to 64",
            ),
            (
                "avnm.network-manager",
                json!({ "create": { "location": "", "scopes": [] } }),
                "create.location",
                "region",
            ),
            ("avnm.deployment", json!({ "region": "west/europe" }), "region", "region"),
            (
                "avnm.deployment",
                json!({ "configurations": [format!("{manager}/other/connectivityConfigurations/c")] }),
                "configurations[0]",
                "does not belong",
            ),
            ("avnm.connectivity-configuration", json!({ "topology": "mesh" }), "hub", "a mesh has no"),
            ("avnm.connectivity-configuration", json!({ "groups": [] }), "groups", "at least one"),
            ("azure.scope", json!({ "expect_name": " " }), "expect_name", "empty"),
            ("azure.role-assignment", json!({ "role": "" }), "role", "name"),
            ("azure.role-assignment", json!({ "role": vnet }), "role", "id of a role"),
            ("azure.permissions", json!({ "actions": ["write"] }), "actions[0]", "not an action"),
            ("azure.resource-provider", json!({ "namespace": "Microsoft Network" }), "namespace", "provider"),
            ("entra.guest-user", json!({ "display_name": "n".repeat(257) }), "display_name", "256"),
            ("command", json!({ "program": "ls" }), "program", "absolute"),
            ("arm.resource", json!({ "api_version": "latest" }), "api_version", "api-version"),
        ] {
            let mut values = registry.kind(name).unwrap().example.clone();
            values.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
            let said = misfits(&registry.catalog().kinds[name], &values);
            let fits =
                |misfit: &twinspan_plans::ParamMisfit| misfit.place() == place && misfit.why.contains(why);
            assert!(said.iter().any(fits), "{name} {over}: {said:?}");
        }
        let found = json!({ "id": format!("{manager}/{}", "n".repeat(76)) });
        assert_eq!(
            misfits(&registry.catalog().kinds["avnm.network-manager"], &found),
            [],
            "found, not created"
        );
    }

    /// The actions that the tables of `permissions.md` name, expanded: `a/{read,write}` is two actions.
    fn documented() -> Vec<String> {
        let guide = include_str!("../../docs/guides/permissions.md");
        let rows = guide.lines().filter(|line| line.starts_with('|'));
        let cells = rows.filter_map(|row| row.split('|').nth(2));
        let named = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        let actions = named.filter(|name| name.starts_with("Microsoft.") || name.starts_with('…'));
        let written = actions.flat_map(|action| match (action.split_once('{'), action.split_once('}')) {
            (Some((before, rest)), Some((_, after))) => {
                let choices = rest.split_once('}').map_or("", |(choices, _)| choices);
                choices.split(',').map(|choice| format!("{before}{choice}{after}")).collect()
            }
            _ => vec![action.to_owned()],
        });
        written.collect()
    }

    /// `preview` checks every permission that the guide names before the run starts.
    #[test]
    fn every_action_of_the_guide_is_asked_for_by_a_kind() {
        let (registry, bench) = (kinds(), Bench::new());
        let log = twinspan_engine::AttemptLog::new(Phase::Probe);
        let both = [bench.central.clone(), bench.target.clone()];
        let mut asked: Vec<String> = Vec::new();
        for kind in registry.kinds() {
            for ensure in [Ensure::Present, Ensure::Absent] {
                let cx = StepCx { identities: &both, ensure, ..bench.cx(Phase::Probe, &log) };
                let permissions = kind.permissions(&cx, &kind.example).unwrap();
                asked.extend(permissions.into_iter().map(|right| right.action));
            }
        }
        let documented = documented();
        assert!(documented.len() >= 25, "{documented:#?}");
        for action in documented {
            let known = match action.strip_prefix('…') {
                Some(end) => asked.iter().any(|asked| asked.ends_with(end)),
                None => asked.contains(&action),
            };
            assert!(known, "no kind needs {action}");
        }
    }

    /// A write to Azure Resource Manager or Microsoft Graph may take effect late.
    #[test]
    fn every_kind_that_writes_has_the_request_window_of_its_service() {
        for kind in kinds().kinds() {
            let window = kind.meta.request_window.as_secs();
            let wanted = match (kind.meta.name, kind.meta.effect) {
                (_, twinspan_engine::EffectClass::Read) | ("command", _) => 0,
                (name, _) if name.starts_with("entra.") => 60,
                _ => 90,
            };
            assert_eq!(window, wanted, "{}", kind.meta.name);
        }
    }

    #[test]
    fn the_shipped_plans_fit_the_kinds() {
        let registry = kinds();
        for name in [
            "connect-and-deploy-hub-and-spoke",
            "connect-many",
            "cross-tenant-connection",
            "disconnect",
            "hello-durable",
            "unattended-service-principal",
        ] {
            let path = format!("{}/../plans/library/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read(&path).unwrap();
            let document = twinspan_plans::parse(&path, &text).unwrap();
            let compiled = twinspan_plans::compile(&document, registry.catalog());
            let problems = compiled.err().map(|problems| format!("{problems:?}"));
            assert_eq!(problems, None, "{name}");
        }
    }
}
