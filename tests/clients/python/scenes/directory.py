"""Microsoft Graph: the guest's invitation, its redemption, and the application's service principal."""

import asyncio

from azure.identity import ClientSecretCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.invitation import Invitation
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.generated.service_principals.service_principals_request_builder import (
    ServicePrincipalsRequestBuilder as ServicePrincipals,
)
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder as UserItem
from msgraph.generated.users.users_request_builder import UsersRequestBuilder as Users
from kiota_abstractions.base_request_configuration import RequestConfiguration

from simulator import CENTRAL_MAIL, Simulator

STATE = ["id", "mail", "userType", "externalUserState", "userPrincipalName"]


def graph(sim: Simulator, credential: ClientSecretCredential) -> GraphServiceClient:
    host = sim.graph.split("://")[1]
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=[f"{sim.graph}/.default"], allowed_hosts=[host, host.split(":")[0]]
    )
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = f"{sim.graph}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


def asking(parameters):
    return RequestConfiguration(query_parameters=parameters)


def play(sim, checks):
    asyncio.run(_play(sim, checks))


async def _refused(checks, what, request, status, code):
    try:
        await request
    except ODataError as error:
        checks.equal(what, (error.response_status_code, error.error.code), (status, code))
        return
    checks.that(f"{what} is refused", False)


async def _play(sim, checks):
    admin = graph(sim, sim.credential("target-admin", sim.target_tenant))
    central = graph(sim, sim.credential("central", sim.central_tenant))

    with checks.scene("the principal that signed in, and its organisation"):
        me = await central.me.get()
        checks.equal("the central administrator", me.mail, CENTRAL_MAIL)
        for client, tenant in ((central, sim.central_tenant), (admin, sim.target_tenant)):
            organizations = (await client.organization.get()).value
            checks.equal("organisation", [o.id for o in organizations], [tenant])

    with checks.scene("a guest is invited once and is pending until it accepts"):
        wanted = Users.UsersRequestBuilderGetQueryParameters(filter=f"mail eq '{CENTRAL_MAIL}'", select=STATE)
        checks.equal("no guest yet", (await admin.users.get(asking(wanted))).value, [])
        body = Invitation(
            invited_user_email_address=CENTRAL_MAIL, invite_redirect_url="https://portal.azure.com",
            invited_user_display_name="Nina", send_invitation_message=False,
        )
        sent = await admin.invitations.post(body)
        checks.equal("status", sent.status, "PendingAcceptance")
        checks.contains("link", sent.invite_redeem_url, f"{sim.login}/redeem")
        guest = sent.invited_user.id
        again = await admin.invitations.post(body)
        checks.equal("the same guest", again.invited_user.id, guest)
        one = UserItem.UserItemRequestBuilderGetQueryParameters(select=STATE)
        user = await admin.users.by_user_id(guest).get(asking(one))
        checks.equal("state", (user.user_type, user.external_user_state), ("Guest", "PendingAcceptance"))
        checks.contains("name", user.user_principal_name, "#EXT#@")
        unselected = await admin.users.by_user_id(guest).get()
        checks.equal("only with $select", (unselected.user_type, unselected.external_user_state), (None, None))
        sim.control("POST", "redeem", {"email": CENTRAL_MAIL})
        user = await admin.users.by_user_id(guest).get(asking(one))
        checks.equal("accepted", user.external_user_state, "Accepted")
        found = (await admin.users.get(asking(wanted))).value
        checks.equal("found by mail", [u.id for u in found], [guest])
        sim.guest = guest

    with checks.scene("Graph refuses with its own messages"):
        await _refused(
            checks, "an unknown user", admin.users.by_user_id("99999999-0000-0000-0000-000000000002").get(),
            404, "Request_ResourceNotFound",
        )
        guest = graph(sim, sim.credential("target", sim.target_tenant))
        checks.equal("a guest sees itself", (await guest.me.get()).mail, CENTRAL_MAIL)
        await _refused(checks, "a guest lists all users", guest.users.get(), 403, "Authorization_RequestDenied")
        await _refused(
            checks, "a guest's invitation",
            guest.invitations.post(
                Invitation(invited_user_email_address="x@y.example", invite_redirect_url="https://y.example")
            ),
            403, "Authorization_RequestDenied",
        )
        await _refused(
            checks, "a member invited as a guest",
            admin.invitations.post(
                Invitation(invited_user_email_address="iam@fabrikam.example", invite_redirect_url="https://y.example")
            ),
            400, "BadRequest",
        )

    with checks.scene("the application gets a service principal once"):
        app_id = sim.identities["app"]["client_id"]
        query = ServicePrincipals.ServicePrincipalsRequestBuilderGetQueryParameters(filter=f"appId eq '{app_id}'")
        checks.equal("none yet", (await admin.service_principals.get(asking(query))).value, [])
        made = await admin.service_principals.post(ServicePrincipal(app_id=app_id))
        checks.equal("of the application", made.app_id, app_id)
        await _refused(
            checks, "a second one", admin.service_principals.post(ServicePrincipal(app_id=app_id)),
            409, "Request_MultipleObjectsWithSameKeyValue",
        )
        found = (await admin.service_principals.get(asking(query))).value
        checks.equal("found", [p.id for p in found], [made.id])
        own = (await central.service_principals.get(asking(query))).value
        checks.that("another id in each tenant", [p.id for p in own] != [made.id], own)
        sim.principal = made.id


def remove_guest(sim, checks):
    """Deletes the guest, as the last act of the teardown."""

    async def act():
        admin = graph(sim, sim.credential("target-admin", sim.target_tenant))
        await admin.users.by_user_id(sim.guest).delete()
        await _refused(
            checks, "the deleted guest", admin.users.by_user_id(sim.guest).get(), 404, "Request_ResourceNotFound"
        )

    asyncio.run(act())
