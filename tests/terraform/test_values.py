"""Values on Terraform's wire, and what becomes of them when they are planned."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from standin import planning
from standin.facts import Facts
from standin.schema import Block, block_from, normal, type_of
from standin.wire import UNKNOWN, decode, encode, message

STRING = {"type": "string", "optional": True}
NUMBER = {"type": "number", "optional": True}
ANSWER = {"type": "string", "computed": True}


def block(attributes: dict[str, Any], **blocks: Any) -> Block:
    """A block of these attributes; of its *blocks* each is a nesting mode and its own attributes."""
    nested = {name: {"nesting_mode": mode, "block": {"attributes": inner}} for name, (mode, inner) in blocks.items()}
    return block_from({"attributes": attributes, "block_types": nested})


@pytest.mark.parametrize("value", [None, UNKNOWN, "", "x", 0, 1.5, True, [], [UNKNOWN, None], {"a": {"b": UNKNOWN}, "c": None}], ids=repr)
def test_a_value_comes_back_as_it_was_sent(value: Any) -> None:
    assert decode(encode(value)) == value


def test_null_and_unknown_are_two_things() -> None:
    assert encode(None).msgpack == b"\xc0"
    assert encode(UNKNOWN).msgpack == b"\xd4\x00\x00"


def test_an_unknown_value_that_says_something_of_itself_is_unknown_all_the_same() -> None:
    refined = msgpack.packb(msgpack.ExtType(12, msgpack.packb({1: False, 2: "/subscriptions/"})))
    assert decode(message("DynamicValue")(msgpack=refined)) is UNKNOWN


def test_a_value_may_come_as_json_or_not_at_all() -> None:
    assert decode(message("DynamicValue")(json=b'{"a": null}')) == {"a": None}
    assert decode(message("DynamicValue")()) is None


MODES = block({"name": STRING}, one=("single", {"a": STRING}), many=("list", {"a": STRING}), some=("set", {"a": STRING}), named=("map", {"a": STRING}))


def test_a_block_is_completed_in_every_nesting_mode() -> None:
    assert MODES.complete(None) == {"name": None, "one": None, "many": [], "some": [], "named": {}}
    given = {"one": {}, "many": [{}, {"a": "x"}], "some": [UNKNOWN], "named": {"k": {}}, "gone": 1}
    assert MODES.complete(given) == {
        "name": None,
        "one": {"a": None},
        "many": [{"a": None}, {"a": "x"}],
        "some": [UNKNOWN],
        "named": {"k": {"a": None}},
    }
    assert MODES.complete({"many": UNKNOWN})["many"] is UNKNOWN


@pytest.mark.parametrize(
    ("kind", "one", "other", "same"),
    [
        (["set", "string"], ["a", "b"], ["b", "a"], True),
        (["list", "string"], ["a", "b"], ["b", "a"], False),
        ("number", 1, 1.0, True),
        ("number", "1", 1, True),
        ("string", None, "", False),
        ("string", None, UNKNOWN, False),
        (["map", "number"], {"a": 1}, {"a": 1.0}, True),
        (["set", ["object", {"a": "string", "b": ["set", "number"]}]], [{"a": "x", "b": [2, 1]}, {"a": "y", "b": []}], [{"a": "y", "b": []}, {"a": "x", "b": [1, 2]}], True),
    ],
)
def test_equality_is_terraforms(kind: Any, one: Any, other: Any, same: bool) -> None:
    assert (normal(kind, one) == normal(kind, other)) is same


def test_the_type_of_a_block_is_an_object_of_its_attributes_and_blocks() -> None:
    inner = ["object", {"a": "string"}]
    assert type_of(MODES) == ["object", {"name": "string", "one": inner, "many": ["list", inner], "some": ["set", inner], "named": ["map", inner]}]


THING = block({"id": ANSWER, "name": STRING, "size": NUMBER}, part=("list", {"name": STRING, "size": NUMBER, "key": ANSWER}), mark=("set", {"name": STRING, "key": ANSWER}))
FACTS = Facts(id="/things/{name}", force_new=("name", "part.name"), defaults={"size": 3, "part.size": 4}, computed={"part.key": "{uuid}", "mark.key": "{uuid}"})


def proposed(**values: Any) -> dict[str, Any]:
    return THING.complete(values)


def test_a_new_thing_has_its_defaults_and_unknown_answers() -> None:
    said = proposed(name="a", part=[{"name": "p"}, {"name": "q", "size": 1}], mark=[{"name": "m"}])
    planned = planning.plan(THING, FACTS, None, said, said)
    assert planned.values == {
        "id": UNKNOWN,
        "name": "a",
        "size": 3,
        "part": [{"name": "p", "size": 4, "key": UNKNOWN}, {"name": "q", "size": 1, "key": UNKNOWN}],
        "mark": [{"name": "m", "key": UNKNOWN}],
    }
    assert planned.replace == ()


def test_a_null_answer_of_something_old_stays_null_and_what_is_new_in_it_is_unknown() -> None:
    prior = proposed(id="/things/a", name="a", size=3, part=[{"name": "p", "size": 4, "key": None}], mark=[{"name": "m", "key": None}])
    said = proposed(**prior | {"part": [*prior["part"], {"name": "q"}], "mark": [{"name": "n", "key": None}, *prior["mark"]]})
    planned = planning.plan(THING, FACTS, prior, said, said)
    assert [part["key"] for part in planned.values["part"]] == [None, UNKNOWN]
    assert {mark["name"]: mark["key"] for mark in planned.values["mark"]} == {"m": None, "n": UNKNOWN}


def test_a_list_of_blocks_that_is_not_known_yet_stays_so() -> None:
    said = proposed(name="a") | {"part": UNKNOWN}
    assert planning.plan(THING, FACTS, None, said, said).values["part"] is UNKNOWN


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"name": "b"}, [("name",)]),
        ({"name": UNKNOWN}, [("name",)]),
        ({"size": 9}, []),
        ({"part": [{"name": "z", "size": 4, "key": "k"}]}, [("part", 0, "name")]),
        ({"part": [{"name": "p", "size": 9, "key": "k"}]}, []),
    ],
)
def test_a_change_of_what_forces_a_new_thing_is_told_with_its_place(change: dict[str, Any], paths: list[Any]) -> None:
    prior = proposed(id="/things/a", name="a", size=3, part=[{"name": "p", "size": 4, "key": "k"}])
    said = prior | change
    assert list(planning.plan(THING, FACTS, prior, said, said).replace) == paths


def test_applying_answers_what_was_unknown_and_makes_null_of_the_rest() -> None:
    said = proposed(name="a", part=[{"name": "p"}])
    planned = planning.plan(THING, FACTS, None, said, said).values | {"size": UNKNOWN}
    made = planning.apply(THING, FACTS, planned, "subscription", None)
    assert made["id"] == "/things/a"
    assert made["size"] is None
    assert made["part"][0]["key"] == planning.apply(THING, FACTS, planned, "subscription", None)["part"][0]["key"]
