"""`twinspan sim`, and the settings that point Microsoft's clients for Python at it."""

import os

from azure.core.pipeline.policies import HTTPPolicy
from azure.identity import ClientSecretCredential
from azure.mgmt.core.policies import AuxiliaryAuthenticationPolicy

from control import Controls

CENTRAL_MAIL = "nina.network@contoso.example"


class Simulator(Controls):
    """The identities that can sign in, and their credentials."""

    def __init__(self, ready_file):
        super().__init__(ready_file)
        self.central_subscription, self.target_subscription = self.central["subscription"], self.target["subscription"]
        self.central_networks, self.target_networks = self.central["virtual_networks"], self.target["virtual_networks"]
        self.target_group = self.target["resource_group"]
        # Sign-in (requests) and Graph (httpx) take their root certificates from the environment.
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = self.ca_file

    @property
    def manager_id(self):
        return (
            f"/subscriptions/{self.central_subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.Network/networkManagers/{self.manager}"
        )

    def credential(self, identity, tenant, secret=None):
        """The identity's credential for one tenant. Each call creates a new one, so its first token is new."""
        who = self.identities[identity]
        return ClientSecretCredential(
            tenant, who["client_id"], secret or who["client_secret"],
            authority=self.login, disable_instance_discovery=True,
        )

    def client(self, make, credential, *arguments, auxiliary=(), **more):
        """A management client of class `make`; `auxiliary` are credentials of other tenants."""
        scope = f"{self.arm}/.default"
        policies = list(more.pop("per_call_policies", []))
        if auxiliary:
            policies.append(AuxiliaryAuthenticationPolicy(list(auxiliary), scope))
        return make(
            credential, *arguments, base_url=self.arm, credential_scopes=[scope], connection_verify=self.ca_file,
            per_call_policies=policies, polling_interval=0, **more,
        )

    def eventually(self, read, done, step="1s", looks=20):
        """Returns what each read returned, until `done` accepts one; advances the clock between the reads."""
        seen = []
        for _ in range(looks):
            seen.append(read())
            if done(seen[-1]):
                break
            self.advance(step)
        return seen


class Recorder(HTTPPolicy):
    """Records method, status and headers of each exchange of a client."""

    def __init__(self):
        super().__init__()
        self.exchanges = []

    def send(self, request):
        response = self.next.send(request)
        http = response.http_response
        self.exchanges.append((request.http_request.method, http.status_code, dict(http.headers)))
        return response

    def statuses(self):
        return [(method, status) for method, status, _ in self.exchanges]
