"""Relative paths of a configuration mean the folder of its file, wherever the command was started."""

from __future__ import annotations

import os
from pathlib import Path as FilePath

from cluster.config.models import LlamaCppModel, ModelConfig, SplitModel, VllmModel
from cluster.config.root import Config

_SQLITE = "sqlite:///"


def anchored(config: Config, folder: FilePath) -> Config:
    """`config` with absolute paths. A name that may also be one of the model hub stays as it is unless such a folder exists."""
    cluster, documents, stages = config.cluster, config.documents, config.stages
    if cluster.link is not None and cluster.link.trace is not None:
        link = cluster.link.model_copy(update={"trace": _absolute(cluster.link.trace, folder)})
        cluster = cluster.model_copy(update={"link": link})
    if documents is not None:
        paths = {"folder": _absolute(documents.folder, folder), "index": _absolute(documents.index, folder)}
        documents = documents.model_copy(update=paths)
    stages = stages.model_copy(
        update={
            "encoder": _folder_or_name(stages.encoder, folder),
            "reranker": _folder_or_name(stages.reranker, folder) if stages.reranker else None,
        }
    )
    profile = _absolute(config.profile, folder) if config.profile else None
    models = {name: _model(model, folder) for name, model in config.models.items()}
    update = {
        "cluster": cluster,
        "documents": documents,
        "stages": stages,
        "models": models,
        "profile": profile,
        "log": None if config.log is None else config.log.model_copy(update={"url": _url(config.log.url, "log.db", folder)}),
        "learning": config.learning.model_copy(update={"url": _url(config.learning.url, "learned.db", folder)}),
    }
    return config.model_copy(update=update)


def _model(model: ModelConfig, folder: FilePath) -> ModelConfig:
    if isinstance(model, LlamaCppModel):
        return model.model_copy(update={"path": _absolute(model.path, folder)})
    if isinstance(model, VllmModel):
        return model.model_copy(update={"path": _folder_or_name(model.path, folder)})
    if isinstance(model, SplitModel):
        exits = _absolute(model.exits, folder) if model.exits else None
        return model.model_copy(update={"path": _absolute(model.path, folder), "exits": exits})
    return model


def _url(url: str | None, default: str, folder: FilePath) -> str:
    """A SQLite file is a path like others; three slashes begin a relative one, four an absolute one."""
    given = url or f"{_SQLITE}.isthmus/{default}"
    scheme, _, file = given.partition(":///")
    if scheme.partition("+")[0] != "sqlite" or not file or file == ":memory:":
        return given
    return f"{scheme}:///{_absolute(FilePath(file), folder)}"


def _absolute(path: FilePath, folder: FilePath) -> FilePath:
    return FilePath(os.path.abspath(folder / os.path.expanduser(path)))


def _folder_or_name(name: str, folder: FilePath) -> str:
    """A hub name looks like a path: it is one if it begins like one, exists, or would stand in a folder that exists here."""
    path = _absolute(FilePath(name), folder)
    is_path = name.startswith((".", "/", "~")) or os.path.isdir(path) or (path.parent != folder and os.path.isdir(path.parent))
    return str(path) if is_path else name
