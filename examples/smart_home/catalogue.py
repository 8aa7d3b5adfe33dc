"""What exists in every home: rooms, kinds of device, what they can be told, and what can go wrong."""

from dataclasses import dataclass

ROOMS = (
    "kitchen", "bedroom", "bathroom", "living room", "hallway", "office", "garage", "cellar", "attic",
    "nursery", "guest room", "laundry room", "dining room", "conservatory",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that can be set, with its range and how people ask for it (`{d}` device, `{n}` number)."""

    name: str
    low: int
    high: int
    requests: tuple[str, ...]


# The setting's name stands right before the number, in the question and in the answer: what is copied follows a known word.
_TEMPERATURE = Setting(
    "temperature", 16, 28, ("Set {d} to temperature {n}", "Bring {d} to temperature {n}", "I want temperature {n} on {d}")
)
_BRIGHTNESS = Setting(
    "brightness", 10, 99, ("Set {d} to brightness {n}", "Dim {d} to brightness {n}", "Put brightness {n} on {d}")
)
_VOLUME = Setting("volume", 10, 60, ("Set {d} to volume {n}", "Turn {d} to volume {n}", "Play at volume {n} on {d}"))
_TIMER = Setting("timer", 10, 90, ("Set {d} to timer {n}", "Start {d} with timer {n}", "Put timer {n} on {d}"))
_SPEED = Setting("speed", 10, 99, ("Set {d} to speed {n}", "Run {d} at speed {n}", "Bring {d} to speed {n}"))
_POSITION = Setting("position", 10, 99, ("Move {d} to position {n}", "Set {d} to position {n}", "Bring {d} to position {n}"))

# action -> how people ask for it
ACTIONS: dict[str, tuple[str, ...]] = {
    "on": ("Turn on {d}", "Switch on {d}", "Start {d}", "Switch {d} on"),
    "off": ("Turn off {d}", "Switch off {d}", "Stop {d}", "Switch {d} off"),
    "lock": ("Lock {d}", "Bolt {d}"),
    "unlock": ("Unlock {d}", "Release {d}"),
    "open": ("Open {d}", "Raise {d}"),
    "close": ("Close {d}", "Lower {d}"),
}


@dataclass(frozen=True, slots=True)
class DeviceType:
    """A kind of device: its name, the actions it takes, the value that can be set, if any."""

    name: str
    actions: tuple[str, ...]
    setting: Setting | None


_SWITCHED = ("on", "off")
TYPES: tuple[DeviceType, ...] = (
    DeviceType("dishwasher", _SWITCHED, _TIMER),
    DeviceType("washing machine", _SWITCHED, _TIMER),
    DeviceType("tumble dryer", _SWITCHED, _TIMER),
    DeviceType("oven", _SWITCHED, _TIMER),
    DeviceType("coffee machine", _SWITCHED, _TIMER),
    DeviceType("ceiling lamp", _SWITCHED, _BRIGHTNESS),
    DeviceType("floor lamp", _SWITCHED, _BRIGHTNESS),
    DeviceType("thermostat", _SWITCHED, _TEMPERATURE),
    DeviceType("radiator", _SWITCHED, _TEMPERATURE),
    DeviceType("air conditioner", _SWITCHED, _TEMPERATURE),
    DeviceType("speaker", _SWITCHED, _VOLUME),
    DeviceType("television", _SWITCHED, _VOLUME),
    DeviceType("fan", _SWITCHED, _SPEED),
    DeviceType("air purifier", _SWITCHED, _SPEED),
    DeviceType("vacuum robot", _SWITCHED, None),
    DeviceType("humidifier", _SWITCHED, _SPEED),
    DeviceType("door lock", ("lock", "unlock"), None),
    DeviceType("roller blind", ("open", "close"), _POSITION),
    DeviceType("skylight", ("open", "close"), _POSITION),
    DeviceType("heat pump", _SWITCHED, _TEMPERATURE),
)

PARTS = (
    "filter", "door seal", "pump", "fan wheel", "drain hose", "sensor", "battery", "motor", "heating coil", "valve",
    "drive belt", "water tank", "antenna", "control board", "air inlet", "bearing", "fuse holder", "lid", "brush", "display",
)  # fmt: skip
STATES = ("blocked", "worn", "loose", "too hot", "dirty", "wet", "cracked", "cold", "jammed", "missing")
BUTTONS = ("mode", "start", "menu", "power", "timer", "lock", "plus", "minus", "eco", "light")
# {n}: number of two digits, {p}: part, {b}: button, {f}: part number
REMEDIES = (
    "rinse it with water for {n} seconds", "let it cool for {n} minutes", "order part {f}", "tighten screw {n}",
    "hold the {b} button for {n} seconds", "dry it with a cloth for {n} minutes", "check the {p} as well",
    "replace the {p}", "run program {n} without load", "turn it by {n} degrees", "unplug it for {n} minutes",
    "brush it off and press {b}", "press {b} and wait {n} seconds", "call a fitter and name {f}",
)  # fmt: skip

# the same in every home: the only home questions that need no passage
HOUSE_RULES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "If a device does not react at all, unplug it and wait half a minute.",
        ("A device does not react at all. What should I try first?", "Nothing happens when I press a button. What now?"),
        "unplug it and wait half a minute",
    ),
    (
        "If a device smells of smoke, cut the power at the main switch.",
        ("Something smells of smoke. What should I do?", "A device smells burnt. What do I do first?"),
        "cut the power at the main switch",
    ),
    (
        "If the network is down, restart the router and then the hub.",
        ("All devices are offline. What should I do?", "The whole network is down. What helps?"),
        "restart the router and then the hub",
    ),
    (
        "If water leaks, close the main valve and dry the floor.",
        ("Water is leaking from a device. What should I do?", "There is water on the floor. What do I do first?"),
        "close the main valve and dry the floor",
    ),
)
HOUSE_COMMANDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("off", ("Turn everything off", "Switch off the whole home", "Shut all devices down")),
    ("on", ("Turn everything on", "Switch on the whole home", "Wake all devices up")),
    ("away", ("I am leaving the house", "Nobody will be home today", "Set the home to away")),
    ("night", ("Good night", "We are going to bed", "Set the home to night")),
)
