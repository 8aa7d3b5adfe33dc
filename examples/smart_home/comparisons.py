"""The same attribute of two devices, whose pages are two documents: the answer puts both sentences side by side."""

from random import Random

from examples.smart_home.attributes import ATTRIBUTES, Attribute
from examples.smart_home.documents import document_id
from examples.smart_home.home import Device, Home
from examples.smart_home.query import Query

_QUESTIONS = (
    "Compare the {s} of the {a} and the {b}.",
    "How do the {a} and the {b} compare in {s}?",
    "What is the {s} of the {a}, and what is it of the {b}?",
)


def ask_comparison(home: Home, random: Random) -> Query:
    """Two devices and an attribute."""
    first, second = random.sample(home.devices, k=2)
    return compare(first, second, random.choice(ATTRIBUTES), random)


def compare(first: Device, second: Device, attribute: Attribute, random: Random) -> Query:
    """The answer quotes both pages in the question's order."""
    key, devices = attribute.key, (first, second)
    question = random.choice(_QUESTIONS).format(s=attribute.short, a=first.full_name, b=second.full_name)
    return Query(
        kind="comparison",
        question=question,
        reference=" ".join(attribute.state(device.full_name, device.values[key]) for device in devices),
        gold=tuple(document_id(device, attribute.page) for device in devices),
        standalone=question,
        general=f"What do the {attribute.page} pages of the {first.full_name} and of the {second.full_name} say?",
        passage=f"{attribute.short.capitalize()} of the {first.full_name} and the {second.full_name}.",
        parts=tuple(f"What is the {attribute.short} of the {device.full_name}?" for device in devices),
    )
