"""How a gateway comes by its snapshot, and how it gets the next one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath

import pytest

from cluster.profile import write_table
from deployments.gateway import profiled
from deployments.gateway.profiled import Profiled
from policies.errors import ConfigurationError
from policies.types import Path
from tests.unit.gateway.town import CONFIG, LARGE, PATHS, SMALL, FakePipeline, Town, table


class World:
    """A chooser without a snapshot yet, and a profile on disk."""

    def __init__(self, folder: FilePath, paths: Sequence[Path] = PATHS) -> None:
        self.folder = folder
        self.write(paths)
        config = CONFIG.model_copy(update={"profile": folder})
        self.chooser = Town(config=config).chooser
        self.chooser.snapshot = None
        self.profiled = Profiled(config, FakePipeline(), self.chooser)  # type: ignore[arg-type]

    def write(self, paths: Sequence[Path]) -> None:
        write_table(table(paths), self.folder)

    @property
    def paths(self) -> tuple[Path, ...]:
        return self.chooser.snapshot.paths if self.chooser.snapshot else ()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiled, "EVERY_S", 0.0)


async def test_it_is_not_ready_before_it_has_learnt(tmp_path: FilePath) -> None:
    world = World(tmp_path)
    assert world.chooser.without == "the profile is being read"
    assert (world.profiled.missing, world.paths) == (["profile"], ())
    await world.profiled.once()
    assert (world.profiled.missing, world.paths) == ([], PATHS)


async def test_a_profile_that_changes_makes_a_new_snapshot(tmp_path: FilePath) -> None:
    world = World(tmp_path)
    await world.profiled.once()
    first = world.chooser.snapshot
    await world.profiled.once()
    assert world.chooser.snapshot is first
    world.write((SMALL, LARGE))
    await world.profiled.once()
    assert world.paths == (SMALL, LARGE)


async def test_a_change_for_the_worse_keeps_the_old_snapshot(tmp_path: FilePath) -> None:
    world = World(tmp_path)
    await world.profiled.once()
    (tmp_path / "paths.csv").write_text("path,tier\nnone/none/none/small,moon\n")
    with pytest.raises(ConfigurationError, match="moon"):
        await world.profiled.once()
    await world.profiled.once()  # told once, not at every look
    assert world.paths == PATHS


async def test_paths_that_the_configuration_lacks_are_dropped(tmp_path: FilePath) -> None:
    unknown = Path("hyde", "none", "none", "small")
    write_table(table(), tmp_path)
    csv = (tmp_path / "paths.csv").read_text()
    (tmp_path / "paths.csv").write_text(f"{csv}{unknown.name},edge,hyde,none,none,small\n")
    config = CONFIG.model_copy(update={"profile": tmp_path})
    chooser = Town(config=config).chooser
    await Profiled(config, FakePipeline(), chooser).once()  # type: ignore[arg-type]
    assert chooser.snapshot is not None
    assert chooser.snapshot.paths == PATHS


def test_a_profile_that_cannot_be_used_ends_the_start(tmp_path: FilePath) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no .*queries\.parquet"):
        Profiled(CONFIG.model_copy(update={"profile": tmp_path}), FakePipeline(), Town().chooser)  # type: ignore[arg-type]


async def test_what_cannot_be_learnt_from_is_told_in_every_decision(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    monkeypatch.setattr(FakePipeline, "encode", lambda self, texts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await world.profiled.once()
    assert world.profiled.missing == []
    assert "could not be learnt from" in world.chooser.without


async def test_one_query_and_one_path_are_enough(tmp_path: FilePath) -> None:
    write_table(table((SMALL,)).rows([0]), tmp_path)
    config = CONFIG.model_copy(update={"profile": tmp_path})
    chooser = Town(config=config).chooser
    await Profiled(config, FakePipeline(), chooser).once()  # type: ignore[arg-type]
    assert chooser.snapshot is not None
    assert (chooser.snapshot.paths, chooser.snapshot.queries) == ((SMALL,), 1)
