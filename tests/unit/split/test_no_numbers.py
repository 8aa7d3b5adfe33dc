"""A model whose states are no numbers fails its answer, instead of saying whatever token comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from deployments.models.split.errors import StateError
from policies.split.mode import Kind, Mode
from tests.unit.split.town import PROMPT, Town, split

STANDALONE, COLLABORATIVE, VERIFIED = Mode(Kind.STANDALONE, 0.9), Mode(Kind.COLLABORATIVE, 0.9), Mode(Kind.VERIFIED, 0.9, 3)
BAD = 2
"""A token that the prompt of the others does not have."""


@contextmanager
def spoilt(tensor: Tensor) -> Iterator[None]:
    good = tensor.clone()
    tensor.fill_(torch.nan)
    try:
        yield
    finally:
        tensor.copy_(good)


def upper_weight(town: Town) -> Tensor:
    parameters = town.edge._upper._layers[-1].named_parameters()
    return next(parameter.detach() for name, parameter in parameters if name == "mlp.down_proj.weight")


def cloud_weight(town: Town) -> Tensor:
    parameters = town.parts[1]._layers._layers[-1].named_parameters()
    return next(parameter.detach() for name, parameter in parameters if name == "mlp.down_proj.weight")


@pytest.mark.parametrize("mode", [STANDALONE, COLLABORATIVE, VERIFIED], ids=str)
async def test_an_answer_fails_alone(mode: Mode) -> None:
    async with split() as town:
        good, _ = await town.say(mode, PROMPT, 4)
        with spoilt(town.edge._embedding[BAD]):
            bad, fine = await asyncio.gather(town.say(mode, [3, BAD, 5], 4), town.say(mode, PROMPT, 4), return_exceptions=True)
    assert isinstance(bad, StateError)
    assert not isinstance(fine, BaseException)
    assert fine[0] == good


async def test_so_it_does_behind_the_second_exit() -> None:
    async with split() as town:
        with spoilt(upper_weight(town)), pytest.raises(StateError, match="not finite numbers"):
            await town.say(STANDALONE, PROMPT, 4)


async def test_what_the_clouds_layers_make_of_it_is_not_told() -> None:
    async with split() as town:
        good, _ = await town.say(VERIFIED, PROMPT, 4)
        with spoilt(cloud_weight(town)):
            alone, answer = await town.say(VERIFIED, PROMPT, 4)
        told = await town.say(VERIFIED, PROMPT, 4)
    assert (answer.tally.alone, len(alone)) == (True, 4)
    assert "not finite numbers" in answer.tally.why
    assert told[0] == good  # of another session
