"""Reading the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from cluster.log.tables import DECISIONS, FEEDBACK, open_engine
from policies.errors import IsthmusError


@dataclass(frozen=True, slots=True)
class Logged:
    """An answered question. `latency_s` without time in queues, as the Emulator measures it; `score` is None without feedback."""

    decision_id: str
    query: str
    path: str
    latency_s: float | None
    cost_usd: float | None
    energy_j: float | None
    score: float | None


def read_log(url: str, since: float = 0.0) -> Iterator[Logged]:
    """All answers from `since` (seconds since 1970) whose question was kept, the oldest first, each with its latest feedback.

    Raises ConfigurationError for a wrong URL and IsthmusError when there is no log.
    """
    latest = select(func.max(FEEDBACK.c.number)).group_by(FEEDBACK.c.decision_id)
    scores = select(FEEDBACK.c.decision_id, FEEDBACK.c.score).where(FEEDBACK.c.number.in_(latest)).subquery()
    d = DECISIONS.c
    wanted = (
        select(d.decision_id, d.query, d.path, d.latency_s - func.coalesce(d.wait_s, 0.0), d.cost_usd, d.energy_j, scores.c.score)
        .join(scores, scores.c.decision_id == d.decision_id, isouter=True)
        .where(d.error.is_(None), d.query != "", d.at >= since)
        .order_by(d.at, d.decision_id)
    )
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            for row in connection.execution_options(yield_per=1000).execute(wanted):
                yield Logged(*row)
    except SQLAlchemyError as error:
        raise IsthmusError(
            f"The decision log cannot be read ({str(error).splitlines()[0]}); has anything been asked yet?"
        ) from None
    finally:
        engine.dispose()
