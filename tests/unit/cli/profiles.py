"""Profiles as others write them, for commands that read one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


class Letters:
    """Stands in for the sentence encoder: how often each letter occurs."""

    def encode(self, texts: list[str]) -> np.ndarray:
        counts = np.array([[1 + text.count(letter) for letter in "abcdefgh"] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def profile(folder: Path, queries: int = 6, paths: int = 3, **columns: list[Any]) -> Path:
    """A profile with every cell measured; `columns` replace those of outcomes.parquet."""
    folder.mkdir()
    ids, names = [f"q{query}" for query in range(queries)], [f"generate=m{path}" for path in range(paths)]
    pq.write_table(pa.table({"query_id": ids, "query": [f"{'ab' * i}?" for i in range(queries)]}), folder / "queries.parquet")
    rows = [(query, path) for query in range(queries) for path in range(paths)]
    outcomes: dict[str, list[Any]] = {
        "query_id": [ids[query] for query, _ in rows],
        "path": [names[path] for _, path in rows],
        "accuracy": [float((query + path) % 2) for query, path in rows],
        "latency_s": [1.0 + path for _, path in rows],
    }
    pq.write_table(pa.table({**outcomes, **columns}), folder / "outcomes.parquet")
    lines = [f"{name},{'cloud' if place else 'edge'},m{place}" for place, name in enumerate(names)]
    (folder / "paths.csv").write_text("\n".join(["path,tier,generate", *lines]))
    return folder
