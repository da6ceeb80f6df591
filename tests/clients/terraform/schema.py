"""A provider's schema: the type of its values, and how it completes a configuration."""

import json

SINGLE, LIST, SET, MAP, GROUP = 1, 2, 3, 4, 5


def _held(nesting, kind):
    return kind if nesting in (SINGLE, GROUP) else [{LIST: "list", SET: "set", MAP: "map"}[nesting], kind]


def _attribute_type(attribute):
    # Only version 6 of the protocol has attributes with attributes of their own.
    nested = getattr(attribute, "nested_type", None)
    if nested and nested.attributes:
        return _held(nested.nesting, ["object", {each.name: _attribute_type(each) for each in nested.attributes}])
    return json.loads(attribute.type)


def type_of(block):
    held = {attribute.name: _attribute_type(attribute) for attribute in block.attributes}
    held |= {nested.type_name: _held(nested.nesting, type_of(nested.block)) for nested in block.block_types}
    return ["object", held]


def configured(block, given):
    """The complete object of a configuration: a missing argument is null, a missing block an empty list."""
    known = {attribute.name for attribute in block.attributes} | {nested.type_name for nested in block.block_types}
    strange = given.keys() - known
    assert not strange, f"no such arguments: {sorted(strange)}; there are {sorted(known)}"
    whole = {attribute.name: given.get(attribute.name) for attribute in block.attributes}
    for nested in block.block_types:
        inside = given.get(nested.type_name)
        if nested.nesting in (SINGLE, GROUP):
            whole[nested.type_name] = None if inside is None else configured(nested.block, inside)
        else:
            whole[nested.type_name] = [configured(nested.block, each) for each in inside or []]
    return whole


def proposed(block, prior, config):
    """What Terraform proposes to the provider: the configuration, and the prior value of each argument that only the provider
    sets, or that it sets if nothing is configured."""
    prior = prior or {}
    whole = {}
    for attribute in block.attributes:
        given = config[attribute.name]
        whole[attribute.name] = prior.get(attribute.name) if given is None and attribute.computed else given
    for nested in block.block_types:
        given, before = config[nested.type_name], prior.get(nested.type_name)
        if nested.nesting in (SINGLE, GROUP):
            whole[nested.type_name] = None if given is None else proposed(nested.block, before, given)
            continue
        left = list(before or [])
        whole[nested.type_name] = []
        for n, each in enumerate(given):
            if nested.nesting == LIST:
                match = left[n] if n < len(left) else None
            else:
                match = next((one for one in left if _corresponds(nested.block, one, each)), None)
            whole[nested.type_name].append(proposed(nested.block, match, each))
    return whole


def _corresponds(block, before, given):
    """Whether an element of a set equals the configuration, except for what the provider sets."""
    computed = {attribute.name for attribute in block.attributes if attribute.computed}
    return all(before.get(name) == value or (value is None and name in computed) for name, value in given.items())
