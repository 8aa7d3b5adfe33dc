"""Whether the emulated link can be emulated."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.checks.finding import Finding, blocked, ok
from cluster.config import Config
from cluster.trace import read_trace
from policies.errors import ConfigurationError

KEY = "cluster.link.trace"


def check_link(config: Config) -> Iterator[Finding]:
    """The trace file, if there is to be one."""
    link = config.cluster.link
    if link is None or link.trace is None:
        return
    try:
        trace = read_trace(link.trace)
    except ConfigurationError as error:
        yield blocked(KEY, str(error).removeprefix(f"{KEY}: "))
        return
    yield ok(KEY, f"{trace.mean_bits_per_s / 1e6:.3g} Mbit/s on average over {trace.period_s:g} s")
