"""A name for each option of a stage: adding an option is one new file and one line in its registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from policies.errors import ConfigurationError, nearest

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """The options of one stage by name; asking for an unknown one names the nearest."""

    def __init__(self, stage: str, options: Mapping[str, T]) -> None:
        self._stage = stage
        self._options = dict(options)

    def __getitem__(self, name: str) -> T:
        try:
            return self._options[name]
        except KeyError:
            known = ", ".join(self._options)
            raise ConfigurationError(f"{self._stage} has no option {name!r}{nearest(name, self)}; it knows {known}.") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)


def split_option(option: str, default_k: int = 5) -> tuple[str, int]:
    """`hybrid@3` as ("hybrid", 3). Raises ConfigurationError when what follows the @ is not a positive number."""
    name, at, k = option.partition("@")
    if not at:
        return name, default_k
    if not k.isdecimal() or int(k) < 1:
        raise ConfigurationError(f"{option!r}: write a positive number after the @, as in {name}@5.")
    return name, int(k)
