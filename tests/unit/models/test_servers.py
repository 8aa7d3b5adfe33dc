"""Which servers a configuration makes, and which engine each runs."""

from typing import Any

import pytest

from cluster.config import Config
from cluster.servers import Server, servers
from deployments.models import ENGINES, open_engine
from policies.errors import ConfigurationError

SITES = [{"name": "home", "tier": "edge"}, {"name": "farm", "tier": "edge"}, {"name": "cloud", "tier": "cloud"}]
REMOTE = {"engine": "remote", "tier": "cloud", "base_url": "http://x/v1", "model": "m"}


def config(**models: dict[str, Any]) -> Config:
    return Config.model_validate({"cluster": {"sites": SITES}, "models": models})


def test_a_model_without_sites_runs_at_all_of_its_tier():
    made = servers(config(small={"engine": "echo"}, large={"engine": "echo", "tier": "cloud"}))
    assert [server.deployment_name for server in made] == ["small@home", "small@farm", "large@cloud"]
    assert made[1].label_selector == {"tier": "edge", "site": "farm"}


def test_a_model_with_sites_runs_there():
    assert servers(config(small={"engine": "echo", "sites": ["farm"]})) == [Server("small", "farm", "edge", "edge")]


def test_the_client_of_a_remote_model_runs_at_the_head_and_its_text_is_made_in_the_cloud():
    assert servers(config(far=REMOTE)) == [Server("far", "home", "cloud", "edge")]
    assert servers(config(far={**REMOTE, "sites": ["cloud"]})) == [Server("far", "cloud", "cloud", "cloud")]


def test_a_model_cannot_run_on_a_site_of_the_other_tier():
    with pytest.raises(ValueError, match="'cloud' is a site of the cloud, but the model is for the edge"):
        config(small={"engine": "echo", "sites": ["cloud"]})


@pytest.mark.parametrize(
    ("model", "engine"),
    [
        ({"engine": "echo"}, "EchoEngine"),
        (REMOTE, "RemoteEngine"),
        ({"engine": "llama_cpp", "path": "m.gguf"}, "LlamaCppEngine"),
        ({"engine": "vllm", "tier": "cloud", "path": "owner/model"}, "VllmEngine"),
    ],
)
def test_every_engine_of_the_configuration_can_be_opened(model: dict[str, Any], engine: str):
    made = config(m=model)
    assert type(open_engine(servers(made)[0], made.models["m"])).__name__ == engine


def test_an_unknown_engine_names_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean 'vllm'"):
        ENGINES["vlm"]
