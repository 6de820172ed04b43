"""What our modules refuse and how that reads: every example of their refusals.tftest.hcl, refused together.

One root calls each module once an example, so that one run of Terraform says it all. As a program it writes the page that
the answers make: ``python tests/terraform/refusals.py``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2
from roots import TREE, Bench, bench
from standin.runner import Root, copy

PAGE = Path(__file__).resolve().parents[2] / "docs" / "terraform-refusals.md"
MODULES = sorted(str(path.parents[1].relative_to(TREE)) for path in TREE.rglob("tests/refusals.tftest.hcl"))
HEAD = """\
# What Terraform refuses here

What Azure or azurerm would refuse late, half way through an apply, is refused when it is planned. This is each rule of each module
once: a mistake, and what is said of it. The mistakes are the examples in the modules' `tests/refusals.tftest.hcl`.

This page is written by `python tests/terraform/refusals.py`.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A mistake: what it changes in the variables with which a module is content, and which object refuses it."""

    module: str
    name: str
    given: Mapping[str, Any]
    changed: tuple[str, ...]
    by: str

    @property
    def key(self) -> str:
        return f"{self.module.rsplit('/', 1)[-1]}__{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """What Terraform says of an example, and where the rule stands that says it."""

    said: str
    rule: str


def examples(module: str) -> list[Example]:
    """The examples of a module, in the order in which they are written."""
    document = hcl2.loads((TREE / module / "tests" / "refusals.tftest.hcl").read_text(encoding="utf-8"))
    content = _values(document["variables"][0])
    found = []
    for block in document["run"]:
        for name, run in block.items():
            if not name.startswith("__"):
                changed = _values(run["variables"][0])
                (by,) = run["expect_failures"]
                found.append(
                    Example(
                        module=module,
                        name=name.strip('"'),
                        given={**content, **changed},
                        changed=tuple(changed),
                        by=by.removeprefix("${").removesuffix("}"),
                    )
                )
    return found


def _values(value: Any) -> Any:
    """Plain data from the parser's: texts without their quotes, blocks without what is said about them."""
    if isinstance(value, dict):
        return {_values(key): _values(inner) for key, inner in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [_values(inner) for inner in value]
    if isinstance(value, str) and value[:1] == value[-1:] == '"':
        return json.loads(value)
    return value


def refusals(bench: Bench) -> dict[str, list[Refusal]]:
    """What is said of each example of each module, by its key."""
    every = [example for module in MODULES for example in examples(module)]
    found: dict[str, list[Refusal]] = {example.key: [] for example in every}
    variables = [example for example in every if example.by.startswith("var.")]
    for error in json.loads(calling(bench, variables).run("validate", "-json", codes=(1,)))["diagnostics"]:
        _add(error, found)
    # a rule that looks at two variables is not known without a plan, which takes longer: only for those that need it
    for error in _planned(calling(bench, [example for example in variables if not found[example.key]])):
        _add(error, found)
    # of what a precondition refuses Terraform says the module's file, and not which call of it is meant: one by one
    for example in every:
        if example not in variables:
            for error in _planned(calling(bench, [example])):
                where = error["range"]
                found[example.key].append(_refusal(error["detail"], where["filename"], where["start"]["line"]))
    return found


def _planned(root: Root) -> Iterator[Mapping[str, Any]]:
    for line in root.run("plan", "-json", "-lock=false", codes=(1,)).splitlines():
        if error := json.loads(line).get("diagnostic"):
            yield error


def _add(error: Mapping[str, Any], found: Mapping[str, list[Refusal]]) -> None:
    """Keep what a rule of a variable says: each call is in a file of its own, which the error names."""
    said, _, rule = error["detail"].partition("\n\nThis was checked by the validation rule at ")
    path, _, place = rule.partition(":")
    if rule:  # whatever else a plan says follows from the same mistake
        found[error["range"]["filename"].removesuffix(".tf.json")].append(_refusal(said, path, place.split(",")[0]))


def calling(bench: Bench, wanted: Iterable[Example]) -> Root:
    """A root that calls a module for each example, in a file that is called as the example is."""
    place = copy(TREE, bench.folder / f"refusals{len(bench.started)}", "stages/dev").parent / "refusals"
    place.mkdir()
    (place / "provider.tf").write_text('provider "azurerm" {\n  features {}\n}\n')
    for example in wanted:
        call(place, example)
    return bench.open(place)


def call(folder: Path, example: Example) -> None:
    """Write the file in which a root in *folder* calls the module of *example*."""
    told = {"source": f"../../{example.module}", **example.given}
    (folder / f"{example.key}.tf.json").write_text(json.dumps({"module": {example.key: told}}))


def _refusal(said: str, path: str, line: str | int) -> Refusal:
    return Refusal(said=said, rule=f"{Path(path).parent.name}/{Path(path).name}:{line}")


def rules() -> set[str]:
    """Every rule of every module, as Terraform names it: a validation by its first line, a precondition by its condition."""
    found = set()
    for path in sorted(TREE.rglob("*.tf")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if rule := re.fullmatch(r" +(validation|precondition|postcondition) \{", line):
                after = 0 if rule[1] == "validation" else next(n for n, text in enumerate(lines[number:], start=1) if "condition " in text)
                found.add(f"{path.parent.name}/{path.name}:{number + after}")
    return found


def page(found: Mapping[str, list[Refusal]]) -> str:
    """The page of all that is refused."""
    parts = [HEAD]
    for module in MODULES:
        parts.append(f"## {module.rsplit('/', 1)[-1]}\n")
        for example in examples(module):
            given = {name: example.given[name] for name in example.changed}
            parts.append(f"**{example.name.replace('_', ' ')}**: `{_short(given)}`\n")
            parts.append(f"> {own(example, found)[0].said}\n")
    return "\n".join(parts)


def own(example: Example, found: Mapping[str, list[Refusal]]) -> list[Refusal]:
    """What the module itself says of an example, and not one that it calls."""
    return [refusal for refusal in found[example.key] if refusal.rule.startswith(f"{example.module.rsplit('/', 1)[-1]}/")]


def _short(value: Any) -> str:
    """Values as HCL writes them, long texts and ids by their ends."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_short(inner) if not isinstance(inner, Mapping) else '{ ' + _short(inner) + ' }' if inner else '{}'}"
                         for name, inner in value.items())
    if isinstance(value, list):
        return f"[{', '.join(_short(inner) for inner in value)}]"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 60 else f'"…/{value.rsplit("/", 1)[-1]}"' if "/" in text else f"{text[:57]}…\""


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    with bench() as made:
        PAGE.write_text(page(refusals(made)), encoding="utf-8")
