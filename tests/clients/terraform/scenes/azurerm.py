"""azurerm: everything from the network manager to the deployment, and back."""

from contextlib import ExitStack

from lifecycle import applied, destroyed, importable, refused, updated
from scenes import azurerm_deployment

REGION = "westeurope"


def play(world, checks):
    app = ("app", world.central_tenant, world.central_scope)
    with ExitStack() as running:
        central = running.enter_context(world.configured("azurerm", *app, [world.target_tenant]))
        alone = running.enter_context(world.configured("azurerm", *app))
        target = running.enter_context(world.configured("azurerm", "app", world.target_tenant, world.target_scope))
        made = {}
        what_is_there(world, checks, central)
        foundation(world, checks, central, made)
        connection(world, checks, central, target, made)
        members(world, checks, central, alone, made)
        azurerm_deployment.play(world, checks, central, alone, made)
        back(world, checks, made)


def what_is_there(world, checks, central):
    with checks.scene("azurerm reads what exists"):
        subscription = central.data("azurerm_subscription", {})
        checks.equal("subscription", (subscription["id"], subscription["state"]), (world.central_scope, "Enabled"))
        every = central.data("azurerm_subscriptions", {})["subscriptions"]
        checks.equal("subscriptions", [one["id"] for one in every], [world.central_scope])
        group = central.data("azurerm_resource_group", {"name": world.group})
        checks.equal("resource group", (group["id"], group["location"]), (world.group_id, REGION))
        manager = central.data("azurerm_network_manager", {"name": world.manager, "resource_group_name": world.group})
        checks.equal("network manager", (manager["id"], manager["scope_accesses"]), (world.manager_id, ["Connectivity"]))
        network = central.data("azurerm_virtual_network", {"name": "vnet-hub", "resource_group_name": world.group})
        checks.equal("network", (network["id"], network["address_space"]), (world.hub, ["10.0.0.0/16"]))
        kind = {"type": "Microsoft.Network/virtualNetworks"}
        for more in ({}, {"name": "vnet-hub"}, {"resource_group_name": world.group, "name": "vnet-hub"}):
            found = central.data("azurerm_resources", kind | more)["resources"]
            checks.equal(f"networks, {more}", [one["id"] for one in found], [world.hub])
        region = central.data("azurerm_location", {"location": REGION})
        checks.equal("region", region["display_name"], "West Europe")
        refused(
            checks, "a resource group that does not exist",
            lambda: central.data("azurerm_resource_group", {"name": "rg-none"}), "was not found",
        )


def foundation(world, checks, central, made):
    with checks.scene("azurerm creates a resource group, a network and a network manager"):
        group = central.resource("azurerm_resource_group", {"name": "rg-terraform", "location": REGION})
        made["group"] = applied(checks, world, group)
        updated(checks, group, tags={"made-by": "terraform"})
        importable(checks, group)
        network = central.resource("azurerm_virtual_network", {
            "name": "vnet-terraform", "resource_group_name": "rg-terraform", "location": REGION,
            "address_space": ["10.77.0.0/16"], "dns_servers": ["10.77.0.4"], "flow_timeout_in_minutes": 10,
            "subnet": [{"name": "GatewaySubnet", "address_prefixes": ["10.77.1.0/24"]}],
        })
        made["network"] = applied(checks, world, network)
        updated(checks, network, tags={"made-by": "terraform"})
        importable(checks, network)
        subnet = central.data("azurerm_subnet", {
            "name": "GatewaySubnet", "virtual_network_name": "vnet-terraform", "resource_group_name": "rg-terraform",
        })
        checks.equal("its subnet", subnet["address_prefixes"], ["10.77.1.0/24"])
        # In a network that configures no subnets: a network with its own subnets would report this one as drift.
        bare = central.resource("azurerm_virtual_network", {
            "name": "vnet-bare", "resource_group_name": "rg-terraform", "location": REGION, "address_space": ["10.78.0.0/16"],
        })
        made["bare network"] = applied(checks, world, bare)
        subnet = central.resource("azurerm_subnet", {
            "name": "GatewaySubnet", "resource_group_name": "rg-terraform", "virtual_network_name": "vnet-bare",
            "address_prefixes": ["10.78.1.0/24"],
        })
        made["subnet"] = applied(checks, world, subnet)
        updated(checks, subnet, address_prefixes=["10.78.2.0/24"])
        importable(checks, subnet)
        bare.refresh()
        checks.equal("a plan of its network", bare.plan().action, "no-op")
        manager = central.resource("azurerm_network_manager", {
            "name": "nm-terraform", "resource_group_name": "rg-terraform", "location": REGION,
            "scope": [{"subscription_ids": [world.central_scope]}], "scope_accesses": ["Connectivity"],
        })
        made["manager"] = applied(checks, world, manager)
        updated(checks, manager, description="created by Terraform")
        importable(checks, manager)
        again = central.resource("azurerm_network_manager", manager.given)
        refused(checks, "a second one of that name", again.apply, "already exists", "needs to be imported")


def connection(world, checks, central, target, made):
    manager = made["manager"]["id"] if "manager" in made else world.manager_id
    with checks.scene("azurerm creates both sides of a connection"):
        ours = central.resource("azurerm_network_manager_scope_connection", {
            "name": "to-fabrikam", "network_manager_id": manager, "target_scope_id": world.target_scope,
            "tenant_id": world.target_tenant,
        })
        made["ours"] = applied(checks, world, ours)
        updated(checks, ours, description="to Fabrikam")
        importable(checks, ours)
        checks.equal("one side waits for the other", ours["connection_state"], "Pending")
        theirs = target.resource("azurerm_network_manager_subscription_connection", {
            "name": "to-contoso", "network_manager_id": manager, "subscription_id": world.target_scope,
        })
        plan = theirs.apply()
        checks.equal("planned", plan.action, "create")
        checks.equal("apply does not wait", theirs["connection_state"], "Pending")
        made["theirs"] = theirs
        world.advance("10s")
        drift = "connection_state: 'Pending' -> 'Connected'"
        checks.equal("what a refresh finds", (ours.refresh(), theirs.refresh()), ([drift], [drift]))
        for half in (ours, theirs):
            checks.equal("a plan", half.plan().action, "no-op")
        updated(checks, theirs, description="to Contoso")
        importable(checks, theirs)
        checks.equal("still connected", theirs["connection_state"], "Connected")
        made["manager"].refresh()
        scopes = [(one["tenant_id"], one["subscriptions"]) for one in made["manager"]["cross_tenant_scopes"]]
        checks.equal("the manager's scopes", scopes, [(world.target_tenant, [world.target_scope])])


def members(world, checks, central, alone, made):
    with checks.scene("azurerm adds members of both tenants to a group"):
        group = central.resource("azurerm_network_manager_network_group", {
            "name": "ng-terraform", "network_manager_id": made["manager"]["id"],
        })
        made["members"] = []
        made["group of networks"] = applied(checks, world, group)
        updated(checks, group, description="spokes")
        importable(checks, group)
        found = central.data("azurerm_network_manager_network_group", {
            "name": "ng-terraform", "network_manager_id": made["manager"]["id"],
        })
        checks.equal("read as data", (found["id"], found["description"]), (group["id"], "spokes"))
        member = "azurerm_network_manager_static_member"
        foreign = {"name": "vnet-app", "network_group_id": group["id"], "target_virtual_network_id": world.networks[0]}
        refused(
            checks, "without auxiliary_tenant_ids", alone.resource(member, foreign).apply, "403", "LinkedAuthorizationFailed",
            world.target_scope.rpartition("/")[2],
        )
        own = {"name": "vnet-terraform", "network_group_id": group["id"], "target_virtual_network_id": made["network"]["id"]}
        for given in (foreign, own):
            resource = central.resource(member, given)
            made["members"].append(applied(checks, world, resource))
            checks.equal("region", resource["region"], REGION)
            importable(checks, resource)
        # As in Azure the request is accepted, and the member fails later: azurerm does not check.
        none = central.resource(member, foreign | {
            "name": "none", "target_virtual_network_id": f"{world.networks[0]}-none",
        })
        applied(checks, world, none)
        checks.equal("a network that does not exist has no region", none["region"], "")
        destroyed(checks, world, none)
        checks.equal("another name is another member", resource.plan(name="other-name").action, "replace")
        checks.equal("the same name is the same", resource.plan(name="vnet-terraform").action, "no-op")


def back(world, checks, made):
    with checks.scene("azurerm deletes everything, in order"):
        destroyed(checks, world, *reversed(made["members"]))
        for name in ("group of networks", "theirs", "ours", "manager", "network", "subnet", "bare network"):
            destroyed(checks, world, made[name])
        # A new sign-in: the clock was advanced beyond the lifetime of a token.
        with world.configured("azurerm", "app", world.central_tenant, world.central_scope) as central:
            group = central.resource("azurerm_resource_group", made["group"].given).imported(made["group"]["id"])
            destroyed(checks, world, group)
            refused(
                checks, "it is gone", lambda: central.data("azurerm_resource_group", {"name": "rg-terraform"}),
                "was not found",
            )
