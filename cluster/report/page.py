"""The page: one HTML file with plotly's program in it, so that it opens anywhere, also without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from cluster.report import figures
from cluster.report.analysis import LEARNT, TAU, Analysis, Group, PathMeans

FEW = 20
"""With fewer scored questions the page says that a comparison of policies rests on little: one answer is over a twentieth."""
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #24292f; max-width: 1060px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.4rem; border-bottom: 1px solid #d0d7de; }
h3 { font-size: 1rem; margin-bottom: .2rem; } p { margin: .4rem 0; } .note { color: #57606a; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #eaeef2; text-align: right; }
th:first-child, td:first-child { text-align: left; } th { color: #57606a; font-weight: 600; } th, td code { white-space: nowrap; }
tr.ours td { background: #eef7f2; font-weight: 600; } code { font-size: .92em; }
.facts { display: flex; flex-wrap: wrap; gap: .6rem 2.2rem; margin: 1rem 0; } .facts b { display: block; font-size: 1.3rem; }
.kind { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); gap: 1rem; align-items: start; }
@media (max-width: 800px) { .kind { grid-template-columns: minmax(0, 1fr); } }
.scroll { overflow-x: auto; } ul { margin: .2rem 0 .4rem; padding-left: 1.2rem; }
"""


def page(title: str, analysis: Analysis, spent: dict[str, Any] | None) -> str:
    """The whole page; `spent` is what the exploration cost (`cluster.emulator.result.Cost`), None if it is not known."""
    from plotly.offline import get_plotlyjs

    plots: dict[str, dict[str, Any]] = {}
    body = [
        f"<h1>{escape(title)}</h1>",
        _facts(analysis, spent),
        _frontier(analysis, plots),
        _groups(analysis, plots),
        _critical(analysis, plots),
        _spent(spent),
        _policies(analysis, plots),
        _paths(analysis),
    ]
    data = json.dumps(plots, allow_nan=False).replace("</", "<\\/")
    draw = (
        "for (const id in plots) Plotly.newPlot(id, plots[id].data, plots[id].layout, {responsive: true, displayModeBar: false});"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style><script>{get_plotlyjs()}</script></head>'
        f"<body>{''.join(body)}<script>const plots = {data}; {draw}</script></body></html>"
    )


def _facts(analysis: Analysis, spent: dict[str, Any] | None) -> str:
    of_cells = analysis.queries * len(analysis.paths)
    facts = [
        (f"{analysis.queries}", "query" if analysis.queries == 1 else "queries"),
        (f"{len(analysis.paths)}", "paths"),
        (f"{analysis.cells / of_cells:.1%}", f"of {of_cells} cells measured"),
        (f"{sum(path.on_frontier for path in analysis.paths)}", "paths that no other beats"),
    ]
    if spent:
        facts.append((_minutes(spent["elapsed_s"]), "minutes of exploration"))
    return f'<div class="facts">{"".join(f"<div><b>{value}</b>{name}</div>" for value, name in facts)}</div>'


def _frontier(analysis: Analysis, plots: dict[str, dict[str, Any]]) -> str:
    text = (
        "<h2>All paths</h2><p>Each point is a path: preprocess, retrieve, refine, generate. A path measured on few queries is "
        "drawn toward paths that share its stages. Large points are paths that none beats on accuracy and on every cost at once."
    )
    return text + "</p>" + "".join(_plot(f"all-{axis}", figures.frontier(analysis, axis), plots) for axis in analysis.axes)


def _groups(analysis: Analysis, plots: dict[str, dict[str, Any]]) -> str:
    parts = ["<h2>Kinds of queries</h2><p>Queries that read alike, and the paths that none beats for each kind.</p>"]
    for place, group in enumerate(analysis.groups):
        examples = "".join(f"<li>{escape(example)}</li>" for example in group.examples)
        table = _path_table(sorted(group.frontier, key=lambda path: -path.accuracy)[:5], analysis)
        drawn = (
            _plot(f"group-{place + 1}", figures.group(analysis, place, analysis.axes[0]), plots)
            if analysis.axes
            else "<div></div>"
        )
        parts.append(
            f"<h3>{place + 1}. {_queries(group.queries)} such as</h3>"
            f'<div class="kind"><div><ul>{examples}</ul>{_verdict(group)}{table}</div>{drawn}</div>'
        )
    return "".join(parts)


def _verdict(group: Group) -> str:
    if not group.critical:
        return f'<p class="note">No stage is critical: each can lose its best option at less than {TAU:g} of accuracy.</p>'
    others = [stage for stage in group.losses if stage not in group.critical]
    less = f"; {', '.join(others)} matter less" if others else ""
    return f"<p>For these, <b>{', '.join(group.critical)}</b> matters{less}.</p>"


def _critical(analysis: Analysis, plots: dict[str, dict[str, Any]]) -> str:
    return (
        "<h2>Critical components</h2><p>How much accuracy the best path loses when a stage's best option is forbidden. Where it "
        f"is more than {TAU:g}, the stage is critical.</p>{_plot('critical', figures.critical(analysis), plots)}"
    )


def _spent(spent: dict[str, Any] | None) -> str:
    if not spent:
        return ""
    rows = [
        ("run", spent["spent_s"], spent["spent_usd"], spent["spent_j"]),
        ("if no stage were shared", spent["unshared_s"], spent["unshared_usd"], spent["unshared_j"]),
    ]
    cells = "".join(f"<tr><td>{n}</td><td>{s:.0f}</td><td>{usd:.4f}</td><td>{j:.0f}</td></tr>" for n, s, usd, j in rows)
    return (
        f"<h2>What the exploration cost</h2><p>{spent['cells']} of {spent['of_cells']} cells in {_minutes(spent['elapsed_s'])} "
        f"minutes, {spent['failed']} failed. A stage that several paths of a query share was run once.</p>"
        f"<table><tr><th></th><th>seconds of stages</th><th>US dollars</th><th>joules</th></tr>{cells}</table>"
    )


def _policies(analysis: Analysis, plots: dict[str, dict[str, Any]]) -> str:
    if not analysis.policies:
        return ""
    parts = [
        f"<h2>Against other ways to choose</h2><p>Learnt on {LEARNT:.0%} of the distinct questions, scored on the others, where "
        "only cells that were measured can be chosen. A policy that weighs accuracy against what it takes can be run at many "
        "points; the best of them are its frontier, and <code>aiq</code> is its mean height. The table shows each policy run for "
        "accuracy alone, and at what share of the best single path's mean its frontier reaches that path's accuracy. "
        "<code>isthmus_fair</code> is the one point that the questions learnt from say loses no accuracy.</p>",
        _warning(min(result["test_queries"] for result in analysis.policies)),
    ]
    for result in analysis.policies:
        objective = escape(result["objective"])
        rows = "".join(_policy(name, policy) for name, policy in result["policies"].items())
        parts.append(
            f"<h3>Saving {objective}: {_queries(result['train_queries'])} learnt from, {result['test_queries']} scored</h3>"
            f"{_plot(f'policies-{objective}', figures.policies(result), plots)}"
            f"<table><tr><th>policy</th><th>accuracy</th><th>{objective}</th><th>of best single</th>"
            f"<th>share at its accuracy</th><th>aiq</th></tr>{rows}</table>"
        )
    return "".join(parts)


def _warning(scored: int) -> str:
    if scored >= FEW:
        return ""
    count = "a single question was" if scored == 1 else f"{scored} questions were"
    return f"<p><b>Only {count} scored: with fewer than {FEW}, the differences below may be chance.</b></p>"


def _policy(name: str, policy: dict[str, Any]) -> str:
    numbers = (policy["objective_ratio"], policy["objective_ratio_at_best_single_accuracy"])
    ratio, least = ("-" if value is None else f"{value:.2f}" for value in numbers)
    ours = ' class="ours"' if name == "isthmus" else ""
    return (
        f"<tr{ours}><td>{escape(name)}</td><td>{policy['accuracy']:.3f}</td><td>{policy['objective']:.4g}</td><td>{ratio}</td>"
        f"<td>{least}</td><td>{policy['aiq']:.3f}</td></tr>"
    )


def _paths(analysis: Analysis) -> str:
    ordered = sorted(analysis.paths, key=lambda path: (not path.on_frontier, -path.accuracy))
    return (
        "<h2>Every path</h2><details><summary>The table, paths that no other beats first</summary>"
        f"{_path_table(ordered, analysis)}</details>"
    )


def _path_table(paths: Sequence[PathMeans], analysis: Analysis) -> str:
    heads = "".join(f"<th>{escape(figures.TITLES[axis])}</th>" for axis in analysis.axes)
    rows = "".join(
        f"<tr><td><code>{escape(path.path)}</code></td><td>{path.tier}</td><td>{path.accuracy:.3f}</td>"
        + "".join(f"<td>{_value(getattr(path, axis), figures.SCALES[axis])}</td>" for axis in analysis.axes)
        + f"<td>{path.cells}</td></tr>"
        for path in paths
    )
    return (
        '<div class="scroll"><table><tr><th>path</th><th>tier</th><th>accuracy</th>'
        f"{heads}<th>measured on</th></tr>{rows}</table></div>"
    )


def _plot(name: str, figure: dict[str, Any], plots: dict[str, dict[str, Any]]) -> str:
    plots[name] = figure
    return f'<div id="{name}"></div>'


def _queries(number: int) -> str:
    return "1 query" if number == 1 else f"{number} queries"


def _value(value: float | None, scale: float) -> str:
    return "-" if value is None else f"{value * scale:.3g}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
