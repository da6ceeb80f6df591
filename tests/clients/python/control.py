"""A running `twinspan sim`: its ready file, and its controls, which Azure does not have. Standard library only."""

import json
import ssl
import urllib.request
from pathlib import Path


class Controls:
    def __init__(self, ready_file):
        ready = json.loads(Path(ready_file).read_text())
        self.arm, self.login, self.graph = ready["arm"], ready["login"], ready["graph"]
        self.ca_file = ready["ca_file"]
        self.identities = ready["identities"] | {
            "app": {"client_id": ready["client_id"], "client_secret": ready["client_secret"]}
        }
        self.tenants = ready["tenants"]
        self.central, self.target = self.tenants["central"], self.tenants["target"]
        self.central_tenant, self.target_tenant = self.central["id"], self.target["id"]
        self.group, self.manager = self.central["resource_group"], self.central["network_manager"]
        self._tls = ssl.create_default_context(cafile=self.ca_file)

    def control(self, method, path, body=None):
        """Sends a request to `/_sim/…`."""
        request = urllib.request.Request(f"{self.arm}/_sim/{path}", method=method)
        request.add_header("content-type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, context=self._tls) as answer:
            return json.loads(answer.read() or b"null")

    def advance(self, by):
        """Advances the simulator's clock, instead of sleeping."""
        self.control("POST", "clock", {"advance": by})

    def writes(self):
        """Every write so far: method, path, what changed."""
        effects = self.control("GET", "ledger")["effects"]
        return [(effect["method"], effect["path"], effect["change"]) for effect in effects]
