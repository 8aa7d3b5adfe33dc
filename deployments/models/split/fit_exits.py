"""Early exits for a model of one's own: `python -m deployments.models.split.fit_exits MODEL --text FILE`.

The weights of MODEL, a folder with a Llama or Qwen checkpoint, stay as they are. The exits learn on the text to say what
the whole model says; take text like that which it is to read and write. Killed at any time, the same command goes on
where it was.
"""

from __future__ import annotations

import json
import math
import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import Progress, TextColumn, track
from rich.table import Table
from safetensors.torch import save
from torch import Tensor

from cluster.cli.options import Json, one_sentence, print_json
from deployments.models.split.checkpoint import Checkpoint
from deployments.models.split.corpus import open_tokenizer, read_pieces, windows
from deployments.models.split.fitting import CONFIDENT, Fitted, Fitting, Teacher
from deployments.models.split.partition import Partition
from policies.errors import ConfigurationError, IsthmusError

WINDOW = 256
BATCH = 8
HELD_OUT = 10
"""One window in so many, those at the end of the text, is not learnt from."""
SAVE_EVERY_S = 30.0
_SAVING = 0.05
"""Share of the time that saving may take."""

Report = Callable[[str, int, int, str], None]
"""Told what is being done, how many steps of it are done, how many there are, and a word on it."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is fitted to what."""

    checkpoint: Checkpoint
    layers: tuple[int, ...]
    windows: Tensor
    epochs: int
    out: Path

    @property
    def learnt(self) -> Tensor:
        """Windows to learn from."""
        return self.windows[: -self._held_out]

    @property
    def unseen(self) -> Tensor:
        """Windows to measure on."""
        return self.windows[-self._held_out :]

    @property
    def steps(self) -> int:
        """Batches in all epochs."""
        return self.epochs * -(-len(self.learnt) // BATCH)

    @property
    def part(self) -> Path:
        """Where a run that is not at its end is kept."""
        return self.out.with_name(self.out.name + ".part")

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        return {
            "model": self.checkpoint.fingerprint(Partition(self.layers[0], self.layers[-1], self.checkpoint.layers)),
            "layers": list(self.layers),
            "text": zlib.crc32(self.windows.numpy().tobytes()),
            "epochs": self.epochs,
        }

    def batch(self, step: int) -> Tensor:
        """The windows of a step: every epoch in an order of its own."""
        epoch, start = divmod(step * BATCH, self.steps // self.epochs * BATCH)
        order = torch.randperm(len(self.learnt), generator=torch.Generator().manual_seed(epoch))
        return self.learnt[order[start : start + BATCH]]

    @property
    def _held_out(self) -> int:
        return -(-len(self.windows) // HELD_OUT)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@one_sentence()
def main(
    model: Annotated[Path, typer.Argument(help="Folder of the checkpoint.")],
    text: Annotated[Path, typer.Option(help="What to learn on, in UTF-8.")],
    layers: Annotated[
        str | None, typer.Option(help="Layers to exit after, as 8,16; when not given, after a quarter and a half of them.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; MODEL/exits/exits.safetensors when not given.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="How often the text is gone through.")] = 3,
    as_json: Json = False,
) -> None:
    """Fit early exits to a model that stays as it is."""
    checkpoint = Checkpoint(model)
    exits = _layers(layers, checkpoint.layers)
    console = Console(stderr=True)
    pieces = track(read_pieces(text), "reading", console=console)
    length = min(WINDOW, checkpoint.config.max_position_embeddings)
    found = windows(iter(pieces), open_tokenizer(model), length)
    if len(found) < 2:
        raise ConfigurationError(f"--text: {text} has fewer than {2 * length} tokens; part of a text is kept to measure on.")
    task = Task(checkpoint, exits, found, epochs, _writable(out or model / "exits" / "exits.safetensors"))
    with Progress(*Progress.get_default_columns(), TextColumn("{task.fields[note]}"), console=console) as progress:
        fitted = fit(task, partial(_show, progress))
    _print(task, fitted, as_json)


def fit(task: Task, report: Report, save_every_s: float = SAVE_EVERY_S) -> list[Fitted]:
    """Fit, write the file, and say how well the exits do. What a broken run left is gone on with.

    Raises ConfigurationError when a run for something else stands in the way, IsthmusError when the loss is no number.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    stored: torch.dtype = task.checkpoint.config.dtype or torch.float32  # transformers overwrites it when layers are made
    teacher = Teacher(task.checkpoint, task.layers, stored if device.type == "cuda" else torch.float32, device)
    fitting = Fitting(teacher, task.layers, task.steps)
    _take_up(task, fitting)
    saved_at, saving_s = time.monotonic(), 0.0
    while fitting.done < task.steps:
        loss = fitting.step(task.batch(fitting.done))
        if not math.isfinite(loss):
            raise IsthmusError(f"The loss of step {fitting.done} is {loss}: the model's own states are not finite numbers.")
        report("fitting", fitting.done, task.steps, f"loss {loss:.3f}")
        began = time.monotonic()
        if began - saved_at >= max(save_every_s, saving_s / _SAVING):
            _replace(task.part, lambda file: torch.save({"of": task.identity(), **fitting.state()}, file))
            saved_at = time.monotonic()
            saving_s = saved_at - began
    fitted = fitting.measure(_unseen(task, report))
    _write(task, fitting, stored)
    task.part.unlink(missing_ok=True)
    return fitted


def _take_up(task: Task, fitting: Fitting) -> None:
    if not task.part.exists():
        return
    try:
        state = torch.load(task.part, map_location="cpu", weights_only=True)
        identity = state["of"]
    except Exception as error:  # a damaged file can fail anywhere in torch
        raise ConfigurationError(f"{task.part} cannot be read; delete it to begin anew.") from error
    if identity != task.identity():
        raise ConfigurationError(
            f"{task.part} is of a run with another model, text, layers or epochs; delete it, or choose another --out."
        )
    fitting.go_on(state)


def _unseen(task: Task, report: Report) -> Iterator[Tensor]:
    batches = torch.split(task.unseen, BATCH)
    for number, batch in enumerate(batches, start=1):
        yield batch
        report("measuring", number, len(batches), "")


def _write(task: Task, fitting: Fitting, dtype: torch.dtype) -> None:
    tensors = {name: tensor.to("cpu", dtype).contiguous() for name, tensor in fitting.tensors().items()}
    metadata = {"format": "pt", "exit_layers": json.dumps(list(task.layers))}
    _replace(task.out, lambda file: file.write_bytes(save(tensors, metadata)))  # with the usual permissions


def _replace(file: Path, write: Callable[[Path], object]) -> None:
    """Write beside `file` and put it in its place, so that it is whole at any time."""
    fresh = file.with_name(file.name + ".new")
    write(fresh)
    os.replace(fresh, file)


def _writable(file: Path) -> Path:
    """`file`, in whose folder files can be made: better to know now than in an hour."""
    if file.exists():
        raise ConfigurationError(f"--out: {file} is there already; delete it, or choose another place.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=file.parent):
            return file
    except OSError as error:
        raise ConfigurationError(f"--out: {file} cannot be written ({error.strerror}); choose another place.") from error


def _layers(text: str | None, of: int) -> tuple[int, ...]:
    if text is None:
        return tuple(sorted({max(1, of // 4), max(1, of // 2)}))
    try:
        layers = tuple(sorted({int(word) for word in text.split(",")}))
    except ValueError:
        raise ConfigurationError(f"--layers: {text!r} is not numbers with commas between them, as 8,16.") from None
    if not 1 <= layers[0] <= layers[-1] < of:
        raise ConfigurationError(f"--layers: exits of this model of {of} layers are after layers 1 to {of - 1}, not {text}.")
    return layers


def _show(progress: Progress, stage: str, done: int, of: int, note: str) -> None:
    bar = next((task.id for task in progress.tasks if task.description == stage), None)
    bar = progress.add_task(stage, total=of, note=note) if bar is None else bar
    progress.update(bar, completed=done, note=note)


def _print(task: Task, fitted: list[Fitted], as_json: bool) -> None:
    if as_json:
        print_json({"file": str(task.out), "held_out_tokens": task.unseen.numel(), "exits": [asdict(row) for row in fitted]})
        return
    table = Table("after layer", "loss, nats", "agreement", f"p >= {CONFIDENT:g}", "agreement there")
    for row in fitted:
        sure = "" if row.confident_agreement is None else f"{row.confident_agreement:.3f}"
        table.add_row(str(row.layer), f"{row.loss:.4f}", f"{row.agreement:.3f}", f"{row.confident:.3f}", sure)
    console = Console()
    console.print(table)
    console.print(f"on {task.unseen.numel():,} tokens not learnt from; exits in {task.out}", highlight=False, markup=False)


if __name__ == "__main__":
    app()
