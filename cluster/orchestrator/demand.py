"""What all gateways have counted, added up though gateways come, go and say the same twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple

from policies.scaling import Demand

NOTHING = Demand(0.0, 0.0, 0.0, 0.0)


class Counters:
    """Totals over gateways that tell totals of their own."""

    def __init__(self) -> None:
        self._last: dict[str, Mapping[str, Demand]] = {}
        self._totals: dict[str, Demand] = {}

    def take(self, gateway: str, counted: Mapping[str, Demand]) -> None:
        """`counted` since the gateway started, by model. What it counted before it was first heard of is not added."""
        before = self._last.get(gateway, counted)
        for model, demand in counted.items():
            added = zip(astuple(demand), astuple(before.get(model, NOTHING)), strict=True)
            grown = (total + max(0.0, now - then) for total, (now, then) in zip(astuple(self._of(model)), added, strict=True))
            self._totals[model] = Demand(*grown)
        self._last[gateway] = counted

    def forget(self, gateway: str) -> None:
        """It has gone; what it counted stays. Should it speak again, it is as if for the first time."""
        self._last.pop(gateway, None)

    def totals(self) -> Mapping[str, Demand]:
        """By model; all of it only grows."""
        return dict(self._totals)

    def _of(self, model: str) -> Demand:
        return self._totals.get(model, NOTHING)
