"""What a manual states about a device, and how people ask for it.

In the phrases `{v}` is the value with its unit and `{d}` the device.
"""

from dataclasses import dataclass
from random import Random

from examples.smart_home import names


@dataclass(frozen=True, slots=True)
class Attribute:
    """One stated property. `more` and `less` name the device with the larger and the smaller value."""

    key: str
    page: str  # the manual page that states it
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    short: str  # as in "And what about its {short}?"
    unit: str = ""
    low: int = 0
    high: int = 0
    pattern: str = ""  # instead of a number: 'pairing', 'part', 'phone', 'version'
    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()

    @property
    def comparable(self) -> bool:
        return bool(self.more)

    def draw(self, random: Random) -> str:
        """A value with its unit."""
        if self.pattern:
            return _PATTERNS[self.pattern](random)
        return f"{random.randint(self.low, self.high)} {self.unit}"


_PATTERNS = {
    "pairing": lambda random: names.digits(random, 4),
    "part": names.part_number,
    "phone": lambda random: f"0800 {names.digits(random, 4)}",
    "version": lambda random: f"{random.randint(1, 9)}.{names.digits(random, 2)}",
}

ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(
        "weight", "dimensions",
        ("It weighs {v}.", "The weight is {v}.", "Its weight comes to {v}."),
        ("How heavy is {d}?", "What does {d} weigh?", "What is the weight of {d}?", "How much does {d} weigh?"),
        "weight", "kg", 10, 99, more=("heavier",), less=("lighter",),
    ),
    Attribute(
        "height", "dimensions",
        ("It stands {v} tall.", "The height is {v}.", "It is {v} high."),
        ("How tall is {d}?", "What is the height of {d}?", "How high is {d}?"),
        "height", "cm", 10, 99, more=("taller", "higher"), less=("lower",),
    ),
    Attribute(
        "cable", "dimensions",
        ("The cable measures {v}.", "Its cable is {v} long.", "The cable length is {v}."),
        ("How long is the cable of {d}?", "What is the cable length of {d}?", "How long a cable does {d} have?"),
        "cable length", "cm", 100, 499,
    ),
    Attribute(
        "power", "electrical",
        ("It draws {v} at full load.", "The power consumption is {v}.", "It uses {v} while running."),
        ("How much power does {d} draw?", "What is the power consumption of {d}?", "How many watts does {d} use?"),
        "power consumption", "W", 100, 999, more=("more powerful", "more power-hungry"), less=("more frugal",),
    ),
    Attribute(
        "noise", "electrical",
        ("It runs at {v}.", "The noise level is {v}.", "Its noise reaches {v}."),
        ("How loud is {d}?", "What is the noise level of {d}?", "How much noise does {d} make?"),
        "noise level", "dB", 20, 79, more=("louder", "noisier"), less=("quieter",),
    ),
    Attribute(
        "start", "electrical",
        ("It is ready after {v}.", "The start takes {v}.", "It needs {v} to start."),
        ("How long does {d} take to start?", "When is {d} ready?", "How quickly is {d} ready?"),
        "start time", "seconds", 10, 99, more=("slower to start",), less=("quicker to start", "ready sooner"),
    ),
    Attribute(
        "pairing", "connection",
        ("The pairing code is {v}.", "Pair it with the code {v}.", "Enter {v} as pairing code."),
        ("What is the pairing code of {d}?", "Which code pairs {d}?", "What code do I enter to pair {d}?"),
        "pairing code", pattern="pairing",
    ),
    Attribute(
        "channel", "connection",
        ("It sends on channel {v}.", "The radio channel is {v}.", "It uses channel {v}."),
        ("Which radio channel does {d} use?", "On which channel does {d} send?", "What is the channel of {d}?"),
        "radio channel", "MHz", 400, 899,
    ),
    Attribute(
        "firmware", "connection",
        ("The firmware version is {v}.", "It ships with firmware {v}.", "It runs firmware {v}."),
        ("Which firmware does {d} run?", "What is the firmware version of {d}?", "What firmware is on {d}?"),
        "firmware version", pattern="version",
    ),
    Attribute(
        "warranty", "service",
        ("The warranty lasts {v}.", "It is under warranty for {v}.", "The maker grants a warranty of {v}."),
        ("How long is the warranty of {d}?", "For how long is {d} under warranty?", "What warranty does {d} have?"),
        "warranty", "months", 12, 98, more=("covered longer by its warranty",), less=("sooner out of warranty",),
    ),
    Attribute(
        "phone", "service",
        ("The service number is {v}.", "For help call {v}.", "Support answers at {v}."),
        ("Which number do I call for help with {d}?", "What is the service number of {d}?",
         "What is the support phone for {d}?"),
        "service number", pattern="phone",
    ),
    Attribute(
        "filter", "care",
        ("Spare filters have the part number {v}.", "Order new filters as {v}.", "The filter is part {v}."),
        ("What is the part number of the filter for {d}?", "Which filter fits {d}?", "Which filter do I order for {d}?"),
        "filter part number", pattern="part",
    ),
    Attribute(
        "cleaning", "care",
        ("Clean it every {v}.", "It wants cleaning every {v}.", "Wipe it out every {v}."),
        ("How often should I clean {d}?", "How often does {d} need cleaning?", "At what interval is {d} cleaned?"),
        "cleaning interval", "days", 10, 99, more=("longer between cleanings",), less=("in need of cleaning more often",),
    ),
    Attribute(
        "clearance", "safety",
        ("Leave {v} free behind it.", "Keep {v} of space around it.", "It must stand {v} from the wall."),
        ("How much free space does {d} need?", "How far from the wall must {d} stand?",
         "How much space should I leave around {d}?"),
        "clearance", "mm", 100, 499,
    ),
    Attribute(
        "fuse", "safety",
        ("The fuse is of type {v}.", "Replace the fuse only with {v}.", "It is protected by fuse {v}."),
        ("Which fuse does {d} take?", "What fuse is in {d}?", "What is the fuse type of {d}?"),
        "fuse type", pattern="part",
    ),
)  # fmt: skip

BY_KEY = {attribute.key: attribute for attribute in ATTRIBUTES}
PAGES = tuple(dict.fromkeys(attribute.page for attribute in ATTRIBUTES))
