"""All gateways' experiences in one place: each counts once, and what was learnt outlives a restart."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.experience import ANSWER, Batch, Experience, Learned, Rated, Served, Took
from policies.learner import GATEWAYS, PROFILES, UNUSABLE, Learner
from policies.schedule.arms import HALF_LIFE_S, Lesson

SERVERS = {"small": ("small@a", "small@b")}


def batch(experiences: Sequence[Experience], first: int = 0, oldest: int = 0, gateway: str = "g", **rest: object) -> Batch:
    return Batch(gateway, first, oldest, tuple(experiences), 0, **{"servers": SERVERS, **rest})  # type: ignore[arg-type]


def served(server: int = 0, ratio: float = 2.0, service: int = ANSWER) -> Served:
    return Served("small", Lesson(service, server, True, ratio, 0.5, 0.7, 1.5))


def rated(score: float = 0.1, profile: str = "p", client: str = "c") -> Rated:
    return Rated(profile, "path", client, score, 0.9)


def took(latency_s: float = 3.0, profile: str = "p") -> Took:
    return Took(profile, "path", latency_s, 0.0, 5.0, 1.0, 0.0, 5.0)


def plain(learned: Learned) -> object:
    fleet = learned.fleets["small"]
    arrays = [fleet.belief.ratio, fleet.belief.energy, fleet.arms.ratio.weight, fleet.arms.reward.sum, fleet.arms.length.sum]
    return learned.corrections, [array.tolist() for array in arrays]


def test_outcomes_move_what_is_believed_of_a_server() -> None:
    learner = Learner()
    learner.take(batch([served(1, 4.0)] * 50), 0.0)
    ratio = learner.learned(0.0).fleets["small"].belief.ratio[ANSWER]
    assert ratio[1] > 3.0
    assert learner.outcomes == 50


def test_measurements_and_feedback_correct_the_profile() -> None:
    learner = Learner()
    learner.take(batch([took(), rated()] * 30), 0.0)
    correction = learner.learned(0.0).corrections["p"]["path"]
    assert correction.latency > 1.5
    assert correction.cost == 1.0  # a cost of nothing says nothing
    assert correction.accuracy < -0.1
    assert learner.ratings == 30


def test_what_is_told_twice_counts_once() -> None:
    once, twice = Learner(), Learner()
    story = [served(i % 2, 1.0 + i / 10) for i in range(20)]
    assert once.take(batch(story), 0.0) == 20
    twice.take(batch(story[:12]), 0.0)
    assert twice.take(batch(story, first=0), 0.0) == 20
    assert twice.take(batch(story[5:], first=5), 0.0) == 20
    assert plain(twice.learned(0.0)) == plain(once.learned(0.0))
    assert twice.version == once.version == 20


def test_a_gap_is_asked_for_while_the_gateway_still_has_it() -> None:
    learner = Learner()
    learner.take(batch([served()] * 3), 0.0)
    assert learner.take(batch([served()] * 2, first=7, oldest=2), 0.0) == 3
    assert learner.outcomes == 3
    assert learner.take(batch([served()] * 2, first=7, oldest=7), 0.0) == 9
    assert learner.outcomes == 5


def test_two_gateways_are_told_apart() -> None:
    learner = Learner()
    learner.take(batch([served()], gateway="one"), 0.0)
    learner.take(batch([served()], gateway="two"), 0.0)
    assert learner.outcomes == 2
    for number in range(GATEWAYS):
        learner.take(batch([], gateway=f"g{number}"), 0.0)
    assert "one" not in learner.heard()


def test_servers_that_stay_keep_what_is_known_of_them() -> None:
    learner = Learner()
    learner.take(batch([served(1, 4.0)] * 50), 0.0)
    before = learner.learned(0.0).fleets["small"]
    learner.take(batch([], first=50, servers={"small": ("small@b", "small@new")}), 0.0)
    after = learner.learned(0.0).fleets["small"]
    assert after.arms.ratio.weight[ANSWER].tolist() == [before.arms.ratio.weight[ANSWER, 1], 0.0]
    assert after.belief.ratio[ANSWER, 0] == pytest.approx(before.belief.ratio[ANSWER, 1])


def test_lessons_about_nobody_change_nothing() -> None:
    learner = Learner()
    story = [served(7), served(-1), served(0, service=9), Served("unknown", Lesson(0, 0, True, 1.0))]
    learner.take(batch(story), 0.0)
    assert learner.learned(0.0).fleets["small"].arms.ratio.weight.sum() == 0


def test_the_corrections_of_old_profiles_are_forgotten() -> None:
    learner = Learner()
    for number in range(PROFILES + 2):
        learner.take(batch([rated(profile=str(number))], first=number), 0.0)
    assert list(learner.learned(0.0).corrections) == ["2", "3"]


def test_a_profile_that_is_in_use_again_outlives_the_one_between() -> None:
    learner = Learner()
    for number, profile in enumerate(("old", "tried", "old", "new")):
        learner.take(batch([rated(profile=profile)], first=number), 0.0)
    assert list(learner.learned(0.0).corrections) == ["old", "new"]


@given(
    st.lists(
        st.one_of(
            st.builds(served, st.integers(0, 1), st.floats(0, 20)), st.builds(rated, st.floats()), st.builds(took, st.floats())
        )
    )
)
def test_a_restart_changes_nothing(story: list[Experience]) -> None:
    learner = Learner()
    learner.take(batch(story), 10.0)
    kept = json.loads(json.dumps(learner.dump(10.0)))
    again = Learner.load(kept, age_s=0.0, now=500.0)
    assert (again.version, again.outcomes, again.ratings, again.heard()) == (
        learner.version,
        learner.outcomes,
        learner.ratings,
        learner.heard(),
    )
    np.testing.assert_allclose(
        *(np.concatenate([np.ravel(part) for part in plain(one)[1]]) for one in (learner.learned(10.0), again.learned(500.0)))
    )  # type: ignore[index]
    assert plain(again.learned(500.0))[0] == plain(learner.learned(10.0))[0]  # type: ignore[index]


def test_time_passes_while_nobody_runs_and_a_clock_that_went_back_is_no_age() -> None:
    learner = Learner()
    learner.take(batch([served()] * 8), 0.0)
    kept = learner.dump(0.0)
    weight = learner.learned(0.0).fleets["small"].arms.ratio.weight.sum()
    for age_s, share in ((HALF_LIFE_S, 0.5), (-1000.0, 1.0), (1e9, 0.0)):
        again = Learner.load(kept, age_s, 0.0).learned(0.0).fleets["small"]
        assert again.arms.ratio.weight.sum() == pytest.approx(share * weight)
        assert again.belief.ratio[ANSWER, 0] > 1.5


def test_a_clock_that_goes_back_is_tolerated() -> None:
    learner = Learner()
    learner.take(batch([served()]), 100.0)
    learner.take(batch([served()], first=1), 5.0)
    assert learner.learned(1.0).fleets["small"].arms.ratio.weight.sum() == pytest.approx(2.0)


@pytest.mark.parametrize(
    "spoil",
    [
        {"fleets": {"small": {}}},
        {"fleets": {"small": {"servers": ["a"], "arms": [], "length": [[0, 0]] * 2, "long_run": [], "lengths": []}}},
        {"profiles": {"p": {"path": 3}}},
        {"version": None},
        {"version": float("inf")},
        {"heard": 3},
    ],
)
def test_what_is_no_dump_is_refused(spoil: dict[str, object]) -> None:
    known = Learner().dump(0.0) | spoil
    with pytest.raises(UNUSABLE):
        Learner.load(known, 0.0, 0.0)
