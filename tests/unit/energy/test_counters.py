"""The machine's counters, on a copy of the kernel's files."""

from pathlib import Path

import pytest

from cluster.config import Power
from cluster.counters import MachineCounter, RaplZone
from cluster.energy import EnergyMeter


def write_zone(powercap: Path, zone: str, name: str, energy_uj: int, range_uj: int = 1_000_000_000) -> Path:
    folder = powercap / zone
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    return folder


def test_packages_and_memory_count_once(tmp_path: Path):
    write_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    write_zone(tmp_path, "intel-rapl:0:0", "core", 0)
    write_zone(tmp_path, "intel-rapl:0:1", "dram", 0)
    write_zone(tmp_path, "intel-rapl:1", "psys", 0)
    assert len(RaplZone.all(tmp_path)) == 2


def test_joules_are_those_since_the_beginning_and_survive_a_wrap(tmp_path: Path):
    folder = write_zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, range_uj=9_999_999)
    zone = RaplZone(folder)
    (folder / "energy_uj").write_text("9500000")
    assert zone.read_j() == pytest.approx(0.5)
    (folder / "energy_uj").write_text("500000")
    assert zone.read_j() == pytest.approx(1.5)


def test_this_process_is_charged_its_part_of_the_busy_time(tmp_path: Path):
    folder = write_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    counter = MachineCounter.find(powercap=tmp_path)
    assert counter is not None
    before = counter.read_j()
    (folder / "energy_uj").write_text("100000000")
    sum(i * i for i in range(3_000_000))  # long enough for the kernel's clock of 10 ms
    assert 0 < counter.read_j() - before <= 100


def test_a_machine_without_counters_is_modelled(tmp_path: Path):
    assert MachineCounter.find(powercap=tmp_path) is None


def test_counters_that_may_not_be_read_are_not_used(tmp_path: Path):
    folder = write_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    (folder / "energy_uj").unlink()
    assert RaplZone.all(tmp_path) == []


def test_work_on_a_gpu_without_a_counter_is_modelled_even_where_the_processor_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    assert MachineCounter.find(gpus=1.0, powercap=tmp_path) is None


def test_the_meter_of_this_process_says_where_its_joules_come_from():
    found = MachineCounter.find() is not None
    assert EnergyMeter.of_this_process(Power()).source == ("measured" if found else "modelled")
