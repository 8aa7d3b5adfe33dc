"""What Ray and Serve raise, in our own words."""

import pickle

import pytest
from ray.exceptions import ActorDiedError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import BackPressureError

from deployments.models.failures import unwrap
from policies.errors import ContextTooLong, EngineFailed, EngineUnavailable, IsthmusError, Overloaded, RateLimited


def wrapped(error: Exception) -> Exception:
    """As Ray raises an error of a replica at the caller."""
    return RayTaskError("stream", "trace", error).as_instanceof_cause()


@pytest.mark.parametrize(
    "error", [ContextTooLong("m", 1, 2, 3), EngineUnavailable("m", "x"), Overloaded("m", 1, 2, 0.5), RateLimited("m", 0.5)]
)
def test_our_own_errors_come_back_whole(error: IsthmusError):
    back = unwrap(wrapped(pickle.loads(pickle.dumps(error))), "m")
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def test_a_full_queue_says_how_full():
    error = unwrap(BackPressureError(64, 60), "m")
    assert isinstance(error, Overloaded)
    assert (error.what, error.waiting, error.limit) == ("m", 64, 60)


@pytest.mark.parametrize("error", [ActorDiedError(), TaskCancelledError(), TimeoutError()])
def test_what_is_gone_or_silent_is_unavailable(error: Exception):
    assert isinstance(unwrap(error, "m"), EngineUnavailable)


def test_anything_else_is_a_failure_in_one_sentence():
    assert str(unwrap(wrapped(ValueError("odd.")), "m")) == "The model m failed: ValueError: odd."
    assert isinstance(unwrap(KeyError(), "m"), EngineFailed)
