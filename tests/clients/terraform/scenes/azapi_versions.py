"""azapi: the core of the flow in each api-version of its own schemas."""

from lifecycle import applied, destroyed
from scenes.azapi import NETWORK, imports, resource

VERSIONS = ("2022-01-01", "2022-09-01", "2023-02-01", "2023-09-01", "2024-03-01", "2024-07-01", "2025-01-01", "2025-05-01")


def play(world, checks):
    app = ("app", world.central_tenant, world.central_scope)
    with world.configured("azapi", *app, [world.target_tenant]) as central, world.configured(
        "azapi", "app", world.target_tenant, world.target_scope
    ) as target:
        for version in VERSIONS:
            with checks.scene(f"azapi, api-version {version}"):
                managers = f"{NETWORK}/networkManagers"
                link = {"tenantId": world.target_tenant, "resourceId": world.target_scope}
                ours = resource(central, f"{managers}/scopeConnections", "v", world.manager_id, link, version)
                applied(checks, world, ours)
                link = {"networkManagerId": world.manager_id}
                theirs = resource(target, f"{NETWORK}/networkManagerConnections", "v", world.target_scope, link, version)
                theirs.apply()
                world.advance("10s")
                theirs.refresh()
                checks.equal("connected", theirs["output"]["properties"]["connectionState"], "Connected")
                checks.equal("a plan", theirs.plan().action, "no-op")
                group = resource(central, f"{managers}/networkGroups", "v", world.manager_id, {"description": version}, version)
                applied(checks, world, group)
                link = {"resourceId": world.networks[0]}
                member = resource(central, f"{managers}/networkGroups/staticMembers", "v", group["id"], link, version)
                applied(checks, world, member)
                mesh = resource(central, f"{managers}/connectivityConfigurations", "v", world.manager_id, {
                    "connectivityTopology": "Mesh",
                    "appliesToGroups": [{"networkGroupId": group["id"], "groupConnectivity": "DirectlyConnected"}],
                }, version)
                applied(checks, world, mesh)
                imports(checks, mesh, version)
                for made in (mesh, member, group, theirs, ours):
                    destroyed(checks, world, made)

