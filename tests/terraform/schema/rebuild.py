"""Rebuild azurerm's provider schema, for the resources that the stages may use, from a package that PyPI has.

cdktn-provider-azurerm is generated from the provider's own schema. Its wheel holds the generated JavaScript, and that says
of every attribute whether it is computed, optional or required, of which type it is, and whether it is a block. So the
schema can be rebuilt without the Terraform registry. What the generator drops cannot: sensitive and deprecated flags,
limits of a block other than "at least one" and "at most one", defaults, what forces a new resource, and validation. The
stand-in's ``facts`` bring back those that matter here.

    python tests/terraform/schema/rebuild.py            # downloads the wheel, rewrites azurerm.schema.json.gz
    python tests/terraform/schema/rebuild.py --wheel FILE --output FILE

The result has the shape of ``terraform providers schema -json``.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = "cdktn-provider-azurerm"
PACKAGE_VERSION = "18.9.0"
ADDRESS = "registry.terraform.io/hashicorp/azurerm"
HERE = Path(__file__).resolve().parent
SCHEMA = HERE / "azurerm.schema.json.gz"

RESOURCES = (
    "application_insights",
    "application_insights_smart_detection_rule",
    "consumption_budget_resource_group",
    "consumption_budget_subscription",
    "container_registry",
    "federated_identity_credential",
    "key_vault",
    "key_vault_key",
    "log_analytics_workspace",
    "machine_learning_compute_cluster",
    "machine_learning_compute_instance",
    "machine_learning_datastore_blobstorage",
    "machine_learning_datastore_datalake_gen2",
    "machine_learning_datastore_fileshare",
    "machine_learning_inference_cluster",
    "machine_learning_synapse_spark",
    "machine_learning_workspace",
    "machine_learning_workspace_network_outbound_rule_fqdn",
    "machine_learning_workspace_network_outbound_rule_private_endpoint",
    "machine_learning_workspace_network_outbound_rule_service_tag",
    "management_lock",
    "monitor_action_group",
    "monitor_activity_log_alert",
    "monitor_diagnostic_setting",
    "monitor_metric_alert",
    "monitor_scheduled_query_rules_alert_v2",
    "network_security_group",
    "network_security_rule",
    "private_dns_a_record",
    "private_dns_zone",
    "private_dns_zone_virtual_network_link",
    "private_endpoint",
    "resource_group",
    "resource_group_policy_assignment",
    "resource_provider_registration",
    "role_assignment",
    "role_definition",
    "storage_account",
    "storage_container",
    "storage_management_policy",
    "storage_share",
    "subnet",
    "subnet_network_security_group_association",
    "user_assigned_identity",
    "virtual_network",
)

DATA_SOURCES = (
    "application_insights",
    "client_config",
    "consumption_budget_resource_group",
    "container_registry",
    "key_vault",
    "log_analytics_workspace",
    "machine_learning_workspace",
    "monitor_action_group",
    "private_dns_zone",
    "private_dns_zone_virtual_network_link",
    "resource_group",
    "role_definition",
    "storage_account",
    "storage_container",
    "storage_management_policy",
    "subnet",
    "subscription",
    "user_assigned_identity",
    "virtual_network",
)

_CLASS = re.compile(r"^class (\w+) extends [\w.]+ \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_MEMBER = re.compile(
    r"// (?P<name>\w+) - computed: (?P<computed>\w+), optional: (?P<optional>\w+), required: (?P<required>\w+)\n"
    r"\s+(?:_\w+ = new (?P<new>[\w.]+)\(this, \"\w+\"(?:, (?P<set>true|false))?\);"
    r"|(?:_\w+;\n\s+)?(?:/\*\*\n(?:\s+\*[^\n]*\n)+?\s+)?get \w+\(\) \{\n\s+return (?P<getter>[^;]+);)"
)
# the mapper's second argument says whether a list of objects is written as blocks or as an attribute
_MAPPER = re.compile(r"^\s+(\w+): cdktn\.listMapper\(\w+, (true|false)\)\(", re.MULTILINE)
_INPUT = re.compile(
    r"^\s+(?P<name>\w+): \{\n\s+value: .+,\n\s+isBlock: (?P<block>true|false),\n\s+type: \"(?P<type>\w+)\",\n"
    r"\s+storageClassType: \"(?P<storage>\w+)\",\n",
    re.MULTILINE,
)
_VERSION = re.compile(r"providerVersion: '([\d.]+)'")

_GETTERS = {
    "this.getStringAttribute": "string",
    "this.getNumberAttribute": "number",
    "this.getBooleanAttribute": "bool",
    "this.getListAttribute": ["list", "string"],
    "this.getNumberListAttribute": ["list", "number"],
    "this.getStringMapAttribute": ["map", "string"],
    "cdktn.Fn.tolist(this.getListAttribute": ["set", "string"],
    "cdktn.Token.asNumberList(cdktn.Fn.tolist(this.getNumberListAttribute": ["set", "number"],
}
_STORED = {
    ("simple", "string"): "string",
    ("simple", "boolean"): "bool",
    ("simple", "number"): "number",
    ("list", "stringList"): ["list", "string"],
    ("set", "stringList"): ["set", "string"],
    ("map", "stringMap"): ["map", "string"],
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Member:
    """One attribute or block of a class, as its comment and its getter say."""

    name: str
    flags: Mapping[str, bool]
    getter: str | None
    inner: str | None
    is_set: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """One resource's generated file."""

    classes: Mapping[str, tuple[_Member, ...]]
    inputs: Mapping[str, Mapping[str, tuple[str, str]]]
    as_attribute: Mapping[str, frozenset[str]]
    version: str


def parse(javascript: str) -> _Source:
    """What a generated file says of every class in it."""
    classes = {name: tuple(_members(body)) for name, body in _CLASS.findall(javascript)}
    inputs: dict[str, Mapping[str, tuple[str, str]]] = {}
    as_attribute: dict[str, frozenset[str]] = {}
    functions = re.findall(r"^function (\w+)ToTerraform\(\w+\) \{\n(.*?)^\}", javascript, re.MULTILINE | re.DOTALL)
    hcl = re.findall(r"^function (\w+)ToHclTerraform\(\w+\) \{\n(.*?)^\}", javascript, re.MULTILINE | re.DOTALL)
    bodies = [(name[0].upper() + name[1:], body) for name, body in functions + hcl]
    bodies += [(name, body) for name, body in _CLASS.findall(javascript) if "synthesizeAttributes()" in body]
    for name, body in bodies:
        found = {match["name"]: (match["type"], match["storage"]) for match in _INPUT.finditer(body)}
        inputs[name] = {**inputs.get(name, {}), **found}
        attributes = frozenset(key for key, block in _MAPPER.findall(body) if block == "false")
        as_attribute[name] = as_attribute.get(name, frozenset()) | attributes
    version = _VERSION.search(javascript)
    return _Source(classes=classes, inputs=inputs, as_attribute=as_attribute, version=version[1] if version else "")


def _members(body: str) -> Iterator[_Member]:
    for match in _MEMBER.finditer(body):
        held = re.fullmatch(r"this\._(\w+)", match["getter"] or "")
        block = held and re.search(rf"cdktn\.listMapper\((\w+)ToTerraform, true\)\(this\._{held[1]}\)", body)
        flags = {flag: True for flag in ("required", "optional", "computed") if match[flag] == "true"}
        if f"{match['name']}: this.markWriteOnlyAttribute(" in body:
            flags["write_only"] = True
        yield _Member(
            name=match["name"],
            flags=flags,
            getter=match["getter"],
            inner=f"{block[1][0].upper()}{block[1][1:]}List" if block else match["new"],
            is_set=match["set"] == "true",
        )


def block_of(source: _Source, name: str) -> dict[str, Any]:
    """The block schema of class *name*: a resource, or the struct of a nested block."""
    attributes: dict[str, Any] = {}
    blocks: dict[str, Any] = {}
    members = source.classes.get(name) or source.classes.get(f"{name}OutputReference") or _settings(source, name)
    for member in members:
        if member.inner is None or member.inner.startswith("cdktn."):
            attributes[member.name] = {**member.flags, "type": _type(source, name, member)}
            continue
        inner = re.sub(r"(List|OutputReference)$", "", member.inner)
        if member.name not in source.inputs.get(name, {}) or member.name in source.as_attribute.get(name, ()):
            kind = "set" if _is_set(source, name, member) else "list"
            attributes[member.name] = {**member.flags, "type": [kind, ["object", _object(source, inner)]]}
        else:
            blocks[member.name] = _nested(source, name, member, inner)
    block = {"attributes": attributes, "block_types": blocks}
    return {key: dict(sorted(value.items())) for key, value in block.items() if value}


def _settings(source: _Source, name: str) -> Iterator[_Member]:
    """The members of a struct inside the provider block, which has no class of its own: all of them are optional."""
    for key, (_, storage) in source.inputs[name].items():
        inner = storage if storage.startswith(name) else None
        yield _Member(name=key, flags={"optional": True}, getter=None, inner=inner, is_set=False)


def _nested(source: _Source, owner: str, member: _Member, inner: str) -> dict[str, Any]:
    kind, _ = source.inputs[owner][member.name]
    nested: dict[str, Any] = {"nesting_mode": "single" if kind == "struct" else kind, "block": block_of(source, inner)}
    if kind != "struct":
        if member.flags.get("required"):
            nested["min_items"] = 1
        if not (member.inner or "").endswith("List"):
            nested["max_items"] = 1
    return nested


def _is_set(source: _Source, owner: str, member: _Member) -> bool:
    kind, _ = source.inputs.get(owner, {}).get(member.name, ("set" if member.is_set else "list", ""))
    return kind == "set"


def _object(source: _Source, name: str) -> dict[str, Any]:
    """The object type of an attribute that holds objects: blocks inside it are types, too."""
    block = block_of(source, name)
    types = {key: value["type"] for key, value in block.get("attributes", {}).items()}
    for key, nested in block.get("block_types", {}).items():
        types[key] = [nested["nesting_mode"], ["object", _object_of(nested["block"])]]
    return dict(sorted(types.items()))


def _object_of(block: Mapping[str, Any]) -> dict[str, Any]:
    types = {key: value["type"] for key, value in block.get("attributes", {}).items()}
    for key, nested in block.get("block_types", {}).items():
        types[key] = [nested["nesting_mode"], ["object", _object_of(nested["block"])]]
    return dict(sorted(types.items()))


def _type(source: _Source, owner: str, member: _Member) -> Any:
    if member.inner == "cdktn.StringMap":
        return ["map", "string"]
    getter = re.sub(r"\('\w+'\)+$", "", member.getter or "")
    if getter in _GETTERS:
        return _GETTERS[getter]
    stored = _STORED.get(source.inputs.get(owner, {}).get(member.name, ("", "")))
    if stored is None:
        raise ValueError(f"{owner}.{member.name}: unknown form {member.inner or member.getter!r}; teach rebuild.py about it")
    return stored


def schema_of(javascript: str) -> dict[str, Any]:
    """The schema of the one resource, data source or provider that a generated file is about."""
    source = parse(javascript)
    (name,) = (name for name, body in _CLASS.findall(javascript) if "synthesizeAttributes()" in body)
    block = block_of(source, name)
    if name.endswith("Provider"):
        del block["attributes"]["alias"]  # Terraform's own, in every provider block
    return {"version": 0, "block": block}


def rebuild(wheel: Path) -> dict[str, Any]:
    """The schema of everything listed above, from a wheel of cdktn-provider-azurerm."""
    with zipfile.ZipFile(wheel) as archive:
        (inner,) = (name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        packed = archive.read(inner)
    wanted = {f"package/lib/{name.replace('_', '-')}/index.js": ("resource_schemas", f"azurerm_{name}") for name in RESOURCES}
    wanted |= {
        f"package/lib/data-azurerm-{name.replace('_', '-')}/index.js": ("data_source_schemas", f"azurerm_{name}")
        for name in DATA_SOURCES
    }
    wanted["package/lib/provider/index.js"] = ("provider", "azurerm")
    schemas: dict[str, Any] = {"resource_schemas": {}, "data_source_schemas": {}}
    version = ""
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        for entry in files:
            if (place := wanted.pop(entry.name, None)) is None:
                continue
            content = files.extractfile(entry)
            javascript = content.read().decode() if content else ""
            kind, name = place
            version = version or parse(javascript).version
            if kind == "provider":
                schemas["provider"] = schema_of(javascript)
            else:
                schemas[kind][name] = schema_of(javascript)
    if wanted:
        raise SystemExit(f"{wheel.name} has no {', '.join(sorted(wanted))}")
    ordered = {key: dict(sorted(value.items())) if key != "provider" else value for key, value in sorted(schemas.items())}
    return {
        "format_version": "1.0",
        "source": f"{PACKAGE} {wheel.name.split('-')[1]} on PyPI, generated from hashicorp/azurerm {version}; MPL-2.0",
        "version": version,
        "provider_schemas": {ADDRESS: ordered},
    }


def write(schema: Mapping[str, Any], path: Path) -> None:
    """Write *schema* so that equal schemas are equal files."""
    text = json.dumps(schema, separators=(",", ":")).encode()
    path.write_bytes(gzip.compress(text, mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description="Rebuild the azurerm schema that the Terraform tests use.")
    parser.add_argument("--wheel", type=Path, help=f"a wheel of {PACKAGE}; downloaded with pip unless given")
    parser.add_argument("--output", type=Path, default=SCHEMA)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = given.wheel
        if wheel is None:
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, f"{PACKAGE}=={PACKAGE_VERSION}"]
            subprocess.run(pip, check=True)
            (wheel,) = Path(folder).glob("*.whl")
        schema = rebuild(wheel)
    write(schema, given.output)
    found = schema["provider_schemas"][ADDRESS]
    print(
        f"{given.output}: azurerm {schema['version']}, {len(found['resource_schemas'])} resources,"
        f" {len(found['data_source_schemas'])} data sources"
    )


if __name__ == "__main__":
    main()
