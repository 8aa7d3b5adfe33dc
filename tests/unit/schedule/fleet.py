"""Servers and arrivals for the tests of scheduling."""

from typing import Any

import numpy as np

from policies.schedule.types import Arrivals, Server


def server(name: str, **changes: Any) -> Server:
    """A middling edge server: 4 slots, 20 ms a token, 100 Mbit/s."""
    profile: dict[str, Any] = {
        "cloud": False,
        "slots": 4,
        "queue": 2,
        "prefill_tokens_per_s": 1000.0,
        "step_s": 0.02,
        "step_per_sequence_s": 0.001,
        "idle_w": 10.0,
        "busy_w": 50.0,
        "peak_w": 60.0,
        "bits_per_s": 1e8,
        "near_s": 0.005,
        "far_s": 0.04,
    }
    return Server(name=name, **{**profile, **changes})


def arrivals(count: int = 1, **changes: Any) -> Arrivals:
    """Requests of 100 tokens in and 50 out within 4 s; a change is one value for all or one for each."""
    columns: dict[str, Any] = {"service": 0, "origin": 0, "limit_s": 4.0, "prompt_tokens": 100.0, "max_tokens": 50.0, "bits": 1e4}
    columns.update(changes)
    kinds = {"service": np.int64, "origin": np.int64}
    arrays = {n: np.broadcast_to(np.asarray(v, kinds.get(n, np.float64)), (count,)).copy() for n, v in columns.items()}
    return Arrivals(**arrays)
