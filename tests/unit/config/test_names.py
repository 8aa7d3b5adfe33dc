"""The options that a configuration may name are those that the stages have."""

from cluster.config import Config, EchoModel, names
from deployments.gateway.catalogue import Catalogue
from deployments.preprocess import PREPROCESSORS
from deployments.refine import REFINERS
from deployments.registry import split_option
from deployments.retrieve import RETRIEVERS
from policies.types import NONE


def test_options_and_registries_agree() -> None:
    assert set(names.PREPROCESS) == set(PREPROCESSORS)
    assert set(names.RETRIEVE) == {NONE} | {f"{name}@K" for name in RETRIEVERS}
    assert set(names.REFINE) == {NONE, *REFINERS}


def test_five_passages_when_the_option_does_not_say() -> None:
    assert split_option("bm25") == ("bm25", 5)


def test_the_name_that_is_taken() -> None:
    assert Catalogue(Config(models={"m": EchoModel(engine="echo")})).names[0] == names.AUTO
