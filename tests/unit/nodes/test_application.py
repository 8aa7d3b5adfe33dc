"""Sentences out of Serve's messages, and where the gateway is reached."""

import sys
from pathlib import Path

import pytest

from cluster.config import Config
from cluster.nodes.application import cause, deploy, readable_url
from policies.errors import ConfigurationError, IsthmusError

TRACE = """The deployment failed to start 1 times in a row. See controller logs for details. Error:
\x1b[36mray::ServeReplica:isthmus:edge@home.initialize()\x1b[39m (pid=7, ip=127.0.0.1)
  File "/somewhere/server.py", line 3, in __init__
    raise ConfigurationError("no")
RuntimeError: Traceback (most recent call last):
  File "/somewhere/engine.py", line 9, in start
policies.errors.ConfigurationError: models.edge.path: /x.gguf is not a GGUF file.
"""


@pytest.mark.parametrize(
    ("message", "kind", "text"),
    [
        (TRACE, "ConfigurationError", "models.edge.path: /x.gguf is not a GGUF file."),
        ("ValueError: 3: 4", "ValueError", "3: 4"),
        ("x\nKeyboardInterrupt\n", "KeyboardInterrupt", "KeyboardInterrupt"),
        ("Deployment 'a' waits.\nMore.", "", "Deployment 'a' waits."),
        ("", "", "no cause was given"),
    ],
)
def test_cause(message: str, kind: str, text: str) -> None:
    assert cause(message) == (kind, text)


@pytest.mark.parametrize(
    ("raised", "error", "sentence"),
    [
        ("ValueError('the model is odd')", IsthmusError, "Ray Serve did not start the application: the model is odd"),
        ("KeyError('x')", IsthmusError, "Ray Serve did not start the application: 'x'"),
        ("policies.errors.ConfigurationError('no keys')", ConfigurationError, "no keys"),
    ],
)
def test_an_application_that_cannot_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: str, error: type[IsthmusError], sentence: str
) -> None:
    (tmp_path / "odd_application.py").write_text(f"import policies.errors\ndef __getattr__(name): raise {raised}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd_application", raising=False)
    with pytest.raises(error) as refused:
        deploy("127.0.0.1", 8000, "odd_application:app")
    assert type(refused.value) is error
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("host", "address", "url"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:8000"),
        ("0.0.0.0", None, "http://127.0.0.1:8000"),
        ("::1", None, "http://[::1]:8000"),
        ("0.0.0.0", "10.0.0.7:6379", "http://10.0.0.7:8000"),
    ],
)
def test_readable_url(host: str, address: str | None, url: str) -> None:
    config = Config.model_validate(
        {"models": {"edge": {"engine": "echo"}}, "gateway": {"host": host}, "cluster": {"address": address}}
    )
    assert readable_url(config) == url
