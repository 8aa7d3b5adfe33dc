"""A home: rooms with devices, every fact about them invented from one seed."""

from dataclasses import dataclass
from random import Random

from examples.smart_home import catalogue, names
from examples.smart_home.attributes import ATTRIBUTES
from examples.smart_home.catalogue import DeviceType

FAULTS_PER_DEVICE = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """An error code, what it means (`pump worn`) and what helps (`replace the valve`)."""

    code: str
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Device:
    """One device. `values` holds its attributes by key, each with its unit."""

    id: str
    type: DeviceType
    room: str
    brand: str
    model: str
    values: dict[str, str]
    faults: tuple[Fault, ...]
    reset: str

    @property
    def name(self) -> str:
        """Brand and model, unique in a home."""
        return f"{self.brand} {self.model}"

    @property
    def full_name(self) -> str:
        """Type, brand and model: the model, which no other device has, stands next to what is said of it."""
        return f"{self.type.name} {self.name}"

    @property
    def slug(self) -> str:
        """The name as the start of a document's id."""
        return self.name.lower().replace(" ", "-")


@dataclass(frozen=True, slots=True)
class Home:
    """All devices of one home; no type twice in a room, no brand twice among devices of a type."""

    seed: int
    devices: tuple[Device, ...]


def make_home(seed: int, devices: int = 32) -> Home:
    """The home of `seed`; half as many types as devices, so that most types stand in several rooms."""
    random = Random(f"home {seed}")
    brands = [names.brand(random) for _ in range(max(4, devices // 3))]
    types = random.sample(catalogue.TYPES, k=min(len(catalogue.TYPES), max(2, devices // 2)))
    made: list[Device] = []
    while len(made) < devices:
        device = _make_device(random, types[len(made) % len(types)], random.choice(brands))
        if not any(_clash(device, other) for other in made):
            made.append(device)
    return Home(seed, tuple(made))


def _clash(one: Device, other: Device) -> bool:
    same_type = one.type is other.type and (one.room == other.room or one.brand == other.brand)
    return same_type or one.id == other.id or one.model == other.model


def _make_device(random: Random, type_: DeviceType, brand: str) -> Device:
    return Device(
        id=names.device_id(random),
        type=type_,
        room=random.choice(catalogue.ROOMS),
        brand=brand,
        model=names.model(random),
        values={attribute.key: attribute.draw(random) for attribute in ATTRIBUTES},
        faults=_make_faults(random),
        reset=f"hold the {random.choice(catalogue.BUTTONS)} button for {names.digits(random, 2)} seconds",
    )


def _make_faults(random: Random) -> tuple[Fault, ...]:
    parts = random.sample(catalogue.PARTS, k=FAULTS_PER_DEVICE)
    codes: dict[str, None] = {}  # a set that keeps its order, which must follow from the seed
    while len(codes) < FAULTS_PER_DEVICE:
        codes[names.error_code(random)] = None
    return tuple(
        Fault(code, f"{part} {random.choice(catalogue.STATES)}", _make_remedy(random))
        for code, part in zip(codes, parts, strict=True)
    )


def _make_remedy(random: Random) -> str:
    return random.choice(catalogue.REMEDIES).format(
        n=names.digits(random, 2),
        p=random.choice(catalogue.PARTS),
        b=random.choice(catalogue.BUTTONS),
        f=names.part_number(random),
    )
