"""Text to tokens and back, for a Hugging Face checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tokenizers.decoders import DecodeStream
from transformers import AutoTokenizer, GenerationConfig

from deployments.messages import GenerateRequest
from policies.errors import ConfigurationError, InvalidRequest


class Vocabulary:
    """The checkpoint's tokenizer, its chat template, and the tokens that end an answer."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigurationError without a tokenizer that has a chat template."""
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{folder} has no usable tokenizer: {error}.") from error
        if not self._tokenizer.chat_template:
            raise ConfigurationError(f"The tokenizer of {folder} has no chat template; add one to its folder.")
        self.ends = _ends(folder, self._tokenizer.eos_token_id)
        """Tokens after which nothing follows."""

    def prompt(self, request: GenerateRequest) -> list[int]:
        """The tokens of a request. Raises InvalidRequest for messages that the chat template refuses."""
        if request.prompt is not None:
            return list(self._tokenizer.encode(request.prompt))
        try:
            text = self._tokenizer.apply_chat_template(list(request.messages), add_generation_prompt=True, tokenize=False)
        except Exception as error:  # a template is a program of the model's maker and may raise anything
            raise InvalidRequest(f"The model's chat template does not accept these messages: {error}.", "messages") from error
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def reader(self) -> Callable[[int], bytes]:
        """Turns the tokens of one text into UTF-8, one after the other; half a character waits for its other half."""
        stream, tokenizer = DecodeStream(skip_special_tokens=True), self._tokenizer.backend_tokenizer

        def read(token: int) -> bytes:
            return (stream.step(tokenizer, token) or "").encode()

        return read


def _ends(folder: Path, eos: int | None) -> frozenset[int]:
    if (folder / "generation_config.json").is_file():
        eos = GenerationConfig.from_pretrained(folder).eos_token_id or eos
    return frozenset(eos if isinstance(eos, list) else [] if eos is None else [eos])
