"""The report of a simulation: one HTML file with its charts and without any link to elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from cluster.simulation.result import RunResult
from cluster.simulation.run import Prepared
from cluster.simulation.scenario import Happening
from cluster.simulation.summary import CLAIRVOYANT, PolicySummary, regret

BINS = 60
COLOURS = (
    *("#2f6f9f", "#c4622d", "#5b8c3a", "#8a5fa8", "#b8902e", "#3c8f8c"),
    *("#b04a5a", "#6b7280", "#7c9fc0", "#d29a7a", "#9dbb86", "#40464f"),
)
CLASS_COLOURS = ("#40464f", "#8b95a1", "#c3cad2", "#2f6f9f", "#7c9fc0")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; background: #fff; max-width: 1080px; margin: 2rem auto }
body { padding: 0 1rem }
h1 { font-size: 1.5rem }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .2rem }
p { margin: .2rem 0 .6rem; color: #52606d }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
td, th { padding: .3rem .6rem; text-align: right }
td:first-child, th:first-child { text-align: left }
tr { border-bottom: 1px solid #e4e7eb }
th { color: #52606d; font-weight: 600 }
.scroll { overflow-x: auto }
"""


def report(name: str, prepared: Prepared, results: Sequence[RunResult], summaries: Sequence[PolicySummary]) -> str:
    """The whole page."""
    first, happenings = prepared.scenario.seeds[0], prepared.scenario.happenings
    of_first = [result for result in results if result.seed == first]
    colours = {policy: COLOURS[i % len(COLOURS)] for i, policy in enumerate(prepared.scenario.policies)}
    sections = [
        _section(
            "Answered within their limit",
            "Per second; the mean over seeds with its 95 % interval.",
            _throughput(summaries, colours),
        ),
        _section(
            "Attainment per class",
            "Share of the requests of each class that were answered within their limit.",
            _attainment(summaries),
        ),
        _section(
            "Energy",
            "Joules of the used servers, idle time and network included, per request answered in time.",
            _energy(summaries, colours),
        ),
        _section(
            "Over time",
            f"Answered in time per second of arrival, seed {first}.",
            _marked(_over_time(of_first, colours), happenings),
        ),
    ]
    if any(result.policy == CLAIRVOYANT for result in results) and len(summaries) > 1:
        text = (
            f"What the clairvoyant gained more, added up over the requests, seed {first}. "
            "An answer in time is worth 1, less up to half for its energy."
        )
        sections.append(_section("Regret", text, _regret(of_first, colours)))
    if any(result.samples for result in of_first):
        text = f"Replicas that take work, and the target as a dotted line, seed {first}. Point at a step for its reason."
        figure = _marked(_replicas(of_first, colours), happenings)
        sections.append(_section("Cloud replicas", text, figure, height=90 + 75 * len(of_first)))
    requests = len(of_first[0].met)
    seeds = len(prepared.scenario.seeds)
    lead = (
        f"Simulated: {requests:,} requests in {prepared.scenario.duration_s:g} s on {len(of_first[0].servers)} servers, "
        f"{seeds} seed{'s' * (seeds > 1)}. {' '.join(f'{_told(h)} at {h.at_s:g} s.' for h in happenings)}"
    )
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(name)}</title><style>{STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head><body><h1>{escape(name)}</h1><p>{escape(lead)}</p>{_table(summaries)}{''.join(sections)}</body></html>"
    )


def _section(title: str, text: str, figure: go.Figure, height: int = 360) -> str:
    figure.update_layout(
        template="plotly_white",
        margin={"l": 60, "r": 20, "t": 30, "b": 50},
        height=height,
        font={"size": 13},
        colorway=COLOURS,
        legend={"orientation": "h", "y": -0.25},
    )
    config = {"displayModeBar": False, "responsive": True}
    chart = figure.to_html(full_html=False, include_plotlyjs=False, config=config)
    return f"<h2>{escape(title)}</h2><p>{escape(text)}</p>{chart}"


def _table(summaries: Sequence[PolicySummary]) -> str:
    head = ("policy", "in time /s", "attainment", "J per served", "p95 s", "refused", "regret", "C2-C4 broken")
    rows = [
        (s.policy, str(s.served_per_s), str(s.attainment), str(s.joules_per_served), f"{s.p95_s:.2f}", f"{s.refused:.1%}",
         "" if s.regret_per_request is None else f"{s.regret_per_request:.4f}", str(s.broken))
        for s in summaries
    ]  # fmt: skip
    cells = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class='scroll'><table><tr>{''.join(f'<th>{title}</th>' for title in head)}</tr>{cells}</table></div>"


def _bars(summaries: Sequence[PolicySummary], values: Sequence[Any], title: str, colours: Mapping[str, str]) -> go.Figure:
    errors = [value.half_width or 0.0 for value in values]
    bar = go.Bar(
        y=[s.policy for s in summaries][::-1], x=[value.mean for value in values][::-1], orientation="h",
        error_x={"type": "data", "array": errors[::-1]}, marker_color=[colours[s.policy] for s in summaries][::-1],
    )  # fmt: skip
    return go.Figure(bar, {"xaxis": {"title": title, "rangemode": "tozero"}})


def _throughput(summaries: Sequence[PolicySummary], colours: Mapping[str, str]) -> go.Figure:
    return _bars(summaries, [s.served_per_s for s in summaries], "requests per second", colours)


def _energy(summaries: Sequence[PolicySummary], colours: Mapping[str, str]) -> go.Figure:
    finite = [s for s in summaries if np.isfinite(s.joules_per_served.mean)]
    return _bars(finite, [s.joules_per_served for s in finite], "joules per served request", colours)


def _attainment(summaries: Sequence[PolicySummary]) -> go.Figure:
    bars = [
        go.Bar(
            name=name, x=[s.policy for s in summaries], y=[s.attainment_by_service[name] for s in summaries], marker_color=grey
        )
        for name, grey in zip(summaries[0].attainment_by_service, cycle(CLASS_COLOURS), strict=False)
    ]
    return go.Figure(bars, {"yaxis": {"tickformat": ".0%", "range": [0, 1]}, "barmode": "group"})


def _over_time(results: Sequence[RunResult], colours: Mapping[str, str]) -> go.Figure:
    lines = []
    for result in results:
        edges = np.linspace(0.0, result.window_s[1], BINS + 1)
        met, _ = np.histogram(result.arrived_s[result.met], edges)
        lines.append(_line(result.policy, (edges[:-1] + edges[1:]) / 2, met / np.diff(edges), colours))
    return go.Figure(lines, {"xaxis": {"title": "seconds"}, "yaxis": {"title": "per second", "rangemode": "tozero"}})


def _regret(results: Sequence[RunResult], colours: Mapping[str, str]) -> go.Figure:
    best = next(result for result in results if result.policy == CLAIRVOYANT)
    lines = []
    for result in results:
        if result is not best and result.counted.any():
            total = np.cumsum(regret(result, best))
            at = np.linspace(0, len(total) - 1, min(len(total), 400)).astype(int)  # what a screen can show
            lines.append(_line(result.policy, at, total[at], colours))
    return go.Figure(lines, {"xaxis": {"title": "requests"}, "yaxis": {"title": "regret"}})


def _line(policy: str, x: np.ndarray, y: np.ndarray, colours: Mapping[str, str]) -> go.Scatter:
    return go.Scatter(name=policy, x=x, y=y, mode="lines", line={"width": 1.5, "color": colours[policy]})


def _replicas(results: Sequence[RunResult], colours: Mapping[str, str]) -> go.Figure:
    """One strip for each policy: in one picture the steps would lie upon each other."""
    most = max(max(sample.replicas, sample.target) for result in results for sample in result.samples)
    figure = make_subplots(rows=len(results), cols=1, shared_xaxes=True, vertical_spacing=0.12 / len(results))
    for row, result in enumerate(results, 1):
        at, colour = [s.at_s for s in result.samples], colours[result.policy]
        step = {"mode": "lines", "showlegend": False, "name": result.policy}
        ready = go.Scatter(
            x=at, y=[s.replicas for s in result.samples], line={"shape": "hv", "width": 1.5, "color": colour}, fill="tozeroy",
            text=[s.reason for s in result.samples], hoverinfo="text+name", **step,
        )  # fmt: skip
        target = go.Scatter(
            x=at, y=[s.target for s in result.samples], line={"shape": "hv", "width": 1, "color": "#1f2933", "dash": "dot"},
            hoverinfo="skip", **step,
        )  # fmt: skip
        figure.add_traces([ready, target], rows=row, cols=1)
        figure.update_yaxes(range=[0, most + 0.4], dtick=max(1, most // 2), title=None, row=row, col=1)
        label = {"x": 0, "xref": "x domain", "xanchor": "left", "y": 1, "yref": "y domain", "yanchor": "top", "xshift": 6}
        figure.add_annotation(text=result.policy, showarrow=False, bgcolor="rgba(255,255,255,0.7)", row=row, col=1, **label)
    figure.update_xaxes(title="seconds", row=len(results), col=1)
    return figure


def _marked(figure: go.Figure, happenings: Sequence[Happening]) -> go.Figure:
    """With a line at each happening."""
    for happening in happenings:
        figure.add_vline(happening.at_s, line={"width": 1, "dash": "dash", "color": "#9aa5b1"})
    return figure


def _told(happening: Happening) -> str:
    what = {
        "fail": "fails", "recover": "recovers", "slow": f"takes {happening.factor:g} times as long",
        "link": f"has {happening.factor:g} of its bandwidth", "join": "joins", "leave": "leaves",
    }  # fmt: skip
    return f"{happening.site} {what[happening.kind]}"
