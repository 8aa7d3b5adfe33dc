"""What a model is taught: several questions over the same passages, so that reading them once pays often."""

from dataclasses import dataclass, replace
from random import Random

from deployments import prompts
from deployments.prompts import Message
from examples.smart_home.ask import ask
from examples.smart_home.commands import ask_house
from examples.smart_home.documents import document_id, house_rules
from examples.smart_home.home import Home
from examples.smart_home.pages import ask_absent, follow_ups_over, open_pages, questions_over
from examples.smart_home.query import KINDS, NOT_STATED, Query
from examples.smart_home.troubleshooting import ask_rule

_MOST_QUESTIONS = 8
_WORDINGS = 3  # rounds of questions over the same passages, each worded anew
_HISTORY_SHARE = 0.25  # of the lessons continue a dialogue
_RULE_SHARE = 0.08  # of the lessons ask what is the same in every home, with or without its page


@dataclass(frozen=True, slots=True)
class Exercise:
    """A dialogue to complete with `answer`; `tag` names what it trains, for the running scores."""

    messages: list[Message]
    answer: str
    tag: str


def lesson(home: Home, documents: dict[str, str], passages: int, random: Random, absent_share: float = 0.6) -> list[Exercise]:
    """Exercises over `passages` passages; all share the system prompt, the history and the passages.

    `absent_share` of the lessons hold one question that no passage answers.
    """
    opened = open_pages(home, passages, random)
    texts = [documents[document_id(page.device, page.name)] for page in opened]
    follow_ups = follow_ups_over(opened, random) if random.random() < _HISTORY_SHARE else []
    history = follow_ups[0].history if follow_ups else ()
    queries = [query for _ in range(_WORDINGS) for query in questions_over(opened, random)]
    queries = follow_ups[:4] + random.sample(queries, k=min(len(queries), _MOST_QUESTIONS - len(follow_ups[:4])))
    absent = [ask_absent(home, opened, random)] if not queries or random.random() < absent_share else []
    if random.random() < _RULE_SHARE:
        texts[:0] = [random.choice(house_rules()).text] if passages > 1 else []
        random.shuffle(texts)
        queries += [ask_rule(random), ask_house(random)]
    exercises = [_exercise(query, query.reference, query.kind, history, texts) for query in queries]
    exercises += [_exercise(query, NOT_STATED, "absent", history, texts) for query in absent]
    random.shuffle(exercises)  # a row may have room for the first few only
    return exercises


def instructions(home: Home, count: int, random: Random) -> list[Exercise]:
    """Exercises without passages: rewriting, step-back, HyDE, splitting, and plain chat."""
    return [_instruction(ask(home, random.choice(KINDS), random), random) for _ in range(count)]


def _exercise(query: Query, answer: str, tag: str, history: tuple[Message, ...], passages: list[str]) -> Exercise:
    return Exercise(prompts.answer(replace(query, history=history).messages, passages), answer, tag)


def _instruction(query: Query, random: Random) -> Exercise:
    roll = random.random()
    if roll < 0.2 or (query.history and roll < 0.5):
        return Exercise(prompts.rewrite(query.messages), query.standalone, "rewrite")
    if roll < 0.4:
        return Exercise(query.messages, query.reference if query.known else NOT_STATED, "chat")
    if roll < 0.6:
        return Exercise(prompts.step_back(query.standalone), query.general, "step_back")
    if roll < 0.8:
        return Exercise(prompts.hyde(query.standalone), query.passage, "hyde")
    return Exercise(prompts.decompose(query.standalone), "\n".join(query.parts), "decompose")
