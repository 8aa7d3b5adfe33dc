"""A split model in the configuration: what paths may name, and what stays on the edge."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import pytest
from pydantic import ValidationError

from cluster.config import Config, load
from cluster.servers import cloud_site, servers
from deployments.gateway.catalogue import Catalogue
from policies.errors import InfeasibleSlo, UnknownModel
from policies.split.mode import Kind, Mode
from policies.types import Path, Privacy, Slo

SPLIT = {"engine": "split", "path": "model", "exit_layers": [3, 5], "modes": ["standalone", 0.8, "verified@4"]}
ECHO = {"engine": "echo", "tier": "cloud"}


def config(split: dict[str, Any] | None = None, **more: Any) -> Config:
    return Config.model_validate({"models": {"home": {**SPLIT, **(split or {})}, "cloud": ECHO}, **more})


def path(generate: str, preprocess: str = "none") -> Path:
    return Path(preprocess, "none", "none", generate)


def test_each_mode_is_an_option_of_the_generate_stage() -> None:
    assert config().generators == ("home@standalone", "home@0.8", "home@verified@4", "cloud")
    assert config().paths == tuple(map(path, config().generators))
    assert Catalogue(config()).path("none/none/none/home@verified@4") == Catalogue(config()).path("home@verified@4")


def test_the_stage_may_name_the_model_or_single_modes() -> None:
    assert config(stages={"generate": ["home"]}).generators == ("home@standalone", "home@0.8", "home@verified@4")
    assert config(stages={"generate": ["cloud", "home@0.8"]}).generators == ("cloud", "home@0.8")
    with pytest.raises(ValidationError, match=r"no model is called 'home@0\.9' \(did you mean 'home@0\.8'\?\)"):
        config(stages={"generate": ["home@0.9"]})


def test_the_bare_name_is_no_way_to_answer() -> None:
    with pytest.raises(UnknownModel, match="Did you mean 'home@"):
        Catalogue(config()).path("home")


def test_modes() -> None:
    model = config().models["home"]
    assert model.engine == "split"
    assert [model.mode(name) for name in model.modes] == [
        Mode(Kind.STANDALONE, 0.8),
        Mode(Kind.COLLABORATIVE, 0.8),
        Mode(Kind.VERIFIED, 0.8, 4),
    ]


def test_only_standalone_stays_on_the_edge() -> None:
    both = config(stages={"preprocess": ["none", "rewrite"], "preprocess_model": "cloud"})
    assert [name for name in both.generators if both.stays_on_edge(path(name))] == ["home@standalone"]
    assert not both.stays_on_edge(path("home@standalone", "rewrite"))
    with pytest.raises(InfeasibleSlo):
        Catalogue(both).decide("home@0.8", Slo(privacy=Privacy.EDGE))
    assert Catalogue(both).decide("auto", Slo(privacy=Privacy.EDGE)).path == path("home@standalone")


def test_standalone_is_the_fallback_and_the_preprocessor() -> None:
    assert config().fallback == path("home@standalone")
    assert config().preprocess_model == "home@standalone"
    without = config({"modes": ["0.8"]})
    assert without.fallback is None
    assert without.preprocess_model == "home@0.8"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"modes": ["fast"]}, "'fast' is no way to answer; write standalone, a threshold from 0 to 1 like 0.8, or verified@4"),
        ({"modes": ["verified@0"]}, "verified needs at least one draft, not 0"),
        ({"modes": ["verified@"]}, "'verified@' is no way to answer"),
        ({"modes": [1.5]}, "a threshold is a probability, not 1.5"),
        ({"modes": ["nan"]}, "a threshold is a probability, not nan"),
        ({"exit_layers": [5, 3]}, "write the first exit's layers, then the second's"),
        ({"exit_layers": [3, 3]}, "write the first exit's layers, then the second's"),
        ({"exit_layers": []}, "at least 1 item"),
        ({"modes": []}, "modes is empty, so nobody can ask it"),
        ({"cloud": {"url": "http://far:7700"}}, "url 'http://far:7700' is no address; write ws://HOST:PORT"),
        ({"cloud": {"url": "ws://far:7700", "listen": "0.0.0.0:1"}}, "with `url` the part runs at another site"),
        ({"cloud": {"listen": "7700"}}, "listen '7700' is no address; write HOST:PORT"),
        ({"tier": "cloud"}, "a split model answers at the edge"),
        ({"cloud": {"site": "home"}}, "models.home.cloud.site: no cloud site is called 'home'"),
        ({"cloud": {"site": "clout"}}, "no cloud site is called 'clout' (did you mean 'cloud'?)"),
    ],
)
def test_mistakes(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config(change)
    assert sentence in str(caught.value)


def test_a_split_model_needs_a_cloud() -> None:
    edge = {"sites": [{"name": "home", "tier": "edge"}]}
    with pytest.raises(ValidationError, match=r"models\.home is split, but no site is in the cloud"):
        Config.model_validate({"cluster": edge, "models": {"home": SPLIT}})


def test_where_the_parts_run() -> None:
    sites = [
        {"name": "home", "tier": "edge"},
        {"name": "shed", "tier": "edge"},
        {"name": "a", "tier": "cloud"},
        {"name": "b", "tier": "cloud"},
    ]
    both = config({"cloud": {"site": "b"}}, cluster={"sites": sites})
    assert [server.deployment_name for server in servers(both) if server.model == "home"] == ["home@home", "home@shed"]
    model = both.models["home"]
    assert model.engine == "split"
    assert cloud_site(both, model).name == "b"
    first = config(cluster={"sites": sites}).models["home"]
    assert first.engine == "split"
    assert cloud_site(both, first).name == "a"


def test_the_part_of_another_cluster() -> None:
    edge = {"sites": [{"name": "home", "tier": "edge"}]}
    far = {**SPLIT, "cloud": {"url": "ws://far:7700"}}
    both = Config.model_validate({"cluster": edge, "models": {"home": far}})
    model = both.models["home"]
    assert model.engine == "split"
    assert cloud_site(both, model) is None
    assert [server.deployment_name for server in servers(both)] == ["home@home"]


def test_a_site_that_only_listens() -> None:
    listening = config({"modes": [], "cloud": {"listen": "[::1]:7700"}})
    model = listening.models["home"]
    assert model.engine == "split"
    assert model.cloud.address == ("::1", 7700)
    assert listening.generators == ("cloud",)
    assert [server.model for server in servers(listening)] == ["cloud"]


def test_paths_mean_the_folder_of_the_file(tmp_path: FilePath) -> None:
    (tmp_path / "isthmus.yaml").write_text("models: {m: {engine: split, path: ck, exits: ck/x.safetensors, exit_layers: [1]}}")
    model = load(tmp_path / "isthmus.yaml").models["m"]
    assert model.engine == "split"
    assert (model.path, model.exits) == (tmp_path / "ck", tmp_path / "ck/x.safetensors")
