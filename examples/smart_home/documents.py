"""The documents of a home: per device a registry entry and nine short manual pages, and the house rules."""

from dataclasses import dataclass
from random import Random

from examples.smart_home import catalogue
from examples.smart_home.attributes import ATTRIBUTES, PAGES
from examples.smart_home.home import Device, Home


@dataclass(frozen=True, slots=True)
class Document:
    """A passage that can be retrieved."""

    id: str
    title: str
    text: str


_HEADINGS = {
    "dimensions": ("Technical data of the {d}.", "The {d}: dimensions.", "Size and weight of the {d}."),
    "electrical": ("Running the {d}.", "The {d}: electrical data.", "Operating data of the {d}."),
    "connection": ("Connecting the {d}.", "The {d}: network.", "Connection data of the {d}."),
    "service": ("Service for the {d}.", "The {d}: warranty and help.", "Customer service of the {d}."),
    "care": ("Care of the {d}.", "The {d}: cleaning.", "Looking after the {d}."),
    "safety": ("Safety of the {d}.", "The {d}: safe use.", "Placing the {d} safely."),
}
_REGISTRY = (
    "Registry: the {type} in the {room} has the id {id}. It is the {name} and takes {takes}.",
    "Device {id} is the {type} in the {room}, a {name}. It takes {takes}.",
    "In the {room} there is a {type}, the {name}, registered as {id}. It takes {takes}.",
)
_CODES = ("Error codes of the {d}.", "The {d}: what the codes mean.", "Codes shown by the {d}.")
_CODE = ("{code} means that {cause}.", "{code}: {cause}.", "At {code} {cause}.")
_REMEDIES = ("Remedies for the {d}.", "The {d}: how to mend it.", "Mending the {d}.")
_REMEDY = ("If {cause}, {remedy}.", "When {cause}, {remedy}.")
_RESET = (
    "Resetting the {d}. To reset it, {remedy}.",
    "The {d}: factory reset. If nothing else helps, {remedy}.",
    "Reset of the {d}. To start afresh, {remedy}.",
)


def documents_of(home: Home) -> list[Document]:
    """All documents of `home`, in a fixed order."""
    random = Random(f"documents {home.seed}")
    documents = [document for device in home.devices for document in _manual(device, random)]
    return documents + house_rules()


def house_rules() -> list[Document]:
    """The general documents, the same in every home."""
    rules = [
        Document(f"house-rule-{number}", "House rules", f"House rules. {text}")
        for number, (text, _, _) in enumerate(catalogue.HOUSE_RULES, start=1)
    ]
    commands = ", ".join(action for action, _ in catalogue.HOUSE_COMMANDS)
    scenes = f"House scenes. The whole home has the id all. It takes {commands}."
    return [*rules, Document("house-scenes", "House scenes", scenes)]


def document_id(device: Device, page: str) -> str:
    """The id of a page of the manual of `device`."""
    return f"{device.slug}-{page}"


def _manual(device: Device, random: Random) -> list[Document]:
    pages = {"registry": _registry(device, random)}
    for page in PAGES:
        pages[page] = _data_page(device, page, random)
    pages["reset"] = random.choice(_RESET).format(d=device.full_name, remedy=device.reset)
    pages["codes"] = _codes(device, random)
    pages["remedies"] = _remedies(device, random)
    return [
        Document(document_id(device, page), f"{device.full_name}: {page}", text) for page, text in pages.items()
    ]


def _registry(device: Device, random: Random) -> str:
    takes = [*device.type.actions, *([device.type.setting.name] if device.type.setting else [])]
    return random.choice(_REGISTRY).format(
        type=device.type.name, room=device.room, id=device.id, name=device.name, takes=", ".join(takes)
    )


def _data_page(device: Device, page: str, random: Random) -> str:
    stated = [attribute for attribute in ATTRIBUTES if attribute.page == page]
    random.shuffle(stated)
    heading = random.choice(_HEADINGS[page]).format(d=device.full_name)
    sentences = [random.choice(a.statements).format(v=device.values[a.key]) for a in stated]
    return " ".join((heading, *sentences))


def _codes(device: Device, random: Random) -> str:
    heading, entry = random.choice(_CODES).format(d=device.full_name), random.choice(_CODE)
    entries = [entry.format(code=fault.code, cause=fault.cause) for fault in device.faults]
    return " ".join((heading, *entries))


def _remedies(device: Device, random: Random) -> str:
    heading, entry = random.choice(_REMEDIES).format(d=device.full_name), random.choice(_REMEDY)
    faults = random.sample(device.faults, k=len(device.faults))
    return " ".join((heading, *(entry.format(cause=f.cause, remedy=f.remedy) for f in faults)))
