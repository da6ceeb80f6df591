"""Tokens: their tenant, principal and audience, and the messages of refused sign-ins."""

import base64
import json

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from azure.mgmt.resource.subscriptions import SubscriptionClient


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def play(sim, checks):
    arm = f"{sim.arm}/.default"
    with checks.scene("tokens name tenant, holder and audience"):
        for spelling in (arm, f"{sim.arm}//.default"):
            said = claims(sim.credential("app", sim.central_tenant).get_token(spelling).token)
            checks.equal("tid", said["tid"], sim.central_tenant)
            checks.equal("appid", said["appid"], sim.identities["app"]["client_id"])
            checks.equal("idtyp", said["idtyp"], "app")
            checks.equal("aud without its slashes", said["aud"].rstrip("/"), sim.arm)
        said = claims(sim.credential("app", sim.central_tenant).get_token(f"{sim.graph}/.default").token)
        checks.equal("aud for Graph", said["aud"], sim.graph)
        person = claims(sim.credential("central", sim.central_tenant).get_token(arm).token)
        checks.equal("idtyp of a person", person["idtyp"], "user")

    def refused(what, number, identity, tenant, **more):
        credential = sim.credential(identity, tenant, **more)
        error = checks.raises(what, ClientAuthenticationError, lambda: credential.get_token(arm))
        checks.contains(what, str(error), f"AADSTS{number}:")
        return str(error)

    with checks.scene("sign-in is refused with Entra's messages"):
        refused("a wrong secret", 7000215, "app", sim.central_tenant, secret="not-the-secret")
        refused("an application without a service principal", 700016, "app", sim.target_tenant)
        refused("a person who is not invited", 50020, "target", sim.target_tenant)
        stranger = ClientSecretCredential(
            sim.central_tenant, "99999999-0000-0000-0000-000000000009", "x",
            authority=sim.login, disable_instance_discovery=True,
        )
        error = checks.raises("an unknown application", ClientAuthenticationError, lambda: stranger.get_token(arm))
        checks.contains("an unknown application", str(error), "AADSTS700016:")
        # The client requests the tenant's OpenID configuration first, and writes the message of that refusal itself.
        nowhere = sim.credential("app", "99999999-0000-0000-0000-000000000000")
        error = checks.raises("an unknown tenant", ClientAuthenticationError, lambda: nowhere.get_token(arm))
        checks.contains("an unknown tenant", str(error), "99999999-0000-0000-0000-000000000000")
        credential = sim.credential("app", sim.central_tenant)
        error = checks.raises(
            "an unknown resource", ClientAuthenticationError,
            lambda: credential.get_token("https://unknown.example/.default"),
        )
        checks.contains("an unknown resource", str(error), "AADSTS500011:")

    with checks.scene("Azure Resource Manager refuses a token for Graph"):
        client = SubscriptionClient(
            sim.credential("app", sim.central_tenant), base_url=sim.arm,
            credential_scopes=[f"{sim.graph}/.default"], connection_verify=sim.ca_file,
        )
        checks.refused(
            "the subscription", lambda: client.subscriptions.get(sim.central_subscription),
            401, "InvalidAuthenticationTokenAudience", ClientAuthenticationError,
        )
