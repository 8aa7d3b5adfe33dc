"""What was decided for the last requests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from cluster.log import Answered
from policies.errors import NotFound

Record = Mapping[str, Any]
Candidates = Callable[[], list[dict[str, Any]]]
"""Tells what was weighed, when somebody asks: writing it out takes longer than deciding."""


class Decisions:
    """The last `capacity` decisions of this gateway process, by id; the oldest is forgotten first."""

    def __init__(self, capacity: int = 1000) -> None:
        self._capacity = capacity
        self._records: OrderedDict[str, tuple[Record, Candidates]] = OrderedDict()

    def keep(self, decision_id: str, record: Record, candidates: Candidates = list) -> None:
        """Remember `record`, which must not change any more."""
        self._records[decision_id] = record, candidates
        if len(self._records) > self._capacity:
            self._records.popitem(last=False)

    def find(self, decision_id: str) -> Record:
        """The record of one decision with its `candidates`. Raises NotFound."""
        found = self._records.get(decision_id)
        if found is None:
            raise NotFound(
                f"No decision {decision_id[:80]!r} is among the last {self._capacity} of this gateway; "
                "ids are in the header x-isthmus-decision-id."
            )
        record, candidates = found
        return {**record, "candidates": candidates()}

    def answer(self, decision_id: str) -> Answered | None:
        """What an answered decision was about; None for one without an answer, or that is not remembered."""
        found = self._records.get(decision_id)
        if found is None or "measured" not in found[0]:
            return None
        predicted = found[0].get("predicted")
        return Answered(found[0]["path"], predicted["accuracy"] if predicted else None)
