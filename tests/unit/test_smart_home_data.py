"""The generated homes: the same for a seed, unlike for others, and their questions answered by their documents."""

import json
import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.smart_home.ask import ask
from examples.smart_home.comparisons import ask_comparison
from examples.smart_home.curriculum import EVALUATION_SEEDS, TRAINING_SEEDS
from examples.smart_home.documents import documents_of
from examples.smart_home.generate import DEVICES, FOLDER, QUERIES_PER_KIND, SEED, query_rows
from examples.smart_home.home import make_home
from examples.smart_home.pages import follow_ups_over, open_pages, questions_over
from examples.smart_home.query import KINDS, Kind, Query

SEEDS = st.integers(0, 10_000)


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_a_home_follows_from_its_seed(seed: int) -> None:
    assert make_home(seed) == make_home(seed)
    assert documents_of(make_home(seed)) == documents_of(make_home(seed))


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_devices_can_be_told_apart(seed: int) -> None:
    home = make_home(seed)
    for names in (
        [device.id for device in home.devices],
        [device.model for device in home.devices],
        [(device.type.name, device.room) for device in home.devices],
        [(device.type.name, device.brand) for device in home.devices],
    ):
        assert len(set(names)) == len(home.devices)
    ids = [document.id for document in documents_of(home)]
    assert len(set(ids)) == len(ids)


@given(SEEDS, st.sampled_from(KINDS))
@settings(max_examples=60, deadline=None)
def test_every_reference_follows_from_the_gold_documents(seed: int, kind: Kind) -> None:
    home = make_home(seed, devices=12)
    texts = {document.id: document.text for document in documents_of(home)}
    query = ask(home, kind, Random(seed))
    _assert_derivable(query, texts)


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_what_is_taught_over_open_pages_stands_on_them(seed: int) -> None:
    random, home = Random(seed), make_home(seed, devices=12)
    texts = {document.id: document.text for document in documents_of(home)}
    opened = open_pages(home, 4, random)
    shown = {f"{page.device.slug}-{page.name}" for page in opened}
    follow_ups = follow_ups_over(opened, random)
    assert len({json.dumps(query.history) for query in follow_ups}) == 1
    for query in questions_over(opened, random) + follow_ups:
        assert query.known or set(query.gold) <= shown
        _assert_derivable(query, texts)


def _assert_derivable(query: Query, texts: dict[str, str]) -> None:
    assert query.gold
    source = " ".join([*(texts[name] for name in query.gold), *(turn["content"] for turn in query.messages)])
    for piece in _pieces(query.reference):
        assert piece.lower() in source.lower()


@given(SEEDS)
def test_a_comparison_needs_the_pages_of_two_devices(seed: int) -> None:
    home = make_home(seed, 8)
    query = ask_comparison(home, Random(seed))
    texts = {document.id: document.text for document in documents_of(home)}
    first, second = (texts[name] for name in query.gold)
    quoted, rest = next(
        (query.reference[: -len(s) - 1], s) for s in re.split(r"(?<=\.) (?=The )", second) if query.reference.endswith(s)
    )
    assert quoted in first
    assert rest not in first


def _pieces(reference: str) -> list[str]:
    """The parts of an answer that must stand in the documents or the dialogue word for word."""
    if reference.startswith("{"):
        action = json.loads(reference)
        return [action["device"], *([action["action"].removeprefix("set ")] if "set " in action["action"] else [])]
    if reference.count(": ") == 2:  # what a code means, and what helps against that
        code, cause, remedy = reference.removesuffix(".").split(": ")
        return [f"{code}: {cause}", f"{cause}: {remedy}"]
    sentences = re.split(r"(?<=\.) (?=[A-Z\d])", reference)
    return [re.sub(r"^The ", "", sentence).removesuffix(".") for sentence in sentences]


def test_homes_for_training_and_for_evaluation_share_no_device() -> None:
    names = [
        {device.name for number in range(20) for device in make_home(start + number).devices}
        for start in (TRAINING_SEEDS, EVALUATION_SEEDS)
    ]
    assert EVALUATION_SEEDS + 1_000_000 <= TRAINING_SEEDS
    assert not names[0] & names[1]


@pytest.mark.parametrize("file", ["documents/home.jsonl", "queries.jsonl"])
def test_the_shipped_home_is_the_one_its_seed_makes(file: str) -> None:
    rows = [json.loads(line) for line in (FOLDER / file).read_text(encoding="utf-8").splitlines()]
    home = make_home(SEED, DEVICES)
    if file == "queries.jsonl":
        assert rows == query_rows(home, QUERIES_PER_KIND)
        assert len(rows) >= 400
        assert {row["kind"] for row in rows} == set(KINDS)
    else:
        made = documents_of(home)
        assert rows == [{"id": d.id, "title": d.title, "text": d.text} for d in made]
        assert len(rows) >= 300
