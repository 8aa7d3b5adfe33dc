"""`isthmus.yaml` as a whole."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Self

from pydantic import Field, model_validator

from cluster.config.base import Section
from cluster.config.models import ModelConfig, SplitModel
from cluster.config.names import ModelName
from cluster.config.serving import Documents, Gateway, Learning, Log, Stages
from cluster.config.sites import Cluster
from policies.errors import nearest
from policies.space import option, space
from policies.types import NONE, Path


class Config(Section):
    """One domain on one cluster. Precedence: command line > environment ISTHMUS_* > file > default."""

    domain: str = Field("default", description="Name of the domain, written into profiles and logs.")
    cluster: Cluster = Field(default_factory=Cluster, description="Where things run.")
    gateway: Gateway = Field(default_factory=Gateway, description="The HTTP door.")
    documents: Documents | None = Field(None, description="The domain's documents; needed by every retrieve option but none.")
    models: dict[ModelName, ModelConfig] = Field(min_length=1, description="The language models by name.")
    stages: Stages = Field(default_factory=Stages, description="The options of each stage.")
    profile: FilePath | None = Field(
        None, description="Folder with the profile that `auto` chooses paths by; the default path is taken without one."
    )
    log: Log | None = Field(default_factory=Log, description="The log of questions, decisions and feedback; null to keep none.")
    learning: Learning = Field(default_factory=Learning, description="Where what is learnt from outcomes and feedback is kept.")
    default_path: str | None = Field(
        None, description="Path that `auto` takes until a profile exists; the last of all when not given."
    )
    fallback_path: str | None = Field(
        None, description="Path to take when the chosen one fails; the default path on an edge model when not given."
    )

    @property
    def generators(self) -> tuple[str, ...]:
        """What may answer: names of models, with a way to answer behind an @ where a model has several."""
        named = self.stages.generate or tuple(self.models)
        return tuple(option for name in named for option in (self.models[name].options(name) if name in self.models else (name,)))

    @property
    def options(self) -> tuple[str, ...]:
        """The same of all models, whether they may answer or only preprocess."""
        return tuple(option for name, model in self.models.items() for option in model.options(name))

    def model_of(self, generator: str) -> ModelConfig:
        """The model that one of `options` is of."""
        return self.models[option(generator)]

    @property
    def paths(self) -> tuple[Path, ...]:
        """All paths that make sense (`policies.space`)."""
        s = self.stages
        return space(s.preprocess, s.retrieve, s.refine, self.generators)

    @property
    def default(self) -> Path:
        """The path of `auto` until a profile exists."""
        return Path.parse(self.default_path) if self.default_path else self.paths[-1]

    @property
    def fallback(self) -> Path | None:
        """Where a request goes whose path failed: it must work without the cloud. None without an edge model."""
        if self.fallback_path:
            return Path.parse(self.fallback_path)
        edge = next((name for name in self.generators if self.model_of(name).keeps_on_edge(name)), None)
        d = self.default
        return Path(NONE, d.retrieve, d.refine, edge) if edge else None

    @property
    def preprocess_model(self) -> str:
        """The model that preprocessors call."""
        edge = (name for name in self.options if self.model_of(name).keeps_on_edge(name))
        return self.stages.preprocess_model or next(edge, self.options[0])

    def models_of(self, path: Path) -> tuple[str, ...]:
        """What of `options` a request by `path` asks, the preprocessor's first, and what it may go on to."""
        asked = (path.generate,) if path.preprocess == NONE else (self.preprocess_model, path.generate)
        return asked if path.then is None else (*asked, *self.models_of(path.then))

    def stays_on_edge(self, path: Path) -> bool:
        """Whether all models of `path` answer at the edge alone; the other stages run there anyway."""
        return all(self.model_of(name).keeps_on_edge(name) for name in self.models_of(path))

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        tiers = {site.name: site.tier for site in self.cluster.sites}
        for name, model in self.models.items():
            for site in model.sites:
                if site not in tiers:
                    raise ValueError(f"models.{name}.sites: no site is called {site!r}{nearest(site, tiers)}")
                if model.engine != "remote" and tiers[site] != model.tier:
                    raise ValueError(
                        f"models.{name}.sites: {site!r} is a site of the {tiers[site]}, but the model is for the {model.tier}"
                    )
            if model.engine != "remote" and not any(s.tier == model.tier for s in self.cluster.sites):
                raise ValueError(f"models.{name}.tier is {model.tier!r}, but no site has that tier; add one under cluster.sites")
            if isinstance(model, SplitModel) and model.cloud.url is None:
                self._has_a_cloud(name, model)
        for name in self.stages.generate:
            if name not in (*self.models, *self.options):
                raise ValueError(f"stages: no model is called {name!r}{nearest(name, (*self.models, *self.options))}")
        asked = self.stages.preprocess_model
        if asked is not None and asked not in self.options:
            raise ValueError(f"stages: no model is called {asked!r}{nearest(asked, self.options)}")
        known = {path.name for path in self.paths}
        if not known:
            raise ValueError(
                "stages: no path is left; add none to stages.preprocess and stages.refine, or an option to stages.retrieve"
            )
        for key, path in (("default_path", self.default_path), ("fallback_path", self.fallback_path)):
            if path is not None and path not in known:
                raise ValueError(f"{key}: {path!r} is not a path of stages{nearest(path, known)}")
        return self

    def _has_a_cloud(self, name: str, model: SplitModel) -> None:
        clouds = [site.name for site in self.cluster.sites if site.tier == "cloud"]
        wanted = model.cloud.site
        if not clouds:
            raise ValueError(f"models.{name} is split, but no site is in the cloud; add one under cluster.sites")
        if wanted is not None and wanted not in clouds:
            raise ValueError(f"models.{name}.cloud.site: no cloud site is called {wanted!r}{nearest(wanted, clouds)}")
