"""One server's try at a job, and the stream it may become."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from deployments.gateway.client import ModelClient
from deployments.gateway.fit import Prepared
from deployments.gateway.job import Job
from deployments.gateway.placement import Placement
from deployments.messages import Completion, Delta
from policies.errors import EngineFailed
from policies.types import Path


@dataclass(frozen=True, slots=True)
class Trial:
    """One server that may answer a job, by one path. Times are on the event loop's clock."""

    path: Path
    placement: Placement
    reason: str
    """Why this path and this server."""
    first_until: float
    """When its first word must be there."""
    until: float
    """When its answer must be complete, if it comes in one piece."""
    number: int = 1
    """How many servers have been asked, this one included."""

    @property
    def client(self) -> ModelClient:
        """The server."""
        return self.placement.client


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream whose first piece is there: from here on the answer is this server's, whatever happens."""

    job: Job
    trial: Trial
    prepared: Prepared
    ttft_s: float
    first: Delta
    rest: AsyncGenerator[Delta, None]
    """What follows `first`; closing it stops the engine."""
    text: list[str] = field(default_factory=list)
    """What has been read of it."""

    @property
    def path(self) -> Path:
        """What the answer names as its path."""
        return self.job.ran(self.trial.path)

    @property
    def site(self) -> str:
        """Where it is generated."""
        return self.trial.client.server.site

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """All pieces; closes `rest` at its end."""
        async with aclosing(self.rest):
            self.text.append(self.first.text)
            yield self.first
            async for delta in self.rest:
                self.text.append(delta.text)
                yield delta

    def completion(self, last: Delta) -> Completion:
        """The whole answer, once its `last` piece has come. Raises EngineFailed if that has no account."""
        if last.finish_reason is None or last.report is None:
            raise EngineFailed(self.trial.client.server.model, "its stream ended without a report")
        return Completion("".join(self.text), last.finish_reason, last.report)
