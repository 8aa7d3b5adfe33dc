"""What pydantic found wrong with a configuration, as sentences about keys instead of a dump."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cluster.config.models import EchoModel, LlamaCppModel, RemoteModel, SplitModel, VllmModel
from cluster.config.root import Config
from policies.errors import nearest

KeyPath = tuple[str | int, ...]
ENGINES = {
    get_args(model.model_fields["engine"].annotation)[0]: model
    for model in (LlamaCppModel, VllmModel, SplitModel, RemoteModel, EchoModel)
}


def sentences(error: ValidationError, data: Mapping[str, Any], sources: Mapping[KeyPath, str], file: str) -> Iterator[str]:
    """One sentence per error: where it stands (`file` or one of `sources`), the key path, what is wrong, how to mend it."""
    for detail in error.errors(include_url=False):
        where = _key_path(detail["loc"])
        yield f"{_source(where, sources, file)}: {_sentence(detail, where)}."


def _sentence(detail: ErrorDetails, where: KeyPath) -> str:
    key, kind, context = _dotted(where), detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{key} is not a known key{nearest(str(where[-1]), _known_keys(where[:-1]))}"
    if kind == "missing":
        return f"{key} is missing{_meaning(where)}"
    if kind == "union_tag_not_found":
        return f"{key}.engine is missing; it is one of {', '.join(ENGINES)}"
    if kind == "union_tag_invalid":
        tag = str(context["tag"])
        return f"{key}.engine is {tag!r}{nearest(tag, ENGINES)}; it must be one of {', '.join(ENGINES)}"
    if kind == "value_error":
        return f"{key}: {context['error']}" if where else str(context["error"])
    if kind == "literal_error":
        return f"{key} is {detail['input']!r}; it must be {context['expected']}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{key} is {_short(detail['input'])}; it must hold keys of its own"
    if kind == "tuple_type":
        return f"{key} is {_short(detail['input'])}; it must be a list, like [{detail['input']}]"
    return f"{key} is {_short(detail['input'])}; {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _key_path(loc: KeyPath) -> KeyPath:
    """pydantic puts the engine's name behind a model's name, and `[key]` behind a wrong key; neither is a key of the file."""
    loc = loc[:-1] if loc[-1:] == ("[key]",) else loc
    return (*loc[:2], *loc[3:]) if loc[:1] == ("models",) and len(loc) > 2 and loc[2] in ENGINES else loc


def _dotted(where: KeyPath) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).lstrip(".")


def _source(where: KeyPath, sources: Mapping[KeyPath, str], file: str) -> str:
    """Who set the key or a section around it; a missing key is the file's fault."""
    return next((sources[where[:n]] for n in range(len(where), 0, -1) if where[:n] in sources), file)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _known_keys(where: KeyPath) -> set[str]:
    return {name for section in _sections(where) for name in section.model_fields}


def _meaning(where: KeyPath) -> str:
    """The description of a missing field, so that nobody has to look it up."""
    for section in _sections(where[:-1]):
        field = section.model_fields.get(str(where[-1]))
        if field is not None and field.description:
            return f": {field.description[:1].lower()}{field.description[1:]}".rstrip(".")
    return ""


def _sections(where: KeyPath) -> list[type[BaseModel]]:
    """The section types that may stand at a key path: one, or all engines for a model."""
    found: list[type[BaseModel]] = [Config]
    for part in where:
        annotations = [s.model_fields[part].annotation for s in found if part in s.model_fields] if isinstance(part, str) else []
        found = list(_models_in(annotations)) if annotations else found
    return found


def _models_in(annotations: list[Any]) -> Iterator[type[BaseModel]]:
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        elif get_origin(annotation) in (Union, types.UnionType, tuple, dict, Annotated):
            yield from _models_in([a for a in get_args(annotation) if get_origin(a) is not Literal])
