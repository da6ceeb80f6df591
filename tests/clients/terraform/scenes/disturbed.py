"""Many resources at once, with faults: Terraform does ten operations at a time."""

from concurrent.futures import ThreadPoolExecutor

from lifecycle import refused, unchanged
from scenes.azapi import NETWORK, imports, resource


def azapi(world, checks):
    make = lambda provider, name: resource(
        provider, f"{NETWORK}/networkManagers/networkGroups", name, world.manager_id, {"description": "many"},
    )
    with world.configured("azapi", "app", world.central_tenant, world.central_scope) as provider:
        groups = many(world, checks, provider, make, "azapi")
        with checks.scene("azapi sends the write again if a response is lost"):
            lost(world, "azapi-lost")
            groups["lost"] = make(provider, "azapi-lost")
            checks.equal("planned", groups["lost"].apply().action, "create")
            unchanged(checks, "a group whose response was lost", groups["lost"])
            imports(checks, groups["lost"])
        removed(world, checks, groups, "azapi")


def azurerm(world, checks):
    make = lambda provider, name: provider.resource("azurerm_network_manager_network_group", {
        "name": name, "network_manager_id": world.manager_id, "description": "many",
    })
    with world.configured("azurerm", "app", world.central_tenant, world.central_scope) as provider:
        groups = many(world, checks, provider, make, "azurerm")
        with checks.scene("azurerm reports an error if a response is lost"):
            lost(world, "azurerm-lost")
            group = make(provider, "azurerm-lost")
            refused(checks, "a group whose response is lost", group.apply, "creating Network Group")
            checks.that("it exists, and is not in the state", not group.there and made(world, "azurerm-lost") == 1)
            refused(checks, "the next try", group.apply, "already exists", "needs to be imported")
            groups["lost"] = group.imported(f"{world.manager_id}/networkGroups/azurerm-lost")
            unchanged(checks, "imported", groups["lost"])
        removed(world, checks, groups, "azurerm")


def lost(world, name):
    """The simulator creates the group of this name, and the response is lost."""
    world.control("POST", "faults", [
        {"method": "PUT", "path_contains": f"networkGroups/{name}", "fault": "applied-then-lost", "times": 1},
    ])


def made(world, name):
    """How often a group of this name was created."""
    return sum(change == "created" and path.endswith(f"/networkGroups/{name}") for _, path, change in world.ledger())


def many(world, checks, provider, make, who):
    groups = {f"{who}-{number}": make(provider, f"{who}-{number}") for number in range(20)}
    with checks.scene(f"{who} creates many at once, with throttling and errors"):
        faults = ("throttle-no-header", "status-500", "status-503-html")
        world.control("POST", "faults", [
            {"method": "PUT", "path_contains": f"networkGroups/{who}-{number}", "fault": fault, "times": 1}
            for number, fault in zip((12, 14, 16), faults)
        ])
        with ThreadPoolExecutor(10) as at_once:
            plans = list(at_once.map(lambda group: group.apply(), groups.values()))
        checks.equal("planned", {plan.action for plan in plans}, {"create"})
        checks.equal("each is created once", [made(world, name) for name in groups], [1] * len(groups))
        statuses = [each["status"] for each in world.requests() if f"networkGroups/{who}-" in each["path"]]
        checks.equal("the errors", sorted(s for s in statuses if s > 404), [429, 500, 503])
        world.control("POST", "faults", [
            {"method": "PUT", "path_contains": f"networkGroups/{who}-busy", "fault": "status-409", "times": 1},
        ])
        busy = make(provider, f"{who}-busy")
        refused(checks, "another operation", busy.apply, "409", "AnotherOperationInProgress")
        checks.equal("then it can be created", (busy.there, busy.apply().action), (False, "create"))
        groups["busy"] = busy
    return groups


def removed(world, checks, groups, who):
    with checks.scene(f"{who} deletes many at once"):
        before = len(world.ledger())
        ids = sorted(group["id"].lower() for group in groups.values())
        with ThreadPoolExecutor(10) as at_once:
            list(at_once.map(lambda group: group.destroy(), groups.values()))
        gone = [path.lower() for _, path, change in world.ledger()[before:] if change == "deleted"]
        checks.equal("each is deleted once", sorted(gone), ids)
