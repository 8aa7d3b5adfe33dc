"""Picking tokens: the distribution is the full model's, and the seed decides, whichever part picks."""

from __future__ import annotations

import asyncio

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.models.split.codec import Wire
from deployments.models.split.draw import Draw
from policies.split.mode import Kind, Mode
from tests.unit.split.town import PROMPT, split, whole

DRAWS = st.builds(
    Draw,
    temperature=st.floats(0.3, 2.0),
    top_p=st.sampled_from([1.0, 0.9, 0.5]),
    presence_penalty=st.sampled_from([0.0, 0.7]),
    frequency_penalty=st.sampled_from([0.0, -0.3]),
    seed=st.integers(0, 2**64 - 1),
)


@given(DRAWS)
def test_parameters_survive_the_link(draw: Draw) -> None:
    assert Draw.unpack(draw.pack()) == draw


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (1.5, 0.8)])
def test_picks_follow_the_distribution(temperature: float, top_p: float) -> None:
    logits = torch.tensor([2.0, 1.0, 0.5, -1.0, 1.9])
    count = 4000
    picks = torch.tensor([Draw(temperature, top_p, seed=seed).pick(logits, 3) for seed in range(count)])
    wanted = (logits / temperature).softmax(0)
    if top_p < 1:
        ordered, order = wanted.sort(descending=True)
        wanted[order[ordered.cumsum(0) - ordered >= top_p]] = 0
        wanted /= wanted.sum()
    share = torch.bincount(picks, minlength=5) / count
    error = (wanted * (1 - wanted) / count).sqrt()
    assert ((share - wanted).abs() <= 4 * error + 1e-9).all()


def test_positions_have_noise_of_their_own() -> None:
    picks = [Draw(1.0, seed=1).pick(torch.zeros(50), position) for position in range(20)]
    assert len(set(picks)) > 10


def test_no_temperature_takes_the_most_likely_and_penalties_count_what_was_said() -> None:
    logits = torch.tensor([1.0, 0.9, 0.0])
    assert Draw().pick(logits, 0) == 0
    assert Draw(presence_penalty=0.2).pick(logits, 0, [0]) == 1
    assert Draw(frequency_penalty=0.06).pick(logits, 0, [0]) == 0
    assert Draw(frequency_penalty=0.06).pick(logits, 0, [0, 0]) == 1


@settings(max_examples=8)
@given(draw=DRAWS, k=st.integers(1, 4), threshold=st.sampled_from([0.0, 0.5, 0.95]))
def test_verified_and_theta_one_draw_what_the_full_model_draws(draw: Draw, k: int, threshold: float) -> None:
    async def say(mode: Mode) -> list[int]:
        async with split("qwen3", (1, 2), Wire.FLOAT32, shared=True, faint=True) as town:
            return (await town.say(mode, most=10, draw=draw))[0]

    unsplit = by_the_full_model(draw, 10)
    assert asyncio.run(say(Mode(Kind.VERIFIED, threshold, k))) == unsplit
    assert asyncio.run(say(Mode(Kind.COLLABORATIVE, 1.0))) == unsplit


@torch.inference_mode()
def by_the_full_model(draw: Draw, most: int) -> list[int]:
    text = list(PROMPT)
    for _ in range(most):
        logits = whole("qwen3", True)(torch.tensor([text])).logits[0, -1]
        text.append(draw.pick(logits, len(text), text[len(PROMPT) :]))
    return text[len(PROMPT) :]


async def test_drafts_drawn_with_the_full_models_noise_are_often_confirmed() -> None:
    async with split("qwen3", (1, 3), shared=True, faint=True) as town:
        tallies = [
            (await town.say(Mode(Kind.VERIFIED, 0.3, 3), most=30, draw=Draw(1.0, seed=seed)))[1].tally for seed in range(4)
        ]
    assert sum(t.confirmed for t in tallies) > 0.5 * sum(t.drafted for t in tallies)
