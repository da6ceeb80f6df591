"""Terraform's values: types, and how they are written for a provider (msgpack) and in a state file (JSON)."""

import json
from dataclasses import dataclass

import msgpack


class Unknown:
    """A value that is known only after apply."""

    def __repr__(self):
        return "(known after apply)"


UNKNOWN = Unknown()


@dataclass
class Dynamic:
    """A value together with its type."""

    type: object
    value: object


def infer(value):
    """The type of a configured value whose schema allows any type."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return ["tuple", [infer(item) for item in value]]
    if isinstance(value, dict):
        return ["object", {key: infer(item) for key, item in value.items()}]
    return "dynamic"


def _prepare(value, kind):
    if value is UNKNOWN:
        return msgpack.ExtType(0, b"\0")
    if kind == "dynamic":
        if value is None:
            return None
        held = value if isinstance(value, Dynamic) else Dynamic(infer(value), value)
        return [json.dumps(held.type).encode(), _prepare(held.value, held.type)]
    if value is None or isinstance(kind, str):
        return value
    match kind[0]:
        case "list" | "set":
            return [_prepare(item, kind[1]) for item in value]
        case "tuple":
            return [_prepare(item, each) for item, each in zip(value, kind[1], strict=True)]
        case "map":
            return {key: _prepare(item, kind[1]) for key, item in value.items()}
        case "object":
            strange = value.keys() - kind[1].keys()
            assert not strange, f"no such attributes: {sorted(strange)}"
            return {key: _prepare(value.get(key), each) for key, each in sorted(kind[1].items())}
    raise ValueError(kind)


def encode(value, kind):
    # Types of dynamic values are bytes in msgpack.
    return msgpack.packb(_prepare(value, kind))


def _restore(value, kind):
    if isinstance(value, msgpack.ExtType):
        return UNKNOWN
    if value is None:
        return None
    if kind == "dynamic":
        own = json.loads(value[0])
        return Dynamic(own, _restore(value[1], own))
    if isinstance(kind, str):
        # Numbers that fit no msgpack number are text.
        return float(value) if kind == "number" and isinstance(value, str) else value
    match kind[0]:
        case "list" | "set":
            return [_restore(item, kind[1]) for item in value]
        case "tuple":
            return [_restore(item, each) for item, each in zip(value, kind[1], strict=True)]
        case "map":
            return {key: _restore(item, kind[1]) for key, item in value.items()}
        case "object":
            return {key: _restore(item, kind[1][key]) for key, item in value.items()}
    raise ValueError(kind)


def decode(packed, kind):
    return _restore(msgpack.unpackb(packed, strict_map_key=False), kind) if packed else None


def for_state(value, kind):
    """The value as a state file keeps it."""
    if value is None or kind in ("string", "bool", "number"):
        return value
    if kind == "dynamic":
        held = value if isinstance(value, Dynamic) else Dynamic(infer(value), value)
        return {"type": held.type, "value": for_state(held.value, held.type)}
    match kind[0]:
        case "list" | "set":
            return [for_state(item, kind[1]) for item in value]
        case "tuple":
            return [for_state(item, each) for item, each in zip(value, kind[1], strict=True)]
        case "map":
            return {key: for_state(item, kind[1]) for key, item in value.items()}
        case "object":
            return {key: for_state(value.get(key), each) for key, each in kind[1].items()}
    raise ValueError(kind)


def plain(value):
    """The value without the types of dynamic values, for comparison."""
    if isinstance(value, Dynamic):
        return plain(value.value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def differences(before, after, place=""):
    """The differences of two values, by place; an unknown value differs from every known one."""
    before, after = plain(before), plain(after)
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            found
            for key in sorted(before.keys() | after.keys())
            for found in differences(before.get(key), after.get(key), f"{place}.{key}" if place else key)
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = zip(before, after)
        return [found for n, (one, two) in enumerate(pairs) for found in differences(one, two, f"{place}[{n}]")]
    return [] if before == after else [f"{place}: {before!r} -> {after!r}"]
