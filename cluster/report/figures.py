"""The figures of a report, as plotly's JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.report.analysis import STAGES, TAU, Analysis, Group, PathMeans
from policies.forecast import Axis

TITLES: dict[Axis, str] = {"latency_s": "latency, s", "cost_usd": "cost, US cents per 1000", "energy_j": "energy, J"}
SCALES: dict[Axis, float] = {"latency_s": 1.0, "cost_usd": 1e5, "energy_j": 1.0}
COLOURS = {"edge": "#1a7f5a", "cloud": "#2f6fb5"}
_FONT = {"family": "system-ui, sans-serif", "size": 13, "color": "#24292f"}
_ACCURACY = {"title": {"text": "accuracy"}, "gridcolor": "#eaeef2", "autorangeoptions": {"clipmin": -0.03, "clipmax": 1.03}}
"""Left to itself, an axis with a single value on it goes on to a half or one to both sides."""
_MARGIN = {"l": 60, "r": 20, "t": 30, "b": 50}


def frontier(analysis: Analysis, axis: Axis) -> dict[str, Any]:
    """Every path as a point, those that no other beats joined by a line."""
    known = [path for path in analysis.paths if getattr(path, axis) is not None]
    traces = [_points([path for path in known if path.tier == tier], axis, tier) for tier in COLOURS]
    return {"data": [_line(_best(known, axis), axis), *traces], "layout": _layout(axis, 430)}


def group(analysis: Analysis, place: int, axis: Axis) -> dict[str, Any]:
    """The frontier of one cluster of queries, on the same scales for all clusters."""
    known = [path for each in analysis.groups for path in each.frontier if getattr(path, axis) is not None]
    mine = [path for path in analysis.groups[place].frontier if getattr(path, axis) is not None]
    traces = [_points([path for path in mine if path.tier == tier], axis, tier) for tier in COLOURS]
    layout = _layout(axis, 230) | {"margin": {"l": 50, "r": 10, "t": 10, "b": 40}, "showlegend": False}
    costs = [getattr(path, axis) * SCALES[axis] for path in known]
    layout["xaxis"] |= {"range": [0, max(costs, default=1.0) * 1.06]}
    layout["yaxis"] = _ACCURACY | {"range": [max(0.0, min((path.accuracy for path in known), default=0.0) - 0.05), 1.03]}
    return {"data": [_line(_best(mine, axis), axis), *traces], "layout": layout}


def policies(result: dict[str, Any]) -> dict[str, Any]:
    """The frontier of each policy of `isthmus evaluate`; one that can only be run in one way is a point."""
    axis: Axis = result["objective"]
    traces = []
    for name, policy in result["policies"].items():
        points = policy["frontier"]
        ours = name == "isthmus"
        traces.append(
            {
                "type": "scatter",
                "mode": "lines" if len(points) > 1 else "markers",
                "name": name,
                "x": [cost * SCALES[axis] for cost, _ in points],
                "y": [accuracy for _, accuracy in points],
                "line": {"width": 3.5 if ours else 1.5} | ({"color": COLOURS["edge"]} if ours else {}),
                "hovertemplate": f"{name}<br>accuracy %{{y:.3f}}, %{{x:.3g}}<extra></extra>",
            }
        )
    return {"data": traces, "layout": _layout(axis, 380) | {"legend": {"orientation": "v"}}}


def critical(analysis: Analysis) -> dict[str, Any]:
    """A heat map: what forbidding a stage's best option costs, for all queries and for each cluster."""
    rows = [analysis.losses, *(group.losses for group in analysis.groups)]
    names = ["all queries", *(f"{number}: {_short(group)}" for number, group in enumerate(analysis.groups, start=1))]
    heat = {
        "type": "heatmap",
        "x": list(STAGES),
        "y": names,
        "z": [[row[stage] for stage in STAGES] for row in rows],
        "texttemplate": "%{z:.2f}",
        "colorscale": [[0, "#f6f8fa"], [1, "#c4432b"]],
        "zmin": 0,
        "zmax": max(2 * TAU, *(loss for row in rows for loss in row.values())),
        "hovertemplate": "%{y}<br>without the best %{x}: accuracy %{z:.3f} lower<extra></extra>",
        "colorbar": {"title": {"text": "loss"}},
    }
    layout = {
        "font": _FONT,
        "margin": {**_MARGIN, "l": 330},
        "height": 110 + 30 * len(rows),
        "yaxis": {"autorange": "reversed"},
        "xaxis": {"side": "top"},
    }
    return {"data": [heat], "layout": layout}


def _points(paths: Sequence[PathMeans], axis: Axis, tier: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": tier,
        "x": [getattr(path, axis) * SCALES[axis] for path in paths],
        "y": [path.accuracy for path in paths],
        "text": [path.path for path in paths],
        "customdata": [path.cells for path in paths],
        "marker": {
            "color": COLOURS[tier],
            "size": [10 if path.on_frontier else 7 for path in paths],
            "opacity": [0.95 if path.on_frontier else 0.45 for path in paths],
        },
        "hovertemplate": "%{text}<br>accuracy %{y:.3f}, %{x:.3g}<br>measured on %{customdata} queries<extra></extra>",
    }


def _line(paths: Sequence[PathMeans], axis: Axis) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "no path is better",
        "x": [getattr(path, axis) * SCALES[axis] for path in paths],
        "y": [path.accuracy for path in paths],
        "text": [path.path for path in paths],
        "line": {"shape": "hv", "color": "#8c959f", "width": 1.5},
        "marker": {"size": 5},
        "hovertemplate": "%{text}<br>accuracy %{y:.3f}, %{x:.3g}<extra></extra>",
    }


def _best(paths: Sequence[PathMeans], axis: Axis) -> list[PathMeans]:
    """Those that are more accurate than every path that takes less."""
    best: list[PathMeans] = []
    for path in sorted(paths, key=lambda path: (getattr(path, axis), -path.accuracy)):
        if not best or path.accuracy > best[-1].accuracy:
            best.append(path)
    return best


def _layout(axis: Axis, height: int) -> dict[str, Any]:
    return {
        "font": _FONT,
        "margin": _MARGIN,
        "height": height,
        "hovermode": "closest",
        "plot_bgcolor": "#ffffff",
        "xaxis": {"title": {"text": TITLES[axis]}, "gridcolor": "#eaeef2", "rangemode": "tozero"},
        "yaxis": _ACCURACY,
        "legend": {"orientation": "h", "y": 1.08},
    }


def _short(group: Group, length: int = 42) -> str:
    text = group.examples[0] if group.examples else ""
    return text if len(text) <= length else text[: length - 1] + "…"
