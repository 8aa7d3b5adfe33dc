"""A GGUF file in memory: vocabulary, chat template and weights, shared by all contexts of a replica.

Uses the C interface of llama.cpp, because llama-cpp-python's `Llama` loads the weights once per context and cannot be
interrupted.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import llama_cpp
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from deployments.prompts import Message
from policies.errors import ConfigurationError, InvalidRequest

MAGIC = b"GGUF"
LOG_ERROR = 4  # GGML_LOG_LEVEL_ERROR
_complaints: list[str] = []


@llama_cpp.llama_log_callback
def _log(level: int, text: bytes, _: object) -> None:
    if level == LOG_ERROR:
        _complaints.append(text.decode(errors="replace").strip())
        del _complaints[:-3]


class LlamaWeights:
    """A loaded model. Reading it is thread-safe; `close` it after its contexts."""

    def __init__(self, path: Path, gpu_layers: int = 0) -> None:
        """Raises ConfigurationError if `path` is no readable GGUF file or carries no chat template."""
        _require_gguf(path)
        llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = gpu_layers if gpu_layers >= 0 else 2**31 - 1
        _complaints.clear()
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if not self.model:
            raise ConfigurationError(f"{path} cannot be loaded by llama.cpp: {'; '.join(_complaints) or 'no reason given'}.")
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        template = llama_cpp.llama_model_chat_template(self.model, None)
        if not template:
            raise ConfigurationError(f"{path} carries no chat template; convert the model with tokenizer.chat_template in it.")
        self._chat = Jinja2ChatFormatter(
            template=template.decode(),
            bos_token=self._text(llama_cpp.llama_vocab_bos(self.vocab)),
            eos_token=self._text(llama_cpp.llama_vocab_eos(self.vocab)),
        )

    @property
    def trained_context(self) -> int:
        """Tokens of the longest text that the model was trained on."""
        return int(llama_cpp.llama_model_n_ctx_train(self.model))

    @property
    def size(self) -> int:
        """Number of tokens in the vocabulary."""
        return int(llama_cpp.llama_vocab_n_tokens(self.vocab))

    def chat(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of a dialogue, ending where the assistant begins. Raises InvalidRequest if the template refuses it."""
        try:
            prompt = self._chat(messages=list(messages)).prompt
        except Exception as error:  # a template is a program of the model's maker and may raise anything
            raise InvalidRequest(f"The model's chat template does not accept these messages: {error}.", "messages") from error
        return self.tokens(prompt, special=True)

    def tokens(self, text: str, special: bool = False) -> list[int]:
        """The tokens of `text`; `special` reads control tokens written in it, else a beginning-of-text token is added."""
        raw = text.encode("utf-8", errors="replace")
        room = len(raw) + 8
        buffer = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self.vocab, raw, len(raw), buffer, room, not special, special)
        return list(buffer[:count])

    def piece(self, token: int) -> bytes:
        """The bytes that `token` stands for; none for control tokens."""
        buffer = ctypes.create_string_buffer(64)
        size = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, False)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, False)
        return buffer.raw[:size]

    def ends(self, token: int) -> bool:
        """Whether `token` ends the text."""
        return bool(llama_cpp.llama_vocab_is_eog(self.vocab, token))

    def close(self) -> None:
        """Free the memory."""
        llama_cpp.llama_model_free(self.model)

    def _text(self, token: int) -> str:
        text = llama_cpp.llama_vocab_get_text(self.vocab, token) if token >= 0 else None
        return text.decode(errors="replace") if text else ""


def _require_gguf(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as error:
        raise ConfigurationError(f"The model file {path} cannot be read: {error.strerror}.") from None
    if magic != MAGIC:
        raise ConfigurationError(f"{path} is not a GGUF file: it begins with {magic!r} instead of {MAGIC!r}.")
