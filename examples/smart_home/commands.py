"""Requests answered by a JSON action."""

import json
from random import Random

from examples.smart_home import catalogue
from examples.smart_home.documents import document_id
from examples.smart_home.home import Device, Home
from examples.smart_home.lookups import sentence
from examples.smart_home.query import Query

_ENDINGS = (".", ".", ", please.", " now.", "!")
HOUSE_SHARE = 0.15
_VALUE_SHARE = 0.5  # of the commands to a device that has a setting


def ask_command(home: Home, random: Random) -> Query:
    """A command to one device, or now and then to the whole home."""
    if random.random() < HOUSE_SHARE:
        return ask_house(random)
    return ask_device(random.choice(home.devices), random)


def ask_device(device: Device, random: Random) -> Query:
    """A command to `device`: one of its actions, or its setting with a value."""
    setting = device.type.setting
    if setting and random.random() < _VALUE_SHARE:
        value = random.randint(setting.low, setting.high)
        request = random.choice(setting.requests).replace("{n}", str(value))
        return command(device, request, action_json(device.id, f"set {setting.name} {value}"), random)
    action = random.choice(device.type.actions)
    return command(device, random.choice(catalogue.ACTIONS[action]), action_json(device.id, action), random)


def command(device: Device, request: str, reference: str, random: Random) -> Query:
    """The query for `request`, a phrase with `{d}` for the device."""
    question = sentence(request, d=place(device, random)) + random.choice(_ENDINGS)
    return Query(
        kind="command",
        question=question,
        reference=reference,
        gold=(document_id(device, "registry"),),
        standalone=question,
        general=f"What does the registry say about the {device.type.name} in the {device.room}?",
        passage=f"Registry: the {device.type.name} in the {device.room} has an id and takes commands.",
        parts=(question,),
    )


def place(device: Device, random: Random) -> str:
    """Type and room, unique in a home."""
    return random.choice((f"the {device.type.name} in the {device.room}", f"the {device.room} {device.type.name}"))


def action_json(device: str, action: str) -> str:
    """The action as one line of JSON."""
    return json.dumps({"device": device, "action": action})


def ask_house(random: Random) -> Query:
    """A command to the whole home."""
    action, requests = random.choice(catalogue.HOUSE_COMMANDS)
    question = random.choice(requests) + random.choice(_ENDINGS)
    return Query(
        kind="command",
        question=question,
        reference=action_json("all", action),
        gold=("house-scenes",),
        standalone=question,
        general="What does the registry say about the whole home?",
        passage="House scenes. The whole home has an id and takes commands.",
        parts=(question,),
        known=True,
    )
