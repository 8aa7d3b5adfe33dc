"""The reference of `isthmus.yaml`, written from the models: `python -m cluster.config.page > docs/configuration.md`."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cluster.config.models import EchoModel, LlamaCppModel, ModelBase, RemoteModel, SplitModel, VllmModel
from cluster.config.root import Config

Schema = Mapping[str, Any]
HEAD = """\
# Configuration

<!-- Written by `python -m cluster.config.page > docs/configuration.md`; change the descriptions in cluster/config/ instead. -->

`isthmus.yaml` holds these keys. Precedence: command line > environment > file > default. A variable is named by the key
with two underscores between sections: `ISTHMUS_GATEWAY__PORT=8001`. Relative paths mean the folder of the file. An unknown key
is an error that names the nearest known one. `isthmus check` tells what is missing.
"""
BOUNDS = {"minimum": "≥ {:g}", "exclusiveMinimum": "> {:g}", "maximum": "≤ {:g}"}


def page() -> str:
    """The whole page."""
    schema = Config.model_json_schema()
    sections = [HEAD, *_section("", schema, schema["$defs"]), *_models(schema["$defs"])]
    return "\n".join(sections)


def _section(key: str, schema: Schema, definitions: Schema) -> Iterator[str]:
    """The table of a section, then those of the sections in it."""
    if key:
        yield f"## `{key}`\n\n{schema['description']}\n"
    yield _table(schema["properties"], schema.get("required", ()), definitions)
    for name, field in schema["properties"].items():
        inner = _referred(field)
        if inner is not None:
            here = f"{key}.{name}" if key else name
            yield from _section(f"{here}[]" if "items" in field else here, definitions[inner], definitions)


def _models(definitions: Schema) -> Iterator[str]:
    """What all engines share, and what each adds."""
    shared = ModelBase.model_json_schema()
    yield from _section("models.NAME", {**shared, "description": "The keys that all engines share."}, definitions)
    for model in (LlamaCppModel, VllmModel, SplitModel, RemoteModel, EchoModel):
        schema = definitions[model.__name__]
        own = {name: field for name, field in schema["properties"].items() if name not in shared["properties"]}
        engine = own.pop("engine")["const"]
        yield f"## `models.NAME` with `engine: {engine}`\n\n{schema['description']}\n"
        yield _table(own, schema["required"], definitions)
        for name, field in own.items():
            if inner := _referred(field):
                yield from _section(f"models.NAME.{name}", definitions[inner], definitions)


def _table(fields: Schema, required: Collection[str], definitions: Schema) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        # pydantic leaves out the description of a section that is the same as that of its type
        meaning = field.get("description") or definitions[str(_referred(field))]["description"]
        rows.append(f"| `{name}` | {_type(field)} | {_default(field, name in required)} | {meaning} |")
    return "\n".join([*rows, ""])


def _referred(field: Schema) -> str | None:
    """The section that a field holds, or a list of which."""
    choices = [field, field.get("items", {}), *field.get("anyOf", ())]
    return next((str(choice["$ref"]).rpartition("/")[2] for choice in choices if "$ref" in choice), None)


def _type(field: Schema) -> str:
    if "anyOf" in field:
        return next(_type(choice) for choice in field["anyOf"] if choice.get("type") != "null")
    if "enum" in field:
        return " or ".join(field["enum"])
    if "$ref" in field or "additionalProperties" in field:
        return "section"
    if "items" in field:
        return "list of sections" if "$ref" in field["items"] else "list"
    bounds = [text.format(field[bound]) for bound, text in BOUNDS.items() if bound in field]
    return " ".join([str(field.get("format", field["type"])), ", ".join(bounds)]).strip()


def _default(field: Schema, required: bool) -> str:
    if required:
        return "required"
    default = field.get("default")
    return "" if default is None or _referred(field) else f"`{json.dumps(default)}`"


if __name__ == "__main__":
    sys.stdout.write(page())
