"""One replica with continuous batching, as a fluid: exact between events, with no event per token.

A request waits for one of the slots, its prompt is computed (one prompt at a time; decoding pauses meanwhile, as in an
engine that puts prefill first), then it decodes: with n running, each gains one token every step_s + n step_per_sequence_s.
All running sequences progress alike, so one counter of tokens and the counts at which each will be done describe them all.

An engine whose slots have a processor each, as llama.cpp's contexts do, reads each prompt in its slot while the others go on; it
counts as the tokens that would take as long to decode.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush

from simpy import Environment

from cluster.simulation.job import Job, after
from policies.schedule.types import Server

SAME_TOKEN = 1e-6
"""Sequences whose last tokens are no further apart end in the same step: which is first is then a matter of rounding, and the
first to end would let a prompt in before the other."""


class Engine:
    """Slots, a queue before them, and joules. `slowdown` stretches all times."""

    def __init__(self, env: Environment, profile: Server, own_prefill: bool = False) -> None:
        """With `own_prefill` each slot reads its own prompt while the others decode."""
        self._env = env
        self.profile = profile
        self._own_prefill = own_prefill
        self.slowdown = 1.0
        self.draining = False
        self._progress = 0.0
        """Tokens that a sequence running since the beginning would have."""
        self._at = env.now
        self._heap: list[tuple[float, int, Job]] = []
        self._running = 0
        self._prefills: deque[Job] = deque()
        self._prefill_ends = 0.0
        self._waiting: deque[Job] = deque()
        self._version = 0
        self._charged_j = 0.0  # to a request in a slot since the beginning, as in `cluster.energy`
        self.busy_j = 0.0
        self.idle_s = self.busy_s = 0.0
        self.size = 0
        """Requests here, waiting ones included."""

    @property
    def in_slots(self) -> int:
        """Requests that hold a slot."""
        return self._running + len(self._prefills)

    def submit(self, job: Job) -> None:
        """Take a request in; `job.started` and `job.done` are called in time."""
        self.advance()
        job.engine = self
        self.size += 1
        if self.in_slots < self.profile.slots:
            self._enter(job)
        else:
            self._waiting.append(job)
        self._plan()

    def cancel(self, job: Job) -> None:
        """The client has left: free what the request holds."""
        if job.gone:
            return
        self.advance()
        job.gone = True
        self.size -= 1
        if job.running:
            self._leave(job)
            self._running -= 1
            if len(self._heap) > 2 * self._running + 16:  # what was cancelled must not fill the heap
                self._heap = [entry for entry in self._heap if not entry[2].gone]
                heapify(self._heap)
        elif job in self._prefills:
            self._leave(job)
            first = self._prefills[0] is job
            self._prefills.remove(job)
            if first:
                self._next_prefill()
        else:
            self._waiting.remove(job)
        self._admit()
        self._plan()

    def stop(self) -> list[Job]:
        """End all work at once and return it, as when the machine fails."""
        self.advance()
        jobs = self.jobs()
        for job in jobs:
            job.gone = True
        self._heap, self._running, self.size = [], 0, 0
        self._prefills.clear()
        self._waiting.clear()
        self._version += 1
        return jobs

    def slow_down(self, factor: float) -> None:
        """From now on everything takes `factor` times as long as the profile says."""
        self.advance()
        if self._prefills:
            self._prefill_ends = self._env.now + (self._prefill_ends - self._env.now) * factor / self.slowdown
        self.slowdown = factor
        self._plan()

    def jobs(self) -> list[Job]:
        """All requests here, running ones first."""
        return [entry[2] for entry in self._heap if not entry[2].gone] + [*self._prefills, *self._waiting]

    def foresee(self, extra: Job | None = None) -> dict[int, float]:
        """When each request here, and `extra` if it came now, would be done if nothing came after: {job.order: time}."""
        self.advance()
        now, progress, done = self._env.now, 0.0, {}
        heap = [(entry[2].target - self._progress, entry[1]) for entry in self._heap if not entry[2].gone]
        heapify(heap)
        pending = deque([*self._prefills, *self._waiting, *([extra] if extra else [])])
        if self._prefills:  # the first prompt is partly computed
            now = self._prefill_ends
            first = pending.popleft()
            heappush(heap, (first.tokens, first.order))
        while heap or pending:
            while pending and len(heap) < self.profile.slots:
                job = pending.popleft()
                if self._own_prefill:
                    heappush(heap, (progress + self._prompt_as_tokens(job) + job.tokens, job.order))
                else:
                    now += self._prefill_s(job)
                    heappush(heap, (progress + job.tokens, job.order))
            target = heap[0][0]
            now += max(0.0, target - progress) * self._step_s(len(heap))
            progress = max(progress, target)
            while heap and heap[0][0] <= progress + SAME_TOKEN:
                done[heappop(heap)[1]] = now
        return done

    def watts(self, sequences: int) -> float:
        """Power with that many requests in slots."""
        profile = self.profile
        if not sequences:
            return profile.idle_w
        return profile.busy_w + (profile.peak_w - profile.busy_w) * sequences / profile.slots

    def _step_s(self, sequences: int) -> float:
        return self.slowdown * (self.profile.step_s + self.profile.step_per_sequence_s * sequences)

    def _prefill_s(self, job: Job) -> float:
        return self.slowdown * job.prompt_tokens / self.profile.prefill_tokens_per_s

    def advance(self) -> None:
        """Bring progress and joules up to now."""
        now = self._env.now
        passed, self._at = now - self._at, now
        sequences = self.in_slots
        if not sequences:
            self.idle_s += passed
            return
        spent_j = self.watts(sequences) * passed
        self.busy_j += spent_j
        self.busy_s += passed
        self._charged_j += spent_j / sequences
        if not self._prefills:
            self._progress += passed / self._step_s(self._running)

    def _prompt_as_tokens(self, job: Job) -> float:
        profile = self.profile
        return job.prompt_tokens / profile.prefill_tokens_per_s / (profile.step_s + profile.step_per_sequence_s)

    def _enter(self, job: Job) -> None:
        job.entered_j, job.entered_s = self._charged_j, self._env.now
        if self._own_prefill:
            read_at = self._progress + self._prompt_as_tokens(job)
            job.running, job.target = True, read_at + job.tokens
            heappush(self._heap, (read_at, job.order, job))
            self._running += 1
            return
        self._prefills.append(job)
        if len(self._prefills) == 1:
            self._next_prefill()

    def _leave(self, job: Job) -> None:
        job.energy_j, job.service_s = self._charged_j - job.entered_j, self._env.now - job.entered_s

    def _next_prefill(self) -> None:
        if self._prefills:
            self._prefill_ends = self._env.now + self._prefill_s(self._prefills[0])

    def _admit(self) -> None:
        while self._waiting and self.in_slots < self.profile.slots:
            self._enter(self._waiting.popleft())

    def _plan(self) -> None:
        """Wake up at the next thing that happens here; an earlier plan is void."""
        self._version += 1
        while self._heap and self._heap[0][2].gone:
            heappop(self._heap)
        if self._prefills:
            delay = self._prefill_ends - self._env.now
        elif self._heap:
            delay = (self._heap[0][0] - self._progress) * self._step_s(self._running)
        else:
            return
        version = self._version
        after(self._env, max(0.0, delay), lambda: self._wake(version))

    def _wake(self, version: int) -> None:
        if version != self._version:
            return
        self.advance()
        if self._prefills:
            self._prefilled(self._prefills.popleft())
        elif self._heap:
            # Rounding may leave the counter a hair below the target; this is the request whose time has come.
            self._progress = max(self._progress, self._heap[0][0])
            self._finished()
        self._plan()

    def _prefilled(self, job: Job) -> None:
        job.running, job.target = True, self._progress + job.tokens
        heappush(self._heap, (job.target, job.order, job))
        self._running += 1
        self._next_prefill()
        job.started()

    def _finished(self) -> None:
        """End all whose last token has come, and only then let others in."""
        ended, read = [], []
        while self._heap and self._heap[0][0] <= self._progress + SAME_TOKEN:
            job = heappop(self._heap)[2]
            if job.gone:
                continue
            if job.target > self._progress + SAME_TOKEN:  # that was the end of its prompt
                heappush(self._heap, (job.target, job.order, job))
                read.append(job)
            else:
                ended.append(job)
        for job in ended:
            self._leave(job)
            job.gone = True
            self._running -= 1
            self.size -= 1
        self._admit()
        for job in read:
            job.started()
        for job in ended:
            job.done()
