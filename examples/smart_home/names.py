"""Names nobody has heard before: brands, models, device ids and error codes, invented anew for every home.

A model that has never seen a name must read what a passage says about it.
"""

from random import Random

_ONSETS = (
    "b", "br", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kl", "l", "m", "n", "p", "pl",
    "r", "s", "st", "t", "tr", "v", "w", "z",
)  # fmt: skip
_VOWELS = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ai", "ou"]
_CODAS = ["", "l", "m", "n", "r", "s", "x", "k", "nd", "st"]
_CAPITALS = "ABCDEFGHKLMNPQRSTVWXZ"


def brand(random: Random) -> str:
    """Two syllables, such as 'Velkor'."""
    first = random.choice(_ONSETS) + random.choice(_VOWELS)
    second = random.choice(_ONSETS) + random.choice(_VOWELS) + random.choice(_CODAS)
    return (first + second).capitalize()


def model(random: Random) -> str:
    """Such as 'TX-417'."""
    return f"{letters(random, random.choice((1, 2)))}-{digits(random, random.choice((2, 3)))}"


def device_id(random: Random) -> str:
    """Such as 'kl-417'."""
    return f"{letters(random, 2).lower()}-{digits(random, 3)}"


def error_code(random: Random) -> str:
    """Such as 'E47'."""
    return letters(random, 1) + digits(random, 2)


def part_number(random: Random) -> str:
    """Such as 'HB-4821'."""
    return f"{letters(random, 2)}-{digits(random, 4)}"


def letters(random: Random, count: int) -> str:
    """`count` capital letters."""
    return "".join(random.choice(_CAPITALS) for _ in range(count))


def digits(random: Random, count: int) -> str:
    """`count` digits, the first not zero."""
    return str(random.randrange(10 ** (count - 1), 10**count))
