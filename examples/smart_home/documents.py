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


# every sentence names its device: a passage may be cut down to the sentences that matter
_REGISTRY = (
    'The {type} in the {room} has the id "{id}". It is the {name} and takes {takes}.',
    'In the {room} the {type} has the id "{id}". This {name} takes {takes}.',
)
_CODE = "On the {d}, {code}: {cause}."
_REMEDY = "On the {d}, {cause}: {remedy}."
_RESET = "To reset the {d}, {remedy}."


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
    scenes = f'House scenes. The whole home has the id "all". It takes {commands}.'
    return [*rules, Document("house-scenes", "House scenes", scenes)]


def document_id(device: Device, page: str) -> str:
    """The id of a page of the manual of `device`."""
    return f"{device.slug}-{page}"


def _manual(device: Device, random: Random) -> list[Document]:
    pages = {"registry": _registry(device, random)}
    for page in PAGES:
        pages[page] = _data_page(device, page, random)
    pages["reset"] = _RESET.format(d=device.full_name, remedy=device.reset)
    pages["codes"] = _codes(device)
    pages["remedies"] = _remedies(device, random)
    return [Document(document_id(device, page), f"{device.full_name}: {page}", text) for page, text in pages.items()]


def _registry(device: Device, random: Random) -> str:
    takes = [*device.type.actions, *([device.type.setting.name] if device.type.setting else [])]
    return random.choice(_REGISTRY).format(
        type=device.type.name, room=device.room, id=device.id, name=device.name, takes=", ".join(takes)
    )


def _data_page(device: Device, page: str, random: Random) -> str:
    stated = [attribute for attribute in ATTRIBUTES if attribute.page == page]
    random.shuffle(stated)
    return " ".join(a.state(device.full_name, device.values[a.key]) for a in stated)


def _codes(device: Device) -> str:
    return " ".join(_CODE.format(d=device.full_name, code=f.code, cause=f.cause) for f in device.faults)


def _remedies(device: Device, random: Random) -> str:
    faults = random.sample(device.faults, k=len(device.faults))
    return " ".join(_REMEDY.format(d=device.full_name, cause=f.cause, remedy=f.remedy) for f in faults)
