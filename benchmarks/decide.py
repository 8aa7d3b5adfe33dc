"""How long a decision takes after the embedding: `python -m benchmarks.decide [--json]`.

Made-up measurements of 512 queries in 64 groups on 1,000 paths with latency, cost and energy, and limits on latency and cost.
Between decisions a product with a 64 x 64 matrix is timed, small so that it takes no room in the caches: a busy or another
machine can be told from a slow decision.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from policies.predict import fit_predictor
from policies.runtime import Forecaster
from policies.select import Preference, Selector
from policies.types import Path, Profile, Slo

QUERIES, PATHS, GROUPS, WIDTH, ROUNDS = 512, 1000, 64, 384, 2000
TEXT = "Turn off the light in the kitchen at 10 and tell me which windows are open, please."


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds of forecast and choice together, over `rounds` unseen queries, and of the product of reference."""
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
    parts = {"": taken, "forecast_": forecasts, "reference_": products}
    shares = {"p10": 0.1, "p50": 0.5, "p99": 0.99}
    found = {
        f"{part}{name}_us": float(np.quantile(times, q)) / 1000 for part, times in parts.items() for name, q in shares.items()
    }
    return {"decisions": rounds, **found}


def _near(centres: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    return _unit(centres[rng.integers(len(centres), size=number)] + rng.normal(0, 0.02, size=(number, centres.shape[1])))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args().json
    result = measure()
    if as_json:
        print(json.dumps(result))
    else:
        print(f"decision after the embedding: {result['p50_us']:.0f} µs p50, {result['p10_us']:.0f} µs p10")
        print(f"of it the forecast: {result['forecast_p50_us']:.0f} µs p50; reference: {result['reference_p50_us']:.2f} µs p50")


if __name__ == "__main__":
    main()
