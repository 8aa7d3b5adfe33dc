"""A gateway for the Emulator to talk to: real HTTP, answers that follow from the question and the path."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest


@dataclass
class FakeGateway:
    """`asked` are the (question, path) pairs that were begun; `faults` maps paths to (status, message)."""

    url: str = ""
    pause_s: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    fake = FakeGateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()
            if self.path == "/v1/embeddings":
                self.wfile.write(json.dumps({"data": [{"embedding": _vector(text)} for text in body["input"]]}).encode())
                return
            question = body["messages"][-1]["content"]
            for path in body["paths"]:
                fake.asked.append((question, path))
                time.sleep(fake.pause_s)
                self.wfile.write(f"data: {json.dumps(_event(question, path, fake.faults))}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


def _event(question: str, path: str, faults: dict[str, tuple[int, str]]) -> dict[str, Any]:
    if path in faults:
        status, message = faults[path]
        return {"path": path, "status": status, "error": {"message": message}}
    large = path.endswith("large")
    took = {"cost_usd": 0.002 if large else 0.0, "energy_j": 5.0 if large else 1.0}
    answer = question if large or len(question) % 2 else "no"
    seconds = 0.5 if large else 0.1
    return {"path": path, "answer": answer, "latency_s": seconds, "energy_source": "modelled", **took} | {
        "spent": {"seconds": seconds / 2, **took},
        "signals": {"mean_logprob": -0.25, "tokens": len(answer)},
    }


def _vector(text: str) -> str:
    vector = np.random.default_rng(sum(text.encode())).normal(size=8)
    return base64.b64encode((vector / np.linalg.norm(vector)).astype("<f4").tobytes()).decode()
