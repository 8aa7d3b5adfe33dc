"""Write the shipped home: `python -m examples.smart_home.generate` makes `home/documents/home.jsonl` and
`home/queries.jsonl`; the queries lie outside the folder that is indexed, for they hold the answers.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from examples.smart_home.ask import ask
from examples.smart_home.documents import documents_of
from examples.smart_home.home import Home, make_home
from examples.smart_home.query import KINDS, Query

SEED = 2026
DEVICES = 34
QUERIES_PER_KIND = 90
FOLDER = Path(__file__).parent / "home"


def main() -> None:
    """Read the command line and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--devices", type=int, default=DEVICES)
    parser.add_argument("--queries", type=int, default=QUERIES_PER_KIND, help="queries of each kind")
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    home = make_home(arguments.seed, arguments.devices)
    documents = arguments.out / "documents"
    documents.mkdir(parents=True, exist_ok=True)
    _write(documents / "home.jsonl", (asdict(document) for document in documents_of(home)))
    _write(arguments.out / "queries.jsonl", query_rows(home, arguments.queries))


def query_rows(home: Home, per_kind: int) -> list[dict[str, Any]]:
    """`per_kind` different queries of each kind, as they are shipped."""
    random, rows = Random(f"queries {home.seed}"), []
    for kind in KINDS:
        asked: dict[str, Query] = {}
        while len(asked) < per_kind:
            query = ask(home, kind, random)
            asked.setdefault(json.dumps(query.messages), query)
        rows += [_row(f"{kind}-{number:03d}", query) for number, query in enumerate(asked.values(), start=1)]
    return rows


def _row(name: str, query: Query) -> dict[str, Any]:
    return {
        "query_id": name,
        "query": query.question,
        "kind": query.kind,
        "messages": query.messages,
        "reference": query.reference,
        "gold": list(query.gold),
        "standalone": query.standalone,
    }


def _write(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
