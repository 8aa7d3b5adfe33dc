"""Whether the files of the models are there and look like what they should be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path as FilePath
from urllib.parse import urlsplit

from cluster.checks.finding import Finding, blocked, ok, warning
from cluster.config import Config, LlamaCppModel, RemoteModel, SplitModel, VllmModel


def check_models(config: Config) -> Iterator[Finding]:
    """One finding per model that is a file, and one per address that is none."""
    for name, model in config.models.items():
        if isinstance(model, LlamaCppModel | VllmModel | SplitModel):
            yield _files(f"models.{name}.path", model)
            if isinstance(model, SplitModel):
                yield from _split(name, model)
        elif isinstance(model, RemoteModel) and not _is_address(model.base_url):
            yield blocked(
                f"models.{name}.base_url", f"{model.base_url!r} is no address; give one such as https://api.openai.com/v1."
            )


def names_a_folder(name: str) -> bool:
    """Whether a name cannot be one of the model hub, where it is NAME or OWNER/NAME."""
    return name.startswith(("/", ".", "~")) or name.count("/") > 1


def _files(key: str, model: LlamaCppModel | VllmModel | SplitModel) -> Finding:
    try:
        if isinstance(model, LlamaCppModel):
            return _gguf(key, model.path)
        return _checkpoint(key, str(model.path), hub=isinstance(model, VllmModel))
    except OSError as error:
        file = error.filename or model.path
        return blocked(key, f"{file} cannot be read ({error.strerror}); let this user read it, or name another.")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or brackets around what is no address
        return False


def _gguf(key: str, file: FilePath) -> Finding:
    if not file.is_file():
        return blocked(key, f"there is no file {file}; put a GGUF file there or name another.")
    with file.open("rb") as content:
        magic = content.read(4)
    if magic != b"GGUF":
        return blocked(
            key,
            f"{file} does not begin with GGUF; name a GGUF file, or convert the model with llama.cpp's convert_hf_to_gguf.py.",
        )
    return ok(key, f"GGUF, {file.stat().st_size / 1e6:,.1f} MB")


def _split(name: str, model: SplitModel) -> Iterator[Finding]:
    """Where it is cut, and the heads of its exits; the deployments look closer."""
    if model.exits is not None:
        key = f"models.{name}.exits"
        if not _is_exits(model.exits):
            fit = f"python -m deployments.models.split.fit_exits {model.path}"
            yield blocked(key, f"{model.exits} is not a safetensors file; fit heads with '{fit}', or leave `exits` out.")
        else:
            yield ok(key, f"safetensors, {model.exits.stat().st_size / 1e6:,.1f} MB")
    try:
        layers = int(json.loads((model.path / "config.json").read_text())["num_hidden_layers"])
    except (OSError, ValueError, KeyError):
        return  # said above, or by the deployment
    key, last = f"models.{name}.exit_layers", model.exit_layers[-1]
    if not 0 < model.exit_layers[0] <= last < layers:
        yield blocked(
            key, f"{list(model.exit_layers)} does not split a model of {layers} layers; write layers from 1 to {layers - 1}."
        )


def _checkpoint(key: str, path: str, *, hub: bool) -> Finding:
    folder = FilePath(path)
    if not folder.is_dir():
        if not hub:
            return blocked(key, f"there is no folder {path}; put config.json and safetensors there ('hf download' fetches them).")
        if names_a_folder(path):
            return blocked(
                key, f"there is no folder {path}; put config.json and safetensors there, or give a hub name like Qwen/Qwen3-4B."
            )
        return warning(key, f"{path} is no folder here, so it is taken for a hub name and downloaded unless it was before.")
    if not (folder / "config.json").is_file():
        return blocked(key, f"{folder} has no config.json; name the folder of a Hugging Face checkpoint.")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        return blocked(key, f"{folder} has no *.safetensors; name the folder of a Hugging Face checkpoint.")
    broken = [file.name for file in weights if not _is_safetensors(file)]
    if broken:
        return blocked(key, f"{folder / broken[0]} is not a safetensors file (a download that was cut off?); fetch it again.")
    return ok(key, f"safetensors, {sum(file.stat().st_size for file in weights) / 1e6:,.1f} MB")


def _is_exits(file: FilePath) -> bool:
    try:
        return file.is_file() and _is_safetensors(file)
    except OSError:
        return False


def _is_safetensors(file: FilePath) -> bool:
    """Eight bytes with the length of a JSON header, then the header, then at least as much."""
    with file.open("rb") as content:
        length = int.from_bytes(content.read(8), "little")
        return 8 + length <= file.stat().st_size and content.read(1) == b"{"
