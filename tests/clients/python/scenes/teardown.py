"""Deletes everything, in Microsoft's order."""

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.network.models import (
    NetworkGroup,
    NetworkManager,
    NetworkManagerProperties,
    NetworkManagerPropertiesNetworkManagerScopes,
)

from scenes import configurations, connection, directory, groups, roles
from simulator import Recorder


def play(sim, checks):
    with checks.scene("a configuration is withdrawn, then deleted"):
        configurations.remove(sim, checks)
    with checks.scene("members, then their group"):
        groups.remove(sim, checks)
    with checks.scene("one side is deleted and breaks the connection, then the other"):
        connection.remove(sim, checks)
    with checks.scene("role assignments"):
        roles.remove_assignments(sim, checks)
    with checks.scene("the guest"):
        directory.remove_guest(sim, checks)
    network_manager(sim, checks)
    nothing_left(sim, checks)


def network_manager(sim, checks):
    recorder = Recorder()
    central = connection.central_client(sim, per_call_policies=[recorder])
    manager = (sim.group, "nm-clients")

    def make():
        # Other features than the resource group's manager, which has the same subscription.
        scopes = NetworkManagerPropertiesNetworkManagerScopes(
            management_groups=[], subscriptions=[f"/subscriptions/{sim.central_subscription}"]
        )
        properties = NetworkManagerProperties(
            network_manager_scopes=scopes, network_manager_scope_accesses=["SecurityAdmin"]
        )
        return central.network_managers.create_or_update(
            *manager, NetworkManager(location="westeurope", tags={"by": "client"}, properties=properties)
        )

    with checks.scene("a network manager with children is not deleted by mistake"):
        made = make()
        checks.equal("created", (made.name, made.tags, made.location), ("nm-clients", {"by": "client"}, "westeurope"))
        checks.equal("its response", recorder.statuses()[-1], ("PUT", 200))
        tagged = central.network_managers.patch(*manager, {"tags": {"by": "patch"}})
        checks.equal("patched", tagged.tags, {"by": "patch"})
        central.network_groups.create_or_update(*manager, "ng-nested", NetworkGroup())
        error = checks.refused(
            "with a child", lambda: central.network_managers.begin_delete(*manager).result(),
            409, "CannotDeleteResource", ResourceExistsError,
        )
        checks.contains("it names the child", error.message, "networkGroups/ng-nested")
        central.network_groups.begin_delete(*manager, "ng-nested").result()
        poller = central.network_managers.begin_delete(*manager)
        poller.result()
        checks.equal("without", poller.status(), "Succeeded")
        checks.refused(
            "after it", lambda: central.network_managers.get(*manager), 404, "ResourceNotFound", ResourceNotFoundError
        )

    with checks.scene("a forced deletion ends with the gateway's 404, which means that it is done"):
        make()
        central.network_groups.create_or_update(*manager, "ng-nested", NetworkGroup())
        poller = central.network_managers.begin_delete(*manager, force=True)
        # Recorded: the operation's address is below the deleted manager. The client reports an error; the delete is complete.
        error = checks.refused("its end", poller.result, 404, "ResourceNotFound")
        checks.equal("by the gateway", error.response.headers.get("x-ms-failure-cause"), "gateway")
        checks.refused(
            "after it", lambda: central.network_managers.get(*manager), 404, "ResourceNotFound", ResourceNotFoundError
        )
        listed = [m.name for m in central.network_managers.list(sim.group)]
        checks.equal("the other one stays", listed, [sim.manager])


def nothing_left(sim, checks):
    with checks.scene("a client retries by itself after throttling and one error"):
        recorder = Recorder()
        client = connection.central_client(sim, per_retry_policies=[recorder], retry_backoff_factor=0)
        path = f"networkManagers/{sim.manager}"
        sim.control("POST", "faults", [
            {"method": "GET", "path_contains": path, "fault": "throttle-no-header", "times": 1},
            {"method": "GET", "path_contains": path, "fault": "status-500", "times": 1},
        ])
        found = client.network_managers.get(sim.group, sim.manager)
        checks.equal("in the end", found.id, sim.manager_id)
        checks.equal("statuses", sorted(status for _, status in recorder.statuses()), [200, 429, 500])
        sim.control("POST", "faults", [
            {"method": "GET", "path_contains": path, "fault": "throttle-no-header", "times": 1}
        ])
        impatient = connection.central_client(sim, retry_total=0)
        error = checks.raises(
            "without retries", HttpResponseError, lambda: impatient.network_managers.get(sim.group, sim.manager)
        )
        checks.equal("its error", (error.status_code, error.error.code), (429, "TooManyRequests"))

    with checks.scene("everything that was created was created once"):
        created = [(method, path) for method, path, change in sim.writes() if change == "created"]
        twice = {one for one in created if created.count(one) > 1 and "nm-clients" not in one[1]}
        checks.equal("more than once", twice, set())
        checks.that("the number of creates", len(created) > 50, len(created))
