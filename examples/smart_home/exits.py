"""How well the cloud model's early exits answer, read from the exported files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from deployments.prompts import Message
from examples.smart_home import shapes
from examples.smart_home.huggingface import EXITS_FILE
from examples.smart_home.lesson import Exercise
from examples.smart_home.model import Llama
from examples.smart_home.progress import exact
from examples.smart_home.rows import grow, one_batch


class Asked(Protocol):
    """A prompt with its reference answer."""

    @property
    def messages(self) -> Sequence[Message]: ...
    @property
    def reference(self) -> str: ...


def load_cloud(folder: Path) -> Llama:
    """The exported cloud model with its exits, in single precision."""
    weights = {name.removeprefix("model."): value for name, value in load_file(folder / "model.safetensors").items()}
    model = Llama(shapes.CLOUD)
    model.load_state_dict(weights | load_file(folder / EXITS_FILE))
    return model.eval()


def exits_right(model: Llama, tokenizer: Tokenizer, item: Asked) -> list[bool]:
    """Per exit, the last layer last: would greedy decoding from it alone give the reference, token for token?"""
    tree = grow([Exercise(list(item.messages), item.reference, "")], tokenizer)
    batch = one_batch([tree], pad=0)
    with torch.inference_mode():
        return [exact(batch, logits)[0] for logits in model(batch.tokens, batch.positions, batch.mask, batch.read)]
