"""Baselines that learn from rewards alone, without constraints or forecasts: UCB1 and Thompson sampling."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from policies.schedule.base import Scheduler
from policies.schedule.board import Board
from policies.schedule.memory import Memory, Plain
from policies.schedule.reward import ProfileEnergy, measured_reward
from policies.schedule.types import REFUSED, Arrivals, Floats, Measured, Ticket


class Bandit(Scheduler):
    """Arms are (service class, server); the reward is the one of CS-UCB, as it was measured."""

    def __init__(self, board: Board, services: int, rng: np.random.Generator, memory: Memory | None = None) -> None:
        super().__init__(board, services, rng)
        self._rewards = memory or Plain(services, len(board))
        self._energy = ProfileEnergy(board)
        self._generation = list(board.generation)

    def prepare(self, arrivals: Arrivals, now: float) -> None:
        self._follow()
        self._worst_j = self._energy.worst_j(arrivals, arrivals.max_tokens)
        self._now = now

    def choose(self, arrivals: Arrivals, k: int) -> int:
        candidates = np.flatnonzero(self.open())
        if not len(candidates):
            return REFUSED
        return int(candidates[np.argmax(self._values(arrivals.service[k : k + 1])[candidates])])

    def place(self, arrivals: Arrivals, k: int, server: int, now: float) -> Ticket:
        ticket = super().place(arrivals, k, server, now)
        ticket.reference_j = float(self._worst_j[k])
        return ticket

    def learn(self, ticket: Ticket, measured: Measured, now: float) -> None:
        self._follow()
        value = measured_reward(ticket, measured)
        if value is not None:
            self._rewards.add(ticket.service, ticket.server, value, now)

    @abstractmethod
    def _values(self, service: np.ndarray) -> Floats:
        """What each server promises a class, shape (servers,)."""

    def _follow(self) -> None:
        if self._generation == self.board.generation:
            return
        self._rewards.follow(self._generation, self.board.generation)
        self._generation = list(self.board.generation)
        self._energy = ProfileEnergy(self.board)


class Ucb1(Bandit):
    """R̄ + sqrt(2 ln t / L), an unused arm first (Auer et al. 2002)."""

    def _values(self, service: np.ndarray) -> Floats:
        count = self._rewards.count(service, self._now)[0]
        mean = self._rewards.mean(0.5, 1e-6, service, self._now)[0]
        bonus = np.sqrt(2 * np.log(max(count.sum(), 1.0)) / np.maximum(count, 1e-6))
        values: Floats = np.where(count > 1e-6, mean + bonus, np.inf)
        return values


class Thompson(Bandit):
    """A draw from each arm's Beta posterior, a reward r in [0, 1] counting as r successes (Agrawal and Goyal 2012)."""

    def _values(self, service: np.ndarray) -> Floats:
        count = self._rewards.count(service, self._now)[0]
        successes = self._rewards.mean(0.5, 1e-6, service, self._now)[0] * count
        values: Floats = self.rng.beta(1.0 + successes, 1.0 + np.maximum(count - successes, 0.0))
        return values
