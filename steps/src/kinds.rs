//! All step kinds: one file each, one line each.

mod approval;
mod command;
mod connection_status;
mod delay;
mod group_members;
mod network_group;
mod network_manager;
mod network_manager_connection;
mod scope_connection;
mod static_member;

use std::sync::Arc;

use twinspan_engine::{Phase, Registry, StepCx};

use crate::azure::Azure;
use crate::command_policy::CommandPolicy;

/// All kinds, in the order of the reference.
pub fn registry(azure: Arc<Azure>, commands: CommandPolicy) -> Registry {
    let azure = || Arc::clone(&azure);
    Registry::new()
        .with(network_manager::NetworkManager { azure: azure() })
        .with(scope_connection::ScopeConnection { azure: azure() })
        .with(network_manager_connection::NetworkManagerConnection { azure: azure() })
        .with(connection_status::ConnectionStatus { azure: azure() })
        .with(network_group::NetworkGroup { azure: azure() })
        .with(static_member::StaticMember { azure: azure() })
        .with(group_members::GroupMembers { azure: azure() })
        .with(approval::Approval)
        .with(delay::Delay)
        .with(command::Command { policy: commands })
}

/// Whether the attempt takes back: then a thing counts as there in whatever state it is.
pub(crate) fn undoing(cx: &StepCx<'_>) -> bool {
    matches!(cx.phase, Phase::UndoProbe | Phase::Undo | Phase::UndoVerify)
}
