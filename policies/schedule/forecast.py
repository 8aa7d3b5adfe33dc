"""How long a request will take on each server: the profile's arithmetic, corrected by what was measured.

D = wait_tran + size / bandwidth + wait_infer + work / rate + the way back (PerLLM, arXiv 2405.14636). The work is known only
in part: of an answer's length its bound is, so the mean share of the bound that answers of a class use is learned. All that
the profile's arithmetic leaves out (prefills of others, batching, a slow day) is learned as the ratio of measured to computed
time of each (service class, server), with its spread; ratios fade with age, so that a server is believed to be as its
profile says when nothing has been heard from it for long.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from policies.schedule.arms import Arms, Lesson, MakeMemory, discounted
from policies.schedule.board import Board
from policies.schedule.memory import Rows
from policies.schedule.types import Arrivals, Floats, Ints, Measured, Ticket

if TYPE_CHECKING:
    from policies.schedule.belief import Belief

LINK_HALF_LIFE_S = 5.0
"""Every request that crosses a link measures it; what it carried while it was good would outweigh what it carries now."""
PRIOR_RATIOS, PRIOR_SPREAD = 3.0, 0.25
"""A cold arm is believed as if three requests had taken what the profile says, give or take a quarter."""
PRIOR_BITS = 2e6
"""A link is believed to be as configured until about this much has crossed it."""
LONGEST_S = 1e6
"""Nothing is sent for longer than eleven days; a larger number is a broken clock."""
MAX_RATIO = 20.0
"""One absurd measurement must not close a server for many half-lives."""


class Forecast:
    """Learns from outcomes and computes latencies. The board's bandwidths are kept at what was measured."""

    def __init__(self, board: Board, services: int, make_memory: MakeMemory = discounted) -> None:
        """`services` is the number of service classes; `make_memory` says how measurements fade."""
        self._board = board
        self.arms = Arms(services, len(board), make_memory)
        self.belief: Belief | None = None
        """What unmeasured and faded arms are like; the profile's arithmetic as it stands while there is none."""
        self._seconds_per_bit = make_memory(1, len(board), LINK_HALF_LIFE_S)
        self._sent = False
        """Whether a sending time was ever measured; else bandwidths are left to whoever tells the board."""
        self._generation = list(board.generation)

    def slot(self, arrivals: Arrivals, now: float, margin: float = 0.0) -> SlotForecast:
        """What latencies these requests would have on every server, with `margin` standard deviations on top."""
        self._follow()
        classes, group = _classes(arrivals.service)
        arms, belief = self.arms, self.belief
        by_profile: tuple[Floats | float, ...] = (1.0, 1.0 + PRIOR_SPREAD**2, 1.0)
        usual = (belief.ratio[classes], belief.square[classes], belief.length[classes]) if belief else by_profile
        ratio = arms.ratio.mean(usual[0], PRIOR_RATIOS, classes, now)
        factor = ratio
        if margin:
            square = arms.square.mean(usual[1], PRIOR_RATIOS, classes, now)
            factor = ratio + margin * np.sqrt(np.maximum(square - ratio**2, 0.0))
        tokens = arrivals.max_tokens * arms.length.mean(usual[2], PRIOR_RATIOS, classes, now)[group, 0]
        seconds_per_bit = 1.0 / np.maximum(self._board.profile_bandwidth, 1.0)
        if self._sent:
            seconds_per_bit = self._seconds_per_bit.mean(seconds_per_bit, PRIOR_BITS, ONLY, now)[0]
            self._board.bandwidth[:] = np.where(self._board.profile_bandwidth > 0, 1.0 / seconds_per_bit, 0.0)
        return SlotForecast(self._board, arrivals, classes, group, tokens, factor, seconds_per_bit)

    def observe(
        self, ticket: Ticket, measured: Measured, now: float, reward: float | None = None, energy: float | None = None
    ) -> Lesson:
        """Learn from the outcome of a placed request and return what it taught; impossible numbers are ignored.

        `reward` and `energy` are noted with it.
        """
        self._follow()
        answered = measured.latency_s is not None
        lesson = Lesson(
            ticket.service, ticket.server, answered, _ratio(ticket, measured), _length(ticket, measured), reward, energy
        )
        self.arms.take(lesson, now)
        if measured.sending_s is not None and 0 < measured.sending_s < LONGEST_S:
            self._sent = True
            bits = ticket.bits + ticket.ahead_bits
            self._seconds_per_bit.add(0, ticket.server, measured.sending_s / max(bits, 1.0), now, weight=bits)
        return lesson

    def _follow(self) -> None:
        """Make room for new servers, and forget about those whose index was taken by another."""
        if self._generation == self._board.generation:
            return
        self.belief = None
        self.arms.follow(self._generation, self._board.generation)
        self._seconds_per_bit.follow(self._generation, self._board.generation)
        self._generation = list(self._board.generation)


def _ratio(ticket: Ticket, measured: Measured) -> float | None:
    """Measured over computed time. A request that was given up took longer than nobody knows: it counts as twice its limit,
    or its forecast if that is more.
    """
    latency = 2 * ticket.limit_s if measured.latency_s is None else measured.latency_s
    ratio = (latency - ticket.network_s) / max(ticket.expected_s, 1e-6)
    if not math.isfinite(ratio) or latency < 0:
        return None
    return min(max(ratio, 0.0 if measured.latency_s is not None else 1.0), MAX_RATIO)


def _length(ticket: Ticket, measured: Measured) -> float | None:
    if measured.tokens is None or not 0 <= measured.tokens <= ticket.max_tokens:
        return None
    return measured.tokens / ticket.max_tokens


def _classes(service: Ints) -> tuple[Rows, Ints]:
    """The classes that occur, and which of them each request is."""
    if len(service) == 1:  # the usual slot of a live gateway; finding what is unique would take a tenth of its decision
        return slice(service[0], service[0] + 1), FIRST
    classes, group = np.unique(service, return_inverse=True)
    return classes, group


class Expected(NamedTuple):
    """Seconds of one request on one server: what the arithmetic alone says, and the latency corrected by measurements."""

    network_s: float
    server_s: float
    latency_s: float


class SlotForecast:
    """Latencies of the K requests of one slot on all servers. Placing one changes the column of its server only.

    Matrices over requests and servers are products of few columns and rows, which is what makes a slot cheap.
    """

    def __init__(
        self,
        board: Board,
        arrivals: Arrivals,
        classes: Rows,
        group: Ints,
        tokens: Floats,
        factor: Floats,
        seconds_per_bit: Floats,
    ) -> None:
        """`factor` of shape (classes, servers) is measured over computed time, with whatever margin is wanted."""
        self._board = board
        self._arrivals = arrivals
        self.classes = classes
        """The service classes in the slot."""
        self.group = group
        """Which of `classes` each request is, shape (K,)."""
        self.tokens = tokens
        """Expected lengths of the answers, shape (K,)."""
        self._factor = factor
        self._seconds_per_bit = seconds_per_bit

    def typical(self) -> tuple[Floats, Floats]:
        """Mean prompt and mean expected answer of each class in the slot, tokens, shape (classes,)."""
        if len(self.group) == 1:
            return self._arrivals.prompt_tokens, self.tokens
        size = np.bincount(self.group)
        return np.bincount(self.group, self._arrivals.prompt_tokens) / size, np.bincount(self.group, self.tokens) / size

    def all(self) -> Floats:
        """Seconds until the answer, shape (K, servers)."""
        return self._all(np.ones(len(self._arrivals)))

    def slack(self, per_limit: Floats) -> Floats:
        """1 - D / D^Δ for the same D, shape (K, servers); `per_limit` is 1 / D^Δ."""
        slack = self._all(-per_limit)
        slack += 1.0
        return slack

    def _all(self, scale: Floats) -> Floats:
        """D * scale as one product, whose result is the only thing as large as requests times servers."""
        board, arrivals = self._board, self._arrivals
        of_server = np.empty((3 * len(self._factor) + 2, len(board)))
        for n, rate in enumerate(self._rates(slice(None))):
            np.multiply(self._factor, rate, out=of_server[n:-2:3])
        of_server[-2], of_server[-1] = self._network(slice(None)), self._seconds_per_bit
        result: Floats = self._needs(scale, len(self._factor)) @ of_server
        near = np.flatnonzero(arrivals.origin >= 0)
        if len(near):
            origin = arrivals.origin[near]
            result[near, origin] += (board.near_s[origin] - board.far_s[origin]) * scale[near]
        return result

    def _needs(self, scale: Floats, classes: int) -> Floats:
        """What multiplies the rows of `_all`, shape (K, 3 classes + 2): of the rates only those of a request's own class."""
        arrivals = self._arrivals
        work = scale, arrivals.prompt_tokens * scale, self.tokens * scale
        network = scale, arrivals.bits * scale
        if classes == 1:
            return np.array(work + network).T
        needs = np.zeros((len(scale), 3 * classes + 2))
        own = np.arange(len(scale))
        for n, column in enumerate(work):
            needs[own, 3 * self.group + n] = column
        needs[:, -2:] = np.array(network).T
        return needs

    def cell(self, k: int, server: int) -> Expected:
        """Request `k` on `server` as the board is now."""
        arrivals, board = self._arrivals, self._board
        waits, per_prompt_token, per_token = self._rates(server)
        near = board.near_s[server] - board.far_s[server] if arrivals.origin[k] == server else 0.0
        network = float(self._network(server) + arrivals.bits[k] * self._seconds_per_bit[server] + near)
        work = float(waits + arrivals.prompt_tokens[k] * per_prompt_token + self.tokens[k] * per_token)
        return Expected(network, work, network + work * float(self._factor[self.group[k], server]))

    def _network(self, at: slice | int) -> Floats:
        """wait_tran and the round trip, before the request's own size."""
        board = self._board
        seconds: Floats = board.far_s[at] + board.sending_bits[at] * self._seconds_per_bit[at]
        return seconds

    def _rates(self, at: slice | int) -> tuple[Floats, Floats, Floats]:
        """Of the servers `at`: wait_infer for the prompts before it, seconds per prompt token and per token of the answer."""
        board = self._board
        with_this = board.outstanding[at] + board.elsewhere[at] + 1.0
        slots = board.slots[at]
        least, most = (np.minimum, np.maximum) if isinstance(at, slice) else (min, max)
        step = board.step_s[at] + board.step_per_sequence_s[at] * least(with_this, slots)
        # Those that find no free slot wait until enough of the running ones, all of the same length here, are done.
        rounds = 1.0 + most(with_this - slots, 0.0) / most(slots, 1.0)
        return board.waiting_tokens[at] * board.prefill_s[at], board.prefill_s[at] * board.replicas[at], step * rounds


ONLY = slice(0, 1)
"""The row of a memory that has one."""
FIRST: Ints = np.zeros(1, dtype=np.int64)
