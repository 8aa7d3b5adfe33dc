"""What the demo ships: models that read, a card that is current, questions that exist."""

from pathlib import Path
from random import Random

import pytest

from deployments import prompts
from examples.smart_home import card, demo
from examples.smart_home.curriculum import EVALUATION_SEEDS
from examples.smart_home.documents import documents_of
from examples.smart_home.export import CLOUD_FOLDER, EDGE_FILE
from examples.smart_home.generate import DEVICES, QUERIES_PER_KIND, SEED, query_rows
from examples.smart_home.home import make_home
from examples.smart_home.lookups import ask_lookup
from examples.smart_home.readers import LlamaCppReader, TransformersReader
from policies.metrics import exact_match

_HOMES = 10
_ENOUGH = 7  # right of ten; both models' measured share is above 0.95


@pytest.mark.parametrize("reader", [LlamaCppReader, TransformersReader])
def test_both_models_read_what_stands_before_them(reader: type) -> None:
    model = reader(EDGE_FILE if reader is LlamaCppReader else CLOUD_FOLDER)
    right = 0.0
    for seed in range(EVALUATION_SEEDS + 900_000, EVALUATION_SEEDS + 900_000 + _HOMES):
        home = make_home(seed, 6)
        query = ask_lookup(home, Random(seed))
        gold = [document.text for document in documents_of(home) if document.id in query.gold]
        right += exact_match(model.answer(prompts.answer(query.messages, gold)), query.reference)
    assert right >= _ENOUGH


def test_the_card_tells_what_was_measured_of_these_models() -> None:
    assert card.CARD.read_text() == card.card()


def test_the_weights_fit_into_the_repository() -> None:
    folder = Path(EDGE_FILE).parents[1]
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.suffix in (".gguf", ".safetensors")) <= 30e6


def test_the_demo_asks_questions_that_exist() -> None:
    known = {row["query_id"] for row in query_rows(make_home(SEED, DEVICES), QUERIES_PER_KIND)}
    assert {name for name, _ in demo.PLAN} <= known
