"""`twinspan sim`, and how Terraform's providers are pointed at it."""

import json
import os
import ssl
import threading
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from provider import Provider


class World:
    """What the ready file says, who can sign in, and the controls."""

    def __init__(self, ready_file, providers):
        ready = json.loads(Path(ready_file).read_text())
        self.arm, self.login, self.graph = ready["arm"], ready["login"], ready["graph"]
        self.ca_file = ready["ca_file"]
        self.folder = Path(ready_file).parent
        self.identities = ready["identities"] | {
            "app": {"client_id": ready["client_id"], "client_secret": ready["client_secret"]}
        }
        central, target = ready["tenants"]["central"], ready["tenants"]["target"]
        self.central_tenant, self.target_tenant = central["id"], target["id"]
        self.central_scope = f"/subscriptions/{central['subscription']}"
        self.target_scope = f"/subscriptions/{target['subscription']}"
        self.group, self.manager = central["resource_group"], central["network_manager"]
        self.group_id = f"{self.central_scope}/resourceGroups/{self.group}"
        self.manager_id = f"{self.group_id}/providers/Microsoft.Network/networkManagers/{self.manager}"
        self.hub, self.networks = central["virtual_networks"][0], target["virtual_networks"]
        self._providers = Path(providers)
        self._tls = ssl.create_default_context(cafile=self.ca_file)
        self._started = 0

    def binary(self, name):
        """The newest of a provider's binaries, as a release names it: `terraform-provider-NAME_v1.2.3…`."""
        found = sorted(self._providers.glob(f"terraform-provider-{name}*"))
        assert found, f"{self._providers} has no terraform-provider-{name}"
        return found[-1]

    def start(self, name):
        """A provider's process, with nothing of this machine's environment."""
        self._started += 1
        environment = {"SSL_CERT_FILE": self.ca_file, "HOME": str(self.folder), "PATH": os.environ.get("PATH", "")}
        return Provider(self.binary(name), environment, self.folder / f"{name}-{self._started}.log")

    def credential(self, identity, tenant):
        who = self.identities[identity]
        return {
            "tenant_id": tenant, "client_id": who["client_id"], "client_secret": who["client_secret"],
        }

    def azapi(self, identity, tenant, scope, auxiliary=(), **more):
        """The provider block of docs/guides/other-clients.md."""
        return self.credential(identity, tenant) | {
            "endpoint": [{
                "active_directory_authority_host": self.login,
                "resource_manager_endpoint": self.arm,
                "resource_manager_audience": self.arm,
            }],
            "disable_instance_discovery": True,
            "skip_provider_registration": True,
            "auxiliary_tenant_ids": list(auxiliary) or None,
            "subscription_id": scope.removeprefix("/subscriptions/"),
        } | more

    def azurerm(self, identity, tenant, scope, auxiliary=(), **more):
        """The provider block of docs/guides/other-clients.md."""
        return self.credential(identity, tenant) | {
            "features": [{}],
            "metadata_host": urllib.parse.urlsplit(self.arm).netloc,
            "resource_provider_registrations": "none",
            "auxiliary_tenant_ids": list(auxiliary) or None,
            "subscription_id": scope.removeprefix("/subscriptions/"),
        } | more

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

    def requests(self):
        return self.control("GET", "requests")["requests"]

    def ledger(self):
        """Every change so far: method, path, what changed."""
        effects = [(each["method"], each["path"], each["change"]) for each in self.control("GET", "ledger")["effects"]]
        return [effect for effect in effects if effect[2] != "none"]

    @contextmanager
    def passing(self, by):
        """The clock goes on by itself while a provider waits, faster than the provider's own."""
        done = threading.Event()

        def go_on():
            while not done.wait(0.5):
                self.advance(by)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    @contextmanager
    def configured(self, name, identity, tenant, scope, auxiliary=(), **more):
        """A provider's process that is signed in."""
        with self.start(name) as provider:
            provider.configure(getattr(self, name)(identity, tenant, scope, auxiliary, **more))
            yield provider
