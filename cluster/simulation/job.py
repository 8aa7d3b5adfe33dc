"""The work of one request, and how to have something done later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from simpy import Environment, Event

if TYPE_CHECKING:
    from cluster.simulation.engine import Engine

_order = count()


@dataclass(slots=True)
class Job:
    """The work of one request on a replica."""

    prompt_tokens: float
    tokens: float
    deadline_s: float = float("inf")
    """When the answer is too late, less the way back; only the clairvoyant looks."""
    started: Callable[[], None] = lambda: None
    done: Callable[[], None] = lambda: None
    engine: Engine | None = None
    energy_j: float = 0.0
    gone: bool = False
    running: bool = False
    entered_j: float = 0.0
    entered_s: float = 0.0
    service_s: float = 0.0
    """Seconds in a slot."""
    target: float = 0.0
    order: int = field(default_factory=lambda: next(_order))


def after(env: Environment, seconds: float, call: Callable[[], None]) -> Event:
    """Call `call` when `seconds` have passed."""
    event = env.timeout(seconds)
    event.callbacks.append(lambda _: call())
    return event
