//! All step kinds: one file each, one line each.

mod approval;
mod arm_resource;
mod command;
mod connection_status;
mod delay;
mod group_members;
mod guest_user;
mod invitation_accepted;
mod network_group;
mod network_manager;
mod network_manager_connection;
mod permissions;
mod resource_provider;
mod role_assignment;
mod scope;
mod scope_connection;
mod service_principal;
mod sign_in;
mod static_member;
mod virtual_networks;

use std::sync::Arc;

use twinspan_engine::{Phase, Registry, StepCx};

use crate::azure::Azure;
use crate::command_policy::CommandPolicy;

/// All kinds, in the order of the reference.
pub fn registry(azure: Arc<Azure>, commands: CommandPolicy) -> Registry {
    let azure = || Arc::clone(&azure);
    Registry::new()
        .with(network_manager::NetworkManager { azure: azure() })
        .with(permissions::Permissions { azure: azure() })
        .with(guest_user::GuestUser { azure: azure() })
        .with(service_principal::ServicePrincipal { azure: azure() })
        .with(role_assignment::RoleAssignment { azure: azure() })
        .with(invitation_accepted::InvitationAccepted { azure: azure() })
        .with(sign_in::SignIn { azure: azure() })
        .with(scope::Scope { azure: azure() })
        .with(virtual_networks::VirtualNetworks { azure: azure() })
        .with(resource_provider::ResourceProvider { azure: azure() })
        .with(scope_connection::ScopeConnection { azure: azure() })
        .with(network_manager_connection::NetworkManagerConnection { azure: azure() })
        .with(connection_status::ConnectionStatus { azure: azure() })
        .with(network_group::NetworkGroup { azure: azure() })
        .with(static_member::StaticMember { azure: azure() })
        .with(group_members::GroupMembers { azure: azure() })
        .with(arm_resource::ArmResource { azure: azure() })
        .with(approval::Approval)
        .with(delay::Delay)
        .with(command::Command { policy: commands })
}

/// Whether the attempt takes back: then a thing counts as there in whatever state it is.
pub(crate) fn undoing(cx: &StepCx<'_>) -> bool {
    matches!(cx.phase, Phase::UndoProbe | Phase::Undo | Phase::UndoVerify)
}
