"""The requests of a run: a production trace's times and lengths, or a process'."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path as FilePath

import numpy as np

from cluster.simulation.scenario import ArrivalPlan, Scenario
from policies.errors import ConfigurationError, nearest
from policies.schedule.types import Floats, Ints

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """Requests as they were measured, arrays of shape (requests,); times begin at 0."""

    times_s: Floats
    prompt_tokens: Floats
    tokens: Floats

    @property
    def period_s(self) -> float:
        """After which it is repeated: one mean gap follows the last request."""
        n = len(self.times_s)
        return float(self.times_s[-1] * n / (n - 1)) if n > 1 and self.times_s[-1] > 0 else float(max(n, 1))


@dataclass(frozen=True, slots=True)
class Workload:
    """All requests of a run in the order of their arrival, arrays of shape (requests,)."""

    times_s: Floats
    service: Ints
    origin: Ints
    limit_s: Floats
    prompt_tokens: Floats
    tokens: Floats
    max_tokens: Floats
    bits: Floats

    def __len__(self) -> int:
        return len(self.times_s)


def read_requests(file: FilePath) -> RequestTrace:
    """A CSV with the columns TIMESTAMP (a date and time, or seconds), ContextTokens, GeneratedTokens.

    Silence between rows is kept.

    Raises ConfigurationError naming the first line that is wrong: a missing value, a time before the line above or below
    zero, a number of tokens below zero; or the column that is unknown or missing.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines)
            header = [name.strip() for name in next(reader, [])]
            _check_columns(header, file)
            order = [header.index(name) for name in COLUMNS]
            rows = [_row(row, order, len(header), reader.line_num, file) for row in reader if any(cell.strip() for cell in row)]
    except OSError as error:
        raise ConfigurationError(f"arrivals.trace: {file} cannot be read ({error.strerror}).") from None
    except (UnicodeDecodeError, csv.Error):
        raise ConfigurationError(f"arrivals.trace: {file} is not a CSV text in UTF-8.") from None
    if not rows:
        raise ConfigurationError(f"arrivals.trace: {file} has no requests.")
    table = np.array([row[1:] for row in rows])
    falls = np.flatnonzero(np.diff(table[:, 0]) < 0)
    if len(falls):
        line = rows[int(falls[0]) + 1][0]
        raise ConfigurationError(
            f"arrivals.trace: {file.name}, line {line:g}: the time is before the line above; sort the trace by time."
        )
    return RequestTrace(table[:, 0] - table[0, 0], table[:, 1], table[:, 2])


def make_workload(scenario: Scenario, trace: RequestTrace | None, rate_per_s: float | None, edges: Ints, seed: int) -> Workload:
    """The requests that arrive within the scenario's duration; the same for the same seed.

    `rate_per_s` is the wanted mean, None for the trace's own; `edges` are the servers near which requests come in.
    """
    rng = np.random.default_rng([seed, 1])
    plan = scenario.arrivals
    times, rows = _times(plan, trace, rate_per_s, scenario.duration_s, rng)
    n = len(times)
    if trace is not None:
        prompt, tokens = trace.prompt_tokens[rows] * plan.length_factor, trace.tokens[rows] * plan.length_factor
    else:
        prompt, tokens = rng.exponential(plan.prompt_tokens, n), rng.exponential(plan.answer_tokens, n)
    prompt, tokens = np.maximum(1.0, np.round(prompt)), np.maximum(1.0, np.round(tokens))
    shares = np.array([service.share for service in scenario.services])
    service = rng.choice(len(shares), size=n, p=shares / shares.sum())
    low, high = np.array([service.limit_s for service in scenario.services]).T
    payload = np.array([service.payload_kb for service in scenario.services])
    origin = rng.choice(edges, size=n) if len(edges) else np.full(n, -1)
    return Workload(
        times_s=times,
        service=service,
        origin=origin,
        limit_s=rng.uniform(low[service], high[service]),
        prompt_tokens=prompt,
        tokens=tokens,
        max_tokens=np.ceil(tokens / plan.max_tokens_step) * plan.max_tokens_step,
        bits=8 * (prompt * plan.bytes_per_token + 1e3 * payload[service]),
    )


def _times(
    plan: ArrivalPlan, trace: RequestTrace | None, rate_per_s: float | None, duration_s: float, rng: np.random.Generator
) -> tuple[Floats, Ints]:
    """Arrival times, and the row of the trace that each request is."""
    if trace is None or plan.process == "poisson":
        if rate_per_s is None:
            raise ConfigurationError("arrivals: a process needs rate_per_s or load.")
        gaps = rng.exponential(1 / rate_per_s, int(rate_per_s * duration_s * 1.1 + 10 * math.sqrt(rate_per_s * duration_s) + 50))
        times = np.cumsum(gaps)
        times = times[times < duration_s]
        return times, rng.integers(len(trace.times_s), size=len(times)) if trace is not None else np.zeros(
            len(times), dtype=np.int64
        )
    # The trace is entered at a random place, so that seeds see different hours of it, and repeated.
    squeeze = 1.0 if rate_per_s is None else rate_per_s * trace.period_s / len(trace.times_s)
    period = trace.period_s / squeeze
    n, first = len(trace.times_s), int(rng.integers(len(trace.times_s)))
    rounds = int(duration_s / period) + 2
    once = trace.times_s / squeeze
    times = np.concatenate([once + i * period for i in range(rounds)])[first:] - once[first]
    rows = np.tile(np.arange(n), rounds)[first:]
    inside = times < duration_s
    return times[inside], rows[inside]


def _check_columns(header: list[str], file: FilePath) -> None:
    unknown = [name for name in header if name not in COLUMNS]
    missing = [name for name in COLUMNS if name not in header]
    twice = [name for name in COLUMNS if header.count(name) > 1]
    what = [
        *(f"has the unknown column {name!r}{nearest(name, COLUMNS)}" for name in unknown),
        *(f"lacks the column {name}" for name in missing),
        *(f"has the column {name} twice" for name in twice),
    ]
    if what:
        raise ConfigurationError(f"arrivals.trace: {file} {what[0]}; the columns are {', '.join(COLUMNS)}.")


def _row(row: list[str], order: list[int], width: int, line: int, file: FilePath) -> tuple[float, float, float, float]:
    where = f"arrivals.trace: {file.name}, line {line}"
    if len(row) != width or not all(row[i].strip() for i in order):
        raise ConfigurationError(f"{where}: a value is missing; fill the gap or remove the line.")
    time, prompt, tokens = (row[i].strip() for i in order)
    try:
        numbers = (_seconds(time), float(prompt), float(tokens))
    except ValueError:
        raise ConfigurationError(f"{where}: {','.join(row)!r} is not a time and two numbers of tokens.") from None
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ConfigurationError(f"{where}: {','.join(row)!r} has a number below zero or that is none.")
    return (float(line), *numbers)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    # Seven digits of a second, as Azure writes them, are one too many for Python.
    moment = datetime.fromisoformat(text[:26])
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
