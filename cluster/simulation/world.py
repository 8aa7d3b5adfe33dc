"""The simulated cluster of a scenario: servers with their links, and the nominal capacity they have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
from simpy import Environment

from cluster.simulation.scenario import Scenario, SimulatedSite, names_of
from cluster.simulation.site import SimulatedServer
from cluster.trace import Trace, read_trace
from policies.errors import ConfigurationError
from policies.schedule.types import Floats, Server

TRACE_KEY = "sites.link.trace"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What all runs of a scenario share: profiles, and the traces that were read for them."""

    profiles: tuple[Server, ...]
    traces: tuple[tuple[Trace, ...], ...]
    """For each server the traces that its link may follow; none for a constant bandwidth."""
    own_prefill: tuple[bool, ...]
    """For each server whether its slots read prompts beside each other."""

    @classmethod
    def of(cls, scenario: Scenario) -> Blueprint:
        """Read the traces. Raises ConfigurationError when one is missing or none."""
        profiles, traces, own_prefill = [], [], []
        read: dict[FilePath, tuple[Trace, ...]] = {}
        for site in scenario.sites:
            folder = site.link.trace
            if folder is not None and folder not in read:
                read[folder] = _read_traces(folder)
            scaled = tuple(_scaled(trace, site.link.mbps) for trace in read[folder]) if folder else ()
            bits_per_s = float(np.mean([trace.mean_bits_per_s for trace in scaled])) if scaled else 1e6 * (site.link.mbps or 0.0)
            for name in names_of(site):
                profiles.append(_profile(scenario, site, name, bits_per_s))
                traces.append(scaled)
                own_prefill.append(scenario.devices[site.device].own_prefill)
        return cls(tuple(profiles), tuple(traces), tuple(own_prefill))

    def servers(self, env: Environment, startup_s: float, seed: int) -> list[SimulatedServer]:
        """Fresh servers; which trace a link follows, and from where on, depends on the seed alone."""
        rng = np.random.default_rng([seed, 2])
        servers = []
        for profile, traces, own_prefill in zip(self.profiles, self.traces, self.own_prefill, strict=True):
            link = traces[int(rng.integers(len(traces)))] if traces else None
            phase = float(rng.uniform(0, link.period_s)) if link else 0.0
            servers.append(SimulatedServer(env, profile, link, phase, startup_s, own_prefill))
        return servers

    def edges(self) -> np.ndarray:
        """Indices of the edge servers."""
        return np.array([i for i, profile in enumerate(self.profiles) if not profile.cloud], dtype=np.int64)

    def capacity_per_s(self, prompt_tokens: Floats, tokens: Floats) -> float:
        """Requests like these per second with every slot of every replica busy, whatever the limits: the nominal capacity."""
        rates = []
        for p, own_prefill in zip(self.profiles, self.own_prefill, strict=True):
            if p.slots and p.replicas:
                prefill_s = prompt_tokens.mean() / p.prefill_tokens_per_s
                full_step_s = p.step_s / p.slots + p.step_per_sequence_s
                if own_prefill:  # all slots read at once, as much slower as they would decode
                    prefill_s *= full_step_s / (p.step_s + p.step_per_sequence_s)
                rates.append(p.replicas / (prefill_s + tokens.mean() * full_step_s))
        return float(sum(rates))


def _profile(scenario: Scenario, site: SimulatedSite, name: str, bits_per_s: float) -> Server:
    device = scenario.devices[site.device]
    return Server(
        name=name,
        cloud=site.tier == "cloud",
        bits_per_s=bits_per_s,
        near_s=site.link.near_s,
        far_s=site.link.far_s,
        replicas=site.replicas,
        **device.model_dump(exclude={"own_prefill"}),
    )


def _read_traces(path: FilePath) -> tuple[Trace, ...]:
    if not path.is_dir():
        return (read_trace(path, TRACE_KEY),)
    files = sorted(file for file in path.iterdir() if file.is_file())
    if not files:
        raise ConfigurationError(f"{TRACE_KEY}: the folder {path} holds no traces.")
    return tuple(read_trace(file, TRACE_KEY) for file in files)


def _scaled(trace: Trace, mbps: float | None) -> Trace:
    return trace if mbps is None else trace.scaled(mbps * 1e6 / trace.mean_bits_per_s)
