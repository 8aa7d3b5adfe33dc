"""The last change of each deployment's replicas, read from the log of Serve's controller, where the policy explains itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SCALED = "isthmus scales"
"""With what a line about a changed target begins; a deployment and the reason follow."""
_LINE = re.compile(rf"^\w+ (?P<at>\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ .*\b{SCALED} (?P<deployment>\S+) (?P<reason>.+)$")


@dataclass(frozen=True, slots=True)
class Scaled:
    """One change."""

    at: str
    """Date and time on the head's clock."""
    reason: str


def last_changes(log: Iterable[str]) -> dict[str, Scaled]:
    """By deployment; lines about anything else are passed over."""
    found = (match for line in log if (match := _LINE.match(line)))
    return {match["deployment"]: Scaled(match["at"], match["reason"]) for match in found}
