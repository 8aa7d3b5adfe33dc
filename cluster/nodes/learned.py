"""What the orchestrator of a running cluster says of itself, by way of the gateway."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass, fields

from cluster.nodes.direct import ask


@dataclass(frozen=True, slots=True)
class LearnedStatus:
    """As the gateway that answered knows it. Times in seconds."""

    state: str
    """there or away."""
    version: int
    outcomes: int
    ratings: int
    gateways: int
    waiting: int
    """Experiences that this gateway holds until they are on disk."""
    lost: int
    saved_version: int
    saved_ago_s: float | None
    restored_version: int | None
    trouble: str | None
    demand: Mapping[str, Mapping[str, float]]
    """By model: requests that arrived, missed their limit and were served while the orchestrator ran, and seconds of service."""

    @property
    def sentence(self) -> str:
        """For people."""
        saved = (
            "not saved yet" if self.saved_ago_s is None else f"version {self.saved_version} saved {self.saved_ago_s:.1f} s ago"
        )
        began = "began from the profile" if self.restored_version is None else f"went on from version {self.restored_version}"
        counts = f"version {self.version}, {self.outcomes} outcomes, {self.ratings} ratings, {self.gateways} gateways"
        trouble = f"; {self.trouble}" if self.trouble else ""
        return f"orchestrator {self.state}: {counts}; {saved}; {began}{trouble}"


def learned_status(url: str) -> LearnedStatus | None:
    """Ask the gateway at `url`; None when it does not answer, or nothing is learnt there."""
    try:
        with ask(f"{url}/readyz", timeout_s=5.0) as response:
            text = response.read()
    except urllib.error.HTTPError as error:  # 503: some model is still missing
        text = error.read()
    except OSError:
        return None
    try:
        told = json.loads(text)["orchestrator"]
        return LearnedStatus(**{field.name: told[field.name] for field in fields(LearnedStatus)})
    except (ValueError, KeyError, TypeError):
        return None
