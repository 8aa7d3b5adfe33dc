"""Train the two models of the demo: `python -m examples.smart_home.train --model edge|cloud`.

The edge model learns to read through the curriculum. The cloud model begins as the finished edge model
with as many layers again on top, which at first change nothing, and trains on with early exits. Runs are
resumed from the checkpoint in `--work` when there is one.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from tokenizers import Tokenizer
from torch.nn import functional as F

from examples.smart_home import shapes
from examples.smart_home.curriculum import STAGES, Stage, trees
from examples.smart_home.initialise import deepen, initialise
from examples.smart_home.model import Llama
from examples.smart_home.muon import Muon
from examples.smart_home.progress import Progress
from examples.smart_home.rows import Batch, batches
from examples.smart_home.team import Team
from examples.smart_home.tokens import PAD, corpus, learn

_SAVE_EVERY_S = 120.0
_MARK_EVERY = 10  # steps
_WARM_UP = 30  # steps
_PATIENCE = 0.1  # share of all tokens after which a stage ends even when its answers are not right enough


def main() -> None:
    """Read the command line and train."""
    arguments = _arguments()
    arguments.work.mkdir(parents=True, exist_ok=True)
    load_tokenizer(arguments.work)  # learned once, before the workers look for it
    meeting = arguments.work / f"{arguments.model}.meeting"
    meeting.unlink(missing_ok=True)
    if arguments.workers == 1:
        _work(0, arguments, meeting)
    else:
        start = multiprocessing.get_context("spawn").Process
        workers = [start(target=_work, args=(rank, arguments, meeting), daemon=True) for rank in range(arguments.workers)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if any(worker.exitcode for worker in workers):
            raise SystemExit(1)


def _work(rank: int, arguments: argparse.Namespace, meeting: Path) -> None:
    torch.set_num_threads(1)  # two workers of one thread outpace one of two: no waiting at every matrix
    Run(arguments, Team(rank, arguments.workers, meeting)).train()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=("edge", "cloud"), default="edge")
    parser.add_argument("--tokens", type=int, default=8_000_000, help="training tokens in all, padding counted")
    parser.add_argument("--decay", type=float, default=0.3, help="last share of tokens over which the rate falls to 0")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes, each with a core and rows of its own")
    parser.add_argument("--compile", action="store_true", help="compile the layers: a fifth faster, needs a C++ compiler")
    parser.add_argument("--bfloat16", action="store_true", help="half again as fast on processors with AVX512-BF16")
    parser.add_argument("--stage", type=int, default=None, help="begin at this stage of the curriculum")
    parser.add_argument("--work", type=Path, default=Path(".isthmus/train"), help="folder of checkpoints")
    return parser.parse_args()


class Run:
    """One training run with everything that a checkpoint holds."""

    def __init__(self, arguments: argparse.Namespace, team: Team) -> None:
        self.arguments, self.team = arguments, team
        self.tokenizer = load_tokenizer(arguments.work)
        self.shape = getattr(shapes, arguments.model.upper())
        self.model = Llama(self.shape)
        if arguments.compile:
            for layer in self.model.blocks():
                layer.compile(dynamic=False)
        self.file = arguments.work / f"{arguments.model}.pt"
        self.progress = Progress()
        self._begin()
        self.optimizers = _optimizers(self.model, arguments.rate)
        if self.file.exists():
            self._resume()

    def _begin(self) -> None:
        initialise(self.model, self.arguments.seed)
        if self.arguments.model == "cloud":
            edge = self.arguments.work / "edge.pt"
            if not edge.exists():
                raise SystemExit(f"The cloud model begins as the edge model, but there is no {edge}; train --model edge first.")
            deepen(self.model, torch.load(edge, weights_only=True)["model"])
            self.progress.stage = len(STAGES) - 1
        if self.arguments.stage is not None:
            self.progress.stage = self.arguments.stage

    def _resume(self) -> None:
        saved = torch.load(self.file, weights_only=True)
        self.model.load_state_dict(saved["model"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            shares = [group["share"] for group in optimizer.param_groups]
            optimizer.load_state_dict(state)
            for group, share in zip(optimizer.param_groups, shares, strict=True):
                group["share"] = share
        self.progress = Progress(**saved["progress"])

    def save(self) -> None:
        """Write the checkpoint in one move, so that a kill leaves the old one or the new one."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "progress": asdict(self.progress),
        }
        torch.save(state, self.file.with_suffix(".new"))
        self.file.with_suffix(".new").replace(self.file)

    def train(self) -> None:
        """Train until `--tokens` are done, saving now and then."""
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.1f} %"), TimeRemainingColumn())
        with Bar(*columns, disable=not self.team.leads) as bar:
            task = bar.add_task(self.arguments.model, total=self.arguments.tokens)
            while self.progress.tokens < self.arguments.tokens:
                self._train_stage(lambda: bar.update(task, completed=self.progress.tokens, description=self._line()))
        if self.team.leads:
            self.save()

    def _train_stage(self, show: Callable[[], None]) -> None:
        """Train until the stage is learned or all tokens are done."""
        stage, saved, learned = STAGES[self.progress.stage], time.monotonic(), False
        seed = (self.arguments.seed * 1_000_000 + self.progress.step) * 100 + self.team.rank
        stream = trees(stage, self.tokenizer, seed)
        for batch in batches(stream, stage.rows, stage.time, pad=self.tokenizer.encode(PAD).ids[0]):
            began = time.monotonic()
            leave = self._step(batch, learned)
            self.progress.seconds += time.monotonic() - began
            learned = self._learned(stage)
            show()
            if self.progress.step % _MARK_EVERY == 0:
                self.progress.mark()
                if self.team.leads:
                    self.progress.write(self.file.with_suffix(".curve.json"))
            if self.team.leads and time.monotonic() - saved > _SAVE_EVERY_S:
                self.save()
                saved = time.monotonic()
            if leave:
                self.progress.next_stage()
            if leave or self.progress.tokens >= self.arguments.tokens:
                return

    def _learned(self, stage: Stage) -> bool:
        """Whether the next stage may begin: enough is right, or this one has had its share of all tokens."""
        if self.progress.stage == len(STAGES) - 1:
            return False
        right = self.progress.stage_steps > 40 and self.progress.reading >= stage.least
        return right or self.progress.stage_tokens > _PATIENCE * self.arguments.tokens

    def _step(self, batch: Batch, learned: bool) -> bool:
        """One update; true if the team's leader has `learned` the stage."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.arguments.bfloat16):
            logits = [out.float() for out in self.model(batch.tokens, batch.positions, batch.mask, batch.read)]
        weights = shapes.EXIT_WEIGHTS[-len(logits) :]
        losses = [w * F.cross_entropy(out, batch.target) for w, out in zip(weights, logits, strict=True)]
        torch.autograd.backward(torch.stack(losses).sum())
        leave = self.team.average(self.model, learned)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        rate = self._rate()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.progress.note(batch, logits[-1].detach(), losses[-1].item(), self.team.size)
        return leave

    def _rate(self) -> float:
        """Warm-up, plateau, then a straight line to zero."""
        done = self.progress.tokens / self.arguments.tokens
        fall = min(1.0, (1 - done) / self.arguments.decay)
        rise = min(1.0, (self.progress.step + 1) / _WARM_UP)
        return float(self.arguments.rate * fall * rise)

    def _line(self) -> str:
        p = self.progress
        scores = " ".join(f"{tag} {score:.2f}" for tag, score in sorted(p.scores.items()))
        pace = p.tokens / max(p.seconds, 1e-9)
        return f"{p.step} {STAGES[p.stage].name} {p.tokens / 1e6:.2f}M {pace:.0f} tok/s loss {p.loss:.3f} {scores}"


def _optimizers(model: Llama, rate: float) -> list[torch.optim.Optimizer]:
    inner = [p for name, p in model.named_parameters() if p.dim() == 2 and name.startswith("layers.")]
    norms = [p for p in model.parameters() if p.dim() == 1]
    tables = [p for name, p in model.named_parameters() if p.dim() == 2 and not name.startswith("layers.")]
    groups = [{"params": norms, "share": 0.2}, {"params": tables, "share": 0.4}]
    muon, adamw = Muon(inner, rate), torch.optim.AdamW(groups, rate, betas=(0.9, 0.98), weight_decay=0.0)
    muon.param_groups[0]["share"] = 1.0
    return [muon, adamw]


def load_tokenizer(work: Path) -> Tokenizer:
    """The tokenizer in `work`, learned first if there is none."""
    file = work / "tokenizer.json"
    if not file.exists():
        learn(corpus()).save(str(file))
    return Tokenizer.from_file(str(file))


if __name__ == "__main__":
    main()
