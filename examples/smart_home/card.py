"""Write the model card from what was measured: `python -m examples.smart_home.card`.

Reads the curves that the export put beside the models and `models/scores.json` of the evaluation; writes
`MODEL_CARD.md` and its drawings.
"""

import json
from pathlib import Path
from string import Template
from typing import Any

from safetensors import safe_open

from examples.smart_home import shapes
from examples.smart_home.curriculum import STAGES
from examples.smart_home.drawing import draw_curves
from examples.smart_home.export import CLOUD_FOLDER, EDGE_FILE, MODELS
from examples.smart_home.huggingface import EXITS_FILE
from examples.smart_home.model import Llama, Shape
from examples.smart_home.progress import READING

FOLDER = Path(__file__).parent
CARD = FOLDER / "MODEL_CARD.md"
_CONDITIONS = ("gold", "gold+3", "none")
_FLOORS = (
    ("edge", "command", "gold", 0.90, "at least"),
    ("edge", "lookup", "gold", 0.70, "at least"),
    ("cloud", "lookup", "gold", 0.90, "at least"),
    ("cloud", "comparison", "gold", 0.70, "at least"),
    ("edge", "lookup", "none", 0.15, "at most"),
    ("cloud", "lookup", "none", 0.15, "at most"),
)

Scores = dict[str, dict[str, dict[str, dict[str, float]]]]


def main() -> None:
    """Write the card and its drawings."""
    for name, curve in _curves().items():
        _draw(name, curve)
    CARD.write_text(card())


def card() -> str:
    """The card as the files beside it make it."""
    scores: Scores = json.loads((MODELS / "scores.json").read_text())
    curves = _curves()
    return Template((FOLDER / "card.md").read_text()).substitute(
        models=_models(),
        runs=_runs(curves),
        stages=_stages(curves["edge"]),
        floors=_floors(scores),
        scores=_scores(scores),
        exits=_exits(scores),
        tensors=_tensors(),
    )


def _curves() -> dict[str, list[dict[str, float]]]:
    return {name: json.loads((MODELS / name / "curve.json").read_text()) for name in ("edge", "cloud")}


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _models() -> str:
    rows = [_model_row("edge", shapes.EDGE, EDGE_FILE), _model_row("cloud", shapes.CLOUD, CLOUD_FOLDER)]
    head = ("model", "for", "parameters", "layers", "width", "heads", "feed-forward", "vocabulary", "context", "file", "MB")
    return _table(head, rows)


def _model_row(name: str, shape: Shape, file: Path) -> tuple[Any, ...]:
    parts = file.rglob("*") if file.is_dir() else [file]
    size = sum(part.stat().st_size for part in parts if part.suffix in (".gguf", ".safetensors")) / 1e6
    server = "llama.cpp, Q8_0" if name == "edge" else "vLLM and transformers, float16"
    return (
        name, server, f"{Llama(shape).parameter_count():,}", shape.layers, shape.width, shape.heads, shape.hidden,
        shape.vocab, shape.max_positions, f"`{file.relative_to(FOLDER)}`", f"{size:.1f}",
    )  # fmt: skip


def _runs(curves: dict[str, list[dict[str, float]]]) -> str:
    last = [(name, curve[-1]) for name, curve in curves.items()]
    rows = [
        (name, int(p["step"]), f"{p['tokens'] / 1e6:.2f} M", f"{p['answers']:,.0f}", f"{p['seconds'] / 60:.0f}")
        for name, p in last
    ]
    return _table(("model", "steps", "tokens", "answers learned from", "minutes"), rows)


def _stages(curve: list[dict[str, float]]) -> str:
    rows = []
    for number, stage in enumerate(STAGES):
        points = [point for point in curve if point["stage"] == number]
        if points:
            kinds = ", ".join(f"{k.replace('_', '-')} {v:.2f}" for k, v in sorted(points[-1].items()) if k in READING)
            passages = f"{min(stage.passages)}-{max(stage.passages)}" if stage.passages else "none"
            rows.append((stage.name, passages, stage.time, int(points[-1]["step"]), kinds))
    return _table(("stage", "passages", "tokens per row", "until step", "exact match at its end, on fresh homes"), rows)


def _floors(scores: Scores) -> str:
    rows = []
    for model, kind, condition, floor, side in _FLOORS:
        got = scores[model][kind][condition]["exact_match"]
        met = got >= floor if side == "at least" else got <= floor
        rows.append((model, kind, condition, f"{side} {floor:.2f}", f"{got:.2f}", "met" if met else "**missed**"))
    return _table(("model", "kind", "passages", "wanted", "exact match", ""), rows)


def _scores(scores: Scores) -> str:
    rows = []
    for model in ("edge", "cloud"):
        for kind, found in scores[model].items():
            cells = [f"{found[c]['exact_match']:.2f} ({found[c]['token_f1']:.2f})" if c in found else "" for c in _CONDITIONS]
            rows.append((model, kind.replace("_", "-"), int(next(iter(found.values()))["prompts"]), *cells))
    return _table(("model", "kind", "prompts", *_CONDITIONS), rows)


def _exits(scores: Scores) -> str:
    names = [name for name in scores if name.startswith("cloud@")]
    rows = [
        (name.removeprefix("cloud@"), *(f"{found[c]['exact_match']:.2f}" for c in ("gold", "gold+3")), kind.replace("_", "-"))
        for name in names
        for kind, found in scores[name].items()
    ]
    return _table(("after layer", "kind", "gold", "gold+3"), [(layer, kind, *cells) for layer, *cells, kind in rows])


def _tensors() -> str:
    with safe_open(CLOUD_FOLDER / EXITS_FILE, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in sorted(file.keys())}
    rows = [(f"`{name}`", tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()]
    return _table(("tensor", "shape", "type"), rows)


def _draw(name: str, curve: list[dict[str, float]]) -> None:
    millions = [point["tokens"] / 1e6 for point in curve]
    across = "million tokens"
    loss = {"loss": [(x, point["loss"]) for x, point in zip(millions, curve, strict=True)]}
    draw_curves(MODELS / name / "loss.svg", f"{name}: loss on answer tokens", across, loss, top=3.0)
    kinds = {
        kind: [(x, point[kind]) for x, point in zip(millions, curve, strict=True) if kind in point] for kind in sorted(READING)
    }
    draw_curves(MODELS / name / "exact.svg", f"{name}: exact match while training", across, kinds, top=1.0)


if __name__ == "__main__":
    main()
