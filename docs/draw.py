"""Draw the README's pictures from a real run: ``python docs/draw.py`` in the project's environment."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from mlops_lib import Project
from mlops_lib.graph import build
from mlops_lib.picture import draw
from mlops_lib.progress import LiveTable

IMAGES = Path(__file__).parent / "images"
# Rich's own template names a web font; a picture in a repository should not load anything.
FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px;
line-height: {line_height}px; }} .{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}</style><defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}"
height="{terminal_height}"/></clipPath>{lines}</defs>{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g></g></svg>"""


def main() -> None:
    """Run flights and write both pictures."""
    project = Project(Path(__file__).resolve().parent.parent)
    job, name, catalogue = project.load("flights")
    table = LiveTable()
    run = project.run(job, name, catalogue, request={"pipeline": "flights"}, reuse=False, listener=table.take)
    console = Console(record=True, width=92, file=io.StringIO(), force_terminal=True, highlight=False, emoji=False)
    console.print("[bold green]$[/] mlops run flights")
    console.print(table)
    for output, kept in run.outputs.items():
        if kept.asset:
            console.print(f"{output}: [dim]{kept.asset}[/]")
    IMAGES.mkdir(exist_ok=True)
    console.save_svg(str(IMAGES / "run.svg"), title="mlops", code_format=FORMAT)
    (IMAGES / "flights.svg").write_text(draw(build(job, name=name)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
