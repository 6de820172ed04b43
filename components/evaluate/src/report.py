"""The evaluation as one self-contained HTML page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

COLORS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#0891b2", "#65a30d", "#dc2626")
CHAMPION_COLOR = "#64748b"
COLUMNS = {"log_loss": "log loss ↓", "brier": "Brier ↓", "roc_auc": "ROC AUC ↑", "pr_auc": "PR AUC ↑"}
POINTS = 400  # of a ROC curve in the picture; more cannot be seen
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #0f172a; background: #f8fafc; margin: 0; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.25rem 0 .75rem; }
p { margin: 0; color: #475569; } p b { color: #0f172a; } .note { font-size: .85rem; margin-top: .6rem; }
code { font: .8rem ui-monospace, monospace; overflow-wrap: anywhere; }
.card { background: #fff; border: 1px solid #e2e8f0; border-radius: .75rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .6rem 1rem; text-align: right; border-bottom: 1px solid #e2e8f0; white-space: nowrap; }
th { font-size: .8rem; font-weight: 600; color: #64748b; } tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; } tr.best td { background: #eff6ff; font-weight: 600; }
.dot { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin-right: .6rem; }
.tag { font-size: .75rem; font-weight: 600; border-radius: 1rem; padding: .1rem .6rem; margin-left: .6rem; }
.tag.best { background: #2563eb; color: #fff; } .tag.champion { background: #e2e8f0; color: #334155; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1rem; }
.plots .card { padding: 1rem; } svg { width: 100%; height: auto; display: block; }
"""


def color(name: str, position: int) -> str:
    """The same for a model in every table and plot."""
    return CHAMPION_COLOR if name == "champion" else COLORS[position % len(COLORS)]


def roc(label: npt.NDArray[np.int64], probability: npt.NDArray[np.float64]) -> tuple[Any, Any]:
    """False and true positive rates, thinned to `POINTS`."""
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(label, probability)
    kept = np.unique(np.linspace(0, len(false) - 1, POINTS).astype(int))
    return false[kept], true[kept]


def calibration(label: npt.NDArray[np.int64], probability: npt.NDArray[np.float64], bins: int = 10) -> tuple[Any, Any]:
    """Mean prediction and share of positives in *bins* groups of (nearly) equal size, ordered by prediction."""
    groups = np.array_split(np.argsort(probability, kind="stable"), min(bins, len(label)))
    return [probability[group].mean() for group in groups], [label[group].mean() for group in groups]


def plots(label: npt.NDArray[np.int64], predictions: Mapping[str, npt.NDArray[np.float64]]) -> tuple[str, str]:
    """ROC and calibration curves as two SVG elements; a model whose predictions are not finite has none."""
    import matplotlib as mpl
    from matplotlib.figure import Figure  # not pyplot: no window system, no state

    drawn = []
    # Glyphs stay text, and ids are hashed with a fixed salt: the same evaluation writes the same page.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "evaluate", "font.family": "sans-serif", "font.size": 11}):
        for title, horizontal, vertical, curve in (
            ("ROC", "false positive rate", "true positive rate", roc),
            ("Calibration", "predicted probability", "share that was late", calibration),
        ):
            figure = Figure(figsize=(5, 4.2), layout="constrained")
            axes = figure.subplots()
            axes.plot([0, 1], [0, 1], color="#cbd5e1", linewidth=1, linestyle="--")
            largest = 0.0
            for position, (name, probability) in enumerate(predictions.items()):
                if np.isfinite(probability).all():
                    x, y = curve(label, probability)
                    marker = "o" if curve is calibration else None
                    axes.plot(x, y, color=color(name, position), linewidth=1.8, marker=marker, markersize=4)
                    largest = max(largest, float(np.max(x)), float(np.max(y)))
            limit = 1.0 if curve is roc else min(1.0, largest * 1.1)
            axes.set(xlabel=horizontal, ylabel=vertical, xlim=(0, limit), ylim=(0, limit))
            axes.set_title(title, loc="left", fontweight="bold")
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="#f1f5f9")
            axes.set_axisbelow(True)
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
            # One page holds both: ids must not meet.
            svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{title.lower()}-", text.getvalue())
            drawn.append(svg[svg.index("<svg") :])
    return drawn[0], drawn[1]


def number(value: Any) -> str:
    """A metric in a table; null is what metrics.json says for a value that is not finite."""
    return "not finite" if value is None else f"{value:.4f}"


def sliced(models: Mapping[str, Any]) -> list[str]:
    """The columns that the metrics were also measured by."""
    return list(dict.fromkeys(part["by"] for model in models.values() for part in model["slices"]))


def by(column: str, models: Mapping[str, Any]) -> str:
    """The log loss of every model for each value of a column, the most frequent first, as a section."""
    losses = {
        name: {part["value"]: part["metrics"].get("log_loss") for part in model["slices"] if part["by"] == column}
        for name, model in models.items()
    }
    rows = {part["value"]: part["rows"] for model in models.values() for part in model["slices"] if part["by"] == column}
    heads = "".join(f"<th>{escape(name)}</th>" for name in models)
    body = "".join(
        f"<tr><td>{escape(value)}</td><td>{count:,}</td>"
        + "".join(f"<td>{number(values.get(value))}</td>" for values in losses.values())
        + "</tr>"
        for value, count in sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    )
    return f"""<h2>Log loss by {escape(column)}</h2>
<div class="card"><table><thead><tr><th>{escape(column)}</th><th>rows</th>{heads}</tr></thead>
<tbody>{body}</tbody></table></div>
"""


def render(
    summary: Mapping[str, Any],
    label: npt.NDArray[np.int64],
    predictions: Mapping[str, npt.NDArray[np.float64]],
) -> str:
    """The page for *summary* (the content of metrics.json)."""
    rows, confusions = [], []
    for position, (name, model) in enumerate(summary["models"].items()):
        tags = '<span class="tag best">best</span>' if name == summary["best"] else ""
        tags += '<span class="tag champion">in use</span>' if model["role"] == "champion" else ""
        kind = ' class="best"' if name == summary["best"] else ""
        dot = f'<span class="dot" style="background:{color(name, position)}"></span>'
        first = f"<tr{kind}><td>{dot}{escape(name)}{tags}</td>"
        rows.append(first + "".join(f"<td>{number(model['metrics'][metric])}</td>" for metric in COLUMNS) + "</tr>")
        table = model["confusion"]
        if table:
            late, flagged = table["tp"] + table["fn"], table["tp"] + table["fp"]
            precision = f"{table['tp'] / flagged:.1%}" if flagged else "–"
            counts = "".join(f"<td>{table[cell]:,}</td>" for cell in ("tp", "fp", "fn", "tn"))
            confusions.append(f"{first}{counts}<td>{precision}</td><td>{table['tp'] / late:.1%}</td></tr>")
    heads = "".join(f"<th>{title}</th>" for title in COLUMNS.values())
    curves = "".join(f'<div class="card">{svg}</div>' for svg in plots(label, predictions))
    test = summary["test"]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evaluation: {escape(summary["best"])} is best</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(summary["best"])} is the best candidate</h1>
<p>by <b>{escape(COLUMNS[summary["metric"]].split(" ↓")[0].split(" ↑")[0])}</b> on <b>{test["rows"]:,}</b> test rows, of
which {test["labels"]["1"] / test["rows"]:.1%} are positive.</p>
<h2>Metrics</h2>
<div class="card"><table><thead><tr><th>model</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>
<p class="note">↓ smaller is better, ↑ larger is better. The champion is measured, never chosen.</p>
<h2>Curves</h2>
<div class="plots">{curves}</div>
<p class="note">Calibration: ten groups of equal size; on the dashed line, predictions are what happened.</p>
{"".join(by(column, summary["models"]) for column in sliced(summary["models"]))}
<h2>Decisions at a probability of {summary["threshold"]:g}</h2>
<div class="card"><table><thead><tr><th>model</th><th>true +</th><th>false +</th><th>false −</th><th>true −</th>
<th>precision</th><th>recall</th></tr></thead><tbody>{"".join(confusions)}</tbody></table></div>
<p class="note">Test data <code>{escape(test["digest"])}</code></p>
</main>
</body>
</html>
"""
