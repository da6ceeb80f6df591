"""Terraform's plug-in protocol, versions 5 and 6: gRPC over a socket of this machine.

A table of field numbers lists only what is needed here. Other fields are skipped, as protocol buffers allow.
"""

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Message: field name, type, number; "*" marks a repeated field, "map" one from strings.
MESSAGES = """
Empty
Value: msgpack bytes 1, json bytes 2
Step: attribute_name string 1, element_key_string string 2, element_key_int int64 3
Path: steps *Step 1
Diagnostic: severity int32 1, summary string 2, detail string 3, attribute Path 4
Attribute5: name string 1, type bytes 2, required bool 4, optional bool 5, computed bool 6, write_only bool 10
Attribute6: name string 1, type bytes 2, required bool 4, optional bool 5, computed bool 6, nested_type Nested 10, write_only bool 11
Nested: attributes *Attribute 1, nesting int32 3
Block: version int64 1, attributes *Attribute 2, block_types *NestedBlock 3
NestedBlock: type_name string 1, block Block 2, nesting int32 3, min_items int64 4, max_items int64 5
Schema: version int64 1, block Block 2
Capabilities: plan_destroy bool 1
Schemas: provider Schema 1, resource_schemas map:Schema 2, data_source_schemas map:Schema 3, diagnostics *Diagnostic 4, server_capabilities Capabilities 6
Config: config Value 1
Prepared: prepared_config Value 1, diagnostics *Diagnostic 2
Validated: diagnostics *Diagnostic 2
Configure: terraform_version string 1, config Value 2
Said: diagnostics *Diagnostic 1
TypeConfig: type_name string 1, config Value 2
Identity: identity_data Value 1
RawState: json bytes 1
Upgrade: type_name string 1, version int64 2, raw_state RawState 3
Upgraded: upgraded_state Value 1, diagnostics *Diagnostic 2
Read: type_name string 1, current_state Value 2, private bytes 3, current_identity Identity 6
ReadDone: new_state Value 1, diagnostics *Diagnostic 2, private bytes 3, new_identity Identity 5
Plan: type_name string 1, prior_state Value 2, proposed_new_state Value 3, config Value 4, prior_private bytes 5, prior_identity Identity 8
Planned: planned_state Value 1, requires_replace *Path 2, planned_private bytes 3, diagnostics *Diagnostic 4, legacy_type_system bool 5, planned_identity Identity 7
Apply: type_name string 1, prior_state Value 2, planned_state Value 3, config Value 4, planned_private bytes 5, planned_identity Identity 7
Applied: new_state Value 1, private bytes 2, diagnostics *Diagnostic 3, legacy_type_system bool 4, new_identity Identity 5
Import: type_name string 1, id string 2
ImportedResource: type_name string 1, state Value 2, private bytes 3, identity Identity 4
Imported: imported_resources *ImportedResource 1, diagnostics *Diagnostic 2
ReadData: type_name string 1, config Value 2
ReadDataDone: state Value 1, diagnostics *Diagnostic 2
"""

# The calls: name in versions 5 and 6, request message, response message.
CALLS = {
    "schemas": ("GetSchema", "GetProviderSchema", "Empty", "Schemas"),
    "validate_provider": ("PrepareProviderConfig", "ValidateProviderConfig", "Config", ("Prepared", "Validated")),
    "validate_resource": ("ValidateResourceTypeConfig", "ValidateResourceConfig", "TypeConfig", "Said"),
    "validate_data": ("ValidateDataSourceConfig", "ValidateDataResourceConfig", "TypeConfig", "Said"),
    "configure": ("Configure", "ConfigureProvider", "Configure", "Said"),
    "upgrade": ("UpgradeResourceState", "UpgradeResourceState", "Upgrade", "Upgraded"),
    "read": ("ReadResource", "ReadResource", "Read", "ReadDone"),
    "plan": ("PlanResourceChange", "PlanResourceChange", "Plan", "Planned"),
    "apply": ("ApplyResourceChange", "ApplyResourceChange", "Apply", "Applied"),
    "import_state": ("ImportResourceState", "ImportResourceState", "Import", "Imported"),
    "read_data": ("ReadDataSource", "ReadDataSource", "ReadData", "ReadDataDone"),
}

SCALARS = {"bytes": 12, "string": 9, "bool": 8, "int32": 5, "int64": 3}
OPTIONAL, REPEATED, MESSAGE = 1, 3, 11


def messages(version):
    """The classes of one version of the protocol, by name."""
    # `proto2` records for every field whether it was set; the bytes are the same.
    file = descriptor_pb2.FileDescriptorProto(name=f"plugin{version}", package=f"plugin{version}", syntax="proto2")
    for line in MESSAGES.strip().splitlines():
        name, _, fields = line.partition(": ")
        if name.startswith("Attribute"):
            if name != f"Attribute{version}":
                continue
            name = "Attribute"
        message = file.message_type.add(name=name)
        for field in filter(None, fields.split(", ")):
            label, kind, number = field.split(" ")
            if kind.startswith("map:"):
                # A map is a repeated message of key and value; its entry is one of the messages inside.
                entry = message.nested_type.add(name="".join(part.title() for part in label.split("_")) + "Entry")
                entry.options.map_entry = True
                entry.field.add(name="key", number=1, label=OPTIONAL, type=SCALARS["string"])
                value = f".{file.package}.{kind.removeprefix('map:')}"
                entry.field.add(name="value", number=2, label=OPTIONAL, type=MESSAGE, type_name=value)
                kind, repeated = f"{name}.{entry.name}", True
            else:
                kind, repeated = kind.removeprefix("*"), kind.startswith("*")
            made = message.field.add(name=label, number=int(number), label=REPEATED if repeated else OPTIONAL)
            if kind in SCALARS:
                made.type = SCALARS[kind]
            else:
                made.type, made.type_name = MESSAGE, f".{file.package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = [message.name for message in file.message_type]
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}")) for name in names}


class Wire:
    """One provider's calls as methods; each takes the fields of its request."""

    def __init__(self, address, version):
        # No limit: a schema is large.
        limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(address, options=limits)
        self.messages = messages(version)
        for name, (five, six, takes, gives) in CALLS.items():
            gives = gives if isinstance(gives, str) else gives[version - 5]
            setattr(self, name, self._call(f"/tfplugin{version}.Provider/{five if version == 5 else six}", takes, gives))
        self.shut_down = self._call("/plugin.GRPCController/Shutdown", "Empty", "Empty")

    def _call(self, path, takes, gives):
        request, answer = self.messages[takes], self.messages[gives]
        call = self._channel.unary_unary(path, request.SerializeToString, answer.FromString)
        return lambda **fields: call(request(**fields))

    def value(self, msgpack):
        return self.messages["Value"](msgpack=msgpack)

    def raw_state(self, text):
        return self.messages["RawState"](json=text)

    def close(self):
        self._channel.close()
