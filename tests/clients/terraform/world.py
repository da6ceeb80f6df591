"""`twinspan sim`, and the settings that point Terraform's providers at it."""

import os
import threading
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

from control import Controls
from provider import Provider


class World(Controls):
    """The identities that can sign in, and their credentials."""

    def __init__(self, ready_file, providers):
        super().__init__(ready_file)
        self.folder = Path(ready_file).parent
        self.central_scope = f"/subscriptions/{self.central['subscription']}"
        self.target_scope = f"/subscriptions/{self.target['subscription']}"
        self.group_id = f"{self.central_scope}/resourceGroups/{self.group}"
        self.manager_id = f"{self.group_id}/providers/Microsoft.Network/networkManagers/{self.manager}"
        self.hub, self.networks = self.central["virtual_networks"][0], self.target["virtual_networks"]
        self._providers = Path(providers)
        self._started = 0

    def binary(self, name):
        """The newest of a provider's binaries, named as in a release: `terraform-provider-NAME_v1.2.3…`."""
        found = sorted(self._providers.glob(f"terraform-provider-{name}*"))
        assert found, f"{self._providers} has no terraform-provider-{name}"
        return found[-1]

    def start(self, name):
        """Starts a provider's process without this machine's environment."""
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

    def requests(self):
        return self.control("GET", "requests")["requests"]

    def ledger(self):
        """Every change so far: method, path, what changed."""
        return [effect for effect in self.writes() if effect[2] != "none"]

    @contextmanager
    def passing(self, by):
        """Advances the simulator's clock while a provider waits, faster than the provider's own clock."""
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
        """A provider's process, configured and signed in."""
        with self.start(name) as provider:
            provider.configure(getattr(self, name)(identity, tenant, scope, auxiliary, **more))
            yield provider
