"""The reward of one request: little energy, and slack in every constraint (PerLLM, arXiv 2405.14636).

r = -(weighted energy) + λ f(y), brought to [0, 1]:  r = ((1 - e) + λ (1 + f) / 2) / (1 + λ)  with e = energy over the
worst server's profile energy for the same request, cut at 1, and f(y) = min{ (D^Δ - D) / D^Δ, capacity left, bandwidth
left }, cut to [-1, 1]. A request that was given up has f = -1: its latency is unknown, but its answer was of no use.
"""

from __future__ import annotations

import numpy as np

from policies.schedule.board import Board
from policies.schedule.types import Arrivals, Floats, Measured, Ticket

LAMBDA = 1.0


def reward(energy_share: Floats, slack: float) -> Floats:
    """r in [0, 1] of each e and of one f."""
    f = min(max(slack, -1.0), 1.0)
    r: Floats = ((1.0 - np.minimum(energy_share, 1.0)) + LAMBDA * (1.0 + f) / 2) / (1.0 + LAMBDA)
    return r


def measured_reward(ticket: Ticket, measured: Measured) -> float | None:
    """The reward of an outcome; None when its energy was not measured or its numbers are impossible."""
    if measured.latency_s is None:
        return 0.0
    if measured.energy_j is None or not (0 <= measured.energy_j < np.inf and 0 <= measured.latency_s < np.inf):
        return None
    slack = min((ticket.limit_s - measured.latency_s) / ticket.limit_s, ticket.room)
    share = measured.energy_j / ticket.reference_j if ticket.reference_j > 0 else 1.0
    return float(reward(np.array(share), slack))


class ProfileEnergy:
    """Joules of requests as the servers' profiles have them, with half of the slots taken."""

    def __init__(self, board: Board, measured: Floats | None = None) -> None:
        """`measured` of shape (servers,) are joules that were measured over those of the profile."""
        half = [max(1.0, server.slots / 2) for server in board.servers]
        watts = np.array(
            [s.busy_w + (s.peak_w - s.busy_w) * n / max(s.slots, 1) for s, n in zip(board.servers, half, strict=True)]
        )
        steps = np.array([s.step_s / n + s.step_per_sequence_s for s, n in zip(board.servers, half, strict=True)])
        self._per_token_j: Floats = watts * steps
        self._per_prompt_token_j: Floats = watts / np.array([s.prefill_tokens_per_s for s in board.servers])
        self._profile_j = self._per_token_j, self._per_prompt_token_j
        if measured is not None:
            self._per_token_j, self._per_prompt_token_j = self._per_token_j * measured, self._per_prompt_token_j * measured
        self._most_j, self._most_prompt_j = self._per_token_j.max(initial=0.0), self._per_prompt_token_j.max(initial=0.0)

    def worst_j(self, arrivals: Arrivals, tokens: Floats) -> Floats:
        """Energy of each request on the server that needs the most per token, in joules, shape (requests,)."""
        worst = arrivals.prompt_tokens * self._most_prompt_j + tokens * self._most_j
        at_least: Floats = np.maximum(worst, 1e-9)
        return at_least

    def share(self, prompt_tokens: Floats, tokens: Floats) -> Floats:
        """Energy of typical requests over the worst server's for the same, shape (requests, servers)."""
        joules = prompt_tokens[:, None] * self._per_prompt_token_j + tokens[:, None] * self._per_token_j
        share: Floats = joules / np.maximum(joules.max(axis=1, keepdims=True), 1e-9)
        return share

    def ratio(self, ticket: Ticket, measured: Measured) -> float | None:
        """Measured joules over those of the profile for as many tokens; None without a measurement or with an impossible one."""
        if measured.energy_j is None or measured.tokens is None or not 0 <= measured.energy_j < np.inf:
            return None
        per_token_j, per_prompt_token_j = self._profile_j
        profile_j = measured.tokens * per_token_j[ticket.server] + ticket.prompt_tokens * per_prompt_token_j[ticket.server]
        return float(measured.energy_j / profile_j) if profile_j > 0 else None
