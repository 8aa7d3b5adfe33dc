"""The tokenizer of both models: byte-level BPE whose tokens hold at most two digits.

Numbers of two digits are one token, so that reading one out is copying one token; digits standing alone
would have to be told apart from the same digit elsewhere. Numbers are cut only while the merges are
learned, not when text is encoded, so that plain GPT-2 pre-tokenization (all that llama.cpp's `gpt-2`
knows) gives the same tokens. The chat template puts a space before every content: a word at the start of
an answer is then the same token as in the middle of a passage, and copying needs no translation.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from deployments.prompts import Message
from examples.smart_home.documents import documents_of
from examples.smart_home.home import make_home
from examples.smart_home.lesson import instructions, lesson

VOCABULARY = 1536
_CORPUS_SEEDS = 1_000_000
PAD, END = "<|pad|>", "<|end|>"
SPECIALS = (PAD, END, "<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|> {{ message['content'] | trim }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def learn(texts: Iterable[str]) -> Tokenizer:
    """A tokenizer whose merges come from `texts`."""
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    numbers = pre_tokenizers.Split(Regex(r" ?\d{1,2}"), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([numbers, byte_level])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = byte_level
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def corpus(homes: int = 1500) -> Iterator[str]:
    """Texts to learn merges from: many small homes, so that no name is frequent enough for a token of its own."""
    for seed in range(_CORPUS_SEEDS, _CORPUS_SEEDS + homes):
        random, home = Random(seed), make_home(seed, devices=4)
        documents = {document.id: document.text for document in documents_of(home)}
        yield from documents.values()
        for exercise in lesson(home, documents, 3, random) + instructions(home, 6, random):
            yield exercise.messages[0]["content"]
            yield exercise.messages[-1]["content"].split("\n\n")[-1]
            yield exercise.answer


def render(messages: Sequence[Message], generate: bool = True) -> str:
    """What the chat template makes of `messages`."""
    turns = "".join(f"<|{message['role']}|> {message['content'].strip()}{END}" for message in messages)
    return turns + ("<|assistant|>" if generate else "")


def save(tokenizer: Tokenizer, folder: Path, max_positions: int) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`, chat template included."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        chat_template=CHAT_TEMPLATE,
        model_max_length=max_positions,
        clean_up_tokenization_spaces=False,
    )
    wrapped.save_pretrained(folder, save_jinja_files=False)
