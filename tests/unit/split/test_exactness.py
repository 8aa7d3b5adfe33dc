"""A split model says what the unsplit one says, token for token."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deployments.models.split import frames
from deployments.models.split.cloud import CloudPart, Job
from deployments.models.split.codec import Wire, decode
from deployments.models.split.context import Context
from deployments.models.split.draw import Draw
from deployments.models.split.edge import Text
from deployments.models.split.frames import Frame
from deployments.models.split.kv import KvCache
from deployments.models.split.partition import Partition
from policies.split.mode import Kind, Mode
from tests.unit.split.checkpoints import CONFIGURATIONS, END, LAYERS, VOCABULARY, WIDTH
from tests.unit.split.town import PROMPT, expected, parts, replaced, split, whole

ALL_FROM_CLOUD = Mode(Kind.COLLABORATIVE, 1.0)
MOST = 12
CUTS = [(a, b) for a in range(1, LAYERS) for b in range(a, LAYERS)]


@settings(max_examples=40)
@given(
    name=st.sampled_from(sorted(CONFIGURATIONS)),
    cut=st.sampled_from(CUTS),
    wire=st.sampled_from([Wire.FLOAT16, Wire.FLOAT32, Wire.BFLOAT16, Wire.INT8]),
    prompt=st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=40),
    mode=st.one_of(
        st.just(ALL_FROM_CLOUD),
        st.builds(lambda k, threshold: Mode(Kind.VERIFIED, threshold, k), st.integers(1, 6), st.sampled_from([0.0, 0.3, 0.9])),
    ),
    arrival=st.randoms(use_true_random=False),
    shared=st.booleans(),
    faint=st.booleans(),
)
def test_theta_one_and_verified_give_the_full_models_greedy_text(
    name: str, cut: tuple[int, int], wire: Wire, prompt: list[int], mode: Mode, arrival: Random, shared: bool, faint: bool
) -> None:
    def disorder(uploads: list[bytes]) -> list[bytes]:
        """Some are lost, some come twice, none in order."""
        arriving = [upload for upload in uploads for _ in range(arrival.choice([0, 1, 1, 2]))]
        arrival.shuffle(arriving)
        return arriving

    async def say() -> list[int]:
        async with split(name, cut, wire, shared=shared, faint=faint, disturb=disorder) as town:
            tokens, answer = await town.say(mode, prompt, MOST, end=END)
            assert not answer.tally.alone
            return tokens

    assert asyncio.run(say()) == expected(whole(name, faint), cut[0], wire, prompt, MOST, END)


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
async def test_drafts_are_confirmed_and_refused(name: str) -> None:
    async with split(name, (2, 3), shared=True, faint=True) as town:
        tokens, answer = await town.say(Mode(Kind.VERIFIED, 0.3, 4), most=40)
    assert tokens == expected(whole(name, True), 2, Wire.FLOAT16, PROMPT, 40)
    assert 0 < answer.tally.confirmed < answer.tally.drafted
    assert answer.traffic.asks < len(tokens)


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
@pytest.mark.parametrize("wire", [Wire.FLOAT16, Wire.FLOAT32])
def test_keys_and_values_are_those_of_an_unsplit_run(name: str, wire: Wire) -> None:
    edge, cloud = parts(name, Partition(2, 3, LAYERS), wire, False, False)
    text = edge.open(PROMPT * 3, Draw())
    context = Context(cloud.new_cache(), cloud.width, now=0.0)
    for chunk in (4, 1, 1, 100):  # some leave at the first exit, and are caught up later on both sides
        edge.read([text], chunk)
        if chunk == 1:
            edge.deepen([text])
            catch_up(cloud, context, text)
    edge.deepen([text])
    catch_up(cloud, context, text)

    whole_run = keys_and_values(name, text.tokens)
    assert text.upper is not None
    assert_same(text.lower, whole_run[:2])
    assert_same(text.upper, whole_run[2:3])
    sent = decode(b"".join(text.states), wire, WIDTH)
    with replaced(whole(name), 2, sent) as states:
        from_sent = keys_and_values(name, text.tokens)
    assert_same(context.cache, from_sent[2:])
    torch.testing.assert_close(sent, states[0], rtol=2**-11 if wire is Wire.FLOAT16 else 0, atol=1e-4)


def catch_up(cloud: CloudPart, context: Context, text: Text) -> None:
    """Send what is new and compute it."""
    start = context.cache.length
    states = text.states[start:]
    wire = Wire.FLOAT16 if len(states[0]) == 2 * WIDTH else Wire.FLOAT32
    context.put(Frame(frames.Kind.STATES, 0, 0, first=start, count=len(states), wire=int(wire), payload=b"".join(states)))
    context.absorb()
    cloud.run([Job(context, Draw(), len(states), asked=1)])


def keys_and_values(name: str, tokens: list[int]) -> list[Tensor]:
    """By transformers, (2, heads, positions, head_dim) for each layer; layers with a window keep the last positions only."""
    with torch.inference_mode():
        cache = whole(name)(torch.tensor([tokens]), use_cache=True).past_key_values
    return [torch.cat([layer.keys, layer.values]) for layer in cache.layers]


def assert_same(cache: KvCache, layers: list[Tensor]) -> None:
    for index, layer in enumerate(layers):
        torch.testing.assert_close(cache.read()[:, index, :, -layer.shape[2] :], layer, rtol=0, atol=1e-4)
