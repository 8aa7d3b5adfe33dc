"""The command line in this process, away from the variables and ports of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.cli import app
from cluster.ports import free_ports

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
    gateway, head, dashboard = free_ports(3)
    return f"gateway: {{port: {gateway}}}\ncluster: {{port: {head}, dashboard_port: {dashboard}}}\n"
