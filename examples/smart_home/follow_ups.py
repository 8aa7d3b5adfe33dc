"""Questions that make sense only after what was said before."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from examples.smart_home import catalogue
from examples.smart_home.attributes import ATTRIBUTES, Attribute
from examples.smart_home.commands import action_json, command, place
from examples.smart_home.home import Device, Home
from examples.smart_home.lookups import ask_attribute, call
from examples.smart_home.query import Query, turn

_OTHER_ATTRIBUTE = ("And what about its {s}?", "And its {s}?", "What is its {s}, then?", "Tell me its {s} too.")
_OTHER_DEVICE = ("And {d}?", "What about {d}?", "How about {d}?")
_AGAIN = ("Sorry, what was that again?", "Can you repeat that?", "Once more, please.")
_OPPOSITE = {"on": "off", "off": "on", "lock": "unlock", "unlock": "lock", "open": "close", "close": "open"}
_REVERSED = {
    "on": ("Now turn it on again.", "Switch it back on."),
    "off": ("Now turn it off again.", "Switch it back off."),
    "lock": ("Now lock it again.",),
    "unlock": ("Now unlock it again.",),
    "open": ("Now open it again.",),
    "close": ("Now close it again.",),
}


def ask_follow_up(home: Home, random: Random) -> Query:
    """Another attribute, another device, the same again, or the opposite of a command."""
    first, second = random.sample(home.devices, k=2)
    before, now = random.sample(ATTRIBUTES, k=2)
    makers: tuple[Callable[[], Query], ...] = (
        lambda: other_attribute(ask_attribute(first, before, random), first, now, random),
        lambda: other_device(ask_attribute(first, now, random), first, second, now, random),
        lambda: again(ask_attribute(first, now, random), random),
        lambda: reverse(first, random),
    )
    (make,) = random.choices(makers, weights=(4, 3, 1, 1))
    return make()


def other_attribute(past: Query, device: Device, now: Attribute, random: Random) -> Query:
    """After `past` about `device`: the attribute `now` of the same device."""
    standalone = f"What is the {now.short} of {_named_in(past.question, device)}?"
    return replace(
        ask_attribute(device, now, random),
        kind="follow_up",
        history=turn(past.question, past.reference),
        question=random.choice(_OTHER_ATTRIBUTE).format(s=now.short),
        standalone=standalone,
        parts=(standalone,),
    )


def other_device(past: Query, first: Device, second: Device, attribute: Attribute, random: Random) -> Query:
    """After `past` about `attribute` of `first`: the same of `second`."""
    spoken, name = call(second, random), _named_in(past.question, first)
    standalone = past.question.replace(name, spoken)
    return replace(
        ask_attribute(second, attribute, random),
        kind="follow_up",
        history=turn(past.question, past.reference),
        question=random.choice(_OTHER_DEVICE).format(d=spoken),
        standalone=standalone,
        parts=(standalone,),
    )


def again(past: Query, random: Random) -> Query:
    """The answer once more: it stands in the dialogue."""
    return replace(
        past,
        kind="follow_up",
        history=turn(past.question, past.reference),
        question=random.choice(_AGAIN),
        known=True,
    )


def reverse(device: Device, random: Random) -> Query:
    """A command, then its opposite: the id stands in the dialogue."""
    action = random.choice(device.type.actions)
    spoken, opposite = place(device, random), _OPPOSITE[action]
    request = random.choice(catalogue.ACTIONS[action]).format(d=spoken)
    standalone = catalogue.ACTIONS[opposite][0].format(d=spoken) + "."
    return replace(
        command(device, catalogue.ACTIONS[opposite][0], action_json(device.id, opposite), random),
        kind="follow_up",
        history=turn(f"{request}.", action_json(device.id, action)),
        question=random.choice(_REVERSED[opposite]),
        standalone=standalone,
        parts=(standalone,),
        known=True,
    )


def _named_in(question: str, device: Device) -> str:
    """How `question` names `device`."""
    ways = (device.full_name, device.name, f"{device.brand} {device.type.name}")
    return "the " + next(way for way in ways if way in question)
