"""The machine's own energy counters: RAPL for processors and memory, NVML for NVIDIA GPUs."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

POWERCAP = Path("/sys/class/powercap")


class RaplZone:
    """One RAPL zone: a processor package or its memory. The kernel's counter is in microjoules and wraps around."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where the counter cannot be read; most systems let only root do so."""
        self._file = folder / "energy_uj"
        self._range_uj = int((folder / "max_energy_range_uj").read_text())
        self._last_uj = self._read_uj()
        self._total_uj = 0

    @classmethod
    def all(cls, powercap: Path = POWERCAP) -> list[RaplZone]:
        """The zones that together make up the machine: packages and memory, not the cores inside a package."""
        zones: list[RaplZone] = []
        for folder in sorted(powercap.glob("intel-rapl:*")):
            try:
                name = (folder / "name").read_text().strip()
                if name.startswith("package") or name == "dram":
                    zones.append(cls(folder))
            except OSError:
                return []
        return zones

    def read_j(self) -> float:
        """Joules since the zone was opened; exact as long as it is read more often than the counter wraps (many minutes)."""
        now = self._read_uj()
        self._total_uj += (now - self._last_uj) % (self._range_uj + 1)
        self._last_uj = now
        return self._total_uj / 1e6

    def _read_uj(self) -> int:
        return int(self._file.read_text())


class ProcessorCounter:
    """This process's part of the processors' energy: RAPL joules by its share of the machine's busy CPU time.

    RAPL counts the whole machine, whoever used it. Child processes that exist when the counter is made count as ours.
    """

    def __init__(self, zones: list[RaplZone]) -> None:
        self._zones = zones
        me = psutil.Process()
        self._processes = [me, *me.children(recursive=True)]
        self._joules = 0.0
        self._last = self._now()

    def read_j(self) -> float:
        """Joules of this process since the counter was made."""
        machine_j, own_s, busy_s = self._now()
        last_j, last_own_s, last_busy_s = self._last
        if busy_s > last_busy_s:
            self._joules += (machine_j - last_j) * min(1.0, max(0.0, own_s - last_own_s) / (busy_s - last_busy_s))
            self._last = (machine_j, own_s, busy_s)
        return self._joules

    def _now(self) -> tuple[float, float, float]:
        busy = psutil.cpu_times()
        return (
            sum(zone.read_j() for zone in self._zones),
            sum(self._seconds(process) for process in self._processes),
            busy.user + busy.system,
        )

    @staticmethod
    def _seconds(process: psutil.Process) -> float:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)


class GpuCounter:
    """The GPUs that this process may see; a replica with part of a GPU is charged that part."""

    def __init__(self, gpus: float) -> None:
        """Raises ImportError without the package nvidia-ml-py, OSError or NVMLError without a driver or such a counter."""
        import pynvml

        pynvml.nvmlInit()
        self._nvml = pynvml
        self._devices = [self._device(name) for name in self._visible()]
        self._part = min(1.0, gpus / len(self._devices)) if self._devices else 0.0
        self.read_j()

    def read_j(self) -> float:
        """Joules of our part since the driver was loaded."""
        millijoules = sum(self._nvml.nvmlDeviceGetTotalEnergyConsumption(device) for device in self._devices)
        return self._part * float(millijoules) / 1e3

    def _visible(self) -> list[str]:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is None:
            return [str(i) for i in range(self._nvml.nvmlDeviceGetCount())]
        return [name for name in visible.split(",") if name]

    def _device(self, name: str) -> object:
        return (
            self._nvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdecimal() else self._nvml.nvmlDeviceGetHandleByUUID(name)
        )


class MachineCounter:
    """The sum of the counters of the devices that this process uses."""

    def __init__(self, counters: list[ProcessorCounter | GpuCounter]) -> None:
        self._counters = counters

    @classmethod
    def find(cls, gpus: float = 0.0, powercap: Path = POWERCAP) -> MachineCounter | None:
        """The counters of this machine; None unless the device that does the work (a GPU if `gpus`) has one."""
        counters: list[ProcessorCounter | GpuCounter] = []
        if gpus:
            try:
                counters.append(GpuCounter(gpus))
            except Exception:  # whatever NVML, its driver or a missing package raises: without a counter we model
                return None
        if zones := RaplZone.all(powercap):
            counters.append(ProcessorCounter(zones))
        return cls(counters) if counters else None

    def read_j(self) -> float:
        """Joules since the counters were made, plus a constant."""
        return sum(counter.read_j() for counter in self._counters)
