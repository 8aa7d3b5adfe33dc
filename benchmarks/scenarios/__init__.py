"""Scenarios of the simulated benchmarks."""

from __future__ import annotations

from pathlib import Path

import yaml

from cluster.simulation.scenario import Scenario, anchored


def scenario(name: str, data: Path) -> Scenario:
    """`NAME.yaml` of this folder, with DATA/ in it meaning `data`."""
    text = (Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8").replace("DATA/", f"{data.absolute()}/")
    return anchored(Scenario.model_validate(yaml.safe_load(text)), data)
