"""A context of llama.cpp: the state of one text that is being read and written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile

import llama_cpp
import numpy as np

from deployments.messages import Sampling
from deployments.models.llama_weights import LlamaWeights

BATCH_TOKENS = 512
FIRST_CHUNK_TOKENS = 32
CHUNK_S = 0.2
"""A prompt is read in chunks that take about this long, since a chunk that has begun cannot be interrupted."""


class LlamaContext:
    """Answers one request at a time, in whatever thread calls it. Keeps what it has read for a prompt that begins alike."""

    def __init__(self, weights: LlamaWeights, context_tokens: int, threads: int) -> None:
        """Raises MemoryError if there is no room for keys and values."""
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = context_tokens
        params.n_batch = params.n_ubatch = min(BATCH_TOKENS, context_tokens)
        params.n_threads = params.n_threads_batch = threads
        self._weights = weights
        self._context = llama_cpp.llama_init_from_model(weights.model, params)
        if not self._context:
            raise MemoryError(f"no room for a context of {context_tokens} tokens")
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._read: list[int] = []
        self._chunk = FIRST_CHUNK_TOKENS
        self._largest = params.n_batch

    def forget(self) -> None:
        """Read the next prompt from its beginning, whatever it begins with."""
        llama_cpp.llama_memory_clear(self._memory, True)
        self._read.clear()

    def generate(self, prompt: Sequence[int], sampling: Sampling, stopped: Callable[[], bool]) -> Iterator[int]:
        """Yield tokens until one ends the text (it is yielded too), `sampling.max_tokens` have come, or `stopped()`.

        `stopped` is asked between tokens and between chunks of the prompt. Raises RuntimeError if llama.cpp fails.
        """
        sampler = _sampler(self._weights, sampling)
        try:
            if not self._read_prompt(prompt, stopped):
                return
            for left in range(sampling.max_tokens - 1, -1, -1):
                token = int(llama_cpp.llama_sampler_sample(sampler, self._context, -1))
                yield token
                if not left or self._weights.ends(token) or stopped():
                    return
                self._decode([token])
        finally:
            llama_cpp.llama_sampler_free(sampler)

    def logprob(self, token: int) -> float:
        """The logarithm of the probability that the model gave to `token`, the last one that `generate` yielded."""
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self._context, -1), (self._weights.size,))
        most = logits.max()
        return float(logits[token] - most - np.log(np.exp(logits - most).sum()))

    def close(self) -> None:
        """Free the memory."""
        llama_cpp.llama_free(self._context)

    def _read_prompt(self, prompt: Sequence[int], stopped: Callable[[], bool]) -> bool:
        at = self._keep(prompt)
        while at < len(prompt):
            if stopped():
                return False
            chunk = prompt[at : at + self._chunk]
            began = time.perf_counter()
            self._decode(chunk)
            if len(chunk) == self._chunk:
                self._adapt(time.perf_counter() - began)
            at += len(chunk)
        return True

    def _keep(self, prompt: Sequence[int]) -> int:
        """Forget all but what `prompt` begins with, and its last token, whose logits are needed; return how many are kept."""
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._read, prompt[:-1], strict=False)))
        if not llama_cpp.llama_memory_seq_rm(self._memory, 0, same, -1):
            llama_cpp.llama_memory_clear(self._memory, True)  # recurrent models cannot forget a part
            same = 0
        del self._read[same:]
        return same

    def _adapt(self, seconds: float) -> None:
        if seconds < CHUNK_S / 2:
            self._chunk = min(2 * self._chunk, self._largest)
        elif seconds > 2 * CHUNK_S:
            self._chunk = max(self._chunk // 2, 1)

    def _decode(self, tokens: Sequence[int]) -> None:
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        code = llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(array, len(tokens)))
        if code:
            read = len(self._read)
            self.forget()
            raise RuntimeError(f"llama_decode returned {code} after {read} tokens")
        self._read.extend(tokens)


def _sampler(weights: LlamaWeights, sampling: Sampling) -> llama_cpp.llama_sampler_p:
    """Penalties on what was generated, then temperature, then top_p: the order of the OpenAI API and of vLLM."""
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    stages = []
    if sampling.presence_penalty or sampling.frequency_penalty:
        stages.append(
            llama_cpp.llama_sampler_init_penalties(
                weights.size, sampling.max_tokens, 1.0, sampling.frequency_penalty, sampling.presence_penalty
            )
        )
    if sampling.temperature <= 0:
        stages.append(llama_cpp.llama_sampler_init_greedy())
    else:
        seed = llama_cpp.LLAMA_DEFAULT_SEED if sampling.seed is None else sampling.seed % 0xFFFFFFFF  # the default is random
        stages.append(llama_cpp.llama_sampler_init_temp(sampling.temperature))
        stages.append(llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1))
        stages.append(llama_cpp.llama_sampler_init_dist(seed))
    for stage in stages:
        llama_cpp.llama_sampler_chain_add(chain, stage)
    return chain
