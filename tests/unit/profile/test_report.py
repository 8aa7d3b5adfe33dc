"""The page holds what the profile says, and nothing that must be fetched."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cluster.emulator import Journal, Record
from cluster.emulator.journal import read_records
from cluster.emulator.result import cost
from cluster.profile import Table, write_table
from cluster.report import analyse, page

Make = Callable[..., Table]
TWO_KINDS = np.repeat(np.eye(2), 30, axis=0) + np.random.default_rng(0).normal(size=(60, 2)) * 0.01


def table(make: Make) -> Table:
    """The first thirty questions need path 1, the others are answered by both; path 1 takes ten times as long."""
    accuracy = [[0.0, 1.0]] * 30 + [[1.0, 1.0]] * 30
    return make(accuracy, [[1.0, 10.0]] * 60, [f"<kind {query // 30}> {query}" for query in range(60)])


def unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_kinds_of_queries_and_what_matters_for_each(make: Make) -> None:
    found = analyse(table(make), unit(TWO_KINDS))
    assert (found.queries, found.cells, found.axes) == (60, 120, ("latency_s",))
    hard, easy = sorted(found.groups, key=lambda group: -group.losses["generate"])
    assert {example[:8] for example in hard.examples} == {"<kind 0>"}
    assert hard.critical == ("generate",)
    assert easy.critical == ()
    assert [path.on_frontier for path in found.paths] == [True, True]
    assert found.losses["generate"] == pytest.approx(0.5, abs=0.1)
    assert {result["objective"] for result in found.policies} == {"latency_s"}


def test_a_page_that_needs_no_network(make: Make) -> None:
    text = page("Profile <of> mine", analyse(table(make), unit(TWO_KINDS)), None)
    own = re.sub(r"<script>.*?</script>", "", text, count=1, flags=re.DOTALL)  # plotly's own program
    assert "plotly" in text[: text.index("</script>")].lower()
    assert not re.search(r"(src|href)=|https?://|@import", own)
    assert "Profile &lt;of&gt; mine" in own
    assert "&lt;kind 0&gt;" in own
    assert "<kind 0>" not in own.split("const plots")[0]
    plots = json.loads(re.search(r"const plots = (\{.*\});", own).group(1))  # type: ignore[union-attr]
    assert set(plots) == {"all-latency_s", "group-1", "group-2", "critical", "policies-latency_s"}
    for name in (
        "isthmus",
        "isthmus_fair",
        "best_single",
        "cheapest",
        "random",
        "zero_router",
        "knn",
        "kmeans",
        "ridge",
        "oracle",
    ):
        assert f"<td>{name}</td>" in own


@pytest.mark.parametrize(
    ("queries", "said"), [(2, "Only a single question was scored"), (5, "Only 2 questions were scored"), (70, None)]
)
def test_a_comparison_that_rests_on_little_says_so(make: Make, queries: int, said: str | None) -> None:
    texts = [f"question {query}" for query in range(queries)]
    vectors = unit(np.random.default_rng(0).normal(size=(queries, 4)))
    text = page("Profile", analyse(make([[0.5, 1.0]] * queries, [[1.0, 2.0]] * queries, texts), vectors), None)
    assert "Against other ways to choose" in text
    assert (said or "questions learnt from say loses no accuracy.</p><h3>") in text
    assert ("may be chance" in text) == (said is not None)


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 1.0])
def test_where_all_have_one_accuracy_its_axes_stay_within_0_and_1(make: Make, accuracy: float) -> None:
    text = page("Profile", analyse(make([[accuracy, accuracy]] * 5, [[1.0, 2.0]] * 5), np.eye(5)), None)
    plots = json.loads(re.search(r"const plots = (\{.*\});", text).group(1))  # type: ignore[union-attr]
    axes = {name: plot["layout"]["yaxis"] for name, plot in plots.items() if name != "critical"}
    assert {"all-latency_s", "group-1", "policies-latency_s"} <= axes.keys()
    for axis in axes.values():
        low, high = axis.get("range") or (axis["autorangeoptions"]["clipmin"], axis["autorangeoptions"]["clipmax"])
        assert -0.05 <= low <= accuracy <= high <= 1.05


def test_what_was_never_measured_is_not_drawn(make: Make) -> None:
    nan = float("nan")
    found = analyse(make([[1.0, 0.5, nan]] * 3, [[1.0, nan, nan]] * 3), np.eye(3))
    assert [path.latency_s for path in found.paths] == [1.0, None, None]
    assert found.paths[2].cells == 0
    assert "<td>-</td>" in page("Profile", found, None)


def test_one_query_and_one_path(make: Make) -> None:
    found = analyse(make([[1.0]], [[2.0]]), np.eye(1))
    assert found.policies == ()
    assert "Kinds of queries" in page("Profile", found, None)


def test_the_cost_of_the_exploration_is_told(make: Make, tmp_path: Path) -> None:
    write_table(table(make), tmp_path)
    assert read_records(tmp_path) == []
    with Journal(tmp_path, {}, resume=False) as journal:
        lost = Record("q0", "a", error="gone", elapsed_s=1.0)
        first = Record("q0", "a", accuracy=1.0, latency_s=2.0, cost_usd=0.5, spent_s=2.0, spent_usd=0.5, elapsed_s=61.0)
        second = Record("q0", "b", accuracy=1.0, latency_s=2.0, cost_usd=0.5, spent_s=0.5, elapsed_s=90.0)
        journal.append([lost, first, second])
    spent = cost(read_records(tmp_path), 40)
    assert (spent.cells, spent.failed, spent.elapsed_s, spent.spent_usd, spent.unshared_usd) == (2, 0, 90.0, 0.5, 1.0)
    text = page("Profile", analyse(table(make), unit(TWO_KINDS)), asdict(spent))
    assert "2 of 40 cells in 1:30 minutes, 0 failed" in text
