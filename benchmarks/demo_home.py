"""The demo home as material for a benchmark: its questions, learnt from and held out, and a configuration of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import yaml

from cluster.emulator import Question
from cluster.ports import free_ports
from policies.errors import IsthmusError

HOME = Path(__file__).parents[1] / "examples/smart_home"
LEARNT = 0.6


@dataclass(frozen=True, slots=True)
class Split:
    """No text of `held_out` is among the `learnt`. A question's domain is its kind."""

    learnt: tuple[Question, ...]
    held_out: tuple[Question, ...]


def split(seed: int) -> Split:
    """The home's questions, of each kind the same share of texts on either side."""
    with (HOME / "home/queries.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    kinds = dict.fromkeys(row["kind"] for row in rows)
    texts = {kind: list(dict.fromkeys(row["query"] for row in rows if row["kind"] == kind)) for kind in kinds}
    learnt: set[str] = set()
    for each in texts.values():
        Random(seed).shuffle(each)
        learnt.update(each[: round(LEARNT * len(each))])
    questions = [(row["query"] in learnt, Question.model_validate({**row, "domain": row["kind"]})) for row in rows]
    return Split(*(tuple(question for known, question in questions if known is side) for side in (True, False)))


def write_questions(questions: Sequence[Question], file: Path) -> None:
    """As `isthmus profile --queries` reads them."""
    file.write_text("".join(question.model_dump_json() + "\n" for question in questions), encoding="utf-8")


def configure(work: Path, profile: Path | None) -> Path:
    """The example's configuration on free ports, with its index and all that is written under `work`."""
    settings = yaml.safe_load((HOME / "isthmus.yaml").read_text(encoding="utf-8"))
    settings["gateway"], ports = settings.get("gateway", {}), free_ports(3)
    settings["gateway"]["port"], settings["cluster"]["port"], settings["cluster"]["dashboard_port"] = ports
    settings["documents"]["folder"] = str(HOME / settings["documents"]["folder"])
    for model in settings["models"].values():
        model["path"] = str(HOME / model["path"])
    if profile is not None:
        settings["profile"] = str(profile)
    file = work / "isthmus.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return file


@contextmanager
def running(file: Path) -> Iterator[str]:
    """The address of a cluster of `file`, which is stopped at the end. Raises IsthmusError if it does not start."""
    isthmus("index", "--config", str(file))
    command = [sys.executable, "-m", "cluster.cli", "up", "--config", str(file), "--json"]
    # In a session of its own, so that Ctrl-C reaches it once: through this process, which then ends it in order.
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as up:
        try:
            assert up.stdout is not None
            told = up.stdout.read1()  # type: ignore[attr-defined]
            if not told:
                raise IsthmusError("The cluster did not start; the lines above say why.")
            yield json.loads(told)["url"]
        finally:
            up.terminate()
            up.wait()


def isthmus(*words: str) -> None:
    """Run a command of `isthmus` as a user would. Raises IsthmusError if it fails; it has said why."""
    done = subprocess.run([sys.executable, "-m", "cluster.cli", *words], stdout=sys.stderr)
    if done.returncode:
        raise IsthmusError(f"'isthmus {words[0]}' failed; the lines above say why.")
