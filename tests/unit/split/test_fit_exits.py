"""Exits are fitted to a frozen model, and a broken run ends as an unbroken one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from typer.testing import CliRunner, Result

from deployments.models.split.checkpoint import Checkpoint
from deployments.models.split.corpus import windows
from deployments.models.split.fit_exits import BATCH, Task, app, fit
from deployments.models.split.heads import exit_heads
from deployments.models.split.partition import Partition
from policies.errors import ConfigurationError
from tests.tiny_models import TEXTS, write_tiny_checkpoint
from tests.unit.split.checkpoints import CONFIGURATIONS, LAYERS, VOCABULARY
from tests.unit.split.town import CPU, checkpoint

EXITS = (2, 3)


class Killed(BaseException):
    """Nothing that anybody catches."""


class Watch:
    """What a run reports; it dies after `last` steps."""

    def __init__(self, last: int = 1 << 30) -> None:
        self.losses: list[float] = []
        self.last = last

    def __call__(self, stage: str, done: int, of: int, note: str) -> None:
        if stage == "fitting":
            self.losses.append(float(note.removeprefix("loss ")))
            if done == self.last:
                raise Killed


def task(name: str, out: Path, epochs: int = 4) -> Task:
    """Exits of a random model, on tokens that go on in a regular way."""
    text = (torch.arange(40 * 24) ** 2 // 5 % VOCABULARY).view(40, 24)
    return Task(Checkpoint(checkpoint(name)), EXITS, text, epochs, out)


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_the_loss_falls_and_the_engine_reads_the_file(name: str, tmp_path: Path) -> None:
    watch, out = Watch(), tmp_path / "exits.safetensors"
    fitted = fit(task(name, out, epochs=20), watch)
    assert len(watch.losses) == 20 * -(-36 // BATCH)
    assert sum(watch.losses[-5:]) < 0.8 * sum(watch.losses[:5])
    assert [row.layer for row in fitted] == list(EXITS)
    assert all(row.loss < watch.losses[0] for row in fitted)  # on what was not learnt from
    folder = Checkpoint(checkpoint(name))
    heads = exit_heads(folder, Partition(*EXITS, LAYERS), out, torch.float32, CPU)
    assert set(heads) == set(EXITS)
    assert list(out.parent.iterdir()) == [out]


def test_a_broken_run_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.safetensors", tmp_path / "broken.safetensors"
    expected = fit(task("llama", whole), Watch())
    for last in (3, 7, 8):
        with pytest.raises(Killed):
            fit(task("llama", broken), Watch(last), save_every_s=0)
        assert not broken.exists()
    rest = Watch()
    assert fit(task("llama", broken), rest, save_every_s=0) == expected
    assert len(rest.losses) < 4 * 5
    assert_same(load_file(whole), load_file(broken))


def test_a_broken_run_for_something_else_is_not_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "exits.safetensors"
    with pytest.raises(Killed):
        fit(task("llama", out), Watch(2), save_every_s=0)
    with pytest.raises(ConfigurationError, match="another model, text, layers or epochs; delete it"):
        fit(task("llama", out, epochs=5), Watch())
    part = tmp_path / "exits.safetensors.part"
    for write in (lambda: part.write_bytes(b"half"), lambda: torch.save({"of something": "else"}, part)):
        write()
        with pytest.raises(ConfigurationError, match="cannot be read; delete it"):
            fit(task("llama", out), Watch())


def test_windows_begin_as_prompts_do_and_cross_pieces() -> None:
    class Letters:
        def __call__(self, text: str, add_special_tokens: bool = True, verbose: bool = True) -> object:
            ids = [1] * add_special_tokens + [ord(mark) for mark in text]
            return type("Encoded", (), {"input_ids": ids})

    found = windows(iter(["abc", "defg", "h"]), Letters(), 4)
    assert found.tolist() == [[1, *map(ord, "abc")], [1, *map(ord, "def")]]  # "gh" is no whole window


def test_from_the_command_line(tmp_path: Path) -> None:
    model, text = write_tiny_checkpoint(tmp_path / "model"), tmp_path / "text.txt"
    text.write_text("\n".join(TEXTS * 40), encoding="utf-8")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "torch_dtype": "float16"}))
    done = run(model, "--text", text, "--epochs", "1", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["layer"] for row in told["exits"]] == [1]
    assert told["file"] == str(model / "exits" / "exits.safetensors")
    assert exit_heads(Checkpoint(model), Partition(1, 1, 2), Path(told["file"]), torch.float32, CPU)
    assert {tensor.dtype for tensor in load_file(told["file"]).values()} == {torch.float16}  # as the model's own
    again = run(model, "--text", text, "--epochs", "1")
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)


def test_what_cannot_be_fitted_is_one_sentence(tmp_path: Path) -> None:
    model, text = write_tiny_checkpoint(tmp_path / "model"), tmp_path / "text.txt"
    text.write_text("Hello.", encoding="utf-8")
    long = tmp_path / "long.txt"
    long.write_text("\n".join(TEXTS * 40), encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    bare = checkpoint("llama")
    for words, why in (
        ((model, "--text", text, "--layers", "2"), "--layers: exits of this model of 2 layers are after layers 1 to 1, not 2."),
        ((model, "--text", text, "--layers", "a"), "--layers: 'a' is not numbers with commas between them, as 8,16."),
        ((model, "--text", text), "has fewer than 512 tokens; part of a text is kept to measure on."),
        ((model, "--text", tmp_path / "none.txt"), "none.txt cannot be read as UTF-8 text"),
        ((model, "--text", tmp_path / "latin.txt"), "latin.txt cannot be read as UTF-8 text"),
        ((model, "--text", long, "--out", text / "exits.safetensors"), "exits.safetensors cannot be written"),
        ((bare, "--text", text), "has no tokenizer that can be read"),
        ((tmp_path, "--text", text), "holds no checkpoint: config.json is missing."),
    ):
        refused = run(*words)
        assert refused.exit_code == 2
        assert why in refused.stderr.splitlines()[-1]


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name
