"""`isthmus bench`: measure this machine with one of the benchmarks that come with the repository."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cluster.cli.options import Json
from policies.errors import ConfigurationError, nearest

ROOT = Path(__file__).parents[2]
_RUNS = 'if __name__ == "__main__":'


def bench(
    name: Annotated[str, typer.Argument(help="A benchmark; an unknown name shows which there are.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGUMENTS]...", help="What the benchmark takes; NAME --help tells.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a benchmark. The numbers in docs/results.md were written by these."""
    known = names(ROOT)
    if name not in known:
        raise ConfigurationError(f"{name!r} is not a benchmark{nearest(name, known)}; there are {', '.join(known)}.")
    words = [*(arguments or []), *(["--json"] if as_json else [])]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    # In the place of this process, so that its exit code, its signals and its cleaning up are its own. -P: a folder
    # called `benchmarks` where the user stands is not ours.
    command = [sys.executable, "-P", "-m", f"benchmarks.{name}", *words]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})


def names(root: Path) -> list[str]:
    """The benchmarks of the repository at `root`. Raises ConfigurationError where there are none."""
    folder = root / "benchmarks"
    if not ((root / "pyproject.toml").is_file() and folder.is_dir()):
        raise ConfigurationError(
            "The benchmarks come with the repository, not with the installed package: run this from a checkout of it."
        )
    return sorted(file.stem for file in folder.glob("*.py") if _RUNS in file.read_text(encoding="utf-8"))
