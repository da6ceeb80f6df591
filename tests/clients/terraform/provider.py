"""Drives a Terraform provider as Terraform does."""

import json
import subprocess
from dataclasses import dataclass, field

import schema
from values import UNKNOWN, decode, differences, encode, for_state, plain
from wire import Wire

# Tells a provider that Terraform started it, and not a person.
COOKIE = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
TERRAFORM = "1.13.0"
ERROR = 1


class Refused(Exception):
    """A provider's error, with its message."""


class Inconsistent(Exception):
    """A provider contradicts itself, where Terraform reports a bug in it."""


def _heard(diagnostics):
    """Raises the errors; returns the warnings."""
    wrong = [f"{said.summary}\n{said.detail}" for said in diagnostics if said.severity == ERROR]
    if wrong:
        raise Refused("\n\n".join(wrong))
    return [f"{said.summary}\n{said.detail}" for said in diagnostics]


@dataclass
class Plan:
    """The planned action (`create`, `update`, `replace`, `delete` or `no-op`) and its changes."""

    action: str
    changes: list
    answer: object = field(repr=False, default=None)


class Provider:
    def __init__(self, binary, environment, log):
        environment = environment | {"TF_PLUGIN_MAGIC_COOKIE": COOKIE, "PLUGIN_PROTOCOL_VERSIONS": "5,6"}
        self._log = open(log, "w")
        self._process = subprocess.Popen([binary], env=environment, stdout=subprocess.PIPE, stderr=self._log, text=True)
        greeting = self._process.stdout.readline().strip().split("|")
        assert len(greeting) >= 5 and greeting[4] == "grpc", f"{binary} says {greeting}"
        self.version = int(greeting[1])
        self.wire = Wire(f"{greeting[2]}:{greeting[3]}", self.version)
        self.schemas = self.wire.schemas()
        _heard(self.schemas.diagnostics)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.wire.shut_down()
        except Exception:  # it may end before it responds
            pass
        self.wire.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def configure(self, given):
        block = self.schemas.provider.block
        kind = schema.type_of(block)
        config = self.wire.value(encode(schema.configured(block, given), kind))
        checked = self.wire.validate_provider(config=config)
        _heard(checked.diagnostics)
        if self.version == 5:
            config = checked.prepared_config
        return _heard(self.wire.configure(terraform_version=TERRAFORM, config=config).diagnostics)

    def resource(self, type_name, given):
        return Resource(self, type_name, given)

    def data(self, type_name, given):
        """Reads a data source."""
        block = self.schemas.data_source_schemas[type_name].block
        kind = schema.type_of(block)
        config = self.wire.value(encode(schema.configured(block, given), kind))
        _heard(self.wire.validate_data(type_name=type_name, config=config).diagnostics)
        done = self.wire.read_data(type_name=type_name, config=config)
        _heard(done.diagnostics)
        return plain(decode(done.state.msgpack, kind))


class Resource:
    """A managed resource: its configuration, and its part of the state file."""

    def __init__(self, provider, type_name, given):
        self.provider, self.type_name, self.given = provider, type_name, given
        self._schema = provider.schemas.resource_schemas[type_name]
        self._kind = schema.type_of(self._schema.block)
        self._state, self._private, self._identity = None, b"", None

    @property
    def there(self):
        return self._state is not None

    def __getitem__(self, name):
        return plain(self._state)[name]

    def _packed(self, value):
        return self.provider.wire.value(encode(value, self._kind))

    def _kept(self, value, private, identity):
        self._state, self._private = decode(value.msgpack, self._kind), private
        self._identity = identity if identity.ByteSize() else None

    def refresh(self):
        """Reads the state as from a state file, then the cloud. Returns the differences."""
        if not self.there:
            return []
        wire, before = self.provider.wire, self._state
        raw = wire.raw_state(json.dumps(for_state(self._state, self._kind)).encode())
        upgraded = wire.upgrade(type_name=self.type_name, version=self._schema.version, raw_state=raw)
        _heard(upgraded.diagnostics)
        done = wire.read(
            type_name=self.type_name, current_state=upgraded.upgraded_state, private=self._private,
            current_identity=self._identity,
        )
        _heard(done.diagnostics)
        self._kept(done.new_state, done.private, done.new_identity)
        return differences(before, self._state)

    def plan(self, **changed):
        """Changes the configuration permanently, and plans it against the state."""
        self.given = {key: value for key, value in (self.given | changed).items() if value is not None}
        wire = self.provider.wire
        config = schema.configured(self._schema.block, self.given)
        _heard(wire.validate_resource(type_name=self.type_name, config=self._packed(config)).diagnostics)
        answer = self._ask(self._state, config)
        planned = decode(answer.planned_state.msgpack, self._kind)
        changes = differences(self._state, planned)
        if not self.there:
            return Plan("create", changes, answer)
        if not changes:
            return Plan("no-op", [], answer)
        if not answer.requires_replace:
            return Plan("update", changes, answer)
        return Plan("replace", changes, answer)

    def _ask(self, prior, config):
        answer = self.provider.wire.plan(
            type_name=self.type_name, prior_state=self._packed(prior), config=self._packed(config),
            proposed_new_state=self._packed(schema.proposed(self._schema.block, prior, config)),
            prior_private=self._private if prior is not None else b"", prior_identity=self._identity,
        )
        _heard(answer.diagnostics)
        return answer

    def apply(self, **changed):
        """Plans and applies. Returns the plan."""
        plan = self.plan(**changed)
        if plan.action == "no-op":
            return plan
        config = schema.configured(self._schema.block, self.given)
        answer = plan.answer
        if plan.action == "replace":
            self.destroy()
            answer = self._ask(None, config)
        applied = self.provider.wire.apply(
            type_name=self.type_name, prior_state=self._packed(self._state), planned_state=answer.planned_state,
            config=self._packed(config), planned_private=answer.planned_private,
            planned_identity=answer.planned_identity if answer.planned_identity.ByteSize() else None,
        )
        # What was created before an error stays in the state, so that it can be destroyed.
        self._kept(applied.new_state, applied.private, applied.new_identity)
        _heard(applied.diagnostics)
        if not applied.legacy_type_system:
            self._as_planned(decode(answer.planned_state.msgpack, self._kind))
        return plan

    def _as_planned(self, planned):
        """Raises an error if the provider did not do what it planned, which Terraform reports as a bug."""
        planned, made = plain(planned), plain(self._state)
        broken = [
            found
            for name, value in planned.items()
            for found in differences(value, made[name], name)
            if not found.partition(": ")[2].startswith(repr(UNKNOWN))
        ]
        if broken:
            raise Inconsistent(f"{self.type_name} after apply: {broken}")

    def destroy(self):
        wire, nothing = self.provider.wire, self._packed(None)
        private = self._private
        if self.provider.schemas.server_capabilities.plan_destroy:
            answer = wire.plan(
                type_name=self.type_name, prior_state=self._packed(self._state), proposed_new_state=nothing,
                config=nothing, prior_private=private, prior_identity=self._identity,
            )
            _heard(answer.diagnostics)
            private = answer.planned_private
        applied = wire.apply(
            type_name=self.type_name, prior_state=self._packed(self._state), planned_state=nothing, config=nothing,
            planned_private=private, planned_identity=self._identity,
        )
        _heard(applied.diagnostics)
        self._state = decode(applied.new_state.msgpack, self._kind)
        self._private, self._identity = b"", None

    def imported(self, address):
        """The same configuration, with the state after an import by `address` and a read."""
        other = Resource(self.provider, self.type_name, self.given)
        done = self.provider.wire.import_state(type_name=self.type_name, id=address)
        _heard(done.diagnostics)
        [one] = done.imported_resources
        other._kept(one.state, one.private, one.identity)
        other.refresh()
        return other
