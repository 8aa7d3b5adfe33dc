"""One question of any kind."""

from collections.abc import Callable
from random import Random

from examples.smart_home.commands import ask_command
from examples.smart_home.comparisons import ask_comparison
from examples.smart_home.follow_ups import ask_follow_up
from examples.smart_home.home import Home
from examples.smart_home.lookups import ask_lookup
from examples.smart_home.query import Kind, Query
from examples.smart_home.troubleshooting import ask_troubleshooting

_ASK: dict[Kind, Callable[[Home, Random], Query]] = {
    "command": ask_command,
    "lookup": ask_lookup,
    "troubleshooting": ask_troubleshooting,
    "comparison": ask_comparison,
    "follow_up": ask_follow_up,
}


def ask(home: Home, kind: Kind, random: Random) -> Query:
    """A question of `kind` about `home`."""
    return _ASK[kind](home, random)
