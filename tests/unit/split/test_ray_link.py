"""The link between two sites of one cluster, as far as it needs no cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from deployments.models.split import ray_link
from deployments.models.split.errors import LinkError
from deployments.models.split.ray_link import RayLink


class Handle:
    """To a deployment that Serve does not know at first."""

    def __init__(self) -> None:
        self.put = self.listen = self
        self.calls = 0
        self.heard = asyncio.Event()

    def options(self, *, stream: bool) -> Handle:
        return self

    def remote(self, edge: str) -> AsyncGenerator[list[Any], None]:
        self.calls += 1
        if self.calls == 1:
            raise ValueError("no such deployment")
        return self._answers()

    async def _answers(self) -> AsyncGenerator[list[Any], None]:
        yield []
        self.heard.set()
        await asyncio.Event().wait()


async def test_a_handle_that_raises_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_link, "_PAUSE_S", 0.01)
    handle: Any = Handle()
    link = RayLink(handle)
    await asyncio.sleep(0)
    with pytest.raises(LinkError, match="no such deployment"):
        link.send(0, b"states")
    await asyncio.wait_for(handle.heard.wait(), 10)
    await link.close()
