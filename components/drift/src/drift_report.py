"""The comparison as one self-contained HTML page."""

from __future__ import annotations

from html import escape

from comparison import RARER, Bars, Comparison, Limits, Result

BEFORE, NOW = "#a8b3c4", "#2563eb"
ROWS = 10  # bars of a category that are drawn
WIDTH, HEIGHT = 320, 120  # of a histogram, in its own units
TICKS = 4  # spaces between numbers below it
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #0f172a; background: #f8fafc; margin: 0; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.25rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: 0; color: #475569; } p b { color: #0f172a; } .note { font-size: .85rem; margin-top: .6rem; }
.card { background: #fff; border: 1px solid #e2e8f0; border-radius: .75rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .9rem; text-align: right; border-bottom: 1px solid #e2e8f0; white-space: nowrap; }
th { font-size: .8rem; font-weight: 600; color: #64748b; } tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
td.past { color: #b91c1c; font-weight: 600; } td a { color: inherit; }
.tag { font-size: .75rem; font-weight: 600; border-radius: 1rem; padding: .1rem .6rem; white-space: nowrap; }
.tag.drifted { background: #fee2e2; color: #b91c1c; } .tag.within { background: #dcfce7; color: #166534; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem; }
.plots .card { padding: 1rem; } .plots p { font-size: .85rem; } .plots p.why { color: #b91c1c; }
svg { width: 100%; height: auto; display: block; margin-top: .5rem; font: 10px system-ui, sans-serif; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; margin-right: .35rem; }
.key + span { margin-right: 1rem; }
"""


def render(comparison: Comparison, limits: Limits) -> str:
    """The page: a verdict, a table, and the two distributions of every feature, what has drifted first."""
    drifted = len(comparison.drifted)
    title = "Nothing has drifted" if not drifted else f"{drifted} of {len(comparison.results)} have drifted"
    results = sorted(comparison.results, key=lambda one: (not one.breaches, one.missing is not None, -(one.psi or 0)))
    if comparison.predictions is not None:
        results.remove(comparison.predictions)
        results.insert(0, comparison.predictions)
    rows = "".join(row(result, limits, predicted=result is comparison.predictions) for result in results)
    plots = "".join(plot(result, predicted=result is comparison.predictions) for result in results)
    before, now = comparison.rows
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Drift: {escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<p><span class="key" style="background:{BEFORE}"></span><span><b>{before:,}</b> rows of reference</span>
<span class="key" style="background:{NOW}"></span><span><b>{now:,}</b> rows of current data</span></p>
<h2>Distances</h2>
<div class="card"><table><thead><tr><th>feature</th><th>PSI</th><th>by chance</th><th>KS</th><th>missing before</th>
<th>missing now</th><th>new values</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>
<p class="note">Limits: PSI {limits.psi:g} (predictions {limits.prediction_psi:g}), KS {limits.ks:g}, missing
{limits.missing_change:.1%} apart, new values {limits.unseen:.1%}. By chance: the PSI that two samples of the same data, as
large as these, are expected to have. KS is for numbers, new values are for categories.</p>
{remarks(comparison)}
<h2>Distributions</h2>
<div class="plots">{plots}</div>
</main>
</body>
</html>
"""


def remarks(comparison: Comparison) -> str:
    """What was not compared."""
    told = []
    if comparison.added:
        told.append(f"Columns that only the current data has: {', '.join(comparison.added)}.")
    if comparison.passed_over:
        told.append("Not compared: " + ", ".join(f"{name} ({why})" for name, why in comparison.passed_over.items()) + ".")
    return f'<p class="note">{escape(" ".join(told))}</p>' if told else ""


def name(result: Result, *, predicted: bool) -> str:
    """What a feature is called on the page."""
    return escape(f"prediction ({result.feature.name})" if predicted else result.feature.name)


def row(result: Result, limits: Limits, *, predicted: bool) -> str:
    """A line of the table; what is past its limit is red."""
    before, now = result.missing or (None, None)
    changed = before is not None and now is not None and abs(now - before) > limits.missing_change
    cells = [
        cell(result.psi, ".3f", limits.prediction_psi if predicted else limits.psi),
        cell(result.psi_by_chance if result.psi is not None else None, ".4f"),
        cell(result.ks, ".3f", limits.ks),
        cell(before, ".1%"),
        cell(now, ".1%", -1 if changed else None),  # any share is past that
        cell(result.unseen, ".1%", limits.unseen),
    ]
    verdict = '<span class="tag drifted">drifted</span>' if result.breaches else '<span class="tag within">within limits</span>'
    return f"<tr><td>{name(result, predicted=predicted)}</td>{''.join(cells)}<td>{verdict}</td></tr>"


def cell(value: float | None, form: str, limit: float | None = None) -> str:
    """A number in the table, or that there is none."""
    if value is None:
        return "<td>–</td>"
    return f"<td{' class=past' if limit is not None and value > limit else ''}>{value:{form}}</td>"


def plot(result: Result, *, predicted: bool) -> str:
    """A feature's card: its two distributions, and why it has drifted."""
    why = f'<p class="why">{escape("; ".join(result.breaches))}</p>' if result.breaches else ""
    means = ""
    if result.means is not None:
        means = f"<p>mean {result.means[0]:.4g} before, {result.means[1]:.4g} now</p>"
    note = f"<p>{escape(result.note)}</p>" if result.note else ""
    drawn = ""
    if result.bars is not None and result.bars.labels:
        drawn = histogram(result.bars) if result.feature.kind == "number" else ranking(result.bars)
    return f'<div class="card"><h3>{name(result, predicted=predicted)}</h3>{why}{note}{means}{drawn}</div>'


def histogram(bars: Bars) -> str:
    """The reference as filled bars, the current data as a line over them."""
    top = max(*bars.reference, *bars.current, 1e-9)
    step = WIDTH / len(bars.labels)
    drawn, line = [], []
    for index, (before, now) in enumerate(zip(bars.reference, bars.current, strict=True)):
        left, height = index * step, before / top * HEIGHT
        label = f"{bars.labels[index]}: {before:.1%} before, {now:.1%} now"
        drawn.append(f'<rect x="{left + 0.5:.1f}" y="{HEIGHT - height:.1f}" width="{step - 1:.1f}" height="{height:.1f}" '
                     f'fill="{BEFORE}"><title>{escape(label)}</title></rect>')  # fmt: skip
        line += [f"{left:.1f},{HEIGHT - now / top * HEIGHT:.1f}", f"{left + step:.1f},{HEIGHT - now / top * HEIGHT:.1f}"]
    count = len(bars.labels)
    texts = "".join(
        f'<text x="{(index + 0.5) * step:.1f}" y="{HEIGHT + 14}" fill="#64748b" text-anchor="middle">'
        f"{escape(bars.labels[index].split(' ')[0])}</text>"
        for index in sorted({round(part * (count - 1) / TICKS) for part in range(TICKS + 1)})
    )
    return (
        f'<svg viewBox="-16 -12 {WIDTH + 32} {HEIGHT + 32}" role="img">'
        f'<text x="0" y="-3" fill="#64748b">{top:.0%}</text>{"".join(drawn)}'
        f'<polyline points="0,{HEIGHT} {" ".join(line)} {WIDTH},{HEIGHT}" fill="{NOW}" fill-opacity=".12" stroke="{NOW}" '
        f'stroke-width="1.6" stroke-linejoin="round"/><line x1="0" x2="{WIDTH}" y1="{HEIGHT}" y2="{HEIGHT}" stroke="#94a3b8"/>'
        f"{texts}</svg>"
    )


def ranking(bars: Bars) -> str:
    """The values with the largest shares, both shares of each one below the other; of the others how many there are."""
    rows = list(zip(bars.labels, bars.reference, bars.current, strict=True))
    rows.sort(key=lambda one: (one[0] == RARER, -max(one[1:])))
    shown, rest = (rows, []) if len(rows) <= ROWS else (rows[:ROWS], rows[ROWS:])
    top, left, high = max(max(one[1:]) for one in shown) or 1e-9, 84, 20
    drawn = []
    for index, (value, before, now) in enumerate(shown):
        y = index * high
        short = value if len(value) <= 14 else f"{value[:13]}…"
        drawn.append(
            f'<text x="{left - 6}" y="{y + 12}" text-anchor="end" fill="#334155">{escape(short)}</text>'
            f'<rect x="{left}" y="{y + 2}" width="{before / top * 180:.1f}" height="7" fill="{BEFORE}"/>'
            f'<rect x="{left}" y="{y + 9}" width="{now / top * 180:.1f}" height="7" fill="{NOW}"/>'
            f'<text x="{left + 4 + max(before, now) / top * 180:.1f}" y="{y + 13}" fill="#64748b">{now:.1%}</text>'
            f"<title>{escape(value)}: {before:.1%} before, {now:.1%} now</title>"
        )
    groups = "".join(f"<g>{one}</g>" for one in drawn)
    others = ""
    if rest:
        before, now = sum(one[1] for one in rest), sum(one[2] for one in rest)
        others = f'<p class="note">all others: {before:.1%} before, {now:.1%} now</p>'
    return f'<svg viewBox="0 0 {WIDTH} {len(shown) * high + 2}" role="img">{groups}</svg>{others}'
