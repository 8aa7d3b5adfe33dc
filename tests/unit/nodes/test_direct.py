"""Asking the cluster over HTTP, past any proxy, and noticing that it is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cluster.nodes.direct import GONE_S, Pulse, answers
from cluster.nodes.inventory import inventory
from cluster.ports import free_ports
from policies.errors import IsthmusError


class Dashboard(BaseHTTPRequestHandler):
    """Notes each request and answers with the status that the test wants."""

    server: Noting

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


class Noting(HTTPServer):
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Dashboard)
        self.seen: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


def serve() -> Iterator[Noting]:
    with Noting() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


gateway = pytest.fixture(serve, name="gateway")
proxy = pytest.fixture(serve, name="proxy")


@pytest.fixture(autouse=True)
def behind_a_proxy(proxy: Noting, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.url)


def test_the_proxy_of_the_environment_is_passed_by(gateway: Noting, proxy: Noting) -> None:
    assert answers(f"{gateway.url}/readyz")
    gateway.status = 503
    assert not answers(f"{gateway.url}/readyz")
    assert len(gateway.seen) == 2
    assert proxy.seen == []


def test_the_token_goes_to_the_dashboard_alone(
    gateway: Noting, proxy: Noting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "token").write_text("secret\n")
    gateway.status = 401
    with pytest.raises(IsthmusError, match="answered 401"):
        inventory(gateway.url, tmp_path / "token")
    assert gateway.seen == [("/api/v0/nodes", "Bearer secret")]
    assert proxy.seen == []


def test_nobody_answers() -> None:
    (port,) = free_ports(1)
    assert not answers(f"http://127.0.0.1:{port}/readyz")


def test_a_gateway_is_gone_when_it_has_not_answered_for_long(gateway: Noting) -> None:
    now = 0.0
    pulse = Pulse(f"{gateway.url}/healthz", clock=lambda: now)
    gateway.status = 503
    now = GONE_S - 1
    assert pulse.alive()
    gateway.status = 200
    assert pulse.alive()
    gateway.status = 503
    now = 2 * GONE_S - 2
    assert pulse.alive()
    now = 2 * GONE_S
    assert not pulse.alive()
