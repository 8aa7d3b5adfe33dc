"""The names that a request may give as `model`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.config import Config
from cluster.config.names import AUTO
from policies.errors import InfeasibleSlo, InvalidRequest, UnknownModel
from policies.types import NONE, Decision, Path, Privacy, Slo


class Catalogue:
    """`auto`, every path and every model of the configuration, the adaptive paths that were learnt, and the encoder."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._models = {name: Path(NONE, NONE, NONE, name) for name in config.options}
        self._paths = {path.name: path for path in config.paths} | self._models
        self._adaptive: Mapping[str, Path] = {}
        fallback = config.fallback
        self._auto = [config.default, *([fallback] if fallback and fallback != config.default else [])]

    @property
    def names(self) -> tuple[str, ...]:
        """All names, `auto` first; the last is the encoder, which only `/v1/embeddings` takes."""
        return (AUTO, *self._paths, *self._adaptive, self._config.stages.encoder)

    def learnt(self, paths: Sequence[Path]) -> None:
        """The adaptive ones of `paths` take the place of those that were learnt before."""
        self._adaptive = {path.name: path for path in paths if path.then is not None}

    def card(self, name: str) -> dict[str, Any]:
        """One entry of `/v1/models`. Raises UnknownModel."""
        if name not in self.names:
            raise UnknownModel(name, self.names)
        return {"id": name, "object": "model", "created": 0, "owned_by": self._config.domain}

    def path(self, name: str) -> Path:
        """The path that `name` pins. Raises UnknownModel, and InvalidRequest for the encoder, which says nothing."""
        path = self._paths.get(name) or self._adaptive.get(name)
        if path is None and name == self.names[-1]:
            raise InvalidRequest(f"{name!r} is the sentence encoder, for /v1/embeddings only; name a path or a model.", "model")
        if path is None:
            raise UnknownModel(name, self.names)
        return path

    def decide(self, name: str, slo: Slo) -> Decision:
        """The path for `name` and where to go when it fails. A pinned path has no fallback: the caller wants that one.

        Raises UnknownModel, and InfeasibleSlo when the query must stay on the edge and the path leaves it.
        """
        if name == AUTO:
            paths = [path for path in self._auto if slo.privacy is not Privacy.EDGE or self._config.stays_on_edge(path)]
            if not paths:
                raise InfeasibleSlo(
                    "privacy is 'edge', but neither the default nor the fallback path stays there.", "slo.privacy"
                )
            reason = "default path" if paths[0] == self._auto[0] else "fallback path, which alone stays on the edge"
            return Decision(paths[0], reason, tuple(paths[1:]))
        path = self.path(name)
        if slo.privacy is Privacy.EDGE and not self._config.stays_on_edge(path):
            raise InfeasibleSlo(
                f"privacy is 'edge', but the path {path.name!r} uses a model of the cloud; name an edge path or 'auto'.",
                "slo.privacy",
            )
        return Decision(path, "named by the caller")
