"""Tokenizer, training rows and exports: what is trained is what the servers run."""

from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from deployments import prompts
from deployments.prompts import Message
from examples.smart_home.documents import documents_of
from examples.smart_home.gguf_file import write_gguf
from examples.smart_home.home import make_home
from examples.smart_home.huggingface import EXITS_FILE, write_folder
from examples.smart_home.initialise import deepen, initialise
from examples.smart_home.lesson import lesson
from examples.smart_home.model import Llama, Shape
from examples.smart_home.recall import recall_tree
from examples.smart_home.rows import batches, grow, one_batch
from examples.smart_home.tokens import END, corpus, learn, render

DIALOGUE: list[Message] = prompts.answer(
    [{"role": "user", "content": "How heavy is the Velkor TX-417?"}],
    ["Technical data of the Velkor TX-417 oven. It weighs 48 kg.", "The Ribou  B-12:\ndimensions. It's 7.5 cm high…"],
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return learn(corpus(homes=30))


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Llama:
    shape = Shape(vocab=tokenizer.get_vocab_size(), width=64, layers=3, heads=2, hidden=96, exits=(1, 2))
    made = Llama(shape)
    initialise(made, seed=1)
    return made.eval()


@given(text=st.text())
@settings(deadline=None)
def test_any_text_survives_the_tokenizer(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_numbers_of_two_digits_are_one_token_and_none_has_more(tokenizer: Tokenizer) -> None:
    assert len(tokenizer.encode(" 48 kg").ids) == 2
    assert not any(sum(mark.isdigit() for mark in token) > 2 for token in tokenizer.get_vocab())


def test_branches_are_the_prompts_that_serving_sends(tokenizer: Tokenizer) -> None:
    home = make_home(3, devices=8)
    documents = {document.id: document.text for document in documents_of(home)}
    exercises = lesson(home, documents, 3, Random(3))
    tree = grow(exercises, tokenizer)
    assert len(tree.trunk) > 50
    for exercise, branch in zip(exercises, tree.branches, strict=True):
        assert tree.trunk + branch.tokens == tokenizer.encode(f"{render(exercise.messages)} {exercise.answer}{END}").ids


def test_branches_do_not_see_each_other(model: Llama) -> None:
    trees = [recall_tree(model.shape.vocab, Random(number)) for number in range(12)]
    packed = next(batches(iter(trees), rows=2, time=160, pad=0))
    with torch.no_grad():
        together = model(packed.tokens, packed.positions, packed.mask, packed.read)[-1]
        alone = []
        for row in packed.tokens.tolist():
            for tree in trees:
                for branch in tree.branches:
                    text = tree.trunk + branch.tokens
                    if " ".join(map(str, tree.trunk)) in " ".join(map(str, row)):
                        tree_alone = type(tree)([], [branch._replace(tokens=text, answer=len(tree.trunk) + branch.answer)])
                        single = one_batch([tree_alone], pad=0)
                        alone.append(model(single.tokens, single.positions, single.mask, single.read)[-1])
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)


def test_a_fresh_model_already_copies(tokenizer: Tokenizer) -> None:
    model = Llama(Shape(vocab=tokenizer.get_vocab_size(), layers=2))
    initialise(model, seed=1)
    text = torch.randperm(model.shape.vocab)[:40].repeat(2)[None]
    positions, mask = torch.arange(80)[None], torch.ones(80, 80, dtype=torch.bool).tril()[None, None]
    with torch.no_grad():
        said = model(text, positions, mask, torch.arange(45, 79))[-1].argmax(-1)
    assert (said == text[0, 46:]).float().mean() > 0.5


def test_more_layers_change_nothing_at_first(model: Llama) -> None:
    deeper = Llama(Shape(vocab=model.shape.vocab, width=64, layers=5, heads=2, hidden=96, exits=(3,)))
    initialise(deeper, seed=2)
    trained = {name: value for name, value in model.state_dict().items() if not name.startswith("exits.")}
    deepen(deeper, trained)
    batch = one_batch([recall_tree(model.shape.vocab, Random(1))], pad=0)
    with torch.no_grad():
        small = model(batch.tokens, batch.positions, batch.mask, batch.read)[-1]
        early, large = deeper(batch.tokens, batch.positions, batch.mask, batch.read)
    assert torch.allclose(small, large, atol=1e-5)
    assert torch.allclose(small, early, atol=1e-5)


def test_transformers_computes_the_same(model: Llama, tokenizer: Tokenizer, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    write_folder(model, tokenizer, tmp_path, torch.float32)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs.apply_chat_template(DIALOGUE, tokenize=False, add_generation_prompt=True) == render(DIALOGUE)
    tokens = torch.tensor([tokenizer.encode(render(DIALOGUE)).ids])
    assert theirs(render(DIALOGUE)).input_ids == tokens[0].tolist()
    length = tokens.shape[1]
    mask = torch.ones(length, length, dtype=torch.bool).tril()[None, None]
    with torch.no_grad():
        ours = model(tokens, torch.arange(length)[None], mask, torch.arange(length))[-1]
        assert torch.allclose(loaded(tokens).logits[0], ours, atol=1e-3)
    assert (tmp_path / EXITS_FILE).exists()


def test_llama_cpp_says_the_same_as_transformers(model: Llama, tokenizer: Tokenizer, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed", exc_type=ImportError)
    from examples.smart_home.readers import LlamaCppReader, TransformersReader

    write_gguf(model, tokenizer, tmp_path / "tiny.gguf", name="tiny", exactly=True)
    write_folder(model, tokenizer, tmp_path / "tiny", torch.float32)
    edge, cloud = LlamaCppReader(tmp_path / "tiny.gguf"), TransformersReader(tmp_path / "tiny")
    assert edge.tokens(DIALOGUE) == cloud.tokens(DIALOGUE)
    # bytes that form no character are shown by one and dropped by the other
    assert edge.answer(DIALOGUE) == cloud.answer(DIALOGUE).replace("\N{REPLACEMENT CHARACTER}", "")
