"""`isthmus route` at a terminal: what was weighed, with every path's name in full."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

PATHS = (
    "decompose/hybrid@5/compress/cloud",
    "decompose/hybrid@5/none/edge>rewrite/hybrid@5/compress/cloud",
    "none/none/none/edge",
)
WHY = ("chosen", "fallback 1", "9 of 10 stay within 1.23, which is over max_latency_s 1")
EXPECTED = {"accuracy": 0.91234, "latency_s": 0.4567, "latency_p90_s": 1.2345, "cost_usd": 0.000123456, "energy_j": 123.4}
TOLD = {
    "path": PATHS[0],
    "site": "cloud",
    "reason": "expected accuracy 0.912; 2 of 3 paths keep the limits",
    "feasible": True,
    "candidates": [
        {"path": path, "predicted": EXPECTED, "kept": "over" not in why, "why": why} for path, why in zip(PATHS, WHY, strict=True)
    ],
}


@pytest.fixture
def port() -> Iterator[int]:
    """Where a gateway tells TOLD, whatever it is asked."""

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(TOLD).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_narrow_terminal_shows_paths_reasons_and_numbers_in_full(
    isthmus: Callable[..., Any], tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "isthmus.yaml").write_text(f"models: {{edge: {{engine: echo}}}}\ngateway: {{port: {port}}}\n")
    result = isthmus("route", "Is the lamp on?")
    assert result.exit_code == 0, result.stderr
    table = result.stdout[result.stdout.index("path, and why") :].splitlines()
    assert max(map(len, table)) <= 80
    assert table[2].split() == [PATHS[0], "0.912", "0.457", "1.23", "0.000123", "123"]
    first_column = "".join(line[:36].rstrip() for line in table[2:])  # an adaptive path's name is folded, and nothing of it lost
    assert all(path in first_column for path in PATHS)
    assert all(word in result.stdout for why in WHY for word in why.split())
