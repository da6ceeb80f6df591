"""Measures the reference rollout against `twinspan sim`: time, requests and writes; also after kills, without a credential in
the target tenant, and with a connection that never becomes Connected. Standard library only; prints a Markdown table.

    python3 tests/clients/comparison.py target/release/twinspan [AZ]

With the path of an Azure CLI also the same rollout by a script of `az rest` requests.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "python"))
from control import Controls  # noqa: E402

LIBRARY = Path(__file__).parents[2] / "plans" / "library"
PLAN, INPUTS = LIBRARY / "cross-tenant-connection.yaml", LIBRARY / "cross-tenant-connection.inputs.yaml"
MOMENTS = 5


class Simulator:
    """`twinspan sim` in a separate process, and a folder that is configured for it."""

    def __init__(self, program):
        self.program, self.folder = program, Path(tempfile.mkdtemp())
        ready = self.folder / "ready.json"
        arguments = ["sim", "--world", "ready", "--ready", ready, "--configure", self.folder / "home"]
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL, env=self.environment())
        while not ready.exists():
            assert self.process.poll() is None, "the simulator has ended"
            time.sleep(0.01)
        self.controls = Controls(ready)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "CI": "1", "USER": "operator"}

    def start(self, *arguments):
        return subprocess.Popen(
            [self.program, "--journal", "runs/journal.db", *arguments], cwd=self.folder / "home", env=self.environment(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def run(self):
        return self.start("run", PLAN, "--inputs", INPUTS, "--until-blocked")

    def requests(self):
        return len(self.controls.control("GET", "requests")["requests"])

    def repeated(self):
        """How many resources were created more than once."""
        created = [path.lower() for _, path, change in self.controls.writes() if change == "created"]
        return len(created) - len(set(created))


def row(name, simulator, began, code, remark=""):
    seconds = time.monotonic() - began
    requests, writes = simulator.requests(), len(simulator.controls.writes())
    print(f"| {name} | {seconds:.1f} s | {requests} | {writes} | {simulator.repeated()} | {code} | {remark} |", flush=True)


def undisturbed(program):
    with Simulator(program) as simulator:
        began, running = time.monotonic(), simulator.run()
        running.communicate()
        row("ready world", simulator, began, running.returncode)


def killed(program, writes):
    """`kill -9` as soon as this number of writes has arrived, then `resume`."""
    with Simulator(program) as simulator:
        began, running = time.monotonic(), simulator.run()
        while len(simulator.controls.writes()) < writes and running.poll() is None:
            time.sleep(0.005)
        running.kill()
        running.communicate()
        resumed = simulator.start("resume", "--until-blocked")
        resumed.communicate()
        row(f"`kill -9` after write {writes}, then `resume`", simulator, began, resumed.returncode)


def missing(program):
    """This machine has no credential for the target tenant."""
    with Simulator(program) as simulator:
        configuration = simulator.folder / "home" / "twinspan.toml"
        text = configuration.read_text()
        for identity in ("target", "target-admin"):
            section = f"[identities.{identity}]\ncredential = "
            assert section in text
            text = text.replace(f'{section}"client-secret"', f'{section}"none"')
        configuration.write_text(text)
        began, running = time.monotonic(), simulator.run()
        said, _ = running.communicate()
        remark = "says whom it waits for" if "hand-over" in said else "does not say whom it waits for"
        row("no credential in the target tenant", simulator, began, running.returncode, remark)


def never_connected(program):
    with Simulator(program) as simulator:
        simulator.controls.control("POST", "lags", {"connected": "24h"})
        began, running = time.monotonic(), simulator.run()
        time.sleep(20)
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate()
        remark = "says that it is Pending" if "is listed as Pending" in said else "does not say what it waits for"
        row("never Connected, ended after 20 s", simulator, began, running.returncode, remark)


# What people run instead: a script of `az rest` requests, one for each write of the how-to, which polls the connection.
AZ_SCRIPT = """set -e
put() { az rest --method put --resource "$ARM" --url "$ARM$1?api-version=2024-05-01" --body "$2" "${@:3}" --output none; }
get() { az rest --method get --resource "$ARM" --url "$ARM$1?api-version=2024-05-01" "${@:2}"; }
az login --service-principal -u "$CENTRAL_ID" -p "$CENTRAL_SECRET" --tenant "$CENTRAL" --output none
put "$MANAGER/scopeConnections/to-target" "{\\"properties\\":{\\"resourceId\\":\\"$SCOPE\\",\\"tenantId\\":\\"$TARGET\\"}}"
az login --service-principal -u "$TARGET_ID" -p "$TARGET_SECRET" --tenant "$TARGET" --output none
put "$SCOPE/providers/Microsoft.Network/networkManagerConnections/to-central" "{\\"properties\\":{\\"networkManagerId\\":\\"$MANAGER\\"}}"
az login --service-principal -u "$CENTRAL_ID" -p "$CENTRAL_SECRET" --tenant "$TARGET" --output none
other="$(az account get-access-token --tenant "$TARGET" --resource "$ARM" --query accessToken --output tsv)"
az login --service-principal -u "$CENTRAL_ID" -p "$CENTRAL_SECRET" --tenant "$CENTRAL" --output none
until [ "$(get "$MANAGER/scopeConnections/to-target" --query properties.connectionState --output tsv)" = Connected ]; do sleep 5; done
put "$MANAGER/networkGroups/ng-spokes" '{"properties":{"memberType":"VirtualNetwork"}}'
number=0
for network in $NETWORKS; do
  number=$((number + 1))
  put "$MANAGER/networkGroups/ng-spokes/staticMembers/member-$number" "{\\"properties\\":{\\"resourceId\\":\\"$network\\"}}" \\
    --headers "x-ms-authorization-auxiliary=Bearer $other"
done
get "$MANAGER/networkGroups/ng-spokes/staticMembers" --output none
"""


def input_values():
    """The inputs of the plan: scalars as text, lists as lists. Standard library only, so just what the file uses."""
    values, name = {}, None
    for line in INPUTS.read_text().splitlines():
        if line.startswith("  - "):
            values[name].append(line[4:].strip())
        elif line and not line.startswith("#"):
            name, _, text = line.partition(":")
            values[name] = text.strip() or []
    return values


def script(az, simulator):
    controls, inputs = simulator.controls, input_values()
    people = controls.identities
    environment = simulator.environment() | {
        "PATH": f"{Path(az).resolve().parent}:{os.environ['PATH']}",
        "AZURE_CONFIG_DIR": str(simulator.folder / "azure"),
        "AZURE_CORE_INSTANCE_DISCOVERY": "false",
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "REQUESTS_CA_BUNDLE": str(controls.ca_file),
        "ARM": controls.arm,
        "CENTRAL": controls.central_tenant,
        "TARGET": controls.target_tenant,
        "CENTRAL_ID": people["central"]["client_id"],
        "CENTRAL_SECRET": people["central"]["client_secret"],
        "TARGET_ID": people["target-admin"]["client_id"],
        "TARGET_SECRET": people["target-admin"]["client_secret"],
        "MANAGER": inputs["network_manager"],
        "SCOPE": inputs["target_scope"],
        "NETWORKS": " ".join(inputs["target_virtual_networks"] + inputs["central_virtual_networks"]),
    }

    def quietly(*arguments):
        subprocess.run([az, *arguments], env=environment, check=True, capture_output=True)

    if not (simulator.folder / "azure").exists():
        quietly("cloud", "register", "-n", "sim", "--endpoint-resource-manager", controls.arm)
        quietly("cloud", "set", "-n", "sim")
    return lambda: subprocess.Popen(
        ["bash", "-c", AZ_SCRIPT], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )


def by_script(program, az):
    """The same rollout by the script: undisturbed, killed, and with a connection that never comes about."""
    with Simulator(program) as simulator:
        start = script(az, simulator)
        began, running = time.monotonic(), start()
        said, _ = running.communicate()
        remark = "lists the members, checks nothing" if running.returncode == 0 else said.strip().splitlines()[-1]
        row("`az` script, ready world", simulator, began, running.returncode, remark)
    for writes in range(1, MOMENTS + 1):
        with Simulator(program) as simulator:
            start = script(az, simulator)
            began, running = time.monotonic(), start()
            while len(simulator.controls.writes()) < writes and running.poll() is None:
                time.sleep(0.005)
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
            again = start()
            again.communicate()
            row(f"`az` script, killed after write {writes}, then from the start", simulator, began, again.returncode, "repeats its writes")
    with Simulator(program) as simulator:
        simulator.controls.control("POST", "lags", {"connected": "24h"})
        start = script(az, simulator)
        began, running = time.monotonic(), start()
        time.sleep(30)
        os.killpg(running.pid, signal.SIGINT)
        running.communicate()
        row("`az` script, never Connected, ended after 30 s", simulator, began, running.returncode, "says nothing while it polls")


def main(program, az=None):
    program = str(Path(program).resolve())
    print("| case | time | requests | writes | created twice | exit | remark |\n|---|---|---|---|---|---|---|")
    undisturbed(program)
    for writes in range(1, MOMENTS + 1):
        killed(program, writes)
    missing(program)
    never_connected(program)
    if az:
        by_script(program, az)


if __name__ == "__main__":
    main(*sys.argv[1:])
