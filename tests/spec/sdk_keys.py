"""Prints, as JSON, the keys that azure-ai-ml's own YAML schemas read, kind by kind: a process of its own, since the SDK
takes seconds to import and warns on the way."""

import importlib
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from marshmallow import fields  # noqa: E402

CONTEXT = {"base_path": Path("."), "params_override": []}


def describe(field: Any, above: tuple[str, ...]) -> Any:
    """A field as plain data: {"record": …}, {"map": …}, {"list": …}, {"enum": […]}, {"any of": […]} or "scalar"."""
    field = getattr(field, "_experimental_field", field)
    members = list(getattr(field, "_union_fields", ()))
    for group in getattr(field, "_type_sensitive_fields_dict", {}).values():
        members += [member for member in group if member not in members]
    if members:
        return {"any of": [describe(member, above) for member in members]}
    if isinstance(field, fields.Nested):
        return record(field.schema, above)
    if isinstance(field, fields.List):
        return {"list": describe(field.inner, above)}
    if isinstance(field, fields.Dict):
        return {"map": describe(field.value_field, above) if field.value_field is not None else "anything"}
    if hasattr(field, "allowed_values"):
        return {"enum": sorted(field.allowed_values)}
    return "scalar"


def record(schema: Any, above: tuple[str, ...] = ()) -> Any:
    name = type(schema).__name__
    if name in above:
        return "again"
    read = {
        field.data_key or key: describe(field, (*above, name))
        for key, field in schema.fields.items()
        if not field.dump_only
    }
    needed = sorted(field.data_key or key for key, field in schema.fields.items() if field.required and not field.dump_only)
    return {"record": read, "required": needed, "open": schema.unknown != "raise", "name": name}


def main() -> None:
    found = {}
    for kind, places in json.loads(sys.argv[1]).items():
        members = []
        for place in places:
            module, name = place.split(":")
            members.append(record(getattr(importlib.import_module(f"azure.ai.ml._schema.{module}"), name)(context=CONTEXT)))
        found[kind] = members
    print(json.dumps(found))


if __name__ == "__main__":
    main()
