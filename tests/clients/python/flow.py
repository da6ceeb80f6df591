"""The whole cross-tenant flow, done by Microsoft's own clients against `twinspan sim`.

    twinspan sim --listen 127.0.0.1:0 --ready ready.json &
    python tests/clients/python/flow.py ready.json
"""

import logging
import sys

from checks import Checks
from scenes import (
    configurations,
    connection,
    directory,
    groups,
    management_group,
    roles,
    signing_in,
    subscriptions,
    teardown,
)
from simulator import Simulator


def main(ready_file):
    # The scenes provoke refusals; the client need not log each one.
    logging.getLogger("azure").setLevel(logging.ERROR)
    simulator, checks = Simulator(ready_file), Checks()
    acts = (
        signing_in, subscriptions, directory, roles, management_group, connection, groups, configurations, teardown,
    )
    for act in acts:
        act.play(simulator, checks)
    return checks.summary()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: flow.py READY-FILE (of `twinspan sim --ready`)")
    sys.exit(main(sys.argv[1]))
