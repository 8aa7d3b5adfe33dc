"""`deployments:app`, which `serve run`, `serve build` and `serve deploy` name."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cluster.config import Config, EchoModel, Gateway
from deployments.app import build
from policies.errors import ConfigurationError

SETTINGS = {"models": {"small": {"engine": "echo"}, "large": {"engine": "echo", "tier": "cloud", "max_ongoing": 3}}}


def run(*arguments: str, config: Path) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": str(Path(sys.executable).parent), "ISTHMUS_CONFIG": str(config), "HOME": str(config.parent)}
    return subprocess.run(arguments, env=variables, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)


def test_importing_the_package_imports_neither_ray_nor_torch(tmp_path: Path) -> None:
    code = "import sys, deployments; print(sorted({'ray', 'torch'} & set(sys.modules)))"
    assert run(sys.executable, "-c", code, config=tmp_path / "none.yaml").stdout == "[]\n"


def test_another_name_is_missing_as_usual() -> None:
    import deployments

    with pytest.raises(AttributeError, match="no attribute 'application'"):
        deployments.application  # noqa: B018


def test_serve_build_writes_every_deployment_with_its_place(tmp_path: Path) -> None:
    config, out = tmp_path / "isthmus.yaml", tmp_path / "serve.yaml"
    config.write_text(yaml.safe_dump(SETTINGS))
    done = run("serve", "build", "deployments:app", "-o", str(out), config=config)
    assert done.returncode == 0, done.stderr
    (application,) = yaml.safe_load(out.read_text())["applications"]
    assert application["import_path"] == "deployments:app"
    placed = {d["name"]: d["ray_actor_options"]["label_selector"] for d in application["deployments"]}
    assert placed == {
        "small@home": {"tier": "edge", "site": "home"},
        "large@cloud": {"tier": "cloud", "site": "cloud"},
        "gateway": {"tier": "edge", "site": "home"},
    }


def test_keys_that_are_named_but_not_there_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEYS", raising=False)
    config = Config(models={"small": EchoModel(engine="echo")}, gateway=Gateway(api_keys_env="NO_SUCH_KEYS"))
    with pytest.raises(ConfigurationError, match="NO_SUCH_KEYS"):
        build(config)
