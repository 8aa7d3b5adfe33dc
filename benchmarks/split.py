"""One model over edge and cloud, token by token, beside the ways around it (CE-CoLLM, arXiv 2411.02829).

    python -m benchmarks.split [--queries 20] [--json] [--out docs/results.md]

The demo's cloud model answers questions about homes it has never seen, with the passages that hold the answer. Each mode
runs for real, both parts in this process; computing is measured as processor time of one thread. What a link adds comes
from a calibrated replay (`benchmarks.split_replay`): this machine is both tiers, so it has no link between them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from tokenizers import Tokenizer

from benchmarks import split_page, split_replay
from benchmarks.command import run
from benchmarks.split_replay import Hosts, Stream
from benchmarks.split_results import (
    CLOUD_ONLY,
    EQUAL,
    EVERY_TOKEN,
    FAR_MS,
    INT8,
    LAYERS,
    LONG,
    NAIVE,
    STANDALONE,
    LongRow,
    ModeRow,
    Results,
    Row,
    SessionRow,
)
from benchmarks.split_runs import Bench, Given, Way
from deployments.models.split.codec import Wire
from deployments.models.split.partition import Partition
from examples.smart_home import shapes
from examples.smart_home.evaluate import Item, make_items
from examples.smart_home.export import CLOUD_FOLDER
from examples.smart_home.huggingface import EXITS_FILE
from examples.smart_home.readers import MAX_ANSWER_TOKENS
from examples.smart_home.tokens import END, render
from policies.metrics import exact_match
from policies.split.mode import Kind, Mode

RTTS_MS, MBPS = (3, 20, 50, 100), (10, 100)
THETA = 0.98
"""The demo model's own: of 700 answers about homes that are neither for training nor for evaluation, one was another."""
THETAS = (0.5, 0.7, 0.8, 0.9, 0.95, THETA, 1.0)
DRAFTS = 8
OWN, VERIFIED = f"collaborative@{THETA:g}", f"verified@{DRAFTS}"
SESSIONS, SESSION_PROMPTS = (1, 4, 16), 32
LONG_PROMPTS = 5

WAYS = (
    Way(CLOUD_ONLY, None),
    Way(NAIVE, Mode(Kind.COLLABORATIVE, 1.0), Wire.FLOAT32, naive=True),
    Way(STANDALONE, Mode(Kind.STANDALONE, THETA)),
    *(Way(f"collaborative@{theta:g}", Mode(Kind.COLLABORATIVE, theta)) for theta in THETAS),
    Way(INT8, Mode(Kind.COLLABORATIVE, 1.0), Wire.INT8),
    *(Way(VERIFIED, Mode(Kind.VERIFIED, THETA, DRAFTS), rtt_ms=rtt) for rtt in RTTS_MS),
)
TOGETHER = tuple(way for way in WAYS if way.name in (EVERY_TOKEN, OWN, VERIFIED) and way.rtt_ms in (None, FAR_MS))
LONG_WAYS = tuple(way for way in WAYS if way.name in (NAIVE, EVERY_TOKEN, OWN))
Runs = Mapping[tuple[str, int], Sequence[Given]]
"""Answers by mode and round trip in milliseconds."""


def main(
    queries: Annotated[int, typer.Option(min=1, help="Queries of each of five kinds, rounded up to fours.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page, and the picture beside it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure every mode. Exit code 1 when something that was asked for does not hold."""
    with Progress(console=Console(stderr=True)) as progress:
        results = measure([item for item in make_items(queries) if item.condition == "gold"], progress)
    if out is not None:
        split_page.write(out, results)
    if as_json:
        typer.echo(json.dumps({**asdict(results), "targets": [asdict(target) for target in results.targets()]}, indent=2))
    else:
        split_page.show(results)
    if not all(target.holds for target in results.targets()):
        raise typer.Exit(1)


def measure(items: Sequence[Item], progress: Progress) -> Results:
    """Run everything over `items`."""
    tokenizer = Tokenizer.from_file(str(CLOUD_FOLDER / "tokenizer.json"))
    prompts = [tokenizer.encode(render(item.messages)).ids for item in items]
    first, second = shapes.CLOUD.exits
    end: int = tokenizer.encode(END).ids[0]
    partition = Partition(first, second, shapes.CLOUD.layers)
    bench = Bench(CLOUD_FOLDER, partition, CLOUD_FOLDER / EXITS_FILE, MAX_ANSWER_TOKENS, end)
    references = [bench.reference(prompt) for prompt in progress.track(prompts, description="reference")]
    runs = _run(bench, prompts, progress)

    def row(name: str, given: Sequence[Given]) -> ModeRow:
        said = [tokenizer.decode(answer.tokens, skip_special_tokens=True).strip() for answer in given]
        right = [exact_match(text, item.reference) for text, item in zip(said, items, strict=True)]
        same = [answer.tokens == reference for answer, reference in zip(given, references, strict=True)]
        return _mode_row(name, given, mean(right), mean(same))

    names = list(dict.fromkeys(way.name for way in WAYS))
    layer_s = _layer_s(runs[CLOUD_ONLY, RTTS_MS[0]])
    hosts = {EQUAL: split_replay.as_measured, LAYERS: split_replay.equal_layers(layer_s)}
    return Results(
        prompts=len(items),
        prompt_tokens=mean(map(len, prompts)),
        theta=THETA,
        verified=VERIFIED,
        layer_s=layer_s,
        modes=[row(name, runs[name, FAR_MS]) for name in names],
        rows=[one for name in names for named, speed in hosts.items() for one in _rows(name, named, speed, runs)],
        sessions=_sessions(bench, prompts[:SESSION_PROMPTS], runs, progress),
        long=_long(bench, prompts[:LONG_PROMPTS], progress),
    )


def _run(bench: Bench, prompts: Sequence[Sequence[int]], progress: Progress) -> Runs:
    runs: dict[tuple[str, int], Sequence[Given]] = {}
    told = progress.track(prompts, description=f"questions, {len(WAYS)} ways")
    for way, given in zip(WAYS, bench.alone(told, WAYS), strict=True):
        runs.update({(way.name, rtt): given for rtt in (RTTS_MS if way.rtt_ms is None else (way.rtt_ms,))})
    return runs


def _mode_row(name: str, given: Sequence[Given], accuracy: float, agreement: float) -> ModeRow:
    tokens = sum(len(answer.tokens) for answer in given)
    computing = [split_replay.replay(answer.trace, split_replay.Channel(0, 1000), split_replay.as_measured) for answer in given]
    return ModeRow(
        mode=name,
        tokens=tokens / len(given),
        asked=1 if name == CLOUD_ONLY else sum(answer.asks for answer in given) / tokens,
        work_saved=1 - sum(answer.computed for answer in given) / sum(answer.positions for answer in given),
        accuracy=accuracy,
        agreement=agreement,
        bytes_per_answer=mean(answer.nbytes for answer in given),
        over=_over(name, given),
        edge_s=mean(times.edge for times in computing),
        cloud_s=mean(times.cloud for times in computing),
    )


def _rows(name: str, named: str, hosts: Hosts, runs: Runs) -> list[Row]:
    rows = []
    for rtt in RTTS_MS:
        for mbps in MBPS:
            channel = split_replay.Channel(rtt / 1000, mbps)
            times = split_replay.mean([split_replay.replay(answer.trace, channel, hosts) for answer in runs[name, rtt]])
            rows.append(Row(name, named, rtt, mbps, times.total, times.edge, times.cloud, times.link))
    return rows


def _layer_s(given: Sequence[Given]) -> float:
    """One position through one layer of the unsplit model."""
    streams = [event for answer in given for event in answer.trace if isinstance(event, Stream)]
    return mean(s.work.seconds / s.work.layers for stream in streams for s in stream.steps if s.work.positions == 1)


def _sessions(bench: Bench, prompts: Sequence[Sequence[int]], runs: Runs, progress: Progress) -> list[SessionRow]:
    rows = []
    for way in TOGETHER:
        alone = [answer.tokens for answer in runs[way.name, FAR_MS][: len(prompts)]]
        for sessions in SESSIONS:
            told = progress.track(prompts, description=f"{way.name}, {sessions} at once")
            found = bench.together(told, way, sessions)
            same = mean(one == other for one, other in zip(found.tokens, alone, strict=True))
            tokens = sum(map(len, found.tokens))
            passes = (found.edge_passes, found.cloud_passes)
            rows.append(SessionRow(way.name, sessions, tokens, found.asks, *passes, same, found.left_bytes))
    return rows


def _long(bench: Bench, prompts: Sequence[Sequence[int]], progress: Progress) -> list[LongRow]:
    found = bench.alone(progress.track(prompts, description=f"answers of {LONG} tokens"), LONG_WAYS, LONG)
    return [
        LongRow(way.name, mean(answer.nbytes for answer in given), _over(way.name, given))
        for way, given in zip(LONG_WAYS, found, strict=True)
    ]


def _over(name: str, given: Sequence[Given]) -> float | None:
    """By which share the bytes are over 2·d·(prompt + generated)."""
    once = sum(2 * shapes.CLOUD.width * (answer.prompt + len(answer.tokens)) for answer in given)
    return None if name in (CLOUD_ONLY, NAIVE, STANDALONE) else sum(answer.nbytes for answer in given) / once - 1


if __name__ == "__main__":
    run(main)
