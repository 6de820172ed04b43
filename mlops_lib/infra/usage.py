"""What files name of a stage: its computes, datastores and endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..document import Items, Table, Value
from .contract import Used

_DATASTORE = re.compile(r"azureml://(?:subscriptions/[^ ]+/)?datastores/([A-Za-z0-9_-]+)(?:/|$)")
_NAMED_IN = {"compute": "compute", "default_compute": "compute", "default_datastore": "datastore", "datastore": "datastore"}


def used_in(files: Iterable[Value | Exception]) -> list[Used]:
    """The computes, datastores and endpoints that files name; of those that could be read."""
    return [used for value in files if isinstance(value, Table) for used in _used(value, "")]


def _used(value: Value, key: str) -> Iterator[Used]:
    if isinstance(value, Table):
        for inner_key, inner in value.entries.items():
            yield from _used(inner, inner_key)
    elif isinstance(value, Items):
        for inner in value.items:
            yield from _used(inner, key)
    elif isinstance(value.value, str):
        text = value.value
        kind = _NAMED_IN.get(key)
        if kind is not None and text.startswith("azureml:") and "${{" not in text and "/" not in text:
            yield Used(kind, text.removeprefix("azureml:"), value.place)
        elif match := _DATASTORE.match(text):
            yield Used("datastore", match[1], value.place)
        elif key == "endpoint_name":
            yield Used("endpoint", text, value.place)
