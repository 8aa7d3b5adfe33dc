"""The endpoints about decisions: what would be decided, what was, and how good the answer turned out to be."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from starlette.responses import Response

from cluster.config import Config
from deployments.gateway import replies
from deployments.gateway.body import receive
from deployments.gateway.case import shown
from deployments.gateway.chooser import Choice, Chooser
from deployments.gateway.deadline import Deadline
from deployments.gateway.decisions import Decisions
from deployments.gateway.requests import ChatBody
from deployments.gateway.slo import read_slo
from deployments.gateway.visit import Visit


class Deciding:
    """`/v1/route` and `/v1/decisions/`."""

    def __init__(self, config: Config, chooser: Chooser, decisions: Decisions) -> None:
        self._config = config
        self._chooser = chooser
        self._decisions = decisions

    async def route(self, visit: Visit) -> Response:
        """Decide as for a chat completion, and answer with the decision instead of running it."""
        body = await receive(visit.receive, visit.arrived_at, self._config.gateway, ChatBody)
        slo = read_slo(body.slo, visit.headers.items())
        deadline = Deadline.of(slo, visit.arrived_at, self._config.gateway.timeout_s)
        choice = await self._chooser.choose(body.model, slo, body.dialogue, deadline)
        decision_id = uuid.uuid4().hex
        self._decisions.keep(decision_id, self._record(decision_id, choice), choice.candidates)
        return await self._told(decision_id)

    async def decision(self, visit: Visit) -> Response:
        """What was decided for a recent request, what was weighed, and what it took."""
        return await self._told(visit.tail)

    async def _told(self, decision_id: str) -> Response:
        return replies.Json(await asyncio.to_thread(self._decisions.find, decision_id))

    def _record(self, decision_id: str, choice: Choice) -> dict[str, Any]:
        decision = choice.decision
        return {
            "decision_id": decision_id,
            "path": decision.path.name,
            "site": self._chooser.site(decision.path),
            "reason": decision.reason,
            "feasible": decision.feasible,
            "predicted": shown(decision.predicted),
            "fallbacks": [path.name for path in decision.fallbacks],
        }
