"""What a manual states about a device, and how people ask for it.

In the phrases `{v}` is the value with its unit and `{d}` the device. A statement names the device first and
has the telling word right before the value: small models bind neighbours, hardly words ten tokens apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from examples.smart_home import names


@dataclass(frozen=True, slots=True)
class Attribute:
    """One stated property."""

    key: str
    page: str  # the manual page that states it
    statement: str
    questions: tuple[str, ...]
    short: str  # as in "And what about its {short}?"
    unit: str = ""
    low: int = 0
    high: int = 0
    pattern: str = ""  # instead of a number: 'pairing', 'part', 'phone', 'version'

    def state(self, device: str, value: str) -> str:
        """The sentence of the manual that gives `value`; it is also the answer, so that a reader can quote it."""
        return self.statement.format(d=device, v=value)

    def draw(self, random: Random) -> str:
        """A value with its unit."""
        if self.pattern:
            return _PATTERNS[self.pattern](random)
        return f"{random.randint(self.low, self.high)} {self.unit}"


_PATTERNS: dict[str, Callable[[Random], str]] = {
    "pairing": lambda random: names.digits(random, 4),
    "part": names.part_number,
    "phone": lambda random: f"0800 {names.digits(random, 4)}",
    "version": lambda random: f"{random.randint(1, 9)}.{names.digits(random, 2)}",
}

ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(
        "weight", "dimensions",
        "The {d} weighs {v}.",
        ("How heavy is {d}?", "What does {d} weigh?", "What is the weight of {d}?", "How much does {d} weigh?"),
        "weight", "kg", 10, 99,
    ),
    Attribute(
        "height", "dimensions",
        "The {d} has a height of {v}.",
        ("How tall is {d}?", "What is the height of {d}?", "How high is {d}?"),
        "height", "cm", 10, 99,
    ),
    Attribute(
        "cable", "dimensions",
        "The {d} has a cable of {v}.",
        ("How long is the cable of {d}?", "What is the cable length of {d}?", "How long a cable does {d} have?"),
        "cable length", "inches", 10, 99,
    ),
    Attribute(
        "power", "electrical",
        "The {d} draws {v} on average.",
        ("How much power does {d} draw?", "What is the power consumption of {d}?", "How many watts does {d} use?"),
        "power consumption", "W", 10, 99,
    ),
    Attribute(
        "noise", "electrical",
        "The {d} makes a noise of {v}.",
        ("How loud is {d}?", "What is the noise level of {d}?", "How much noise does {d} make?"),
        "noise level", "dB", 20, 79,
    ),
    Attribute(
        "start", "electrical",
        "The {d} is ready after {v}.",
        ("How long does {d} take to start?", "When is {d} ready?", "How quickly is {d} ready?"),
        "start time", "seconds", 10, 99,
    ),
    Attribute(
        "pairing", "connection",
        "The {d} has the pairing code {v}.",
        ("What is the pairing code of {d}?", "Which code pairs {d}?", "What code do I enter to pair {d}?"),
        "pairing code", pattern="pairing",
    ),
    Attribute(
        "channel", "connection",
        "The {d} sends on channel {v}.",
        ("Which radio channel does {d} use?", "On which channel does {d} send?", "What is the channel of {d}?"),
        "radio channel", "MHz", 10, 99,
    ),
    Attribute(
        "firmware", "connection",
        "The {d} runs firmware {v}.",
        ("Which firmware does {d} run?", "What is the firmware version of {d}?", "What firmware is on {d}?"),
        "firmware version", pattern="version",
    ),
    Attribute(
        "warranty", "service",
        "The {d} has a warranty of {v}.",
        ("How long is the warranty of {d}?", "For how long is {d} under warranty?", "What warranty does {d} have?"),
        "warranty", "months", 12, 98,
    ),
    Attribute(
        "phone", "service",
        "The {d} has the service number {v}.",
        ("Which number do I call for help with {d}?", "What is the service number of {d}?",
         "What is the support phone for {d}?"),
        "service number", pattern="phone",
    ),
    Attribute(
        "filter", "care",
        "The {d} needs the filter {v}.",
        ("What is the part number of the filter for {d}?", "Which filter fits {d}?", "Which filter do I order for {d}?"),
        "filter part number", pattern="part",
    ),
    Attribute(
        "cleaning", "care",
        "The {d} wants cleaning every {v}.",
        ("How often should I clean {d}?", "How often does {d} need cleaning?", "At what interval is {d} cleaned?"),
        "cleaning interval", "days", 10, 99,
    ),
    Attribute(
        "clearance", "safety",
        "The {d} needs a clearance of {v}.",
        ("How much free space does {d} need?", "How far from the wall must {d} stand?",
         "How much space should I leave around {d}?"),
        "clearance", "mm", 10, 99,
    ),
    Attribute(
        "fuse", "safety",
        "The {d} takes fuse {v}.",
        ("Which fuse does {d} take?", "What fuse is in {d}?", "What is the fuse type of {d}?"),
        "fuse type", pattern="part",
    ),
)  # fmt: skip

BY_KEY = {attribute.key: attribute for attribute in ATTRIBUTES}
PAGES = tuple(dict.fromkeys(attribute.page for attribute in ATTRIBUTES))
