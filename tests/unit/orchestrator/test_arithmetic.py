"""What the scheduler believes of a server before anything was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.arithmetic import USUAL_ANSWER, USUAL_PROMPT, arithmetic, configured_link, usual_seconds
from cluster.config import Config, EchoModel, Link, LlamaCppModel, ModelConfig, Power, RemoteModel, VllmModel
from cluster.config.sites import Cluster, Site
from cluster.profile import PathRow, Table
from cluster.servers import servers
from policies.link import LinkState
from policies.types import Profile

SITES = (Site(name="home", tier="edge"), Site(name="cloud", tier="cloud"))
MODELS: dict[str, ModelConfig] = {
    "small": LlamaCppModel(engine="llama_cpp", path=Path("x.gguf"), contexts=2, max_ongoing=6, max_queued=10, max_tokens=100),
    "large": VllmModel(engine="vllm", path="x", tier="cloud", gpus=1, power=Power(idle_w=60, peak_w=300), max_tokens=100),
    "far": RemoteModel(engine="remote", base_url="http://there/v1", model="m", tier="cloud"),
    "echo": EchoModel(engine="echo", tokens_per_s=50),
}


def config(link: Link | None = None) -> Config:
    return Config(models=MODELS, cluster=Cluster(sites=SITES, link=link))


def server(name: str, usual_s: float | None = None, link: Link | None = None):
    c = config(link)
    return arithmetic(c, next(s for s in servers(c) if s.model == name), 2, usual_s)


def table(*rows: tuple[str, str, str, float]) -> Table:
    """Rows of preprocess, retrieve, model and seconds."""
    paths = tuple(PathRow(f"{p}/{r}/none/{m}", "edge", p, r, generate=m) for p, r, m, _ in rows)
    seconds = np.array([[s for *_, s in rows], [np.nan] * len(rows)])
    profile = Profile(("1", "2"), ("a", "b"), tuple(p.name for p in paths), seconds, seconds, seconds, seconds)
    return Table(profile, paths, ("", ""), ("", ""))


def test_places_and_queue_are_the_configured_ones() -> None:
    small = server("small")
    assert (small.slots, small.queue, small.replicas) == (2, 14, 2)
    assert (small.busy_w, small.peak_w) == (10.0, 15.0)  # one of two contexts keeps half of the device busy


def test_a_gpu_in_the_cloud_is_believed_to_be_fast_and_hungry() -> None:
    small, large = server("small"), server("large")
    assert large.step_s < small.step_s
    assert (large.busy_w, large.peak_w) == (300.0, 300.0)


def test_an_echo_is_as_fast_as_it_says() -> None:
    assert server("echo").step_s == pytest.approx(0.02)


@pytest.mark.parametrize("name", ["small", "large", "far", "echo"])
def test_with_a_profile_a_usual_request_takes_what_that_says(name: str) -> None:
    model = server(name, usual_s=3.0)
    tokens = USUAL_ANSWER * MODELS[name].max_tokens
    alone = USUAL_PROMPT / model.prefill_tokens_per_s + tokens * (model.step_s + model.step_per_sequence_s)
    assert alone == pytest.approx(3.0)


def test_the_link_is_the_configured_one_between_tiers_and_none_within() -> None:
    c = config(Link(rtt_s=0.04, mbps=10))
    links = {s.model: configured_link(c, s) for s in servers(c)}
    assert links["large"] == links["far"] == LinkState(0.04, 1e-7)
    assert links["small"] == LinkState(0.0, 0.0)
    assert server("large", link=Link(rtt_s=0.04, mbps=10)).bits_per_s == pytest.approx(1e7)


def test_the_usual_time_is_that_of_the_path_with_the_fewest_stages() -> None:
    found = usual_seconds(
        table(("none", "bm25@5", "small", 2.0), ("none", "none", "small", 1.0), ("hyde", "bm25@5", "large", 9.0))
    )
    assert found == {"small": 1.0, "large": 9.0}
    assert usual_seconds(None) == {}
    assert usual_seconds(table(("none", "none", "small", np.nan))) == {}
