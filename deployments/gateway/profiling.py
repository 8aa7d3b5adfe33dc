"""`POST /v1/profile`: many paths of one query, each measured, as server-sent events in the order of the request."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from cluster.config import Config
from deployments.gateway import replies
from deployments.gateway.body import receive
from deployments.gateway.catalogue import Catalogue
from deployments.gateway.measure import Failed, Measured, Measurer
from deployments.gateway.requests import ChatMessage
from deployments.gateway.visit import Visit
from deployments.prompts import Message
from policies.errors import InvalidRequest


class ProfileBody(BaseModel):
    """A dialogue, and the names of the paths to try on it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    messages: tuple[ChatMessage, ...] = Field(min_length=1)
    paths: tuple[str, ...] = Field(min_length=1)


class Profiling:
    """The endpoint that `isthmus profile` asks. It needs a key like all under /v1/, and takes one of the gateway's seats."""

    def __init__(self, config: Config, catalogue: Catalogue, measurer: Measurer) -> None:
        self._limits = config.gateway
        self._catalogue = catalogue
        self._measurer = measurer

    async def profile(self, visit: Visit) -> Response:
        """Paths are run one after the other, and stop when the caller leaves."""
        body = await receive(visit.receive, visit.arrived_at, self._limits, ProfileBody)
        paths = [self._catalogue.path(name) for name in body.paths]
        if body.messages[-1].role != "user":
            raise InvalidRequest("The last message must be the user's question.", "messages")
        visit.path = "profile"
        outcomes = self._measurer.measure([_message(message) for message in body.messages], paths)
        return replies.Events(_events(outcomes), outcomes, {})


async def _events(outcomes: AsyncGenerator[Measured | Failed, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(outcomes):
        async for outcome in outcomes:
            yield replies.event(_event(outcome))
    yield replies.DONE


def _event(outcome: Measured | Failed) -> dict[str, Any]:
    if isinstance(outcome, Failed):
        return {"path": outcome.path.name, **replies.error_body(outcome.error), "status": replies.status(outcome.error)}
    spent = outcome.spent
    return {
        "path": outcome.path.name,
        "answer": outcome.answer,
        "latency_s": outcome.latency_s,
        "cost_usd": outcome.cost_usd,
        "energy_j": outcome.energy_j,
        "energy_source": outcome.energy_source,
        "spent": {"seconds": spent.seconds, "cost_usd": spent.cost_usd, "energy_j": spent.energy_j},
        "signals": {name: value for name, value in asdict(outcome.signals).items() if value is not None},
    }


def _message(message: ChatMessage) -> Message:
    return Message(role="system" if message.role == "developer" else message.role, content=message.content)
