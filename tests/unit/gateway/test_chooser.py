"""What `auto` takes: the best path by the profile within the limits, on the system as it is now."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.gateway.case import Case
from deployments.gateway.chooser import Choice
from deployments.gateway.dialogues import Dialogues, Thread
from deployments.gateway.situation import Situation
from policies.errors import DeadlineExceeded, InfeasibleSlo
from policies.types import OnInfeasible, Path, Privacy, Slo
from tests.unit.gateway.town import (
    CONFIG,
    HUGE,
    LARGE,
    PATHS,
    REWRITTEN,
    SMALL,
    SNAPSHOT,
    FakePipeline,
    Town,
    limits,
    said,
    vector_of,
)

REJECT, CHEAPEST = OnInfeasible.REJECT, OnInfeasible.CHEAPEST


async def choose(town: Town, *turns: str, model: str = "auto", **slo: Any) -> Choice:
    limit = Slo(**slo)
    return await town.chooser.choose(model, limit, said(*turns), limits(limit))


@pytest.mark.parametrize(("question", "path"), [("lamp 3", SMALL), ("tax 3", HUGE)])
async def test_each_question_takes_what_suits_it(question: str, path: Path) -> None:
    decision = (await choose(Town(), question)).decision
    assert decision.path == path
    assert decision.feasible
    assert decision.predicted is not None
    assert decision.predicted.accuracy == pytest.approx(1.0, abs=0.05)
    assert decision.predicted.cost_usd == pytest.approx(0.01 if path == HUGE else 0.0, rel=0.1)


@pytest.mark.parametrize("slo", [{"max_latency_s": 2.0}, {"max_ttft_s": 2.0}, {"max_cost_usd": 0.005}, {"max_energy_j": 20.0}])
async def test_a_limit_rules_paths_out(slo: dict[str, float]) -> None:
    assert (await choose(Town(), "tax 3", **slo)).decision.path == LARGE


async def test_the_queue_at_a_server_counts_as_time() -> None:
    town = Town()
    await town.busy("large", requests=4, seconds=0.9)
    decision = (await choose(town, "tax 3", max_latency_s=2.0, on_infeasible=CHEAPEST)).decision
    assert decision.path == SMALL
    assert "9 of 10 stay within 4.6" in decision.dropped[LARGE.name]  # one second, and 3.6 of four in front


async def test_what_waited_before_the_decision_counts_too() -> None:
    slo = Slo(max_latency_s=3.2)
    late = Case(SNAPSHOT, "tax 3", vector_of("tax 3"), slo, Situation(elapsed_s=0.5))
    assert late.decide(late.forecast()).path == LARGE


async def test_a_server_that_is_down_is_left_out_with_its_reason() -> None:
    town = Town()
    town.clients["huge"].lost("no replica is running")
    choice = await choose(town, "tax 3")
    assert choice.decision.path == LARGE
    assert "left out: the model huge is down (no replica is running)" in choice.decision.reason
    why = {row["path"]: row["why"] for row in choice.candidates()}
    assert why[HUGE.name] == why[REWRITTEN.name] == "the model huge is down (no replica is running)"


async def test_a_preprocess_model_that_is_down_takes_its_paths_with_it() -> None:
    town = Town()
    town.clients["small"].lost("no replica is running")
    kept = {row["path"] for row in (await choose(town, "tax 3")).candidates() if row["kept"]}
    assert kept == {LARGE.name, HUGE.name}


async def test_a_full_queue_is_as_good_as_down() -> None:
    town = Town()
    await town.busy("huge", requests=9, seconds=0.0)
    assert "has a full queue (8 wait)" in (await choose(town, "tax 3")).decision.reason


async def test_with_every_server_down_the_failure_itself_is_the_answer() -> None:
    town = Town()
    for client in town.clients.values():
        client.lost("gone")
    assert (await choose(town, "tax 3")).decision.path == HUGE


async def test_privacy_holds_with_the_edge_down() -> None:
    town = Town()
    town.clients["small"].lost("gone")
    decision = (await choose(town, "tax 3", privacy=Privacy.EDGE)).decision
    assert (decision.path, decision.fallbacks) == (SMALL, ())


async def test_reject_names_the_limit_the_best_and_what_is_down() -> None:
    town = Town()
    town.clients["small"].lost("gone")
    with pytest.raises(InfeasibleSlo, match=r"max_latency_s 0\.5: the best that can be expected is 1.*small is down") as refused:
        await choose(town, "tax 3", max_latency_s=0.5, on_infeasible=REJECT)
    assert refused.value.param == "slo.max_latency_s"


async def test_best_effort_is_flagged_and_cheapest_is_cheap() -> None:
    effort = (await choose(Town(), "tax 3", max_latency_s=0.01)).decision
    assert (effort.path, effort.feasible) == (SMALL, False)
    assert "no path keeps the limits" in effort.reason
    assert (await choose(Town(), "tax 3", min_accuracy=1.0, max_cost_usd=1e-9, on_infeasible=CHEAPEST)).decision.path == SMALL


async def test_fallbacks_lead_to_other_models_and_end_at_the_edge() -> None:
    decision = (await choose(Town(), "tax 3")).decision
    assert decision.fallbacks == (LARGE, SMALL)  # not to REWRITTEN, which asks the same server as HUGE


async def test_no_edge_fallback_breaks_a_limit_that_was_to_be_kept_or_rejected() -> None:
    strict = (await choose(Town(), "tax 3", min_accuracy=0.8, on_infeasible=REJECT)).decision
    assert SMALL not in strict.fallbacks
    assert (await choose(Town(), "tax 3", min_accuracy=0.8)).decision.fallbacks[-1] == SMALL


async def test_an_unfamiliar_query_takes_the_default_path() -> None:
    decision = (await choose(Town(), "zebra 3")).decision
    assert decision.path == LARGE
    assert decision.reason == "unlike every profiled query, so the default path"
    assert decision.predicted is not None


async def test_an_unfamiliar_query_still_keeps_its_limits() -> None:
    decision = (await choose(Town(), "zebra 3", max_latency_s=0.5)).decision
    assert decision.path == SMALL
    assert "unlike every profiled query" in decision.reason


async def test_without_a_snapshot_the_default_path_says_so() -> None:
    town = Town()
    town.chooser.snapshot = None
    choice = await choose(town, "tax 3")
    assert choice.decision.path == LARGE
    assert choice.decision.reason == "default path; the configuration names no profile"
    assert (choice.decision.predicted, choice.candidates(), town.pipeline.asked) == (None, [], [])


async def test_a_new_snapshot_counts_from_the_next_request() -> None:
    from tests.unit.gateway.town import snapshot

    town = Town()
    before = await choose(town, "tax 3")
    town.chooser.snapshot = snapshot((SMALL, LARGE))
    assert (await choose(town, "tax 3")).decision.path == LARGE
    assert len(before.candidates()) == len(PATHS)  # what was decided is still explained by what it was decided with


async def test_a_named_path_costs_no_embedding() -> None:
    town = Town()
    choice = await choose(town, "tax 3", model="small")
    assert (choice.decision.path, choice.candidates(), town.pipeline.asked) == (SMALL, [], [])


async def test_the_question_is_embedded_by_itself() -> None:
    town = Town()
    await choose(town, "tax 1", "so much", "lamp 2")
    assert town.pipeline.asked == ["lamp 2"]


async def test_a_dialogue_that_ends_with_an_answer_has_no_question() -> None:
    decision = (await choose(Town(), "tax 1", "so")).decision
    assert (decision.path, decision.reason) == (LARGE, "default path; the last message is no question")


async def test_a_late_embedding_ends_in_time() -> None:
    slo = Slo(max_latency_s=0.02)
    with pytest.raises(DeadlineExceeded, match=r"0\.02 s passed during the choice of a path"):
        await Town(FakePipeline(hang=True)).chooser.choose("auto", slo, said("tax 3"), limits(slo))


async def test_a_dialogue_stays_on_its_path() -> None:
    town, turns, paths = Town(), ["tax 1"], []
    for follow_up in ("lamp 2", "tax 3", "lamp 4", "zebra 5"):
        choice = await choose(town, *turns)
        town.chooser.answered(choice, f" about {turns[-1]}\n", choice.decision.path)
        paths.append(choice.decision.path)
        turns += [f"about {turns[-1]}", follow_up]
    assert set(paths) == {HUGE}
    assert (await choose(town, *turns)).decision.reason == "the dialogue stays on its path, which keeps the limits"
    assert (await choose(town, "lamp 2")).decision.path == SMALL


async def test_a_dialogue_stays_on_the_fallback_that_answered() -> None:
    town = Town()
    town.chooser.answered(await choose(town, "tax 1"), "so", LARGE)
    decision = (await choose(town, "tax 1", "so", "tax 2")).decision
    assert (decision.path, decision.fallbacks[0]) == (LARGE, HUGE)
    assert decision.predicted is not None
    assert decision.predicted.path == LARGE


@pytest.mark.parametrize("trouble", ["limit", "down"])
async def test_a_dialogue_leaves_a_path_that_cannot_go_on(trouble: str) -> None:
    town = Town()
    town.chooser.answered(await choose(town, "tax 1"), "so", HUGE)
    if trouble == "down":
        town.clients["huge"].lost("gone")
    slo = {"max_latency_s": 2.0} if trouble == "limit" else {}
    choice = await choose(town, "tax 1", "so", "tax 2", **slo)
    assert choice.decision.path == LARGE
    assert f"the dialogue had to leave {HUGE.name}" in choice.decision.reason
    town.chooser.answered(choice, "well", LARGE)
    assert (await choose(town, "tax 1", "so", "tax 2", "well", "tax 3")).decision.path == LARGE  # and does not jump back


async def test_another_dialogue_is_not_taken_for_it() -> None:
    town = Town()
    town.chooser.answered(await choose(town, "tax 1"), "so", LARGE)
    assert (await choose(town, "tax 1", "otherwise", "tax 2")).decision.path == HUGE
    assert (await choose(town, "tax 1")).decision.path == HUGE


def test_dialogues_are_forgotten_in_their_order() -> None:
    dialogues = Dialogues(capacity=3)
    for number in range(9):
        dialogues.keep(Thread(said(f"tax {number}")), "so", LARGE)
    assert len(dialogues) == 3
    assert dialogues.path_of(Thread(said("tax 8", "so", "on"))) == LARGE
    assert dialogues.path_of(Thread(said("tax 5", "so", "on"))) is None


async def test_candidates_tell_what_was_weighed() -> None:
    choice = await choose(Town(), "tax 3", max_latency_s=2.0)
    rows = {row["path"]: row for row in choice.candidates()}
    assert rows.keys() == {path.name for path in PATHS}
    assert rows[LARGE.name]["why"] == "chosen"
    assert rows[SMALL.name]["why"] == "fallback 1"
    assert rows[SMALL.name]["predicted"]["latency_s"] == pytest.approx(0.1, abs=0.05)
    assert "over max_latency_s 2" in rows[HUGE.name]["why"]
    assert [row["kept"] for row in choice.candidates()] == [True, True, False, False]


LIMIT = st.one_of(st.none(), st.floats(0.05, 5))


@given(
    st.sampled_from(["lamp 1", "tax 1", "zebra 1"]),
    st.builds(Slo, LIMIT, LIMIT, st.one_of(st.none(), st.floats(1e-4, 0.02)), st.one_of(st.none(), st.floats(0.1, 1))),
    st.sampled_from(Privacy),
    st.dictionaries(st.sampled_from(list(CONFIG.models)), st.floats(0, 3)),
    st.sets(st.sampled_from(list(CONFIG.models)), max_size=2),
    st.one_of(st.none(), st.sampled_from(PATHS)),
)
def test_no_reachable_path_that_keeps_the_limits_is_passed_over_for_one_that_does_not(
    question: str, slo: Slo, privacy: Privacy, wait_s: dict[str, float], gone: set[str], before: Path | None
) -> None:
    town = Town()
    limit = Slo(slo.max_latency_s, slo.max_ttft_s, slo.max_cost_usd, slo.min_accuracy, None, privacy)
    situation = Situation(0.01, wait_s, {name: f"the model {name} is down" for name in gone})
    case = Case(SNAPSHOT, question, vector_of(question), limit, situation)
    thread = Thread(said("x", "y", question))
    if before is not None:
        town.chooser.answered(Choice(case.decide(case.forecast()), case, Thread(said("x"))), "y", before)
    kept = {row["path"] for row in case.candidates(SMALL, ()) if row["kept"]}
    decision = town.chooser.decide(case, thread)
    if kept:
        assert decision.path.name in kept
        assert decision.feasible
    if before is not None and before.name in kept:
        assert decision.path == before
    if privacy is Privacy.EDGE:
        assert all(CONFIG.stays_on_edge(path) for path in (decision.path, *decision.fallbacks))
