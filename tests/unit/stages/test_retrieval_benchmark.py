import os
from pathlib import Path

import pytest

from benchmarks.retrieval import COLLECTIONS, section_of

DATA = Path(os.environ.get("ISTHMUS_DATA", Path(__file__).parents[4] / "shared" / "data"))
TITLES = ["quick guides", "using the guide", "recording", "tv viewing", "using the guide", "x" * 45]


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("Quick Guides>Using the guide", 1),
        ("TV Viewing>Using the Guide", 4),
        ("TV Viewing>Using the guide>A heading inside", 4),
        ("Quick Guides > Recording", 2),
        ("TV Viewing>" + "x" * 45 + " cut off", 5),
    ],
)
def test_a_gold_path_leads_to_its_section(path: str, section: int) -> None:
    assert section_of(path, TITLES) == section


def test_a_path_that_leads_nowhere_is_an_error() -> None:
    with pytest.raises(ValueError, match="Nowhere"):
        section_of("Nowhere>At all", TITLES)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "rows", "questions"), [("smart_tv", 261, 684), ("manuals", 10_048, 684), ("ragsmith", 2_619, 600)]
)
def test_every_question_has_gold_rows(name: str, rows: int, questions: int) -> None:
    if not (DATA / "rag").is_dir():
        pytest.skip(f"{DATA} has no folder rag; set ISTHMUS_DATA")
    collection = COLLECTIONS[name](DATA / "rag")
    assert (len(collection.rows), len(collection.questions)) == (rows, questions)
    assert len({row["id"] for row in collection.rows}) == rows
    assert {gold for question in collection.questions for gold in question.gold} <= {row["id"] for row in collection.rows}
    assert 0.4 < sum(question.held for question in collection.questions) / questions < 0.6
