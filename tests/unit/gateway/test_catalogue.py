"""The names that a request may give, and what they stand for."""

import pytest

from cluster.config import Config, EchoModel, Stages
from deployments.gateway.catalogue import Catalogue
from policies.errors import InfeasibleSlo, InvalidRequest, UnknownModel
from policies.types import Path, Privacy, Slo

EDGE = Slo(privacy=Privacy.EDGE)
CONFIG = Config(
    models={"small": EchoModel(engine="echo"), "large": EchoModel(engine="echo", tier="cloud")},
    stages=Stages(preprocess=("none", "rewrite"), preprocess_model="large"),
)


def test_every_path_and_model_has_a_name() -> None:
    names = Catalogue(CONFIG).names
    assert names[0] == "auto"
    assert {"small", "large", "none/none/none/small", "rewrite/none/none/large"} <= set(names)
    assert len(names) == len(set(names))


def test_a_model_s_name_is_its_plain_path() -> None:
    decision = Catalogue(CONFIG).decide("small", Slo())
    assert (decision.path, decision.fallbacks) == (Path("none", "none", "none", "small"), ())


def test_an_unknown_name_hears_the_nearest() -> None:
    with pytest.raises(UnknownModel, match="'rewrite/none/none/small'"):
        Catalogue(CONFIG).decide("rewrite/none/none/smal", Slo())
    with pytest.raises(UnknownModel):
        Catalogue(CONFIG).card("larg")


def test_the_encoder_has_a_card_but_answers_nothing() -> None:
    catalogue = Catalogue(CONFIG)
    assert catalogue.card(CONFIG.stages.encoder)["id"] == CONFIG.stages.encoder
    with pytest.raises(InvalidRequest, match="/v1/embeddings only"):
        catalogue.decide(CONFIG.stages.encoder, Slo())


def test_a_private_query_goes_to_the_edge() -> None:
    decision = Catalogue(CONFIG).decide("auto", EDGE)
    assert (decision.path.generate, decision.fallbacks) == ("small", ())
    assert "edge" in decision.reason


@pytest.mark.parametrize("name", ["large", "none/none/none/large", "rewrite/none/none/small"])
def test_a_private_query_cannot_be_pinned_to_the_cloud(name: str) -> None:
    with pytest.raises(InfeasibleSlo, match="privacy is 'edge'"):
        Catalogue(CONFIG).decide(name, EDGE)


def test_a_private_query_without_any_edge_path_is_refused() -> None:
    with pytest.raises(InfeasibleSlo):
        Catalogue(Config(models={"large": EchoModel(engine="echo", tier="cloud")})).decide("auto", EDGE)
