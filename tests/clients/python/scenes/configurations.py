"""Connectivity configurations, their deployment, and their effect."""

from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.network.models import (
    ActiveConfigurationParameter,
    ConnectivityConfiguration,
    ConnectivityConfigurationProperties,
    ConnectivityGroupItem,
    Hub,
    NetworkManagerCommit,
    NetworkManagerDeploymentStatusParameter,
    QueryRequestOptions,
)

from scenes.connection import central_client, target_client
from scenes.groups import GROUP, with_both
from simulator import Recorder

MESH, HUB = "cc-mesh", "cc-hub"


def configuration(sim, topology, hubs=()):
    item = ConnectivityGroupItem(
        network_group_id=f"{sim.manager_id}/networkGroups/{GROUP}",
        group_connectivity="DirectlyConnected" if topology == "Mesh" else "None",
    )
    hubs = [Hub(resource_id=hub, resource_type="Microsoft.Network/virtualNetworks") for hub in hubs]
    return ConnectivityConfiguration(
        properties=ConnectivityConfigurationProperties(
            connectivity_topology=topology, applies_to_groups=[item], hubs=hubs or None,
            is_global="False", delete_existing_peering="True",
        )
    )


def commit(client, manager, configurations):
    body = NetworkManagerCommit(
        target_locations=["westeurope"], configuration_ids=configurations, commit_type="Connectivity"
    )
    return client.network_manager_commits.begin_post(*manager, body)


def deployed(client, manager):
    parameters = NetworkManagerDeploymentStatusParameter(regions=["westeurope"], deployment_types=["Connectivity"])
    return client.network_manager_deployment_status.list(*manager, parameters).value


def play(sim, checks):
    central = central_client(sim)
    manager = (sim.group, sim.manager)
    mesh_id = f"{sim.manager_id}/connectivityConfigurations/{MESH}"

    with checks.scene("a mesh is written and read"):
        made = central.connectivity_configurations.create_or_update(*manager, MESH, configuration(sim, "Mesh"))
        checks.equal("id", made.id, mesh_id)
        checks.equal("topology", made.properties.connectivity_topology, "Mesh")
        item = central.connectivity_configurations.get(*manager, MESH).properties.applies_to_groups[0]
        checks.equal("group", item.network_group_id, f"{sim.manager_id}/networkGroups/{GROUP}")
        checks.equal("flags", (item.group_connectivity, item.is_global, item.use_hub_gateway),
                     ("DirectlyConnected", "False", "False"))
        listed = [c.name for c in central.connectivity_configurations.list(*manager)]
        checks.equal("listed", listed, [MESH])

    with checks.scene("a hub in the other tenant needs that tenant's token too"):
        body = configuration(sim, "HubAndSpoke", [sim.target_networks[1]])
        error = checks.refused(
            "without it", lambda: central.connectivity_configurations.create_or_update(*manager, HUB, body),
            403, "LinkedAuthorizationFailed",
        )
        checks.contains("its message", error.message, sim.target_subscription, "Microsoft.Network/virtualNetworks/write")
        made = with_both(sim).connectivity_configurations.create_or_update(*manager, HUB, body)
        checks.equal("with it", made.properties.hubs[0].resource_id, sim.target_networks[1])
        poller = central.connectivity_configurations.begin_delete(*manager, HUB)
        poller.result()
        checks.equal("its deletion ends", poller.status(), "Succeeded")
        checks.refused(
            "after it", lambda: central.connectivity_configurations.get(*manager, HUB),
            404, "NotFound", ResourceNotFoundError,
        )

    with checks.scene("a commit is accepted, and its status is read from the list"):
        checks.equal("nothing is deployed", deployed(central, manager), [])
        recorder = Recorder()
        poller = commit(central_client(sim, per_call_policies=[recorder]), manager, [mesh_id])
        poller.result()
        checks.equal("the commit ends", poller.status(), "Succeeded")
        checks.equal("it was accepted", recorder.statuses()[0], ("POST", 202))
        seen = sim.eventually(
            lambda: [(s.region, s.deployment_status) for s in deployed(central, manager)],
            lambda states: states == [("westeurope", "Deployed")],
        )
        checks.equal("at once the list is empty", seen[0], [])
        checks.equal("then it is deployed", seen[-1], [("westeurope", "Deployed")])
        status = deployed(central, manager)[0]
        checks.equal("which", (status.configuration_ids, status.deployment_type), ([mesh_id], "Connectivity"))
        checks.equal("no error", status.error_message, "")
        active = central.list_active_connectivity_configurations(
            *manager, ActiveConfigurationParameter(regions=["westeurope"])
        ).value
        checks.equal("active", [(c.id, c.region) for c in active], [(mesh_id, "westeurope")])
        checks.refused(
            "a commit of a configuration that does not exist",
            lambda: commit(central, manager, [f"{mesh_id}-none"]), 400, "BadRequest",
        )

    with checks.scene("it is effective on the other tenant's network, which its owner sees"):
        target = target_client(sim)
        resource_group, name = sim.target_networks[0].split("/")[4], sim.target_networks[0].split("/")[-1]
        effective = target.list_network_manager_effective_connectivity_configurations(
            resource_group, name, QueryRequestOptions()
        ).value
        checks.equal("effective", [e.id for e in effective], [mesh_id])
        groups = [g.id for g in effective[0].configuration_groups]
        checks.equal("through", groups, [f"{sim.manager_id}/networkGroups/{GROUP}"])


def remove(sim, checks):
    """Teardown: withdraws the deployed configuration before it deletes it."""
    central = central_client(sim)
    manager = (sim.group, sim.manager)
    checks.refused(
        "while it is deployed",
        lambda: central.connectivity_configurations.begin_delete(*manager, MESH).result(), 400, "BadRequest",
    )
    commit(central, manager, []).result()
    seen = sim.eventually(lambda: deployed(central, manager), lambda states: states == [], step="2s")
    checks.equal("nothing is deployed", seen[-1], [])
    poller = central.connectivity_configurations.begin_delete(*manager, MESH)
    poller.result()
    checks.equal("the deletion ends", poller.status(), "Succeeded")
    checks.refused(
        "the configuration", lambda: central.connectivity_configurations.get(*manager, MESH),
        404, "NotFound", ResourceNotFoundError,
    )
