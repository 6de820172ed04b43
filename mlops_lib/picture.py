"""A graph as a picture: SVG that stands alone, in layers from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from .graph import External, FromStep, Graph

_CHAR, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 7.3, 34, 26, 46, 14
_COLOURS = {
    "data": ("#eef4fb", "#5b8db8"), "step": ("#ffffff", "#44525f"), "output": ("#eef7ee", "#5f9a5f"),
    "completed": ("#e8f5e9", "#2e7d32"), "reused": ("#e3f4f7", "#00838f"), "failed": ("#fdecea", "#c62828"),
    "skipped": ("#fdf6e3", "#b58900"), "canceled": ("#fdf6e3", "#b58900"),
}


def draw(graph: Graph, status: Mapping[str, str] | None = None) -> str:
    """The SVG of *graph*: data, steps and outputs as boxes, bindings as lines.

    Args:
        graph: What to draw.
        status: How each step stands (``completed``, ``failed`` …), which colours it.
    """
    boxes: dict[str, tuple[str, str]] = {}  # key -> label, kind
    edges: list[tuple[str, str, str]] = []  # from, to, what flows
    for name, step in graph.steps.items():
        for port, given in step.inputs.items():
            if isinstance(given, External):
                path = _printable(given.path)
                key = f"data {path}"
                boxes.setdefault(key, (_shortened(path), "data"))
                edges.append((key, f"step {name}", port))
            elif isinstance(given, FromStep):
                edges.append((f"step {given.step}", f"step {name}", given.output))
        boxes[f"step {name}"] = (name, (status or {}).get(name, "step"))
    for name, output in graph.outputs.items():
        boxes[f"output {name}"] = (name, "output")
        edges.append((f"step {output.source.step}", f"output {name}", output.source.output))
    layers = _layers(list(boxes), [(a, b) for a, b, _ in edges])
    return _svg(boxes, edges, layers, graph.name)


def _printable(text: str) -> str:
    """*text* without control characters, for which XML has no place."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def _shortened(path: str) -> str:
    return path if len(path) <= 34 else f"…{path[-33:]}"


def _layers(keys: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Boxes by their distance from the top; within a layer near the middle of what they hang on (Sugiyama's heuristic)."""
    above: dict[str, list[str]] = {key: [] for key in keys}
    below: dict[str, list[str]] = {key: [] for key in keys}
    for a, b in dict.fromkeys(edges):
        above[b].append(a)
        below[a].append(b)
    waiting = {key: len(found) for key, found in above.items()}
    ready = [key for key in keys if waiting[key] == 0]
    depth = dict.fromkeys(ready, 0)
    for key in ready:  # grows while it is walked
        for follower in below[key]:
            depth[follower] = max(depth.get(follower, 0), depth[key] + 1)
            waiting[follower] -= 1
            if waiting[follower] == 0:
                ready.append(follower)
    for key in ready:  # data sits just above what reads it
        if not above[key] and below[key]:
            depth[key] = min(depth[follower] for follower in below[key]) - 1
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for key in keys:
        rows[depth[key]].append(key)
    spot: dict[str, float] = {}
    for row in rows:
        _settle(row, spot)
    for sweep in range(4):
        neighbours = above if sweep % 2 == 0 else below
        for row in rows if sweep % 2 == 0 else reversed(rows):
            row.sort(key=lambda key: (sum(spot[other] for other in neighbours[key]) / len(neighbours[key])
                                      if neighbours[key] else spot[key]))
            _settle(row, spot)
    return [row for row in rows if row]


def _settle(row: Sequence[str], spot: dict[str, float]) -> None:
    spot.update((key, index / len(row)) for index, key in enumerate(row))


def _svg(boxes: Mapping[str, tuple[str, str]], edges: Sequence[tuple[str, str, str]], layers: Sequence[Sequence[str]],
         title: str) -> str:
    wide = {key: max(60.0, len(label) * _CHAR + 24) for key, (label, _) in boxes.items()}
    row_width = [sum(wide[key] for key in row) + _GAP_X * (len(row) - 1) for row in layers]
    width = max(row_width, default=0) + 2 * _MARGIN
    height = len(layers) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN
    spot: dict[str, tuple[float, float]] = {}
    for index, row in enumerate(layers):
        x = (width - row_width[index]) / 2
        for key in row:
            spot[key] = (x, _MARGIN + index * (_HEIGHT + _GAP_Y))
            x += wide[key] + _GAP_X
    parts = [
        (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
         f'height="{height:.0f}" role="img" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12">'),
        f"<title>{escape(_printable(title))}</title>",
        ('<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
         '<path d="M0,0 L8,4 L0,8 z" fill="#8a97a3"/></marker></defs>'),
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
    ]
    merged: dict[tuple[str, str], list[str]] = {}
    for a, b, what in edges:
        merged.setdefault((a, b), []).append(what)
    for (a, b), flows in merged.items():
        x1, y1 = spot[a][0] + wide[a] / 2, spot[a][1] + _HEIGHT
        x2, y2 = spot[b][0] + wide[b] / 2, spot[b][1]
        bend = max(20.0, (y2 - y1) / 2)
        parts.append(f'<path d="M{x1:.1f},{y1:.1f} C{x1:.1f},{y1 + bend:.1f} {x2:.1f},{y2 - bend:.1f} {x2:.1f},{y2 - 1:.1f}" '
                     f'fill="none" stroke="#8a97a3" stroke-width="1.2" marker-end="url(#arrow)">'
                     f"<title>{escape(', '.join(flows))}</title></path>")
    for key, (label, kind) in boxes.items():
        x, y = spot[key]
        fill, stroke = _COLOURS.get(kind, _COLOURS["step"])
        radius = 6 if key.startswith("step ") else 16
        parts.append(f'<g><title>{escape(key)}</title><rect x="{x:.1f}" y="{y:.1f}" width="{wide[key]:.1f}" height="{_HEIGHT}" '
                     f'rx="{radius}" fill="{fill}" stroke="{stroke}" stroke-width="1.4"/>'
                     f'<text x="{x + wide[key] / 2:.1f}" y="{y + _HEIGHT / 2 + 4:.1f}" text-anchor="middle" '
                     f'fill="#1c2733">{escape(label)}</text></g>')
    return "\n".join([*parts, "</svg>"])
