"""`twinspan sim`, and how Microsoft's clients for Python are pointed at it."""

import json
import os
import urllib.request
import ssl
from pathlib import Path

from azure.core.pipeline.policies import HTTPPolicy
from azure.identity import ClientSecretCredential
from azure.mgmt.core.policies import AuxiliaryAuthenticationPolicy

CENTRAL_MAIL = "nina.network@contoso.example"


class Simulator:
    """What the ready file says, who can sign in, and the controls."""

    def __init__(self, ready_file):
        ready = json.loads(Path(ready_file).read_text())
        self.arm, self.login, self.graph = ready["arm"], ready["login"], ready["graph"]
        self.ca_file = ready["ca_file"]
        self.identities = ready["identities"] | {
            "app": {"client_id": ready["client_id"], "client_secret": ready["client_secret"]}
        }
        central, target = ready["tenants"]["central"], ready["tenants"]["target"]
        self.central_tenant, self.target_tenant = central["id"], target["id"]
        self.central_subscription, self.target_subscription = central["subscription"], target["subscription"]
        self.group, self.manager = central["resource_group"], central["network_manager"]
        self.central_networks, self.target_networks = central["virtual_networks"], target["virtual_networks"]
        self.target_group = target["resource_group"]
        self._tls = ssl.create_default_context(cafile=self.ca_file)
        # Sign-in (requests) and Graph (httpx) take their root certificates from the environment.
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = self.ca_file

    @property
    def manager_id(self):
        return (
            f"/subscriptions/{self.central_subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.Network/networkManagers/{self.manager}"
        )

    def credential(self, identity, tenant, secret=None):
        """The identity's credential for one tenant. Each call makes a new one, whose first token is a fresh one."""
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

    def control(self, method, path, body=None):
        """`/_sim/…`: the simulator's own controls, which Azure does not have."""
        request = urllib.request.Request(f"{self.arm}/_sim/{path}", method=method)
        request.add_header("content-type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, context=self._tls) as answer:
            return json.loads(answer.read() or b"null")

    def advance(self, by):
        """Moves the simulator's clock ahead: nobody sleeps here."""
        self.control("POST", "clock", {"advance": by})

    def writes(self):
        """How often each thing was changed, by method and path."""
        return [
            (effect["method"], effect["path"], effect["change"])
            for effect in self.control("GET", "ledger")["effects"]
        ]

    def eventually(self, read, done, step="1s", looks=20):
        """What was read at each look until `done` says so; the clock is moved ahead between the looks."""
        seen = []
        for _ in range(looks):
            seen.append(read())
            if done(seen[-1]):
                break
            self.advance(step)
        return seen


class Recorder(HTTPPolicy):
    """Keeps method, status and headers of each exchange of a client."""

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
