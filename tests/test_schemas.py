"""The JSON Schemas judge as the tables of keys do, on documents of every kind and on what becomes of them by mutation."""

import copy
import datetime
import importlib.util
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_lib.document import parse, plain, unparse
from mlops_lib.errors import CompileError
from mlops_lib.schemas import SCHEMAS, json_schema
from mlops_lib.settings import SHAPE
from mlops_lib.spec import KINDS, Report, Shape

_there = Path(__file__).parent / "spec" / "test_definitions.py"
_found = importlib.util.spec_from_file_location("documents_of_every_kind", _there)
assert _found is not None
assert _found.loader is not None
_module = importlib.util.module_from_spec(_found)
_found.loader.exec_module(_module)
DOCUMENTS: dict[str, st.SearchStrategy[Any]] = {
    kind.replace(" ", "-").replace("_", "-"): strategy for kind, strategy in _module.DOCUMENTS.items()
} | {"settings": st.just({"experiment": "x", "inputs": {"raw": "data"}, "limits": {"snapshot_files": 3}})}
SHAPES: dict[str, Shape] = {kind.replace(" ", "-").replace("_", "-"): shape for kind, shape in KINDS.items()} | {"settings": SHAPE}
VALIDATORS = {kind: jsonschema.Draft202012Validator(json_schema(kind)) for kind in SCHEMAS}
# What a leaf may become; texts with a hole, words of other keys, other types.
OTHERS = ["", "x", "azureml:x:1", "${{parent.inputs.x}}", 0, 1, -3, 2.5, True, None, [], {}, ["a"], {"a": 1}, "3", "yes", "Uri_File"]
KEYS = ["type", "name", "inputs", "path", "mode", "limits", "environmnt", "jobs", "0x", "a b", "version", "default"]


def mutated(document: Any, chance: random.Random) -> Any:
    """*document* with one thing changed: a value, a key, or something more or less."""
    document = copy.deepcopy(document)
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            places.append((value, key))
            collect(inner)

    collect(document)
    if not places:
        return document
    parent, key = chance.choice(places)
    what = chance.choice(["value", "drop", "add", "rename"])
    if what == "value" or isinstance(parent, list):
        parent[key] = chance.choice(OTHERS)
    elif what == "drop":
        del parent[key]
    elif what == "add":
        parent[chance.choice(KEYS)] = chance.choice(OTHERS)
    else:
        parent[chance.choice(KEYS)] = parent.pop(key)
    return document


def dated(value: Any) -> bool:
    """Whether a document holds a date, which JSON does not know."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, datetime.date) or any(map(dated, inner))


def test_there_is_a_schema_for_every_kind_and_each_is_valid() -> None:
    assert set(SCHEMAS) == set(DOCUMENTS) == set(SHAPES)
    for kind in SCHEMAS:
        jsonschema.Draft202012Validator.check_schema(json_schema(kind))


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_accepts_and_refuses_what_the_compiler_does(kind: str) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(DOCUMENTS[kind], st.randoms(use_true_random=False))
    def check(document: Any, chance: random.Random) -> None:
        for candidate in (document, mutated(document, chance), mutated(mutated(document, chance), chance)):
            try:
                value = parse(unparse(candidate), "f.yml")
            except CompileError:
                return
            report = Report()
            SHAPES[kind].check(value, report, "")
            data = plain(value)
            if dated(data):
                continue
            assert VALIDATORS[kind].is_valid(data) == (not report.findings), f"{candidate}\n{report.findings}"

    check()
