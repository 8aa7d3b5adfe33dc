"""Which of two devices has more of something: both sentences of the pages, the values with the wanted one last, the device.

Each step of the answer is a small one, and what is copied follows a word that it follows elsewhere, too: quote,
state the two values in the order that the question asks for, name the device of the last.
"""

from random import Random

from examples.smart_home.attributes import ATTRIBUTES, Attribute
from examples.smart_home.documents import document_id
from examples.smart_home.home import Device, Home
from examples.smart_home.query import Query

COMPARABLE = [attribute for attribute in ATTRIBUTES if attribute.comparable]
_QUESTIONS = (
    "Which is {m}, the {a} or the {b}?",
    "Which one is {m}: the {a} or the {b}?",
    "Is the {a} or the {b} {m}?",
)


def ask_comparison(home: Home, random: Random) -> Query:
    """Two devices and an attribute in which they differ."""
    while True:
        first, second = random.sample(home.devices, k=2)
        attribute = random.choice(COMPARABLE)
        if first.values[attribute.key] != second.values[attribute.key]:
            return compare(first, second, attribute, random)


def compare(first: Device, second: Device, attribute: Attribute, random: Random) -> Query:
    """The answer quotes both sentences in the question's order, puts the wanted value last and names its device."""
    key = attribute.key
    wants_more = random.random() < 0.5
    word = random.choice(attribute.more if wants_more else attribute.less)
    has_more = _number(first.values[key]) > _number(second.values[key])
    chosen, other = (first, second) if has_more == wants_more else (second, first)
    question = random.choice(_QUESTIONS).format(m=word, a=first.full_name, b=second.full_name)
    return Query(
        kind="comparison",
        question=question,
        reference=f"{attribute.state(first.full_name, first.values[key])} "
        f"{attribute.state(second.full_name, second.values[key])} "
        f"{attribute.state('one', other.values[key])} {attribute.state('other', chosen.values[key])} "
        f"It is the {chosen.full_name}.",
        gold=(document_id(first, attribute.page), document_id(second, attribute.page)),
        standalone=question,
        general=f"What is the {attribute.short} of the {first.name} and of the {second.name}?",
        passage=f"{attribute.short.capitalize()} of the {first.name} and the {second.name}.",
        parts=tuple(f"What is the {attribute.short} of the {device.name}?" for device in (first, second)),
    )


def _number(value: str) -> int:
    return int(value.split()[0])
