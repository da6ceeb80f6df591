"""What Terraform does with a resource, and what must hold after each action."""

from provider import Refused


def applied(checks, world, resource, wait="10s"):
    """Creates the resource, and checks that a refresh finds it as configured. Returns it."""
    name = f"{resource.type_name} {resource.given.get('name', '')}".strip()
    checks.equal(f"{name}: planned", resource.apply().action, "create")
    # Connections, members and roles reach their final state after the response.
    world.advance(wait)
    unchanged(checks, name, resource)
    return resource


def unchanged(checks, name, resource):
    """Checks that a plan after a refresh has nothing to do."""
    resource.refresh()
    checks.that(f"{name}: exists", resource.there)
    plan = resource.plan()
    checks.equal(f"{name}: a plan after a refresh", (plan.action, plan.changes), ("no-op", []))


def updated(checks, resource, **changed):
    """Updates the resource in place, and checks that it is then as configured."""
    name = f"{resource.type_name} with other {', '.join(changed)}"
    checks.equal(f"{name}: planned", resource.apply(**changed).action, "update")
    unchanged(checks, name, resource)


def importable(checks, resource, address=None):
    """Checks that an import finds the resource as configured."""
    other = resource.imported(address or resource["id"])
    plan = other.plan()
    checks.equal(f"{resource.type_name}: a plan after an import", (plan.action, plan.changes), ("no-op", []))


def destroyed(checks, world, *resources):
    """Destroys the resources one after another; the check reads the simulator's ledger, not the provider."""
    for resource in resources:
        name, address, before = resource.type_name, resource["id"].lower(), len(world.ledger())
        resource.destroy()
        checks.that(f"{name}: is not in the state", not resource.there)
        removed = [path.lower() for _, path, change in world.ledger()[before:] if change == "deleted"]
        checks.equal(f"{name}: is deleted, and nothing else", removed, [address])


def refused(checks, what, call, *parts):
    """Checks that the provider's error contains these parts."""
    error = checks.raises(what, Refused, call)
    checks.contains(what, str(error), *parts)
