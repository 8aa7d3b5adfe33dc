"""How long a decision takes: `python -m benchmarks.decide [--json | --out PAGE]`.

Made-up measurements of 512 queries in 64 groups on 1,000 paths with latency, cost and energy, and limits on latency and cost.
A decision is a forecast and a choice; with the embedding, a question that was not asked before is turned into its vector first,
by one thread. Between decisions a product with a 64 x 64 matrix is timed, small so that it takes no room in the caches: a busy or
another machine can be told from a slow decision.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path as FilePath

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.page import table, write_section
from cluster.encoder import open_encoder
from policies.predict import fit_predictor
from policies.runtime import Forecaster
from policies.select import Preference, Selector
from policies.types import Path, Profile, Slo

QUERIES, PATHS, GROUPS, WIDTH, ROUNDS, EMBEDDED = 512, 1000, 64, 384, 2000, 200
TEXT = "Turn off the light in the kitchen at 10 and tell me which windows are open, please."


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds of forecast and choice together, over `rounds` unseen queries, of the product of reference, and of a decision
    with its embedding."""
    rng = np.random.default_rng(0)
    paths = [Path(f"p{i % 5}", f"r{i // 5 % 10}", f"f{i // 50 % 4}", f"g{i // 200}") for i in range(PATHS)]
    centres = _unit(rng.normal(size=(GROUPS, WIDTH)))
    vectors = _near(centres, QUERIES, rng)
    means = rng.gamma(2.0, 1.0, size=(3, PATHS))
    latency, cost, energy = (mean * rng.gamma(4.0, 0.25, size=(QUERIES, PATHS)) for mean in means)
    accuracy = np.clip(vectors @ _unit(rng.normal(size=(WIDTH, PATHS))) + 0.6, 0, 1)
    names, ids = tuple(path.name for path in paths), tuple(f"{TEXT} {query}" for query in range(QUERIES))
    profile = Profile(ids, ids, names, accuracy, latency, cost, energy)
    stages = [(path.preprocess, path.retrieve, path.refine, path.generate) for path in paths]
    forecaster = Forecaster(fit_predictor(profile, vectors, stages))
    selector = Selector(paths, np.arange(PATHS) % 2 == 0)
    slo, preference = Slo(max_latency_s=3.0, max_cost_usd=4.0), Preference("latency_s", band=0.01)
    taken, forecasts, products = [], [], []
    matrix = np.ones((64, 64), dtype=np.float32)
    for vector in _near(centres, rounds, rng).astype(np.float32):
        start = time.perf_counter_ns()
        forecast = forecaster.forecast(vector, TEXT)
        between = time.perf_counter_ns()
        selector.select(forecast, slo, preference)
        end = time.perf_counter_ns()
        vector[:64].dot(matrix)
        products.append(time.perf_counter_ns() - end)
        taken.append(end - start)
        forecasts.append(between - start)
    encoder, whole = open_encoder(threads=1), []
    for number in range(EMBEDDED + 1):
        text = TEXT.replace("10", str(number))
        start = time.perf_counter_ns()
        selector.select(forecaster.forecast(encoder.encode_one(text), text), slo, preference)
        whole.append(time.perf_counter_ns() - start)
    parts = {"": taken, "forecast_": forecasts, "embedded_": whole[1:], "reference_": products}
    shares = {"p10": 0.1, "p50": 0.5, "p99": 0.99}
    found = {
        f"{part}{name}_us": float(np.quantile(times, q)) / 1000 for part, times in parts.items() for name, q in shares.items()
    }
    return {"decisions": rounds, **found}


def _near(centres: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    return _unit(centres[rng.integers(len(centres), size=number)] + rng.normal(0, 0.02, size=(number, centres.shape[1])))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


ROWS = (
    ("", f"forecast and choice among {PATHS:,} paths"),
    ("forecast_", "of it the forecast"),
    ("embedded_", "with the embedding"),
    ("reference_", "reference: a product with a 64 x 64 matrix"),
)


def _markdown(result: dict[str, float]) -> str:
    shares = ("p10", "p50", "p99")
    rows: list[Sequence[object]] = [
        (what, *(f"{result[f'{part}{share}_us']:,.{1 if part == 'reference_' else 0}f}" for share in shares))
        for part, what in ROWS
    ]
    lines = [
        "## How long a decision takes",
        "",
        f"`python -m benchmarks.decide --out docs/results.md`: made-up measurements of {QUERIES} queries in {GROUPS} groups,",
        f"limits on latency and cost; microseconds on one core over {result['decisions']:,} questions,",
        f"{EMBEDDED} for the embedding.",
        "",
        *table(("microseconds", *shares), rows),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--out", type=FilePath, help="write the section of this page")
    given = parser.parse_args()
    with threadpool_limits(1):  # as Ray limits a replica to its CPUs
        result = measure()
    if given.out is not None:
        write_section(given.out, "decide", _markdown(result))
    print(json.dumps(result) if given.json else _markdown(result))


if __name__ == "__main__":
    main()
