"""Whether the profile can be read and still fits the configuration."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.checks.finding import Finding, blocked, ok, warning
from cluster.config import Config
from policies.errors import ConfigurationError


def check_profile(config: Config) -> Iterator[Finding]:
    """One finding if a profile is configured."""
    if config.profile is None:
        return
    from cluster.profile import read_table

    try:
        table = read_table(config.profile)
        known = table.only({path.name for path in config.paths})
    except ConfigurationError as error:
        yield blocked("profile", str(error))
        return
    held = f"{len(known.profile.queries)} queries, {len(known.paths)} of the configuration's {len(config.paths)} paths"
    gone = len(table.paths) - len(known.paths)
    if gone:
        yield warning("profile", f"{held}; {gone} of its paths are not in the configuration and count for nothing.")
    else:
        yield ok("profile", held)
