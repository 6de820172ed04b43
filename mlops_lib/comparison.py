"""Models side by side, measured on the same test data, as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from .evidence import Evidence

_COLOURS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#0891b2", "#65a30d", "#dc2626")
_WIDTH, _ROW, _LEFT, _RIGHT = 640, 30, 190, 90
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #0f172a; background: #f8fafc; margin: 0; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.25rem 0 .75rem; }
p { margin: 0; color: #475569; } code { font: .8rem ui-monospace, monospace; overflow-wrap: anywhere; }
.card { background: #fff; border: 1px solid #e2e8f0; border-radius: .75rem; overflow-x: auto; margin-bottom: 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .6rem 1rem; text-align: right; border-bottom: 1px solid #e2e8f0; white-space: nowrap; }
th { font-size: .8rem; font-weight: 600; color: #64748b; } tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; display: block; padding: 1rem; box-sizing: border-box; }
text { font-size: 13px; fill: #0f172a; }
"""


def metrics_of(models: Sequence[Evidence]) -> list[str]:
    """The metrics that any of the models has, in the order in which they were measured."""
    return list(dict.fromkeys(name for model in models for name in model.metrics))


def rows_of(models: Sequence[Evidence]) -> list[tuple[str, ...]]:
    """A table with a row for each model: its metrics, what a prediction takes, its size."""
    names = metrics_of(models)
    rows = [("MODEL", *names, "ms A ROW", "ROWS/s", "MB")]
    return rows + [(
        model.model, *(number(model.metrics.get(name)) for name in names),
        number(model.row_ms, lambda value: f"{value:,.2f}"), number(model.rows_per_second, lambda value: f"{value:,.0f}"),
        number(model.size, lambda value: f"{value / 2**20:.2f}")) for model in models]


def number(value: float | None, shown: Callable[[float], str] = lambda value: f"{value:.4f}") -> str:
    """A number in a table."""
    return "–" if value is None else shown(value) if math.isfinite(value) else "not finite"


def page(models: Sequence[Evidence]) -> str:
    """The page; all of *models* were measured on the same data."""
    data = models[0].data
    head, *body = rows_of(models)
    told = f"measured on the same {data.rows:,} rows" if data is not None else ""
    plots = "".join(f"<h2>{escape(name)}</h2><div class='card'>{_plot(name, models)}</div>" for name in metrics_of(models))
    slices = "".join(_slices(by, models) for by in dict.fromkeys(part.by for model in models for part in model.slices))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(" and ".join(model.model for model in models))}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{len(models)} models side by side</h1>
<p>{told}</p>
<h2>Measurements</h2>
{_table(head, body)}
{plots}
{slices}
<p>Test data <code>{escape(data.digest if data is not None else "")}</code></p>
</main>
</body>
</html>
"""


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
    return f'<div class="card"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _plot(metric: str, models: Sequence[Evidence]) -> str:
    """A dot a model on a scale of their own: differences between models are small beside their values."""
    finite = [found for model in models if math.isfinite(found := model.metrics.get(metric, math.nan))]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    span = high - low or 1.0
    lines = []
    for index, model in enumerate(models):
        y, value = _ROW * index + _ROW / 2, model.metrics.get(metric)
        lines.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}" stroke="#e2e8f0"/>'
                     f'<text x="0" y="{y + 4}">{escape(model.model)}</text>'
                     f'<text x="{_WIDTH}" y="{y + 4}" text-anchor="end">{number(value)}</text>')
        if value is not None and math.isfinite(value):
            x = _LEFT + 10 + (value - low) / span * (_WIDTH - _LEFT - _RIGHT - 20)
            lines.append(f'<circle cx="{x:.1f}" cy="{y}" r="6" fill="{_COLOURS[index % len(_COLOURS)]}"/>')
    return (f'<svg viewBox="0 0 {_WIDTH} {_ROW * len(models)}" role="img" aria-label="{escape(metric)}">{"".join(lines)}</svg>')


def _slices(by: str, models: Sequence[Evidence]) -> str:
    """The first metric of each slice, the largest slices first."""
    parts = [{part.value: part for part in model.slices if part.by == by} for model in models]
    rows = {value: part.rows for found in parts for value, part in found.items()}
    metric = next((name for found in parts for part in found.values() for name in part.metrics), "")
    body = [[value, f"{count:,}", *(number(found[value].metrics.get(metric)) if value in found else "–" for found in parts)]
            for value, count in sorted(rows.items(), key=lambda item: (-item[1], item[0]))]
    return f"<h2>{escape(metric)} by {escape(by)}</h2>{_table([by, 'rows', *(model.model for model in models)], body)}"
