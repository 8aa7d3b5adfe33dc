"""The arithmetic of a server for the scheduler, before anything was measured: from the configuration and the profile.

A configuration does not say how fast a model is on a machine. What stands here are orders of magnitude, scaled so that a usual
request takes what the profile says; they count as one outcome (`policies.schedule.belief`), so the first answers replace them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cluster.config import Config, EchoModel, LlamaCppModel, ModelConfig, SplitModel, VllmModel
from cluster.profile import Table
from cluster.servers import Server
from policies.link import LinkState
from policies.schedule import types
from policies.types import NONE

USUAL_PROMPT = 200
USUAL_ANSWER = 0.5
"""Share of the bound on an answer."""
FARTHEST_BITS_PER_S = 1e11
"""What an unlimited link counts as; infinity would make nothing of it in sums."""
ECHO_WORDS = 16


@dataclass(frozen=True, slots=True)
class Speed:
    """Prompt tokens per second, and the seconds of a step for one token of every running sequence."""

    prefill_tokens_per_s: float
    step_s: float
    step_per_sequence_s: float

    def seconds(self, prompt_tokens: float, tokens: float) -> float:
        """Of one request alone."""
        return prompt_tokens / self.prefill_tokens_per_s + tokens * (self.step_s + self.step_per_sequence_s)


def arithmetic(config: Config, server: Server, replicas: int, usual_s: float | None = None) -> types.Server:
    """The server as the scheduler sees it with `replicas` of it; `usual_s` is what its model takes by the profile."""
    model, link = config.models[server.model], configured_link(config, server)
    speed = _speed(model)
    scale = 1.0 if usual_s is None else usual_s / speed.seconds(USUAL_PROMPT, USUAL_ANSWER * model.max_tokens)
    power = model.power
    busy_w = power.idle_w + (power.peak_w - power.idle_w) * _share(model)
    return types.Server(
        name=server.deployment_name,
        cloud=server.tier == "cloud",
        slots=model.places,
        queue=max(0, model.max_ongoing - model.places) + model.max_queued,
        prefill_tokens_per_s=speed.prefill_tokens_per_s / scale,
        step_s=speed.step_s * scale,
        step_per_sequence_s=speed.step_per_sequence_s * scale,
        idle_w=power.idle_w,
        busy_w=busy_w,
        peak_w=max(busy_w, power.peak_w),
        bits_per_s=min(link.bits_per_s, FARTHEST_BITS_PER_S),
        near_s=link.round_trip_s,
        far_s=link.round_trip_s,
        replicas=replicas,
    )


def configured_link(config: Config, server: Server) -> LinkState:
    """The network between the gateway and a server as the configuration has it; nothing at all within a tier."""
    link = config.cluster.link
    if link is None or server.tier == config.cluster.head.tier:
        return LinkState(0.0, 0.0)
    return LinkState(link.rtt_s, 1 / (link.mbps * 1e6) if link.mbps else 0.0)


def usual_seconds(table: Table | None) -> Mapping[str, float]:
    """What each profiled model takes for an answer: the mean latency of its path with the fewest stages before it."""
    found: dict[str, float] = {}
    fewest: dict[str, int] = {}
    for column, path in enumerate(table.paths if table else ()):
        latency_s = table.profile.latency_s[:, column] if table else np.array([])
        stages = sum(option != NONE for option in (path.preprocess, path.retrieve, path.refine))
        known = latency_s[~np.isnan(latency_s)]
        if len(known) and known.mean() > 0 and stages < fewest.get(path.generate, 4):
            found[path.generate], fewest[path.generate] = float(known.mean()), stages
    return found


def _speed(model: ModelConfig) -> Speed:
    match model:
        case EchoModel():
            per_word_s = 1 / model.tokens_per_s if model.tokens_per_s else 1e-5
            return Speed(1e6, per_word_s + model.delay_s / ECHO_WORDS, 0.0)
        case LlamaCppModel(gpu_layers=0):
            return Speed(150.0, 0.05, 0.0)
        case VllmModel(gpus=0) | SplitModel(gpus=0):
            return Speed(300.0, 0.05, 0.005)
        case _:
            return Speed(3000.0, 0.02, 0.0005)


def _share(model: ModelConfig) -> float:
    """The part of its device that one request keeps busy, as the engines model it (`cluster.energy`)."""
    if isinstance(model, LlamaCppModel):
        return 1 / model.contexts
    return 1 / model.max_ongoing if isinstance(model, EchoModel) else 1.0
