"""What is taught when: recall, then one passage, then more; a stage ends when its answers are right."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tokenizers import Tokenizer

from examples.smart_home.documents import documents_of
from examples.smart_home.home import make_home
from examples.smart_home.lesson import instructions, lesson
from examples.smart_home.recall import recall_tree
from examples.smart_home.rows import Tree, grow

TRAINING_SEEDS = 10_000_000  # homes for training have this seed or a larger one
EVALUATION_SEEDS = 5_000_000  # homes for evaluation have this seed up to 1,000,000 more
_LESSONS_PER_HOME = 40
_DEVICES_PER_HOME = 12


@dataclass(frozen=True, slots=True)
class Stage:
    """Row sizes, how many passages lie open, and the shares of earlier matter."""

    name: str
    rows: int
    time: int  # tokens per row
    passages: tuple[int, ...]  # drawn evenly; empty: recall alone
    instructed: float  # share of trees that are instructions without passages
    recalled: float  # share of trees that are recall
    absent: float = 0.6  # share of lessons with a question that no passage answers
    least: float = 0.93  # exact match of the stage's reading at which the next stage begins


STAGES = (
    Stage("recall", rows=28, time=144, passages=(), instructed=0.0, recalled=1.0, least=0.8),
    Stage("one", rows=6, time=384, passages=(1,), instructed=0.05, recalled=0.05, absent=0.1),
    Stage("two", rows=6, time=448, passages=(1, 2, 2), instructed=0.15, recalled=0.1, absent=0.3),
    Stage("three", rows=6, time=512, passages=(1, 2, 3, 3), instructed=0.2, recalled=0.05),
    Stage("five", rows=6, time=640, passages=(1, 2, 3, 3, 4, 4, 5, 5), instructed=0.25, recalled=0.0, least=2.0),
)


def trees(stage: Stage, tokenizer: Tokenizer, seed: int) -> Iterator[Tree]:
    """An endless stream of trees for `stage`; every home occurs once in the stream of `seed`."""
    random = Random(f"{stage.name} {seed}")
    while True:
        home = make_home(random.randrange(TRAINING_SEEDS, 10 * TRAINING_SEEDS), _DEVICES_PER_HOME)
        documents = {document.id: document.text for document in documents_of(home)}
        for _ in range(_LESSONS_PER_HOME):
            roll = random.random()
            if roll < stage.recalled:
                yield recall_tree(tokenizer.get_vocab_size(), random)
            elif roll < stage.recalled + stage.instructed:
                for exercise in instructions(home, 4, random):
                    yield grow([exercise], tokenizer)
            else:
                yield grow(lesson(home, documents, random.choice(stage.passages), random, stage.absent), tokenizer)
