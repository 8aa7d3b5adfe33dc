"""How `benchmarks.split` shows what it found: a section of the results, a picture beside it, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

from rich.console import Console
from rich.table import Table

from benchmarks.page import table, write_section
from benchmarks.panels import Panel, Style, picture
from benchmarks.split_results import EQUAL, FAR_MS, LAYERS, LONG, NEAR_MS, Results, Row
from cluster.cli.grid import Grid
from deployments.models.split.desk import WORK
from deployments.models.split.frames import OVERHEAD, Question

PICTURE = "split.svg"
_COLOURS = {"work saved": "#888888", "agreement": "#c2703d", "accuracy": "#1f5fa8"}


def write(page: Path, results: Results) -> None:
    """Put the section into `page`, and the picture beside it."""
    write_section(page, "split", "\n".join(_section(results)))
    page.with_name(PICTURE).write_text(_curve(results), encoding="utf-8")


def show(results: Results) -> None:
    """On the terminal: the modes, their times on the nearest link, and what was asked for."""
    console = Console()
    times = {r.mode: r.total_s for r in results.rows if (r.hosts, r.rtt_ms, r.mbps) == (EQUAL, NEAR_MS, 100)}
    rows = []
    for m in results.modes:
        shares = (f"{m.asked:.3f}", f"{m.work_saved:.3f}", f"{m.accuracy:.3f}", f"{m.agreement:.3f}")
        rows.append((m.mode, *shares, f"{m.bytes_per_answer / 1e3:.1f}", f"{times[m.mode]:.3f}"))
    console.print(Grid(("mode", "asked", "saved", "accuracy", "agreement", "KB", f"s at {NEAR_MS} ms, 100 Mbit/s"), rows))
    wanted = Table("asked for", "wanted", "found", "")
    for target in results.targets():
        wanted.add_row(target.what, target.wanted, target.found, "holds" if target.holds else "does not hold")
    console.print(wanted)


def _section(results: Results) -> Iterator[str]:
    yield "## One model over edge and cloud\n"
    yield _prose(
        f"""`python -m benchmarks.split --out docs/results.md`: the demo's cloud model, cut after layers 3 and 5 of 10, on
        {results.prompts} questions about homes it has never seen, with the passages that hold the answer
        ({results.prompt_tokens:.0f} tokens to a prompt). Means over answers."""
    )
    yield _prose(
        f"""Every mode ran for real with both parts in one process; seconds are processor time of one thread. Cloud-only is the
        unsplit model, its tokens streamed over the same link in frames as small as the split's. The naive split sends the whole
        prefix in single precision for every token; its cloud keeps its cache all the same. `asked` is questions to the cloud for
        each token, `saved` the share of positions that the cloud's layers did not run, `agreement` the share of answers that are
        the unsplit model's, token for token (by transformers), `over` the bytes over 2·d·(prompt + generated). The demo model's
        own θ is {results.theta:g}; verified is as it runs at {FAR_MS} ms, for it drafts as far as the link is worth it."""
    )
    modes = (
        (
            m.mode,
            f"{m.tokens:.1f}",
            f"{m.asked:.3f}",
            f"{m.work_saved:.3f}",
            f"{m.accuracy:.3f}",
            f"{m.agreement:.3f}",
            f"{m.bytes_per_answer / 1e3:.1f}",
            _share(m.over),
            f"{m.edge_s:.3f}",
            f"{m.cloud_s:.3f}",
        )
        for m in results.modes
    )
    head = ("mode", "tokens", "asked", "saved", "accuracy", "agreement", "KB", "over", "edge s", "cloud s")
    yield from table(head, modes)
    yield from ("", f"![Accuracy, agreement and work saved over θ, collaborative]({PICTURE})", "")
    yield _prose(
        """**Calibrated replay**: the measured passes of every answer, over links that are arithmetic (round trip in ms /
        Mbit/s). Seconds to the last token, in brackets those spent waiting for the link. First the same processor on both
        sides:"""
    )
    yield from _totals(results, EQUAL)
    yield ""
    yield _prose(
        f"""And with a layer taking the same at edge and cloud ({results.layer_s * 1e3:.2f} ms, as measured for one position),
        however many positions it is given, as it was on the hosts of the paper:"""
    )
    yield from _totals(results, LAYERS)
    yield ""
    yield _prose(
        """Several answers at once, both parts in one process. An answer that is not the same as alone would be a leak, or a tie
        that rounding decided."""
    )
    sessions = (
        (s.mode, s.sessions, s.tokens, s.asks, s.edge_passes, s.cloud_passes, f"{s.agreement:.1%}", s.left_bytes)
        for s in results.sessions
    )
    yield from table(
        ("mode", "at once", "tokens", "questions", "edge passes", "cloud passes", "as alone", "bytes left"), sessions
    )
    yield ""
    beside = 2 * OVERHEAD + len(Question([], b"").pack()) + WORK.size + 4
    yield _prose(
        f"""Bytes of an answer of {LONG} tokens. A question with one state and the answer to it take {beside} bytes beside the
        state: {beside / 512:.0%} of a state at this model's width of 256, {beside / 8192:.1%} at 4096."""
    )
    yield from table(("mode", "KB", "over"), ((r.mode, f"{r.bytes_per_answer / 1e3:,.1f}", _share(r.over)) for r in results.long))
    yield ""
    holds = {True: "holds", False: "**does not hold**"}
    yield from table(
        ("asked for", "wanted", "found", ""), ((t.what, t.wanted, t.found, holds[t.holds]) for t in results.targets())
    )


def _share(over: float | None) -> str:
    return "" if over is None else f"{over:+.1%}"


def _prose(text: str) -> str:
    """A paragraph, and a line between it and what follows."""
    return fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False) + "\n"


def _totals(results: Results, hosts: str) -> Iterator[str]:
    rows: dict[str, list[Row]] = {}
    for row in results.rows:
        if row.hosts == hosts:
            rows.setdefault(row.mode, []).append(row)
    links = [f"{row.rtt_ms} / {row.mbps}" for row in next(iter(rows.values()))]
    yield from table(
        ("mode", *links), ((mode, *(f"{row.total_s:.3f} ({row.link_s:.3f})" for row in found)) for mode, found in rows.items())
    )


def _curve(results: Results) -> str:
    modes = [(float(m.mode.partition("@")[2]), m) for m in results.modes if m.mode.startswith("collaborative")]
    lines = {
        "work saved": [m.work_saved for _, m in modes],
        "agreement": [m.agreement for _, m in modes],
        "accuracy": [m.accuracy for _, m in modes],
    }
    panel = Panel("the demo's model, collaborative", [theta for theta, _ in modes], lines)
    level = results.modes[0].accuracy
    return picture([panel], Style(_COLOURS, "θ (dashed: accuracy of cloud-only)", "share", 1.0, level=level))
