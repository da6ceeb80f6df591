"""azurerm: a hub-and-spoke and a mesh, deployed, changed and withdrawn."""

from lifecycle import applied, destroyed, importable, refused, updated

HUB_TYPE = "Microsoft.Network/virtualNetworks"


def play(world, checks, central, alone, made):
    with checks.scene("azurerm creates configurations"):
        base = {"network_manager_id": made["manager"]["id"]}
        group = made["group of networks"]["id"]
        kind = "azurerm_network_manager_connectivity_configuration"
        foreign = base | {
            "name": "foreign-hub", "connectivity_topology": "HubAndSpoke",
            "hub": [{"resource_id": world.networks[1], "resource_type": HUB_TYPE}],
            "applies_to_group": [{"group_connectivity": "None", "network_group_id": group}],
        }
        refused(
            checks, "a hub of the other tenant without auxiliary_tenant_ids", alone.resource(kind, foreign).apply, "403",
            "LinkedAuthorizationFailed",
        )
        spokes = central.resource(kind, foreign | {
            "name": "hub-and-spoke", "hub": [{"resource_id": world.hub, "resource_type": HUB_TYPE}],
        })
        mesh = central.resource(kind, base | {
            "name": "mesh", "connectivity_topology": "Mesh", "global_mesh_enabled": True,
            "applies_to_group": [{"group_connectivity": "DirectlyConnected", "network_group_id": group}],
        })
        made["configurations"] = []
        for configuration in (central.resource(kind, foreign), spokes, mesh):
            made["configurations"].append(applied(checks, world, configuration))
            updated(checks, configuration, description="from Terraform")
            importable(checks, configuration)
        found = central.data(kind, base | {"name": "hub-and-spoke"})
        checks.equal("read as data", (found["id"], found["hub"][0]["resource_id"]), (spokes["id"], world.hub))
    with checks.scene("azurerm deploys, deploys another configuration, and withdraws"):
        _, spokes, mesh = made["configurations"]
        deployment = central.resource("azurerm_network_manager_deployment", base | {
            "location": "westeurope", "scope_access": "Connectivity", "configuration_ids": [spokes["id"]],
        })
        made["deployment"] = deployment
        with world.passing("20s"):
            applied(checks, world, deployment)
            importable(checks, deployment)
            updated(checks, deployment, configuration_ids=[mesh["id"]])
        again = central.resource("azurerm_network_manager_deployment", deployment.given)
        refused(checks, "a second one of that region", again.apply, "already exists", "needs to be imported")
        with world.passing("20s"):
            deployment.destroy()
        checks.that("it is not in the state", not deployment.there)
        commits = [path for _, path, _ in world.ledger() if path.lower().endswith("/commit")]
        checks.equal("commits", len(commits), 3)
        destroyed(checks, world, *reversed(made["configurations"]))
