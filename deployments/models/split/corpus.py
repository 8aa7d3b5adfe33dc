"""A text file as windows of tokens, to fit exits on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer

from policies.errors import ConfigurationError

_PIECE_CHARACTERS = 1 << 18


def open_tokenizer(folder: Path) -> Any:
    """The tokenizer beside a checkpoint. Raises ConfigurationError when there is none."""
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"{folder} has no tokenizer that can be read: {_first_line(error)}.") from error


def windows(pieces: Iterator[str], tokenizer: Any, length: int) -> Tensor:
    """Whole windows (windows, length) of the text, each begun as the tokenizer begins a prompt; the rest is left out."""
    start: list[int] = tokenizer("").input_ids
    tokens: list[int] = []
    for piece in pieces:
        tokens.extend(tokenizer(piece, add_special_tokens=False, verbose=False).input_ids)
    new = length - len(start)
    whole = torch.tensor(tokens[: len(tokens) // new * new], dtype=torch.int64).view(-1, new)
    return torch.cat([torch.tensor(start, dtype=torch.int64).expand(len(whole), -1), whole], 1)


def read_pieces(file: Path) -> Iterator[str]:
    """The text, whole lines together. Raises ConfigurationError when it is not there or not UTF-8."""
    lines: list[str] = []
    characters = 0
    try:
        with file.open(encoding="utf-8") as text:
            for line in text:
                lines.append(line)
                characters += len(line)
                if characters >= _PIECE_CHARACTERS:
                    yield "".join(lines)
                    lines, characters = [], 0
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--text: {file} cannot be read as UTF-8 text ({error}).") from error
    if lines:
        yield "".join(lines)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
