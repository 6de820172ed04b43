"""From a configuration to a plan, and from a plan to what exists: values in, values out."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from standin import azure
from standin.facts import Facts, Values
from standin.schema import Block, Nested, normal, type_of
from standin.wire import UNKNOWN

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """The values a resource will have, and the places whose change makes it a new resource."""

    values: dict[str, Any]
    replace: tuple[Path, ...]


def plan(block: Block, facts: Facts, prior: Values | None, proposed: Values, config: Values) -> Planned:
    """What a resource will be, given what it is, and what Terraform proposes from the configuration."""
    values = copy.deepcopy(dict(proposed))
    _set_defaults(block, facts, values)
    _mark_unknown(block, values, prior)
    for name in facts.computed_blocks:
        if not config.get(name):
            values[name] = UNKNOWN if prior is None else copy.deepcopy(prior.get(name))
    replace = tuple(_replacements(block, facts, prior, values)) if prior is not None else ()
    return Planned(values=values, replace=replace)


def _set_defaults(block: Block, facts: Facts, values: dict[str, Any]) -> None:
    for path, default in facts.defaults.items():
        *blocks, name = path.split(".")
        for holder in _holders(values, blocks):
            if holder.get(name) is None:
                holder[name] = copy.deepcopy(default)


def _holders(values: Any, blocks: list[str]) -> Iterator[dict[str, Any]]:
    """The objects at the end of a path of blocks: none, one or many."""
    if not blocks:
        yield values
        return
    inner = values.get(blocks[0])
    for item in inner if isinstance(inner, list) else [inner]:
        if isinstance(item, dict):
            yield from _holders(item, blocks[1:])


def _mark_unknown(block: Block, values: dict[str, Any], prior: Values | None) -> None:
    """Mark what Azure will answer as unknown, in whatever is new."""
    if prior is None:
        for name, attribute in block.attributes.items():
            if attribute.computed and values.get(name) is None:
                values[name] = UNKNOWN
    for name, nested in block.blocks.items():
        inner = values.get(name)
        if nested.nesting == "list" and isinstance(inner, list):
            old = (prior or {}).get(name) or []
            for index, item in enumerate(inner):
                if isinstance(item, dict):
                    _mark_unknown(nested.block, item, old[index] if index < len(old) else None)
        elif nested.nesting == "set" and isinstance(inner, list):
            for item in inner:
                if isinstance(item, dict):
                    _mark_unknown(nested.block, item, _twin(nested, item, (prior or {}).get(name) or []))


def _twin(nested: Nested, item: Values, old: list[Any]) -> Values | None:
    """The element of a set's prior value that *item* is, judged by what a configuration can say."""

    def said(value: Values) -> Any:
        return {name: value.get(name) for name, attribute in nested.block.attributes.items() if not _answered(attribute)}

    return next((value for value in old if said(value) == said(item)), None)


def _answered(attribute: Any) -> bool:
    return bool(attribute.computed and not attribute.optional)


def _replacements(block: Block, facts: Facts, prior: Values, values: Values) -> Iterator[Path]:
    for path in facts.force_new:
        first, *rest = path.split(".")
        if first in block.attributes:
            if _differ(block.attributes[first].type, prior.get(first), values.get(first)):
                yield (first,)
            continue
        nested = block.blocks[first]
        if not rest:
            kind = type_of(nested.block)
            if nested.nesting != "single":
                kind = [nested.nesting, kind]
            if _differ(kind, prior.get(first), values.get(first)):
                yield (first,)
            continue
        old, new = prior.get(first) or [], values.get(first) or []
        if isinstance(new, list) and len(old) == len(new) and rest[0] in nested.block.attributes:
            for index, (before, after) in enumerate(zip(old, new, strict=True)):
                if _differ(nested.block.attributes[rest[0]].type, before.get(rest[0]), after.get(rest[0])):
                    yield (first, index, rest[0])


def _differ(kind: Any, before: Any, after: Any) -> bool:
    return bool(normal(kind, before) != normal(kind, after))


def apply(block: Block, facts: Facts, planned: Values, subscription: str, identifier: str | None) -> dict[str, Any]:
    """What exists once Azure has done what was planned: unknown values are answered."""
    values = copy.deepcopy(dict(planned))
    known = {name: value for name, value in values.items() if value is not UNKNOWN}
    context = {**known, "subscription": subscription}
    if isinstance(group := known.get("resource_group_name"), str):
        context["group"] = f"/subscriptions/{subscription}/resourceGroups/{group}"
    identifier = identifier or _fill(facts.id, {**context, "uuid": azure.made_up(*_seed(known))})
    context |= {"id": identifier, "uuid": azure.made_up(identifier)}
    values["id"] = identifier
    for name, answer in facts.computed.items():
        *blocks, last = name.split(".")
        for holder in _holders(values, blocks):
            if holder.get(last) is UNKNOWN:
                holder[last] = _fill(answer, {**context, "block": holder, "uuid": azure.made_up(identifier, name)})
    for name, make in facts.computed_blocks.items():
        if values.get(name) is UNKNOWN:
            values[name] = make(context)
    return block.complete(settled(values))


def _seed(values: Values) -> list[str]:
    return [f"{name}={values[name]}" for name in sorted(values)]


def _fill(pattern: str | Callable[[Values], Any], context: Values) -> Any:
    return pattern.format_map(context) if isinstance(pattern, str) else pattern(context)


def settled(value: Any) -> Any:
    """*value* with null wherever it is unknown: nothing was said there, and Azure has no answer."""
    if value is UNKNOWN:
        return None
    if isinstance(value, Mapping):
        return {key: settled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [settled(item) for item in value]
    return value


def mistakes(facts: Facts, values: Values) -> Iterator[tuple[Path, str]]:
    """What azurerm's own validation refuses in the values that are known."""
    for path, allowed in facts.choices.items():
        for where, value in _values(values, path):
            if value not in allowed:
                yield where, f"expected {path} to be one of {_quoted(allowed)}, got {value}"
    for path, (low, high) in facts.ranges.items():
        for where, value in _values(values, path):
            if not low <= value <= high:
                yield where, f"expected {path} to be in the range ({low} - {high}), got {value}"
    for path, (pattern, why) in facts.patterns.items():
        for where, value in _values(values, path):
            if not re.fullmatch(pattern, value):
                yield where, f"{path} {why}, got {value!r}"
    for path, kinds in facts.ids.items():
        wanted = (kinds,) if isinstance(kinds, str) else kinds
        for where, value in _values(values, path):
            kind = azure.kind_of(value)
            if kind is None or ("*" not in wanted and kind.lower() not in {name.lower() for name in wanted}):
                found = f"is of {kind}" if kind else "is no id of a resource"
                yield where, f"parsing {path} {value!r}: expected an id of {_kinds(wanted)}; this {found}"
    for group in facts.exactly_one:
        given = [name for name in group if values.get(name) not in (None, [])]
        if len(given) != 1:
            said = f"`{','.join(given)}` were specified" if given else "none was"
            yield (group[0],), f"one of `{','.join(group)}` must be specified, and exactly one; {said}"
    for group in facts.at_least_one:
        if all(values.get(name) in (None, []) for name in group):
            yield (group[0],), f"one of `{','.join(group)}` must be specified"


def _kinds(wanted: tuple[str, ...]) -> str:
    return " or ".join("any resource" if name == "*" else name for name in wanted)


def _quoted(allowed: tuple[Any, ...]) -> str:
    return "[" + " ".join(f'"{item}"' if isinstance(item, str) else str(item) for item in allowed) + "]"


def _values(values: Values, path: str) -> Iterator[tuple[Path, Any]]:
    """Every known value at *path*, and each element of a list or set of ids there."""
    *blocks, last = path.split(".")
    for holder in _holders(dict(values), blocks):
        value = holder.get(last)
        for item in value if isinstance(value, list) else [value]:
            if item is not None and item is not UNKNOWN:
                yield (blocks[0],) if blocks else (last,), item
