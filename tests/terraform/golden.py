"""What each of our roots would make, in a form that people read and git compares.

    python tests/terraform/golden.py        # plan every root again and rewrite tests/terraform/golden/*.txt

A line is a setting that is known when it is planned and is not what azurerm takes by itself, so what is not here is at
its default, or is an id or a name that Azure answers. Read the difference before you commit it: it is what would change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from roots import ROOTS, Planned, bench, planned
from standin.facts import FACTS

FOLDER = Path(__file__).resolve().parent / "golden"
_EMPTY: tuple[Any, ...] = (None, "", [], {}, [None])
# the month in which it is planned, for good: the module ignores later ones
_BY_THE_CLOCK = frozenset({"time_period.start_date"})


def summary(plan: Mapping[str, Any]) -> str:
    """Every resource with its settings, in the order of addresses."""
    parts = []
    for resource in sorted(planned(plan), key=lambda found: found.address):
        lines = sorted(_settings(resource))
        parts.append("\n".join([resource.address, *(f"  {line}" for line in lines)]))
    return "\n\n".join(parts) + "\n"


def _settings(resource: Planned) -> Iterator[str]:
    defaults = FACTS[resource.type].defaults if resource.type in FACTS else {}  # terraform_data is Terraform's own
    for path, value in _leaves(resource.values, ()):
        name = ".".join(part for part in path if not part.isdecimal())
        if value in _EMPTY or name in _BY_THE_CLOCK or (name in defaults and defaults[name] == value):
            continue
        yield f"{'.'.join(path)} = {json.dumps(value)}"


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and path != ("tags",):
        for key, item in value.items():
            if path or key != "timeouts":
                yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, str(index)) if len(value) > 1 else path)
    else:
        yield path, value


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with bench() as prepared:
        for name in ROOTS:
            (FOLDER / f"{name}.txt").write_text(summary(prepared.stage(name).plan()))
            print(FOLDER / f"{name}.txt")


if __name__ == "__main__":
    main()
