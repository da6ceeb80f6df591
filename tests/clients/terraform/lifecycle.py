"""What Terraform does with a resource, and what must hold at each turn."""

from provider import Refused


def applied(checks, world, resource, wait="10s"):
    """Made, read back, and then as configured. Gives the resource back."""
    name = f"{resource.type_name} {resource.given.get('name', '')}".strip()
    checks.equal(f"{name}: planned", resource.apply().action, "create")
    # Connections, members and roles settle after their answer.
    world.advance(wait)
    unchanged(checks, name, resource)
    return resource


def unchanged(checks, name, resource):
    """A refresh, and a plan that has nothing to do."""
    resource.refresh()
    checks.that(f"{name}: is there", resource.there)
    plan = resource.plan()
    checks.equal(f"{name}: a plan after a refresh", (plan.action, plan.changes), ("no-op", []))


def updated(checks, resource, **changed):
    """Changed in place, and then as configured."""
    name = f"{resource.type_name} with other {', '.join(changed)}"
    checks.equal(f"{name}: planned", resource.apply(**changed).action, "update")
    unchanged(checks, name, resource)


def importable(checks, resource, address=None):
    """An import gives what the configuration says."""
    other = resource.imported(address or resource["id"])
    plan = other.plan()
    checks.equal(f"{resource.type_name}: a plan after an import", (plan.action, plan.changes), ("no-op", []))


def destroyed(checks, world, *resources):
    """Removed one after another; the simulator's own record is asked, not the provider."""
    for resource in resources:
        name, address, before = resource.type_name, resource["id"].lower(), len(world.ledger())
        resource.destroy()
        checks.that(f"{name}: is forgotten", not resource.there)
        removed = [path.lower() for _, path, change in world.ledger()[before:] if change == "deleted"]
        checks.equal(f"{name}: is removed, and nothing else", removed, [address])


def refused(checks, what, call, *parts):
    """A provider's error that passes on these words."""
    error = checks.raises(what, Refused, call)
    checks.contains(what, str(error), *parts)
