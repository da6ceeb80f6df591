"""Network groups and their static members, in pages and across tenants."""

from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.core.credentials import AccessToken
from azure.mgmt.network.models import (
    AddressSpace,
    NetworkGroup,
    NetworkGroupProperties,
    StaticMember,
    StaticMemberProperties,
    VirtualNetwork,
    VirtualNetworkPropertiesFormat,
)

from scenes.connection import central_client, target_client
from simulator import Recorder

GROUP = "ng-spokes"


def with_both(sim, **more):
    """A client that sends the central tenant's token and the target tenant's."""
    return central_client(sim, auxiliary=[sim.credential("app", sim.target_tenant)], **more)


def member_of(network):
    return StaticMember(properties=StaticMemberProperties(resource_id=network))


def pages(listed):
    return [len(list(page)) for page in listed.by_page()]


def play(sim, checks):
    central, both = central_client(sim), with_both(sim)
    manager = (sim.group, sim.manager)
    group = (*manager, GROUP)

    with checks.scene("a group is written with and without a body, and only if its condition holds"):
        made = central.network_groups.create_or_update(*group, NetworkGroup())
        checks.equal("member type", made.properties.member_type, "VirtualNetwork")
        checks.equal("description", made.properties.description, "")
        checks.equal("state", made.properties.provisioning_state, "Succeeded")
        checks.equal("etag of the response", made.etag, "")
        etag = central.network_groups.get(*group).etag
        body = NetworkGroup(properties=NetworkGroupProperties(description="spokes", member_type="VirtualNetwork"))
        checks.refused(
            "another etag", lambda: central.network_groups.create_or_update(
                *group, body, etag='"other"', match_condition=MatchConditions.IfNotModified
            ),
            412, "PreconditionFailed", ResourceModifiedError,
        )
        checks.refused(
            "only if it does not exist", lambda: central.network_groups.create_or_update(
                *group, body, match_condition=MatchConditions.IfMissing
            ),
            412, "PreconditionFailed", ResourceExistsError,
        )
        kept = central.network_groups.create_or_update(
            *group, body, etag=etag, match_condition=MatchConditions.IfNotModified
        )
        checks.equal("with the right etag", kept.properties.description, "spokes")
        checks.that("another etag after it", central.network_groups.get(*group).etag != etag)

    with checks.scene("lists come in pages of at most 20"):
        names = [f"ng-{n:02}" for n in range(24)]
        for name in names:
            central.network_groups.create_or_update(*manager, name, NetworkGroup())
        listed = [g.name for g in central.network_groups.list(*manager)]
        checks.equal("all of them, once", sorted(listed), sorted([GROUP, *names]))
        checks.equal("pages", pages(central.network_groups.list(*manager)), [20, 5])
        checks.equal("pages of 7", pages(central.network_groups.list(*manager, top=7)), [7, 7, 7, 4])
        for name in names:
            central.network_groups.begin_delete(*manager, name).result()
        checks.equal("after deletion", [g.name for g in central.network_groups.list(*manager)], [GROUP])

    with checks.scene("a member of another tenant needs that tenant's token too"):
        network = sim.target_networks[0]
        before = len(sim.writes())

        def put(client):
            return client.static_members.create_or_update(*group, "vnet-app", member_of(network))

        def refused(what, client):
            error = checks.refused(what, lambda: put(client), 403, "LinkedAuthorizationFailed")
            checks.contains(
                what, error.message, "Microsoft.Network/virtualNetworks/write", f"{GROUP}/staticMembers/vnet-app",
                f"the current tenant '{sim.central_tenant}' is not authorized to access linked subscription "
                f"'{sim.target_subscription}'",
            )

        refused("without any", central)
        refused("with the same tenant's", central_client(sim, auxiliary=[sim.credential("app", sim.central_tenant)]))
        checks.refused(
            "with an invalid one", lambda: put(central_client(sim, auxiliary=[Stale()])),
            401, "InvalidAuthenticationToken", ClientAuthenticationError,
        )
        checks.equal("nothing was written", {change for *_, change in sim.writes()[before:]}, {"none"})
        checks.equal("no member exists", list(central.static_members.list(*group)), [])
        recorder = Recorder()
        made = put(with_both(sim, per_call_policies=[recorder]))
        checks.equal("with it", recorder.statuses(), [("PUT", 200)])
        checks.equal("response", (made.properties.provisioning_state, made.properties.region), ("Updating", ""))
        states = sim.eventually(
            lambda: central.static_members.get(*group, "vnet-app").properties.provisioning_state,
            lambda state: state != "Updating",
        )
        checks.equal("states", (states[0], states[-1]), ("Updating", "Succeeded"))
        seen = both.static_members.get(*group, "vnet-app")
        checks.equal("a read accepts it", seen.properties.resource_id, network)
        checks.equal("region", seen.properties.region, "westeurope")

    with checks.scene("a network that does not exist fails after the write was accepted"):
        nowhere = f"{sim.target_networks[0].rsplit('/', 1)[0]}/vnet-none"
        made = both.static_members.create_or_update(*group, "vnet-none", member_of(nowhere))
        checks.equal("response", made.properties.provisioning_state, "Updating")
        states = sim.eventually(
            lambda: central.static_members.get(*group, "vnet-none").properties.provisioning_state,
            lambda state: state != "Updating",
        )
        checks.equal("in the end", states[-1], "Failed")
        central.static_members.delete(*group, "vnet-none")
        checks.refused(
            "a resource that is not a network", lambda: central.static_members.create_or_update(
                *group, "bad", member_of(f"/subscriptions/{sim.central_subscription}")
            ),
            400, "BadRequest",
        )

    with checks.scene("more members than a page holds, from both tenants"):
        target = target_client(sim)
        networks = {}
        for n in range(21):
            name = f"vnet-{n:02}"
            body = VirtualNetwork(
                location="westeurope",
                properties=VirtualNetworkPropertiesFormat(
                    address_space=AddressSpace(address_prefixes=[f"10.{100 + n}.0.0/16"])
                ),
            )
            made = target.virtual_networks.begin_create_or_update(sim.target_group, name, body).result()
            networks[name] = made.id
        networks["vnet-hub"] = sim.central_networks[0]
        for name, network in networks.items():
            both.static_members.create_or_update(*group, name, member_of(network))
        sim.advance("3s")
        checks.equal("pages", pages(central.static_members.list(*group)), [20, 3])
        listed = {m.name: (m.properties.resource_id, m.properties.provisioning_state)
                  for m in central.static_members.list(*group)}
        wanted = {name: (network, "Succeeded") for name, network in networks.items()}
        wanted["vnet-app"] = (sim.target_networks[0], "Succeeded")
        checks.equal("members", listed, wanted)
        checks.refused(
            "a member that does not exist", lambda: central.static_members.get(*group, "vnet-99"),
            404, "NotFound", ResourceNotFoundError,
        )


class Stale:
    """A credential with an invalid token."""

    def get_token(self, *scopes, **more):
        return AccessToken("a.b.c", 4102444800)


def remove(sim, checks):
    """Teardown: deletes members, then their group."""
    central = central_client(sim)
    manager = (sim.group, sim.manager)
    group = (*manager, GROUP)
    for member in list(central.static_members.list(*group)):
        central.static_members.delete(*group, member.name)
    checks.equal("members", list(central.static_members.list(*group)), [])
    recorder = Recorder()
    client = central_client(sim, per_call_policies=[recorder])
    poller = client.network_groups.begin_delete(*group, force=True)
    poller.result()
    checks.equal("the deletion ends", (poller.done(), poller.status()), (True, "Succeeded"))
    checks.equal("it continues in the background", recorder.statuses()[0], ("DELETE", 202))
    checks.equal("and ends without a body", recorder.statuses()[-1], ("GET", 204))
    locations = [headers["location"] for _, status, headers in recorder.exchanges if status == 202]
    checks.that("each poll has another address", len(set(locations)) == len(locations) >= 2, len(locations))
    checks.refused("the group", lambda: central.network_groups.get(*group), 404, "NotFound", ResourceNotFoundError)
    again = central.network_groups.begin_delete(*group)
    checks.equal("a second time", (again.result(), again.status()), (None, "Succeeded"))
