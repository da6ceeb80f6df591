"""The cross-tenant flow, done by one of Terraform's providers against `twinspan sim`.

    twinspan sim --listen 127.0.0.1:0 --ready ready.json --ready-world &
    python tests/clients/terraform/flow.py PROVIDERS azurerm|azapi ready|unprepared ready.json

`ready` needs the ready world, `unprepared` the shipped one; `azapi core` is `ready` with one api-version.

PROVIDERS is a folder with the binaries of a release: `terraform-provider-azurerm…`, `terraform-provider-azapi…`.
"""

import sys
from pathlib import Path

# The modules that count checks and control the simulator are shared with Microsoft's clients.
sys.path.append(str(Path(__file__).resolve().parent.parent / "python"))

from checks import Checks  # noqa: E402
from scenes import azapi, azapi_versions, azurerm, azurerm_roles, disturbed, signing_in, unprepared  # noqa: E402
from world import World  # noqa: E402

ACTS = {
    ("azapi", "ready"): (signing_in.azapi, azapi_versions.play, disturbed.azapi, azapi.play),
    ("azapi", "core"): (signing_in.azapi, azapi.play),
    ("azapi", "unprepared"): (unprepared.azapi,),
    ("azurerm", "ready"): (signing_in.azurerm, azurerm_roles.play, disturbed.azurerm, azurerm.play),
    ("azurerm", "unprepared"): (unprepared.azurerm,),
}


def main(providers, name, state, ready_file):
    world, checks = World(ready_file, providers), Checks()
    print(f"with {world.binary(name).name}")
    for act in ACTS[name, state]:
        act(world, checks)
    return checks.summary()


if __name__ == "__main__":
    if len(sys.argv) != 5 or tuple(sys.argv[2:4]) not in ACTS:
        sys.exit("usage: flow.py PROVIDERS azurerm|azapi ready|core|unprepared READY-FILE (of `twinspan sim --ready`)")
    sys.exit(main(*sys.argv[1:]))
