"""The language models of a cluster: one section per engine, told apart by `engine`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from cluster.config.base import Section
from cluster.config.scaling import Scaling
from policies.space import parameter
from policies.split.mode import Mode
from policies.types import Tier


class Price(Section):
    """What tokens cost; zero for a model on one's own machine whose energy is accounted for instead."""

    prompt_usd_per_mtok: float = Field(0.0, ge=0, description="US dollars for a million prompt tokens.")
    completion_usd_per_mtok: float = Field(0.0, ge=0, description="US dollars for a million generated tokens.")


class Power(Section):
    """The electric power of the device behind one replica, for modelled energy."""

    idle_w: float = Field(5.0, ge=0, description="Watts while nothing runs.")
    peak_w: float = Field(15.0, gt=0, description="Watts while the model computes.")


class ModelBase(Section):
    """What all engines share."""

    tier: Tier = Field("edge", description="Where replicas run: on edge or on cloud nodes.")
    sites: tuple[str, ...] = Field((), description="Sites that run this model; all sites of the tier when empty.")
    replicas: int = Field(1, ge=0, description="Replicas at the start; with `scaling` its `min_replicas` when not given.")
    scaling: Scaling | None = Field(None, description="Lets the number of replicas follow demand; it is fixed without.")
    cpus: float = Field(1.0, ge=0, description="Processors that one replica reserves.")
    gpus: float = Field(0.0, ge=0, description="GPUs that one replica reserves.")
    context_tokens: int = Field(2048, gt=0, description="Tokens that prompt and answer may take together.")
    max_tokens: int = Field(256, gt=0, description="Tokens to generate when the request does not say.")
    max_ongoing: int = Field(
        16, gt=0, description="Requests that one replica takes at once; llama_cpp lets those beyond its contexts wait."
    )
    max_queued: int = Field(64, gt=0, description="Requests that may wait per gateway before it answers 429.")
    price: Price = Field(default_factory=Price, description="What tokens cost.")
    power: Power = Field(default_factory=Power, description="Watts of the device behind a replica.")

    @property
    def most_replicas(self) -> int:
        """Replicas that may run at once."""
        return self.scaling.max_replicas if self.scaling else self.replicas

    @property
    def places(self) -> int:
        """Requests that one replica works on at once."""
        return self.max_ongoing

    def options(self, name: str) -> tuple[str, ...]:
        """What a path may name to generate with this model, which is called `name`."""
        return (name,)

    def keeps_on_edge(self, option: str) -> bool:
        """Whether nothing of a question leaves the edge when `option` answers it."""
        return self.tier == "edge"

    @model_validator(mode="before")
    @classmethod
    def _start_with_the_fewest(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "replicas" in data:
            return data
        scaling = data.get("scaling")
        fewest = scaling.get("min_replicas", 0) if isinstance(scaling, Mapping) else getattr(scaling, "min_replicas", None)
        return data if fewest is None else {**data, "replicas": fewest}

    @model_validator(mode="after")
    def _replicas_within_bounds(self) -> Self:
        if self.scaling is None and not self.replicas:
            raise ValueError("replicas is 0; give at least 1, or `scaling` for replicas that start when they are needed")
        if self.scaling and not self.scaling.min_replicas <= self.replicas <= self.scaling.max_replicas:
            raise ValueError(
                f"replicas is {self.replicas}, but scaling keeps between {self.scaling.min_replicas} and "
                f"{self.scaling.max_replicas}; start with a number between"
            )
        return self


class LlamaCppModel(ModelBase):
    """A GGUF file run by llama.cpp, meant for edge machines."""

    engine: Literal["llama_cpp"]
    path: FilePath = Field(description="The GGUF file.")
    contexts: int = Field(2, gt=0, description="Contexts per replica; each answers one request at a time.")
    threads: int = Field(1, gt=0, description="Threads that one context computes with.")
    gpu_layers: int = Field(0, ge=-1, description="Layers to place on a GPU; -1 for all.")

    @property
    def places(self) -> int:
        """One for each context; requests beyond them wait in the replica."""
        return min(self.contexts, self.max_ongoing)


class VllmModel(ModelBase):
    """A Hugging Face checkpoint run by vLLM with continuous batching, meant for cloud machines."""

    engine: Literal["vllm"]
    path: str = Field(description="A folder with config.json and safetensors, or a hub name.")
    dtype: str = Field("auto", description="Number format of the weights while running: auto, float32, bfloat16 or float16.")
    kv_cache_gib: float = Field(1.0, gt=0, description="GiB for keys and values (on a CPU).")
    gpu_memory_share: float = Field(0.9, gt=0, le=1, description="Share of the GPU's memory to use (on a GPU).")


class SplitCloud(Section):
    """The part of a split model that runs in the cloud: the layers behind the first exit."""

    site: str | None = Field(None, description="Cloud site that runs it; the first when not given.")
    url: str | None = Field(
        None, description="Address (ws://HOST:PORT or wss://) of the part that another, federated site runs; none runs here then."
    )
    listen: str | None = Field(None, description="HOST:PORT where the edges of other, federated sites come in.")
    key_env: str | None = Field(
        None,
        description="Environment variable with the key to send to `url`, or those accepted at `listen`, separated by commas.",
    )
    cpus: float = Field(1.0, ge=0, description="Processors that it reserves.")
    gpus: float = Field(0.0, ge=0, description="GPUs that it reserves.")
    threads: int = Field(1, gt=0, description="Threads to compute with (on a CPU).")
    memory_gib: float = Field(1.0, gt=0, description="GiB for states, keys and values of all sessions.")
    idle_s: float = Field(60.0, gt=0, description="Seconds of silence after which a session is forgotten.")
    power: Power = Field(default_factory=Power, description="Watts of the device behind it.")

    @model_validator(mode="after")
    def _here_or_there(self) -> Self:
        if self.url is not None and (self.listen or self.site):
            raise ValueError("with `url` the part runs at another site; leave out `site` and `listen`")
        if self.url is not None and not re.fullmatch(r"wss?://[^/\s]+(/\S*)?", self.url):
            raise ValueError(f"url {self.url!r} is no address; write ws://HOST:PORT")
        if self.listen is not None and not re.fullmatch(r"\S+:\d{1,5}", self.listen):
            raise ValueError(f"listen {self.listen!r} is no address; write HOST:PORT")
        return self

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of `listen`."""
        if self.listen is None:
            return None
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class SplitModel(ModelBase):
    """One Llama or Qwen checkpoint over edge and cloud, token by token. `NAME@MODE` answers with it, for each of `modes`.

    Its `price` is for what the cloud does: positions that it reads, and tokens that it says.
    """

    engine: Literal["split"]
    path: FilePath = Field(description="A folder with config.json and safetensors.")
    exits: FilePath | None = Field(
        None, description="File with the exits' heads; without it all exits use the model's own output, as LayerSkip models want."
    )
    exit_layers: tuple[int, ...] = Field(
        min_length=1, max_length=2, description="Layers before the first exit, where the model is cut, and before the second."
    )
    modes: tuple[str, ...] = Field(
        ("0.8",),
        description="Ways to answer: `standalone`, a threshold like `0.8` (an exit as sure as that is believed, else the cloud "
        "is asked), `verified@K` (the cloud checks K drafts at a time; exactly the whole model's text). "
        "None for a site that only listens.",
    )
    threshold: float = Field(0.8, ge=0, le=1, description="How sure the first exit must be in `standalone` and `verified@K`.")
    wire: Literal["float16", "bfloat16", "float32", "int8"] = Field("float16", description="Number format of states on the link.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="Number format while computing.")
    threads: int = Field(1, gt=0, description="Threads that the edge computes with (on a CPU).")
    cloud: SplitCloud = Field(default_factory=SplitCloud, description="The part that runs in the cloud.")

    @field_validator("modes", mode="before")
    @classmethod
    def _numbers_are_modes(cls, modes: Any) -> Any:
        return [f"{mode:g}" if isinstance(mode, int | float) else mode for mode in modes] if isinstance(modes, list) else modes

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.tier != "edge":
            raise ValueError("a split model answers at the edge; leave out `tier` and say under `cloud` where the rest runs")
        if list(self.exit_layers) != sorted(set(self.exit_layers)):
            raise ValueError(f"exit_layers is {list(self.exit_layers)}; write the first exit's layers, then the second's")
        if not self.modes and not self.cloud.listen:
            raise ValueError("modes is empty, so nobody can ask it; name one, or let other sites come in by cloud.listen")
        for mode in self.modes:
            self.mode(mode)
        return self

    def mode(self, name: str) -> Mode:
        """The mode that is called `name`. Raises ValueError if there is no such one."""
        return Mode.parse(name, self.threshold)

    def options(self, name: str) -> tuple[str, ...]:
        """One for each mode."""
        return tuple(f"{name}@{mode}" for mode in dict.fromkeys(self.modes))

    def keeps_on_edge(self, option: str) -> bool:
        """Only where the cloud takes no part."""
        return not self.mode(parameter(option)).asks


class RemoteModel(ModelBase):
    """Any OpenAI-compatible service, another Isthmus site included."""

    engine: Literal["remote"]
    base_url: str = Field(description="Address of the service up to and including /v1.")
    model: str = Field(description="The model's name at that service.")
    api_key_env: str | None = Field(None, description="Environment variable that holds the key; none is sent without it.")
    timeout_s: float = Field(60.0, gt=0, description="Seconds to wait for the first byte, and between two bytes.")
    retries: int = Field(2, ge=0, description="Further tries after a refused connection, 429 or 5xx.")


class EchoModel(ModelBase):
    """Repeats the question: for tests and dry runs of everything around a model, never for answers."""

    engine: Literal["echo"]
    delay_s: float = Field(0.0, ge=0, description="Seconds before the first token.")
    tokens_per_s: float | None = Field(None, gt=0, description="Speed of the tokens; all at once when not given.")


ModelConfig = Annotated[LlamaCppModel | VllmModel | SplitModel | RemoteModel | EchoModel, Field(discriminator="engine")]
