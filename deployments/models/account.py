"""The account of one request in an engine: seconds, tokens, dollars and joules."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cluster.config import Price
from cluster.energy import EnergyMeter, Span
from deployments.messages import StageReport
from policies.signals import Signals


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the accounts of all requests to one engine have in common."""

    model: str
    site: str
    price: Price
    meter: EnergyMeter
    clock: Callable[[], float] = time.monotonic

    def open(self) -> Account:
        """An account that begins now, with the request waiting."""
        return Account(self)


class Account:
    """Runs from the arrival of a request at the engine; `begin` is called when the waiting ends.

    `end` belongs in a `finally`: an account that stays open is charged for energy for ever.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._arrived_s = ledger.clock()
        self._wait_s = 0.0
        self._span: Span | None = None

    def begin(self) -> None:
        """The engine turns to the request: from here energy is charged."""
        self._wait_s = self._ledger.clock() - self._arrived_s
        self._span = self._ledger.meter.span()

    def end(self) -> None:
        """Stop charging energy; harmless when called again."""
        if self._span is not None:
            self._span.end()

    def report(self, prompt_tokens: int, completion_tokens: int, logprobs: Sequence[float] = ()) -> StageReport:
        """End the account and state it. `logprobs` are those of the generated tokens, if they were asked for."""
        self.end()
        price = self._ledger.price
        usd = prompt_tokens * price.prompt_usd_per_mtok + completion_tokens * price.completion_usd_per_mtok
        return StageReport(
            stage="generate",
            option=self._ledger.model,
            site=self._ledger.site,
            seconds=self._ledger.clock() - self._arrived_s,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cost_usd=usd / 1e6,
            energy_j=0.0 if self._span is None else self._span.joules,
            energy_source=self._ledger.meter.source,
            wait_s=self._wait_s,
            shown=Signals(
                mean_logprob=sum(logprobs) / len(logprobs) if logprobs else None,
                least_logprob=min(logprobs, default=None),
                tokens=completion_tokens,
            ),
        )
