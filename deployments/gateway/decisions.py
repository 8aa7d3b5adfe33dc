"""What was decided for the last requests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from policies.errors import NotFound

Record = Mapping[str, Any]


class Decisions:
    """The last `capacity` decisions of this gateway process, by id; the oldest is forgotten first."""

    def __init__(self, capacity: int = 1000) -> None:
        self._capacity = capacity
        self._records: OrderedDict[str, Record] = OrderedDict()

    def keep(self, decision_id: str, record: Record) -> None:
        """Remember `record`, which must not change any more."""
        self._records[decision_id] = record
        if len(self._records) > self._capacity:
            self._records.popitem(last=False)

    def find(self, decision_id: str) -> Record:
        """The record of one decision. Raises NotFound."""
        try:
            return self._records[decision_id]
        except KeyError:
            raise NotFound(
                f"No decision {decision_id[:80]!r} is among the last {self._capacity} of this gateway; "
                "ids are in the header x-isthmus-decision-id."
            ) from None
