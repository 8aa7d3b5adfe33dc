"""The endpoints about decisions: what would be decided, what was, and how good the answer turned out to be."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

from starlette.responses import Response

from cluster.config import Config
from cluster.log import DecisionLog, Feedback
from deployments.gateway import replies
from deployments.gateway.body import receive
from deployments.gateway.case import shown
from deployments.gateway.chooser import Choice, Chooser
from deployments.gateway.deadline import Deadline
from deployments.gateway.decisions import Decisions
from deployments.gateway.dispatch import Dispatch
from deployments.gateway.experiences import Experiences
from deployments.gateway.placement import Need
from deployments.gateway.requests import ChatBody, FeedbackBody
from deployments.gateway.slo import read_slo
from deployments.gateway.visit import Visit
from policies.errors import InvalidRequest, NotFound
from policies.experience import ANSWER
from policies.types import Path, Slo


class Deciding:
    """`/v1/route`, `/v1/decisions/` and `/v1/feedback`."""

    def __init__(
        self,
        config: Config,
        chooser: Chooser,
        dispatch: Dispatch,
        decisions: Decisions,
        log: DecisionLog | None,
        experience: Experiences,
    ) -> None:
        self._config = config
        self._chooser = chooser
        self._dispatch = dispatch
        self._decisions = decisions
        self._log = log
        self._experience = experience

    async def route(self, visit: Visit) -> Response:
        """Decide as for a chat completion, and answer with the decision instead of running it."""
        body = await receive(visit.receive, visit.arrived_at, self._config.gateway, ChatBody)
        slo = read_slo(body.slo, visit.headers.items())
        deadline = Deadline.of(slo, visit.arrived_at, self._config.gateway.timeout_s)
        choice = await self._chooser.choose(body.model, slo, body.dialogue, deadline)
        decision_id = uuid.uuid4().hex
        need = self._need(choice.decision.path, body, slo, deadline)
        self._decisions.keep(decision_id, self._record(decision_id, choice, need), choice.candidates)
        return await self._told(decision_id)

    async def decision(self, visit: Visit) -> Response:
        """What was decided for a recent request, what was weighed, and what it took."""
        return await self._told(visit.tail)

    async def feedback(self, visit: Visit) -> Response:
        """How good an answer was; the latest word about it counts."""
        body = await receive(visit.receive, visit.arrived_at, self._config.gateway, FeedbackBody)
        if self._log is None:
            raise InvalidRequest("This service keeps no log and so no feedback; its configuration says 'log: null'.")
        about = self._decisions.answer(body.decision_id) or await asyncio.to_thread(self._log.answer, body.decision_id)
        if about is None:
            raise NotFound(
                f"No answer has the decision id {body.decision_id[:80]!r}; ids are in the header x-isthmus-decision-id."
            )
        self._log.put(Feedback(body.decision_id, time.time(), body.score))
        self._experience.rated(about, visit.headers.get(b"authorization"), body.score)
        return replies.Json({"decision_id": body.decision_id, "score": body.score})

    async def _told(self, decision_id: str) -> Response:
        return replies.Json(await asyncio.to_thread(self._decisions.find, decision_id))

    def _need(self, path: Path, body: ChatBody, slo: Slo, deadline: Deadline) -> Need:
        """Of the messages as they are: what the stages before the model would add is not known."""
        size = sum(len(turn["content"].encode()) for turn in body.dialogue)
        max_tokens = body.max_completion_tokens or body.max_tokens or self._config.model_of(path.generate).max_tokens
        return Need(ANSWER, size, max_tokens, deadline.at, slo.max_latency_s is not None)

    def _record(self, decision_id: str, choice: Choice, need: Need) -> dict[str, Any]:
        decision = choice.decision
        placement = self._dispatch.foresee(decision.path.generate, need)
        where = f"; {placement.reason}" if placement and placement.reason else ""
        return {
            "decision_id": decision_id,
            "path": decision.path.name,
            "site": placement.client.server.site if placement else None,
            "reason": decision.reason + where,
            "feasible": decision.feasible,
            "predicted": shown(decision.predicted),
            "fallbacks": [path.name for path in decision.fallbacks],
        }
