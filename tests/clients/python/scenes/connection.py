"""Both sides of a cross-tenant connection."""

from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import (
    NetworkManagerConnection,
    NetworkManagerConnectionProperties,
    ScopeConnection,
    ScopeConnectionProperties,
)

NAME = "to-fabrikam"


def central_client(sim, **more):
    return sim.client(
        NetworkManagementClient, sim.credential("app", sim.central_tenant), sim.central_subscription, **more
    )


def target_client(sim, **more):
    return sim.client(
        NetworkManagementClient, sim.credential("target", sim.target_tenant), sim.target_subscription, **more
    )


def ours(sim, **more):
    properties = {"tenant_id": sim.target_tenant, "resource_id": f"/subscriptions/{sim.target_subscription}"} | more
    return ScopeConnection(properties=ScopeConnectionProperties(**properties))


def theirs(sim):
    properties = NetworkManagerConnectionProperties(network_manager_id=sim.manager_id, description="from the client")
    return NetworkManagerConnection(properties=properties)


def play(sim, checks):
    central, target = central_client(sim), target_client(sim)
    manager = (sim.group, sim.manager)

    with checks.scene("the network manager"):
        found = central.network_managers.get(*manager)
        checks.equal("id", found.id, sim.manager_id)
        checks.equal("features", list(found.properties.network_manager_scope_accesses), ["Connectivity"])
        checks.equal("other tenants' scopes", found.properties.network_manager_scopes.cross_tenant_scopes, [])
        checks.that("it has an etag in quotes", found.etag.startswith('"') and found.etag.endswith('"'), found.etag)
        for listed in (central.network_managers.list(sim.group), central.network_managers.list_by_subscription()):
            checks.equal("listed", [m.id for m in listed], [sim.manager_id])

    with checks.scene("the two sources of 404"):
        error = checks.refused(
            "a scope connection of an existing manager", lambda: central.scope_connections.get(*manager, NAME),
            404, "NotFound", ResourceNotFoundError,
        )
        checks.contains("the provider's message", error.message, f"Resource [{sim.manager_id}/scopeConnections/{NAME}]")
        checks.equal("by the provider", error.response.headers.get("x-ms-failure-cause"), None)
        error = checks.refused(
            "a scope connection of no manager", lambda: central.scope_connections.get(sim.group, "nm-none", NAME),
            404, "ResourceNotFound", ResourceNotFoundError,
        )
        checks.contains("the gateway's message", error.message, "'Microsoft.Network/networkManagers/nm-none")
        checks.equal("by the gateway", error.response.headers.get("x-ms-failure-cause"), "gateway")

    with checks.scene("one side waits for the other"):
        made = central.scope_connections.create_or_update(*manager, NAME, ours(sim, description="to Fabrikam"))
        checks.equal("response", made.properties.connection_state, "Pending")
        checks.equal("has no etag", made.etag, None)
        checks.equal("type", made.type, "Microsoft.Network/networkManagers/scopeConnections")
        checks.equal("stored", (made.properties.tenant_id, made.properties.description), (sim.target_tenant, "to Fabrikam"))
        checks.equal("made by an application", made.system_data.created_by_type, "Application")
        sim.advance("1m")
        seen = central.scope_connections.get(*manager, NAME).properties.connection_state
        checks.equal("a minute later", seen, "Pending")
        checks.refused(
            "a tenant that is not a GUID",
            lambda: central.scope_connections.create_or_update(*manager, "bad", ours(sim, tenant_id="fabrikam")),
            400, "BadRequest",
        )
        wrong = sim.client(
            NetworkManagementClient, sim.credential("app", sim.central_tenant), sim.target_subscription
        )
        checks.refused(
            "the network manager connection with this tenant's token",
            lambda: wrong.subscription_network_manager_connections.create_or_update(NAME, theirs(sim)),
            401, "InvalidAuthenticationTokenTenant", ClientAuthenticationError,
        )

    with checks.scene("both sides become Connected, after the response"):
        connections = target.subscription_network_manager_connections
        made = connections.create_or_update(NAME, theirs(sim))
        checks.equal("response", made.properties.connection_state, "Pending")
        checks.equal("manager", made.properties.network_manager_id, sim.manager_id)
        states = sim.eventually(
            lambda: (
                central.scope_connections.get(*manager, NAME).properties.connection_state,
                connections.get(NAME).properties.connection_state,
            ),
            lambda both: both == ("Connected", "Connected"),
        )
        checks.equal("first read", states[0], ("Pending", "Pending"))
        checks.equal("last read", states[-1], ("Connected", "Connected"))
        again = central.scope_connections.create_or_update(*manager, NAME, ours(sim, description="to Fabrikam"))
        checks.equal("written again, its state stays", again.properties.connection_state, "Connected")
        listed = {c.name: c.properties.connection_state for c in central.scope_connections.list(*manager)}
        checks.equal("the manager's list", listed, {NAME: "Connected"})
        listed = {c.name: c.properties.connection_state for c in connections.list()}
        checks.equal("the subscription's list", listed, {NAME: "Connected"})
        scopes = central.network_managers.get(*manager).properties.network_manager_scopes.cross_tenant_scopes
        checks.equal("tenants", [s.tenant_id for s in scopes], [sim.target_tenant])
        checks.equal("subscriptions", scopes[0].subscriptions, [f"/subscriptions/{sim.target_subscription}"])
        checks.equal("management groups", scopes[0].management_groups, [])


def remove(sim, checks):
    """Teardown: deleting one side breaks the link at once, and the remaining side becomes Revoked."""
    central, target = central_client(sim), target_client(sim)
    manager = (sim.group, sim.manager)
    connections = target.subscription_network_manager_connections
    central.scope_connections.delete(*manager, NAME)
    checks.refused(
        "the scope connection", lambda: central.scope_connections.get(*manager, NAME),
        404, "NotFound", ResourceNotFoundError,
    )
    checks.equal("the remaining side", connections.get(NAME).properties.connection_state, "Revoked")
    scopes = central.network_managers.get(*manager).properties.network_manager_scopes.cross_tenant_scopes
    checks.equal("other tenants' scopes", scopes, [])
    connections.delete(NAME)
    checks.refused("the network manager connection", lambda: connections.get(NAME), 404, "NotFound", ResourceNotFoundError)
    connections.delete(NAME)
    checks.equal("both lists", (list(connections.list()), list(central.scope_connections.list(*manager))), ([], []))
