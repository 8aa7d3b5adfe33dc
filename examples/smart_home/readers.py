"""The exported models as something that answers a dialogue: llama.cpp for the edge, transformers for the cloud."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from deployments.prompts import Message
from examples.smart_home.tokens import render

MAX_ANSWER_TOKENS = 80


class Reader(Protocol):
    """Anything that completes a dialogue, greedily."""

    def answer(self, messages: Sequence[Message]) -> str:
        """What the assistant says next."""


class LlamaCppReader:
    """A GGUF file in llama.cpp."""

    def __init__(self, file: Path, threads: int = 1) -> None:
        from llama_cpp import Llama  # a compiled package that only this reader needs

        self.engine = Llama(str(file), n_ctx=0, n_threads=threads, n_threads_batch=threads, verbose=False)

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """The prompt's tokens."""
        tokens: list[int] = self.engine.tokenize(render(messages).encode(), add_bos=False, special=True)
        return tokens

    def answer(self, messages: Sequence[Message]) -> str:
        """Greedy completion through llama.cpp's own chat template and tokenizer."""
        reply = self.engine.create_chat_completion(list(messages), temperature=0.0, max_tokens=MAX_ANSWER_TOKENS)
        return str(reply["choices"][0]["message"]["content"]).strip()


class TransformersReader:
    """A Hugging Face folder in transformers."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """The prompt's tokens."""
        tokens: list[int] = self.tokenizer(render(messages)).input_ids
        return tokens

    def answer(self, messages: Sequence[Message]) -> str:
        """Greedy completion."""
        import torch

        prompt = torch.tensor([self.tokens(messages)])
        with torch.inference_mode():
            out = self.model.generate(
                prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=MAX_ANSWER_TOKENS
            )
        text: str = self.tokenizer.decode(out[0, prompt.shape[1] :], skip_special_tokens=True)
        return text.strip()
