"""The link between two sites of one Ray cluster: calls of a Serve deployment handle."""

from __future__ import annotations

from typing import Any

from ray.serve.handle import DeploymentHandle

from deployments.models.failures import unwrap
from deployments.models.split.errors import LinkError
from deployments.models.split.link import Link


class RayLink(Link):
    """To the replica of `SplitCloud`. Ray keeps one connection open between the two processes."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle: DeploymentHandle[Any] = handle.handle

    def upload(self, message: bytes) -> None:
        """The call returns before the message has left."""
        self._handle.remote(message)

    async def ask(self, message: bytes) -> bytes:
        """One call. Raises LinkError, whatever Ray makes of it."""
        try:
            answer: bytes = await self._handle.remote(message)
        except Exception as error:
            raise LinkError(str(unwrap(error, "the cloud's part"))) from error
        return answer

    async def close(self) -> None:
        """Sessions that are still open will be forgotten by their silence."""
