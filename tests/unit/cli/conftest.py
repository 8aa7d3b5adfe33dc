"""The command line in this process, away from the variables and ports of this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.cli import app

Isthmus = Callable[..., Any]


@pytest.fixture
def isthmus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Isthmus:
    """Call a command: `isthmus("check", "--json")` gives exit_code, stdout and stderr."""
    for name in [name for name in os.environ if name.startswith("ISTHMUS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def ports() -> str:
    """The sections of a configuration with ports that are free."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    gateway, head, dashboard = (s.getsockname()[1] for s in sockets)
    for s in sockets:
        s.close()
    return f"gateway: {{port: {gateway}}}\ncluster: {{port: {head}, dashboard_port: {dashboard}}}\n"
