"""What isthmus status tells of the orchestrator, by way of a gateway that may be anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from cluster.nodes.learned import LearnedStatus, learned_status
from cluster.orchestrator.handle import Exchange
from deployments.gateway.learning import Learning


def nobody() -> Exchange:
    raise ConnectionError("there is no cluster")


TOLD: dict[str, Any] = {"status": "ready", "missing": [], "orchestrator": Learning(nobody).status()}


@pytest.fixture
def gateway() -> Iterator[tuple[str, dict[str, Any]]]:
    answer: dict[str, Any] = {"status": 200, "body": TOLD}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = answer["body"] if isinstance(answer["body"], bytes) else json.dumps(answer["body"]).encode()
            self.send_response(answer["status"])
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", answer
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [200, 503])
def test_a_gateway_s_word_is_understood(gateway: tuple[str, dict[str, Any]], status: int) -> None:
    url, answer = gateway
    answer["status"] = status
    told = learned_status(url)
    assert told is not None
    assert told.state == "away"
    assert told.sentence.startswith("orchestrator away: version 0, 0 outcomes")


def test_the_sentence_names_what_could_not_be_used() -> None:
    status = LearnedStatus("there", 9, 8, 1, 2, 0, 0, 9, 0.4, 7, "the checkpoint was of format 3", {})
    assert status.sentence == (
        "orchestrator there: version 9, 8 outcomes, 1 ratings, 2 gateways; version 9 saved 0.4 s ago; "
        "went on from version 7; the checkpoint was of format 3"
    )


@pytest.mark.parametrize("body", [{}, {"orchestrator": 3}, {"orchestrator": {"state": "there"}}, b"not JSON"])
def test_whatever_else_answers_is_no_orchestrator(gateway: tuple[str, dict[str, Any]], body: object) -> None:
    url, answer = gateway
    answer["body"] = body
    assert learned_status(url) is None


def test_a_gateway_that_is_gone_tells_nothing() -> None:
    assert learned_status("http://127.0.0.1:9") is None
