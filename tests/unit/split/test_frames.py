"""What crosses the link is either read as it was written or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.models.split import frames
from deployments.models.split.errors import FrameError
from deployments.models.split.frames import OVERHEAD, Frame, Kind, Question, unpack

FRAMES = st.builds(
    Frame,
    kind=st.sampled_from(Kind),
    model=st.integers(0, 2**32 - 1),
    session=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**16 - 1),
    first=st.integers(0, 2**32 - 1),
    count=st.integers(0, 2**16 - 1),
    wire=st.integers(0, 255),
    afresh=st.booleans(),
    payload=st.binary(max_size=64),
)


@given(st.lists(FRAMES, max_size=4))
def test_a_message_holds_the_frames_that_were_put_into_it(sent: list[Frame]) -> None:
    assert list(unpack(b"".join(frame.pack() for frame in sent))) == sent


@given(FRAMES, st.data())
def test_a_truncated_frame_is_refused(frame: Frame, data: st.DataObject) -> None:
    packed = frame.pack()
    with pytest.raises(FrameError):
        list(unpack(packed[: data.draw(st.integers(1, len(packed) - 1))]))


@given(FRAMES, st.data())
def test_a_flipped_bit_is_noticed(frame: Frame, data: st.DataObject) -> None:
    packed = bytearray(frame.pack())
    bit = data.draw(st.integers(0, 8 * len(packed) - 1))
    packed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        list(unpack(bytes(packed)))


@given(st.binary(min_size=1, max_size=200))
def test_noise_is_no_message(noise: bytes) -> None:
    with pytest.raises(FrameError):
        list(unpack(noise))


def test_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "VERSION", 9)
    packed = Frame(Kind.ASK, 1, 2).pack()
    monkeypatch.undo()
    with pytest.raises(FrameError, match="version 9, this side speaks 1"):
        list(unpack(packed))


def test_a_frame_costs_32_bytes() -> None:
    assert len(Frame(Kind.CLOSE, 1, 2).pack()) == OVERHEAD == 32


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_tokens(tokens: list[int]) -> None:
    assert frames.unpack_tokens(frames.pack_tokens(tokens)) == tokens


@given(st.lists(st.integers(0, 2**32 - 1)), st.binary())
def test_questions(generated: list[int], states: bytes) -> None:
    question = Question(generated, states)
    assert Question.unpack(question.pack()) == question


@pytest.mark.parametrize("payload", [b"", b"1", Question([1, 2], b"").pack()[:-1]])
def test_half_a_question_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError):
        Question.unpack(payload)


def test_half_a_token_is_refused() -> None:
    with pytest.raises(FrameError, match="no whole number"):
        frames.unpack_tokens(b"12345")
