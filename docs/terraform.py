"""Writes what docs say of our Terraform from its files: ``python docs/terraform.py``.

The tables of variables and outputs (docs/terraform-reference.md), and the picture of what a stage is made of
(docs/images/terraform-stage.svg).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from mlops_lib.infra.declared import Module, read_module

ROOT = Path(__file__).resolve().parent.parent
TERRAFORM = ROOT / "terraform"
PAGE, PICTURE = ROOT / "docs" / "terraform-reference.md", ROOT / "docs" / "images" / "terraform-stage.svg"
HEAD = """\
# Terraform: variables and outputs

Of the roots (bootstrap, and a stage: dev, qa and prod have the same) and of the modules. What has no default must be given.
[terraform.md](terraform.md) says how they belong together.

This page is written by `python docs/terraform.py`.
"""


@cache
def module(place: str) -> Module:
    """A module of ours, by its place in the tree."""
    return read_module(TERRAFORM / place)


def places() -> list[str]:
    """The roots, of which the stages are alike, and the modules."""
    return ["bootstrap", "stages/dev", *sorted(f"modules/{path.name}" for path in (TERRAFORM / "modules").iterdir())]


# --- tables ------------------------------------------------------------------------------------------------------------


def page() -> str:
    """The whole page of variables and outputs."""
    return HEAD + "".join(f"\n{_section(place)}" for place in places())


def _section(place: str) -> str:
    found = module(place)
    parts = [f"## {place}\n"]
    if about := _about(place):
        parts.append(f"{about}\n")
    parts.append("| variable | type | default | what it is |\n| --- | --- | --- | --- |")
    for name, variable in sorted(found.variables.items()):
        default = "" if variable.default is None else _code(variable.default)
        secret = " Secret." if variable.sensitive else ""
        parts.append(f"| `{name}` | {_code(variable.type)} | {default} | {_cell(variable.description)}{secret} |")
    parts.append("\n| output | what it is |\n| --- | --- |")
    parts += [f"| `{name}` | {_cell(output.description)} |" for name, output in sorted(found.outputs.items())]
    return "\n".join(parts) + "\n"


def _about(place: str) -> str:
    """What a module's main.tf says of itself in its first lines."""
    lines = (TERRAFORM / place / "main.tf").read_text(encoding="utf-8").splitlines()
    said = []
    for line in lines:
        if not line.startswith("# "):
            break
        said.append(line[2:])
    return " ".join(said)


def _code(text: str) -> str:
    """Code for a cell; what is long breaks at its commas."""
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return re.sub(r"\s*\n\s*", "<br>", text.strip()).replace("|", "\\|")


# --- picture -----------------------------------------------------------------------------------------------------------

_CHAR, _LINE, _PAD, _GAP_X, _GAP_Y, _MARGIN = 6.7, 15, 9, 20, 54, 14
_MADE, _ASKED, _VALUES = ("#ffffff", "#44525f"), ("#eef4fb", "#5b8db8"), ("#f6f3ea", "#a08a4f")


def picture() -> str:
    """The modules of a stage with the resources that each makes, and which needs which, as SVG."""
    stage = module("modules/stage")
    needs = _reduced({name: _needed(call.arguments, stage) - {name} for name, call in stage.calls.items()})
    boxes = {name: _box(name, stage) for name in stage.calls}
    rows = _rows(needs)
    wide = {name: max(len(line) for line in lines) * _CHAR + 2 * _PAD for name, (lines, _) in boxes.items()}
    high = {name: len(lines) * _LINE + 2 * _PAD - 3 for name, (lines, _) in boxes.items()}
    row_width = [sum(wide[name] for name in row) + _GAP_X * (len(row) - 1) for row in rows]
    width = max(row_width) + 2 * _MARGIN
    spot: dict[str, tuple[float, float]] = {}
    y = float(_MARGIN)
    for row, across in zip(rows, row_width, strict=True):
        x = (width - across) / 2
        for name in row:
            spot[name] = (x, y)
            x += wide[name] + _GAP_X
        y += max(high[name] for name in row) + _GAP_Y
    height = y - _GAP_Y + _MARGIN
    parts = [
        (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
         f'height="{height:.0f}" role="img" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="11">'),
        "<title>What a stage is made of</title>",
        ('<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
         '<path d="M0,0 L8,4 L0,8 z" fill="#8a97a3"/></marker></defs>'),
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
    ]
    for name, needed in sorted(needs.items()):
        for other in sorted(needed):
            x1, y1 = spot[other][0] + wide[other] / 2, spot[other][1] + high[other]
            x2, y2 = spot[name][0] + wide[name] / 2, spot[name][1]
            bend = max(20.0, (y2 - y1) / 2)
            curve = f"M{x1:.1f},{y1:.1f} C{x1:.1f},{y1 + bend:.1f} {x2:.1f},{y2 - bend:.1f} {x2:.1f},{y2 - 1:.1f}"
            parts.append(f'<path d="{curve}" fill="none" stroke="#8a97a3" stroke-width="1.1" marker-end="url(#arrow)">'
                         f"<title>{escape(name)} needs {escape(other)}</title></path>")
    for name, (lines, (fill, stroke)) in boxes.items():
        x, top = spot[name]
        parts.append(f'<g><rect x="{x:.1f}" y="{top:.1f}" width="{wide[name]:.1f}" height="{high[name]:.1f}" rx="6" '
                     f'fill="{fill}" stroke="{stroke}" stroke-width="1.3"/>')
        for index, line in enumerate(lines):
            weight, colour = ("bold", "#1c2733") if index == 0 else ("normal", "#4a5763")
            parts.append(f'<text x="{x + _PAD:.1f}" y="{top + _PAD + 9 + index * _LINE:.1f}" font-weight="{weight}" '
                         f'fill="{colour}">{escape(line)}</text>')
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def _box(name: str, stage: Module) -> tuple[list[str], tuple[str, str]]:
    """The lines of a module's box and its colours: one of each, one for each entry of a map, or nothing but values."""
    call = stage.calls[name]
    many = "for_each" in call.arguments
    kinds = {address.partition(".")[0] for address in stage.called(name).resources} - {"terraform_data"}
    made = sorted(kind.removeprefix("azurerm_").removeprefix("machine_learning_").replace("_", " ") for kind in kinds)
    source = call.source.rsplit("/", 1)[-1]
    label = name.replace("_", " ") + (" …" if many else "")
    if source != name.replace("_", "-"):
        label += f" ({source})"
    return [label, *made], _VALUES if not made else _ASKED if many else _MADE


def _needed(value: Any, stage: Module, seen: frozenset[str] = frozenset()) -> set[str]:
    """The modules that a value comes from, also by way of the stage's locals and its own resources."""
    text = str(value)
    found = {name for name in re.findall(r"\bmodule\.(\w+)", text) if name in stage.calls}
    inner: Mapping[str, Any] = {f"local.{name}": body for name, body in stage.locals.items()} | dict(stage.resources)
    for name in re.findall(r"\b(?:local|azurerm_\w+)\.\w+", text):
        if name in inner and name not in seen:
            found |= _needed(inner[name], stage, seen | {name})
    return found


def _reduced(needs: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """*needs* without what follows from the rest: a line that a way over other boxes already shows."""
    @cache
    def all_below(name: str) -> frozenset[str]:
        return frozenset(needs[name]).union(*(all_below(other) for other in needs[name]))

    return {name: {other for other in found if not any(other in all_below(between) for between in found - {other})}
            for name, found in needs.items()}


def _rows(needs: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Boxes by how much has to be there first; within a row near what they need."""
    @cache
    def depth(name: str) -> int:
        return max((depth(other) + 1 for other in needs[name]), default=0)

    rows: list[list[str]] = [[] for _ in range(max(map(depth, needs)) + 1)]
    for name in sorted(needs):
        rows[depth(name)].append(name)
    place: dict[str, float] = {}
    for row in rows:
        row.sort(key=lambda name: (sum(place[other] for other in needs[name]) / max(len(list(needs[name])), 1), name))
        place.update((name, (index + 0.5) / len(row)) for index, name in enumerate(row))
    return rows


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    PICTURE.write_text(picture(), encoding="utf-8")
