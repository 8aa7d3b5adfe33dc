"""Log and checkpoint in a real PostgreSQL, where ISTHMUS_POSTGRES_URL names an empty database of one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from cluster.database import open_engine
from cluster.log import Decided, DecisionLog, Feedback, read_log
from cluster.log.tables import METADATA as LOG
from cluster.orchestrator.checkpoint import METADATA as CHECKPOINT
from cluster.orchestrator.checkpoint import Checkpoint

URL = os.environ.get("ISTHMUS_POSTGRES_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="ISTHMUS_POSTGRES_URL does not name a database to test with")


@pytest.fixture(autouse=True)
def _leaves_nothing() -> Iterator[None]:
    yield
    engine = open_engine(URL, "ISTHMUS_POSTGRES_URL")
    for tables in (LOG, CHECKPOINT):
        tables.drop_all(engine)
    engine.dispose()


def decided(number: int, *, private: bool = False) -> Decided:
    return Decided(str(number), 100.0 + number, "home", "Is the lamp on?", private, "a/b/c/d", "home", "because", True)


def test_what_was_decided_and_how_good_it_was_comes_back_without_private_questions() -> None:
    log = DecisionLog(URL)
    log.start()
    for number in range(300):
        log.put(decided(number, private=number == 7))
    log.put(Feedback("5", 200.0, 0.25))
    log.put(Feedback("5", 201.0, 0.75))
    log.close()
    rows = {row.decision_id: row for row in read_log(URL)}
    assert list(rows) == [str(number) for number in range(300) if number != 7]
    assert rows["5"].score == 0.75
    assert rows["6"].query == "Is the lamp on?"


def test_the_last_checkpoint_comes_back_and_one_that_cannot_be_used_is_kept_aside() -> None:
    checkpoint = Checkpoint(URL)
    assert checkpoint.load().state is None
    for state in ({"seen": 1}, {"seen": 2}):
        checkpoint.save(state)
    assert checkpoint.load().state == {"seen": 2}
    assert "kept there as" in str(checkpoint.put_aside("is of format 9").aside)
    assert checkpoint.load().state is None
    checkpoint.close()
