"""A connection at a management group, where the provider is registered first."""

from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

from scenes.connection import central_client, ours, theirs

NAME, GROUP = "to-fabrikam-all", "mg-fabrikam"
SCOPE = f"/providers/Microsoft.Management/managementGroups/{GROUP}"


def play(sim, checks):
    central = central_client(sim)
    admin = sim.credential("target-admin", sim.target_tenant)
    network = sim.client(NetworkManagementClient, admin, sim.target_subscription)
    connections = network.management_group_network_manager_connections
    manager = (sim.group, sim.manager)

    with checks.scene("a management group registers the provider before it takes a connection"):
        error = checks.refused(
            "before", lambda: connections.create_or_update(GROUP, NAME, theirs(sim)), 400, "BadRequest"
        )
        checks.contains("its message", error.message, f"Resource [{SCOPE}] is not within tenant")
        resources = sim.client(ResourceManagementClient, admin, sim.target_subscription)
        answer = resources.providers.register_at_management_group_scope("Microsoft.Network", GROUP)
        checks.equal("the response has no body", answer, None)
        made = connections.create_or_update(GROUP, NAME, theirs(sim))
        checks.equal("after", (made.id, made.properties.connection_state),
                     (f"{SCOPE}/providers/Microsoft.Network/networkManagerConnections/{NAME}", "Pending"))

    with checks.scene("both sides of a management group become Connected"):
        central.scope_connections.create_or_update(*manager, NAME, ours(sim, resource_id=SCOPE))
        states = sim.eventually(
            lambda: (
                central.scope_connections.get(*manager, NAME).properties.connection_state,
                connections.get(GROUP, NAME).properties.connection_state,
            ),
            lambda both: both == ("Connected", "Connected"),
        )
        checks.equal("both", states[-1], ("Connected", "Connected"))
        scopes = central.network_managers.get(*manager).properties.network_manager_scopes.cross_tenant_scopes
        checks.equal("the manager's scopes", [s.management_groups for s in scopes], [[SCOPE]])
        checks.equal("listed", [c.name for c in connections.list(GROUP)], [NAME])
        connections.delete(GROUP, NAME)
        state = central.scope_connections.get(*manager, NAME).properties.connection_state
        checks.equal("the remaining side", state, "Revoked")
        central.scope_connections.delete(*manager, NAME)
        checks.refused("after", lambda: connections.get(GROUP, NAME), 404, "NotFound", ResourceNotFoundError)
