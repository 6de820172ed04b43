"""The provider's schema: what a block holds, how values of it compare, and how it is told to Terraform."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from standin.wire import UNKNOWN, message

FILE = Path(__file__).resolve().parent.parent / "schema" / "azurerm.schema.json.gz"
ADDRESS = "registry.terraform.io/hashicorp/azurerm"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """One argument or computed value of a block."""

    type: Any
    required: bool = False
    optional: bool = False
    computed: bool = False
    sensitive: bool = False
    write_only: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Nested:
    """A kind of block inside a block; *nesting* is ``single``, ``list``, ``set`` or ``map``."""

    nesting: str
    block: Block
    min_items: int = 0
    max_items: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """What a resource, a data source, the provider or a nested block may say."""

    attributes: Mapping[str, Attribute]
    blocks: Mapping[str, Nested]

    def complete(self, value: Mapping[str, Any] | None) -> dict[str, Any]:
        """*value* with every key that Terraform expects, and none that it does not know."""
        value = value or {}
        whole: dict[str, Any] = {name: value.get(name) for name in self.attributes}
        for name, nested in self.blocks.items():
            whole[name] = _complete(nested, value.get(name))
        return whole


def _complete(nested: Nested, value: Any) -> Any:
    if value is UNKNOWN:
        return value
    if nested.nesting == "single":
        return None if value is None else nested.block.complete(value)
    if nested.nesting == "map":
        return {key: nested.block.complete(item) for key, item in (value or {}).items()}
    return [item if item is UNKNOWN else nested.block.complete(item) for item in value or ()]


def block_from(document: Mapping[str, Any]) -> Block:
    """A block as ``terraform providers schema -json`` writes it."""
    return Block(
        attributes={name: Attribute(**attribute) for name, attribute in document.get("attributes", {}).items()},
        blocks={
            name: Nested(
                nesting=nested["nesting_mode"],
                block=block_from(nested["block"]),
                min_items=nested.get("min_items", 0),
                max_items=nested.get("max_items", 0),
            )
            for name, nested in document.get("block_types", {}).items()
        },
    )


def type_of(block: Block) -> Any:
    """The type of *block*'s values, as Terraform writes types."""
    fields = {name: attribute.type for name, attribute in block.attributes.items()}
    for name, nested in block.blocks.items():
        inner = type_of(nested.block)
        fields[name] = inner if nested.nesting == "single" else [nested.nesting, inner]
    return ["object", fields]


def normal(kind: Any, value: Any) -> Any:
    """*value* in a form in which equal values of type *kind* are equal: sets in order, numbers as numbers."""
    if value is None or value is UNKNOWN:
        return value
    if kind == "number":
        return float(value)
    if isinstance(kind, str):
        return value
    name, inner = kind
    if name == "object":
        return {key: normal(inner[key], value.get(key)) for key in inner}
    if name == "map":
        return {key: normal(inner, item) for key, item in value.items()}
    items = [normal(inner, item) for item in value]
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=repr)) if name == "set" else items


def unknowns(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where *value* is not known yet."""
    if value is UNKNOWN:
        yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from unknowns(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknowns(item, (*path, index))


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderSchema:
    """Everything the provider declares."""

    version: str
    provider: Block
    resources: Mapping[str, Block]
    data_sources: Mapping[str, Block]


@cache
def load(file: Path = FILE) -> ProviderSchema:
    """Read the schema that ``tests/terraform/schema/rebuild.py`` wrote."""
    document = json.loads(gzip.decompress(file.read_bytes()))
    schemas = document["provider_schemas"][ADDRESS]
    return ProviderSchema(
        version=document["version"],
        provider=block_from(schemas["provider"]["block"]),
        resources={name: block_from(schema["block"]) for name, schema in schemas["resource_schemas"].items()},
        data_sources={name: block_from(schema["block"]) for name, schema in schemas["data_source_schemas"].items()},
    )


def to_message(block: Block, sensitive: frozenset[str] = frozenset()) -> Any:
    """*block* as Terraform is told of it; *sensitive* names attributes, those in nested blocks with dots."""
    return message("Schema")(version=0, block=_block_message(block, sensitive, ""))


def _block_message(block: Block, sensitive: frozenset[str], prefix: str) -> Any:
    told = message("Schema.Block")()
    for name, attribute in block.attributes.items():
        told.attributes.add(
            name=name,
            type=json.dumps(attribute.type).encode(),
            required=attribute.required,
            optional=attribute.optional,
            computed=attribute.computed,
            sensitive=attribute.sensitive or f"{prefix}{name}" in sensitive,
            write_only=attribute.write_only,
        )
    for name, nested in block.blocks.items():
        told.block_types.add(
            type_name=name,
            block=_block_message(nested.block, sensitive, f"{prefix}{name}."),
            nesting=nested.nesting.upper(),
            min_items=nested.min_items,
            max_items=nested.max_items,
        )
    return told
