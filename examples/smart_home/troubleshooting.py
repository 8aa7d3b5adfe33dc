"""Faults: the code's meaning stands on one page, what helps against that on another."""

from random import Random

from examples.smart_home import catalogue
from examples.smart_home.commands import place
from examples.smart_home.documents import document_id
from examples.smart_home.home import Device, Home
from examples.smart_home.lookups import call, sentence
from examples.smart_home.query import Query

_QUESTIONS = (
    "{d} shows {c}. What should I do?",
    "What helps when {d} shows {c}?",
    "{d} stopped with error {c}. How do I mend it?",
    "There is a {c} on {d}. What now?",
)
HOUSE_SHARE = 0.12
PLACE_SHARE = 0.2


def ask_troubleshooting(home: Home, random: Random) -> Query:
    """A device that shows a code, named by its model or (then the registry is needed too) by its room."""
    if random.random() < HOUSE_SHARE:
        return ask_rule(random)
    return ask_fault(random.choice(home.devices), random.random() < PLACE_SHARE, random)


def ask_fault(device: Device, by_place: bool, random: Random) -> Query:
    """One of the faults of `device`."""
    fault = random.choice(device.faults)
    spoken = place(device, random) if by_place else call(device, random)
    question = sentence(random.choice(_QUESTIONS), d=spoken, c=fault.code)
    pages = ("registry", "codes", "remedies") if by_place else ("codes", "remedies")
    return Query(
        kind="troubleshooting",
        question=question,
        reference=f"{fault.code}: {fault.cause}: {fault.remedy}.",
        gold=tuple(document_id(device, page) for page in pages),
        standalone=question,
        general=f"Which error codes and remedies does {spoken} have?",
        passage=f"Error codes and remedies of {spoken}. {fault.code} is explained here.",
        parts=(f"What does {fault.code} mean on {spoken}?", f"Which remedies are there for {spoken}?"),
    )


def ask_rule(random: Random) -> Query:
    """Something that the house rules answer."""
    number = random.randrange(len(catalogue.HOUSE_RULES))
    _, questions, answer = catalogue.HOUSE_RULES[number]
    question = random.choice(questions)
    return Query(
        kind="troubleshooting",
        question=question,
        reference=answer,
        gold=(f"house-rule-{number + 1}",),
        standalone=question,
        general="What do the house rules say?",
        passage="House rules. If something goes wrong, follow them.",
        parts=(question,),
        known=True,
    )
