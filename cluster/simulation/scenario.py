"""A scenario: the YAML file that `isthmus simulate` reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from cluster.config.base import Section
from cluster.config.load import read
from cluster.config.scaling import Scaling
from policies.errors import ConfigurationError, nearest
from policies.types import Tier


class Device(Section):
    """What a replica runs on, with its model: measured rates and watts."""

    slots: int = Field(ge=0, description="Sequences at once (continuous batching).")
    queue: int = Field(0, ge=0, description="Requests that may wait for a slot.")
    prefill_tokens_per_s: float = Field(gt=0, description="Prompt tokens per second.")
    own_prefill: bool = Field(
        False,
        description="Each slot reads its own prompt, as in llama.cpp; otherwise prompts are read one by one and decoding waits.",
    )
    step_s: float = Field(gt=0, description="Seconds per generated token; n sequences take step_s + n * step_per_sequence_s.")
    step_per_sequence_s: float = Field(0.0, ge=0, description="What each sequence adds to a step.")
    idle_w: float = Field(ge=0, description="Watts without work.")
    busy_w: float = Field(ge=0, description="Watts with one sequence.")
    peak_w: float = Field(ge=0, description="Watts with all slots taken.")


class SiteLink(Section):
    """The way in to a site. With a trace, the trace's shape is scaled to `mbps` where both are given."""

    mbps: float | None = Field(None, ge=0, description="Bandwidth in Mbit/s; 0 is a dead link.")
    trace: FilePath | None = Field(None, description="A bandwidth trace, or a folder of traces of which each site takes another.")
    near_s: float = Field(0.005, ge=0, description="Round trip for requests whose nearest edge this is.")
    far_s: float = Field(0.04, ge=0, description="Round trip for all other requests.")

    @model_validator(mode="after")
    def _some_bandwidth(self) -> Self:
        if self.mbps is None and self.trace is None:
            raise ValueError("give mbps, a trace, or both")
        return self


class SimulatedSite(Section):
    """One site, or `count` alike."""

    name: str = Field(min_length=1, description="Name; with a count, sites are called NAME-1, NAME-2 and so on.")
    count: int = Field(1, ge=1, description="How many such sites.")
    tier: Tier = Field("edge", description="Edge or cloud.")
    device: str = Field(description="One of `devices`.")
    replicas: int = Field(1, ge=0, description="Replicas at the start.")
    link: SiteLink


class Service(Section):
    """A service class."""

    name: str = Field(min_length=1, description="Name in reports.")
    share: float = Field(gt=0, description="Share of the arrivals, relative to the other classes'.")
    limit_s: tuple[float, float] = Field(description="Time limits are spread evenly between these.")
    payload_kb: float = Field(0.0, ge=0, description="Sent with each request besides its text, as a document or a picture is.")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        low, high = self.limit_s
        if not 0 < low <= high:
            raise ValueError(f"limit_s is [{low:g}, {high:g}]; the limits must be above 0 and rise")
        return self


class ArrivalPlan(Section):
    """Where requests come from: a trace's times and lengths, or a Poisson process with a trace's or given lengths."""

    trace: FilePath | None = Field(
        None, description="CSV with TIMESTAMP, ContextTokens, GeneratedTokens; repeated when too short."
    )
    process: Literal["trace", "poisson"] = Field("trace", description="Whose times: those of the trace, or random ones.")
    rate_per_s: float | None = Field(None, gt=0, description="Mean rate; the trace's own when not given.")
    load: float | None = Field(None, gt=0, description="Instead of a rate: times the nominal capacity of the cluster.")
    length_factor: float = Field(1.0, gt=0, description="Multiplies the tokens of the trace.")
    prompt_tokens: float = Field(500.0, gt=0, description="Mean prompt without a trace (exponential).")
    answer_tokens: float = Field(100.0, gt=0, description="Mean answer without a trace (exponential).")
    max_tokens_step: int = Field(64, ge=1, description="Callers bound their answers to the next multiple of this.")
    bytes_per_token: float = Field(4.0, ge=0, description="Size of a prompt token on the wire.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.rate_per_s is not None and self.load is not None:
            raise ValueError("give rate_per_s or load, not both")
        if self.trace is None and self.process == "trace":
            raise ValueError("process 'trace' needs a trace; name one, or set process to poisson")
        if self.process == "poisson" and self.rate_per_s is None and self.load is None:
            raise ValueError("process 'poisson' needs rate_per_s or load")
        return self


class Happening(Section):
    """Something that changes while the simulation runs."""

    at_s: float = Field(ge=0, description="When.")
    site: str = Field(description="Where.")
    kind: Literal["fail", "recover", "slow", "link", "join", "leave"] = Field(
        description="slow: times are multiplied by factor; link: bandwidth is; join: the site is not there before."
    )
    factor: float = Field(1.0, ge=0, description="For slow and link; 1 is the normal state again.")

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.kind == "slow" and self.factor == 0:
            raise ValueError("a site that is slowed down by 0 would be infinitely fast; use kind fail, or a factor above 0")
        return self


class ScalingPlan(Scaling):
    """Elastic replicas of one cloud site, sized by `policies.scaling`."""

    site: str = Field(description="The site that is scaled.")


class Scenario(Section):
    """All of a simulation but the policies' own numbers."""

    duration_s: float = Field(gt=0, description="Simulated seconds.")
    warmup_s: float = Field(0.0, ge=0, description="Seconds at the start that are not counted.")
    slot_s: float = Field(0.0, ge=0, description="Arrivals of a slot are placed together; 0 places each at once.")
    patience: Literal["limit", "forever"] = Field("limit", description="Whether clients leave when their limit has passed.")
    policies: tuple[str, ...] = Field(
        ("cs_ucb", "earliest_finish", "clairvoyant"), min_length=1, description="Compared policies."
    )
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="One run of each policy per seed.")
    transfer_j_per_bit: float = Field(3e-6, ge=0, description="Energy of the network.")
    arrivals: ArrivalPlan
    services: tuple[Service, ...] = Field(min_length=1)
    devices: dict[str, Device] = Field(min_length=1)
    sites: tuple[SimulatedSite, ...] = Field(min_length=1)
    happenings: tuple[Happening, ...] = ()
    scaling: ScalingPlan | None = None

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        names = self.site_names()
        _differ("site names", names)
        _differ("service names", [service.name for service in self.services])
        _differ("policies", self.policies)
        _differ("seeds", self.seeds)  # the same run twice would make intervals narrower than they are
        for site in self.sites:
            _known(f"sites.{site.name}.device", site.device, self.devices)
        for happening in self.happenings:
            _known("happenings.site", happening.site, names)
        if self.scaling:
            _known("scaling.site", self.scaling.site, names)
        if self.warmup_s >= self.duration_s:
            raise ValueError(f"warmup_s is {self.warmup_s:g}; it must be below duration_s, {self.duration_s:g}")
        return self

    def site_names(self) -> list[str]:
        """One name per server."""
        return [name for site in self.sites for name in names_of(site)]


def names_of(site: SimulatedSite) -> list[str]:
    """Names of the servers of one entry of `sites`."""
    return [site.name] if site.count == 1 else [f"{site.name}-{i + 1}" for i in range(site.count)]


def load_scenario(file: FilePath) -> Scenario:
    """The validated scenario, its paths made absolute against the file's folder.

    Raises ConfigurationError with one sentence for each thing that is wrong.
    """
    if not file.is_file():
        raise ConfigurationError(f"There is no scenario at {file}; docs/simulation.md shows one.")
    try:
        return anchored(Scenario.model_validate(read(file)), file.absolute().parent)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_sentences(error, file.name))) from None


def anchored(scenario: Scenario, folder: FilePath) -> Scenario:
    """`scenario` with absolute paths."""
    plan = scenario.arrivals
    if plan.trace is not None:
        plan = plan.model_copy(update={"trace": folder / plan.trace.expanduser()})
    sites = []
    for site in scenario.sites:
        trace = site.link.trace and folder / site.link.trace.expanduser()
        sites.append(site.model_copy(update={"link": site.link.model_copy(update={"trace": trace})}))
    return scenario.model_copy(update={"arrivals": plan, "sites": tuple(sites)})


def _sentences(error: ValidationError, file: str) -> list[str]:
    sentences = []
    for detail in error.errors(include_url=False):
        key = ".".join(map(str, detail["loc"]))
        if detail["type"] == "extra_forbidden":
            hint = nearest(str(detail["loc"][-1]), _KEYS)
            sentences.append(f"{file}: {key} is not a known key{hint}.")
        elif detail["type"] == "missing":
            sentences.append(f"{file}: {key} is missing.")
        elif detail["type"] == "value_error":
            sentences.append(f"{file}: {f'{key}: ' if key else ''}{detail['ctx']['error']}.")
        else:
            sentences.append(f"{file}: {key} is {detail['input']!r}; {detail['msg'][:1].lower()}{detail['msg'][1:]}.")
    return sentences


def _differ(what: str, names: Sequence[object]) -> None:
    if len(set(names)) < len(names):
        twice = dict.fromkeys(str(name) for name in names if names.count(name) > 1)
        raise ValueError(f"{what} must differ: {', '.join(list(twice)[:3])} is there twice")


def _known(what: str, name: str, known: list[str] | dict[str, Device]) -> None:
    if name not in known:
        some = ", ".join(list(known)[:5])
        raise ValueError(f"{what} is {name!r}{nearest(name, known)}; there are {some}")


_SECTIONS = (Scenario, ArrivalPlan, Service, Device, SimulatedSite, SiteLink, Happening, ScalingPlan)
_KEYS = {key for section in _SECTIONS for key in section.model_fields}
