"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "blocked"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `blocked` means that the cluster cannot start."""

    name: str
    level: Level
    detail: str
    """What was found; when something is missing also how to mend it."""


def ok(name: str, detail: str) -> Finding:
    return Finding(name, "ok", detail)


def warning(name: str, detail: str) -> Finding:
    return Finding(name, "warning", detail)


def blocked(name: str, detail: str) -> Finding:
    return Finding(name, "blocked", detail)
