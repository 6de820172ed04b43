"""Writes the tables of docs/emulator.md, from the routes that there are: ``python docs/emulator.py``."""

from pathlib import Path

from mlops_lib.emulator.router import Service
from mlops_lib.emulator.table import ROUTER

PAGE = Path(__file__).with_suffix(".md")
BEGIN, END = "<!-- written by 'python docs/emulator.py' -->\n", "<!-- end -->\n"


def tables() -> str:
    """What there is, service by service, and what is known not to be."""
    parts = []
    for service in Service:
        routes = [route for route in ROUTER.routes if route.service is service]
        if routes:
            rows = [f"| {route.method} | `{route.shown}` | {route.does} |" for route in routes]
            parts.append("\n".join([f"### {service.value}", "", "| | path | does |", "|---|---|---|", *rows]))
    absent = ", ".join(told.what for told in ROUTER.absent)
    return "\n\n".join([*parts, "### Not there", f"These answer 501, and so does every other path: {absent}."]) + "\n"


def page() -> str:
    """The page with its tables as they are to be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
