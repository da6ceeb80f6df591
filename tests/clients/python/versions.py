"""The core of the flow in api-versions of five years, with the last client release that has flat models.

    twinspan sim --ready-world --listen 127.0.0.1:0 --ready ready.json &
    PYTHONPATH=FOLDER-WITH-azure-mgmt-network-25 python tests/clients/python/versions.py ready.json
"""

import logging
import re
import sys

from azure.core.exceptions import ResourceNotFoundError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.network import NetworkManagementClient, __version__
from azure.mgmt.network.models import NetworkGroup, NetworkManagerConnection, ScopeConnection, StaticMember

from checks import Checks
from simulator import Simulator

# The api-versions that this client supports.
OWN = ("2023-02-01", "2023-04-01", "2023-05-01", "2023-06-01", "2023-09-01", "2023-11-01")
# The api-versions that other clients of the same flow send.
OTHERS = ("2022-01-01", "2022-09-01", "2024-01-01", "2024-07-01", "2024-10-01", "2025-01-01", "2025-05-01", "2026-03-01")


class AskFor(SansIOHTTPPolicy):
    """Replaces the api-version in the request, because the client refuses one that it does not support."""

    def __init__(self, version):
        self.version = version

    def on_request(self, request):
        request.http_request.url = re.sub(r"api-version=[^&]+", f"api-version={self.version}", request.http_request.url)


def client(sim, credential, subscription, version, **more):
    if version in OWN:
        more["api_version"] = version
    else:
        more["per_call_policies"] = [AskFor(version)]
    return sim.client(NetworkManagementClient, credential, subscription, **more)


def play(sim, checks, version):
    """Creates both sides, a group and a member of the other tenant, and deletes everything."""
    home, away = sim.credential("app", sim.central_tenant), sim.credential("app", sim.target_tenant)
    central = client(sim, home, sim.central_subscription, version)
    both = client(sim, home, sim.central_subscription, version, auxiliary=[away])
    target = client(sim, away, sim.target_subscription, version)
    manager = (sim.group, sim.manager)
    ours = ScopeConnection(tenant_id=sim.target_tenant, resource_id=f"/subscriptions/{sim.target_subscription}")
    theirs = NetworkManagerConnection(network_manager_id=sim.manager_id)
    connections = target.subscription_network_manager_connections

    checks.refused(
        "before", lambda: central.scope_connections.get(*manager, "half"), 404, "NotFound", ResourceNotFoundError
    )
    made = central.scope_connections.create_or_update(*manager, "half", ours)
    checks.equal("the scope connection", (made.connection_state, made.tenant_id), ("Pending", sim.target_tenant))
    checks.equal("the network manager connection", connections.create_or_update("half", theirs).connection_state, "Pending")
    states = sim.eventually(
        lambda: (central.scope_connections.get(*manager, "half").connection_state,
                 connections.get("half").connection_state),
        lambda both: both == ("Connected", "Connected"),
    )
    checks.equal("both", states[-1], ("Connected", "Connected"))
    scopes = central.network_managers.get(*manager).network_manager_scopes
    checks.equal("other tenants' scopes", [s.tenant_id for s in scopes.cross_tenant_scopes], [sim.target_tenant])

    group = (*manager, "ng-versions")
    central.network_groups.create_or_update(*group, NetworkGroup(description=version))
    checks.equal("group", central.network_groups.get(*group).description, version)
    member = StaticMember(resource_id=sim.target_networks[0])
    checks.refused(
        "a member without the other token",
        lambda: central.static_members.create_or_update(*group, "vnet", member), 403, "LinkedAuthorizationFailed",
    )
    made = both.static_members.create_or_update(*group, "vnet", member)
    checks.equal("with it", (made.provisioning_state, made.resource_id), ("Updating", sim.target_networks[0]))
    states = sim.eventually(
        lambda: central.static_members.get(*group, "vnet").provisioning_state, lambda state: state != "Updating"
    )
    checks.equal("in the end", states[-1], "Succeeded")
    seen = central.static_members.get(*group, "vnet")
    # The first release calls it `location`, which this client does not read.
    checks.equal("region", seen.region, None if version == "2022-01-01" else "westeurope")

    central.static_members.delete(*group, "vnet")
    poller = central.network_groups.begin_delete(*group, force=True)
    poller.result()
    checks.equal("deletion of the group", poller.status(), "Succeeded")
    central.scope_connections.delete(*manager, "half")
    checks.equal("the remaining side", connections.get("half").connection_state, "Revoked")
    connections.delete("half")
    checks.refused("after", lambda: connections.get("half"), 404, "NotFound", ResourceNotFoundError)


def main(ready_file):
    logging.getLogger("azure").setLevel(logging.ERROR)
    sim, checks = Simulator(ready_file), Checks()
    for version in sorted(OWN + OTHERS):
        with checks.scene(f"azure-mgmt-network {__version__}, api-version {version}"):
            play(sim, checks, version)
    return checks.summary()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: versions.py READY-FILE (of `twinspan sim --ready-world --ready`)")
    sys.exit(main(sys.argv[1]))
