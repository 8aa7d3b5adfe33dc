"""A Llama of a few hundred kilobytes with random weights: all that loading, streaming and stopping need."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

from deployments.prompts import Message
from examples.smart_home.gguf_file import write_gguf
from examples.smart_home.huggingface import write_folder
from examples.smart_home.model import Llama, Shape
from examples.smart_home.tokens import learn

CONTEXT_TOKENS = 512
TEXTS = ("The lamp in the hall is on.", "Turn the heating down at night, please.", "Grüße – 灯がついている 🙂")  # noqa: RUF001


def write_tiny_gguf(file: Path) -> Path:
    """A tiny GGUF file with tokenizer and chat template."""
    model, tokenizer = _tiny()
    write_gguf(model, tokenizer, file, name="tiny")
    return file


def write_tiny_checkpoint(folder: Path) -> Path:
    """The same model as a Hugging Face folder."""
    model, tokenizer = _tiny()
    write_folder(model, tokenizer, folder, torch.float32)
    return folder


def logprobs(folder: Path, messages: Sequence[Message], tokens: int) -> list[float]:
    """Of the first `tokens` of the greedy answer, by transformers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    prompt = tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        out = model.generate(**prompt, do_sample=False, max_new_tokens=tokens, output_logits=True, return_dict_in_generate=True)
    said = out.sequences[0, prompt["input_ids"].shape[1] :]
    return [float(row[0].log_softmax(-1)[token]) for row, token in zip(out.logits, said, strict=True)]


def _tiny() -> tuple[Llama, Tokenizer]:
    tokenizer = learn(TEXTS)
    torch.manual_seed(0)
    shape = Shape(vocab=tokenizer.get_vocab_size(), width=128, layers=2, heads=2, hidden=256, max_positions=CONTEXT_TOKENS)
    model = Llama(shape)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.3)  # large enough that the most likely token is not always the same
    return model.eval(), tokenizer
