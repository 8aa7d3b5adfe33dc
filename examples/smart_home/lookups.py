"""Questions answered by one stated value."""

from random import Random

from examples.smart_home.attributes import ATTRIBUTES, Attribute
from examples.smart_home.documents import document_id
from examples.smart_home.home import Device, Home
from examples.smart_home.query import Query

_MEANING = ("What does {c} mean on {d}?", "What is error {c} of {d}?", "{d} reports {c}. What does it mean?")
_RESET = ("How do I reset {d}?", "How can I reset {d}?", "How is {d} reset?")


def ask_lookup(home: Home, random: Random) -> Query:
    """A question about an attribute, an error code or the reset of one device."""
    device, roll = random.choice(home.devices), random.random()
    if roll < 0.08:
        return ask_reset(device, random)
    if roll < 0.2:
        return ask_meaning(device, random)
    return ask_attribute(device, random.choice(ATTRIBUTES), random)


def ask_attribute(device: Device, attribute: Attribute, random: Random) -> Query:
    """What the value of `attribute` is."""
    spoken = call(device, random)
    question = sentence(random.choice(attribute.questions), d=spoken)
    return Query(
        kind="lookup",
        question=question,
        reference=attribute.state(device.full_name, device.values[attribute.key]),
        gold=(document_id(device, attribute.page),),
        standalone=question,
        general=f"What does the {attribute.page} page of {spoken} say?",
        passage=sentence("{d}: {p}. The {s} is given here.", d=spoken, p=attribute.page, s=attribute.short),
        parts=(question,),
    )


def call(device: Device, random: Random) -> str:
    """One of the ways to name a device that are clear in its home."""
    return random.choice((f"the {device.name}", f"the {device.full_name}", f"the {device.brand} {device.type.name}"))


def sentence(template: str, **words: str) -> str:
    """`template` filled in, with a capital first letter."""
    text = template.format(**words)
    return text[0].upper() + text[1:]


def ask_reset(device: Device, random: Random) -> Query:
    """How the device is reset."""
    spoken = call(device, random)
    question = sentence(random.choice(_RESET), d=spoken)
    return Query(
        kind="lookup",
        question=question,
        reference=f"To reset the {device.full_name}, {device.reset}.",
        gold=(document_id(device, "reset"),),
        standalone=question,
        general=f"What does the reset page of {spoken} say?",
        passage=sentence("{d}: reset. To reset it, hold a button.", d=spoken),
        parts=(question,),
    )


def ask_meaning(device: Device, random: Random) -> Query:
    """What one of its error codes means."""
    fault, spoken = random.choice(device.faults), call(device, random)
    question = sentence(random.choice(_MEANING), d=spoken, c=fault.code)
    return Query(
        kind="lookup",
        question=question,
        reference=f"{fault.code}: {fault.cause}.",
        gold=(document_id(device, "codes"),),
        standalone=question,
        general=f"What does the codes page of {spoken} say?",
        passage=sentence("{d}: codes. {c} is explained here.", d=spoken, c=fault.code),
        parts=(question,),
    )
