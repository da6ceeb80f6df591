"""Tenants, subscriptions, resource groups and the registration of providers."""

from unittest import mock

from azure.core.exceptions import ClientAuthenticationError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import (
    AddressSpace,
    NetworkManagerConnection,
    NetworkManagerConnectionProperties,
    VirtualNetwork,
    VirtualNetworkPropertiesFormat,
)
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.subscriptions import SubscriptionClient

UNKNOWN = "99999999-0000-0000-0000-000000000001"
NO_MANAGER = (
    f"/subscriptions/{UNKNOWN}/resourceGroups/rg-none/providers/Microsoft.Network/networkManagers/nm-none"
)


def play(sim, checks):
    central = sim.credential("central", sim.central_tenant)
    admin = sim.credential("target-admin", sim.target_tenant)

    with checks.scene("each tenant shows its own subscriptions"):
        for credential, tenant, subscription in (
            (central, sim.central_tenant, sim.central_subscription),
            (admin, sim.target_tenant, sim.target_subscription),
        ):
            client = sim.client(SubscriptionClient, credential)
            listed = list(client.subscriptions.list())
            checks.equal("subscriptions", [s.subscription_id for s in listed], [subscription])
            one = client.subscriptions.get(subscription)
            checks.equal("id", one.id, f"/subscriptions/{subscription}")
            checks.equal("tenant", one.tenant_id, tenant)
            checks.equal("state", one.state, "Enabled")
            checks.that("it has a name", bool(one.display_name))
            tenants = [t.tenant_id for t in client.tenants.list()]
            checks.equal("tenants", tenants, [tenant])

    with checks.scene("a token of another tenant is refused"):
        client = sim.client(SubscriptionClient, central)
        error = checks.refused(
            "the other tenant's subscription", lambda: client.subscriptions.get(sim.target_subscription),
            401, "InvalidAuthenticationTokenTenant", ClientAuthenticationError,
        )
        checks.contains("its message", error.message, sim.central_tenant, sim.target_tenant, "wrong issuer")
        challenge = error.response.headers["www-authenticate"]
        checks.contains("its challenge", challenge, f"authorization_uri=\"https://login.windows.net/{sim.target_tenant}")
        checks.refused(
            "an unknown subscription", lambda: client.subscriptions.get(UNKNOWN),
            404, "SubscriptionNotFound", ResourceNotFoundError,
        )

    with checks.scene("resource groups are read, tested with HEAD, and refused"):
        client = sim.client(ResourceManagementClient, central, sim.central_subscription)
        names = [group.name for group in client.resource_groups.list()]
        checks.that("the manager's is listed", sim.group in names, names)
        checks.equal("HEAD of one", client.resource_groups.check_existence(sim.group), True)
        checks.equal("HEAD of none", client.resource_groups.check_existence("rg-none"), False)
        group = client.resource_groups.get(sim.group)
        checks.equal("its state", group.properties.provisioning_state, "Succeeded")
        checks.refused(
            "GET of none", lambda: client.resource_groups.get("rg-none"),
            404, "ResourceGroupNotFound", ResourceNotFoundError,
        )
        made = client.resource_groups.create_or_update("rg-clients", {"location": "westeurope", "tags": {"a": "b"}})
        checks.equal("one that was created", (made.name, made.location, made.tags), ("rg-clients", "westeurope", {"a": "b"}))
        client.resource_groups.begin_delete("rg-clients").result()
        checks.equal("HEAD of a deleted one", client.resource_groups.check_existence("rg-clients"), False)

    with checks.scene("a provider is registered by a request and polled"):
        resources = sim.client(ResourceManagementClient, admin, sim.target_subscription)
        provider = resources.providers.get("Microsoft.Network")
        checks.equal("before", provider.registration_state, "NotRegistered")
        answer = resources.providers.register("Microsoft.Network")
        checks.equal("the response of register", answer.registration_state, "Registering")
        seen = sim.eventually(
            lambda: resources.providers.get("Microsoft.Network").registration_state, lambda s: s == "Registered"
        )
        checks.equal("after", seen[-1], "Registered")
        listed = {p.namespace: p.registration_state for p in resources.providers.list()}
        checks.equal("in the list", listed.get("Microsoft.Network"), "Registered")
        everywhere = [p.namespace for p in resources.providers.list_at_tenant_scope()]
        checks.that("the tenant's list has it", "Microsoft.Network" in everywhere, everywhere)
        checks.refused(
            "an unknown provider", lambda: resources.providers.get("Microsoft.Nothing"),
            404, "InvalidResourceNamespace", ResourceNotFoundError,
        )

    with checks.scene("a provider that is in use is not unregistered"):
        checks.refused(
            "unregister", lambda: resources.providers.unregister("Microsoft.Network"),
            409, "Conflict", ResourceExistsError,
        )
        checks.equal("after", resources.providers.get("Microsoft.Network").registration_state, "Registered")

    with checks.scene("a client that meets an unregistered provider registers it by itself"):
        third = sim.tenants["tailspin"]
        owner = sim.credential("tailspin-admin", third["id"])
        resources = sim.client(ResourceManagementClient, owner, third["subscription"])
        network = sim.client(NetworkManagementClient, owner, third["subscription"])
        body = VirtualNetwork(
            location="westeurope",
            properties=VirtualNetworkPropertiesFormat(address_space=AddressSpace(address_prefixes=["10.9.0.0/24"])),
        )

        def make():
            return network.virtual_networks.begin_create_or_update(third["resource_group"], "vnet-registered", body).result()

        # It does so only if it reads the whole response before it returns it: not for long-running writes.
        checks.refused("a long-running write", make, 409, "MissingSubscriptionRegistration", ResourceExistsError)
        connections = network.subscription_network_manager_connections
        half = NetworkManagerConnection(properties=NetworkManagerConnectionProperties(network_manager_id=NO_MANAGER))
        # The client sleeps between its polls; here that advances the simulator's clock.
        with mock.patch("azure.mgmt.core.policies._base.time.sleep", lambda seconds: sim.advance(f"{seconds}s")):
            made = connections.create_or_update("by-itself", half)
        checks.equal("state of the created connection", made.properties.connection_state, "Pending")
        checks.equal("after", resources.providers.get("Microsoft.Network").registration_state, "Registered")
        connections.delete("by-itself")
        checks.equal("a long-running write", make().properties.provisioning_state, "Succeeded")
        network.virtual_networks.begin_delete(third["resource_group"], "vnet-registered").result()
        checks.refused(
            "the deleted network", lambda: network.virtual_networks.get(third["resource_group"], "vnet-registered"),
            404, "ResourceNotFound", ResourceNotFoundError,
        )
