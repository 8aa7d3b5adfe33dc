"""What a part reads of a checkpoint, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from deployments.models.split.checkpoint import EMBEDDING, INDEX, NORM, OUTPUT, WEIGHTS, Checkpoint
from deployments.models.split.cloud import CloudPart
from deployments.models.split.codec import Wire
from deployments.models.split.edge import EdgePart
from deployments.models.split.partition import Partition
from policies.errors import ConfigurationError
from tests.unit.split.checkpoints import LAYERS, VOCABULARY, WIDTH, write, write_exits
from tests.unit.split.town import CPU, checkpoint, exits

PARTITION = Partition(1, 2, LAYERS)


def edge(folder: Path, heads: Path | None, partition: Partition = PARTITION) -> EdgePart:
    return EdgePart(Checkpoint(folder), partition, heads, Wire.FLOAT16, torch.float32, CPU)


def cloud(folder: Path, partition: Partition = PARTITION) -> CloudPart:
    return CloudPart(Checkpoint(folder), partition, torch.float32, CPU)


def keep_only(folder: Path, *prefixes: str) -> None:
    """Delete every file of the checkpoint that holds none of these tensors."""
    files = json.loads((folder / INDEX).read_text())["weight_map"]
    kept = {file for name, file in files.items() if name.startswith(prefixes)}
    for file in set(files.values()) - kept:
        (folder / file).unlink()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint with every tensor in a file of its own."""
    return write("llama", tmp_path / "model", shard_size="1KB")


FINGERPRINTED = (NORM, "model.layers.1.input_layernorm", "model.layers.1.self_attn.q_proj")


def test_the_edge_reads_its_own_layers_only(folder: Path) -> None:
    keep_only(folder, "model.layers.0.", "model.layers.1.", EMBEDDING, NORM)
    edge(folder, exits((1, 2)))


def test_the_cloud_reads_its_own_layers_only(folder: Path) -> None:
    keep_only(folder, *(f"model.layers.{layer}." for layer in range(1, LAYERS)), NORM, OUTPUT)
    cloud(folder)


def test_the_cloud_reads_the_embedding_for_its_output_if_they_are_tied(tmp_path: Path) -> None:
    folder = write("qwen2", tmp_path, shard_size="1KB")
    keep_only(folder, *(f"model.layers.{layer}." for layer in range(1, LAYERS)), NORM, EMBEDDING)
    cloud(folder)


def test_a_file_that_is_needed_and_missing_is_named(folder: Path) -> None:
    keep_only(folder, "model.layers.0.", EMBEDDING, *FINGERPRINTED)
    with pytest.raises(ConfigurationError, match=r"model-.*safetensors cannot be read"):
        edge(folder, exits((1, 2)))


def test_one_file_without_an_index(tmp_path: Path) -> None:
    folder = write("llama", tmp_path)
    assert not (folder / INDEX).exists()
    edge(folder, None)
    cloud(folder)


def test_an_output_that_should_be_there_and_is_not(tmp_path: Path) -> None:
    folder = write("llama", tmp_path)
    weights = load_file(folder / WEIGHTS)
    del weights[OUTPUT]
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(ConfigurationError, match=r"has no tensor lm_head\.weight"):
        cloud(folder)


def test_weights_that_do_not_fit_the_configuration(tmp_path: Path) -> None:
    folder = write("llama", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 40}))
    with pytest.raises(
        ConfigurationError, match=r"layer 1 should have mlp\.gate_proj\.weight of shape \(40, 32\), but has \(48, 32\)"
    ):
        edge(folder, None)


def test_a_layer_without_a_tensor(tmp_path: Path) -> None:
    folder = write("qwen3", tmp_path)
    weights = load_file(folder / WEIGHTS)
    del weights["model.layers.4.self_attn.q_norm.weight"]
    save_file(weights, folder / WEIGHTS)
    edge(folder, None)
    with pytest.raises(ConfigurationError, match=r"layer 5 should have self_attn\.q_norm\.weight of shape \(8,\), but has None"):
        cloud(folder)


@pytest.mark.parametrize(("a", "b"), [(0, 2), (3, 2), (1, LAYERS), (LAYERS, LAYERS)])
def test_exits_out_of_range(a: int, b: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"after layers {a} and {b} do not split a model of {LAYERS} layers"):
        Partition(a, b, LAYERS)


@pytest.mark.parametrize(("width", "vocabulary"), [(WIDTH + 1, VOCABULARY), (WIDTH, VOCABULARY - 1)])
def test_heads_of_the_wrong_width(tmp_path: Path, width: int, vocabulary: int) -> None:
    heads = write_exits(tmp_path / "exits.safetensors", (1, 2), width, vocabulary)
    with pytest.raises(ConfigurationError, match=r"An exit head of .* has shape"):
        edge(checkpoint("llama"), heads)


def test_an_exit_that_the_file_does_not_have() -> None:
    with pytest.raises(ConfigurationError, match=r"no exit after layer 2, only after \[1, 3\].*fit_exits"):
        edge(checkpoint("llama"), exits((1, 3)))


def test_a_file_without_exits(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "exits.safetensors")
    with pytest.raises(ConfigurationError, match="does not say in its metadata"):
        edge(checkpoint("llama"), tmp_path / "exits.safetensors")
    (tmp_path / "noise").write_bytes(b"noise")
    for name in ("noise", "missing"):
        with pytest.raises(ConfigurationError, match="is not a file of exit heads"):
            edge(checkpoint("llama"), tmp_path / name)


def test_folders_that_are_no_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"config\.json is missing"):
        Checkpoint(tmp_path)
    shutil.copy(checkpoint("llama") / "config.json", tmp_path)
    with pytest.raises(ConfigurationError, match="has neither"):
        Checkpoint(tmp_path)
    (tmp_path / INDEX).write_text("{}")
    with pytest.raises(ConfigurationError, match="is not an index"):
        Checkpoint(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ConfigurationError, match="is a gpt2 model, which cannot be split; these can: llama, qwen2, qwen3"):
        Checkpoint(tmp_path)
    for wrong in ("{", '{"model_type": "llama", "num_hidden_layers": "x"}', '{"model_type": "llama", "num_attention_heads": 0}'):
        (tmp_path / "config.json").write_text(wrong)
        with pytest.raises(ConfigurationError, match="is not understood") as caught:
            Checkpoint(tmp_path)
        assert "\n" not in str(caught.value)


def test_positions_that_turn_with_the_length_of_the_text_are_refused(tmp_path: Path) -> None:
    folder = write("llama", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    (folder / "config.json").write_text(json.dumps(config | {"rope_parameters": rope}))
    with pytest.raises(ConfigurationError, match="changes with the length of a text"):
        Checkpoint(folder)


def test_fingerprints_tell_models_and_cuts_apart(tmp_path: Path) -> None:
    prints = {Checkpoint(checkpoint(name)).fingerprint(PARTITION) for name in ("llama", "qwen2", "qwen3")}
    prints |= {Checkpoint(checkpoint("llama")).fingerprint(cut) for cut in (Partition(1, 3, LAYERS), Partition(2, 2, LAYERS))}
    folder = write("llama", tmp_path)
    assert Checkpoint(folder).fingerprint(PARTITION) in prints
    weights = load_file(folder / WEIGHTS)
    weights[NORM][3] += 0.01
    save_file(weights, folder / WEIGHTS)
    assert len(prints | {Checkpoint(folder).fingerprint(PARTITION)}) == 6
