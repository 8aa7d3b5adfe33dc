"""Read `isthmus.yaml` and what overrides it. Precedence: command line > environment ISTHMUS_* > file > default."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

import yaml
from pydantic import ValidationError

from cluster.config.anchor import anchored
from cluster.config.root import Config
from cluster.config.sentences import KeyPath, sentences
from policies.errors import ConfigurationError

PREFIX = "ISTHMUS_"
NOT_KEYS = frozenset({"ISTHMUS_CONFIG", "ISTHMUS_DATA"})
"""Variables of ours that are no keys: where the configuration is, and where the measurements for the tests are."""


def locate(path: FilePath | None = None) -> FilePath:
    """The configuration's absolute path: `path`, else $ISTHMUS_CONFIG, else ./isthmus.yaml.

    Raises ConfigurationError when there is no such file.
    """
    named = path or os.environ.get("ISTHMUS_CONFIG") or "isthmus.yaml"
    file = FilePath(os.path.expanduser(named)).absolute()
    if os.path.isdir(file):
        file = file / "isthmus.yaml"
    if not os.path.isfile(file):
        raise ConfigurationError(
            f"There is no configuration at {file}; write one with 'isthmus init DIR' or name it with --config."
        )
    return file


def load(path: FilePath | None = None, **overrides: object) -> Config:
    """The validated configuration, its relative paths made absolute against the file's folder.

    `overrides` come from the command line: nested keys with two underscores (`gateway__port=8001`); None is ignored.
    Raises ConfigurationError with one sentence for each thing that is wrong.
    """
    file = locate(path)
    data = read(file)
    sources: dict[KeyPath, str] = {}
    for name, keys, value in _from_environment():
        sources[_put(data, keys, value)] = name
    for name, value in overrides.items():
        if value is not None:
            sources[_put(data, name.split("__"), value)] = "command line"
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError("\n".join(sentences(error, data, sources, file.name))) from None
    return anchored(config, file.parent)


def read(file: FilePath) -> dict[str, Any]:
    """The file's mapping as it stands. Raises ConfigurationError with the line of a syntax error or of a key given twice."""
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError(f"{file.name}{line}: {error.problem or error.context}.") from None
    except RecursionError:
        raise ConfigurationError(f"{file.name} has brackets within brackets without end; it is no configuration.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file.name} is not a YAML text in UTF-8 ({str(error).splitlines()[0]}).") from None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from None
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigurationError(f"{file.name}: the file must hold keys and values, like 'domain: home'.")
    return data


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets the last of two equal keys win in silence; here the second is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue  # a list or mapping as a key, which the constructor refuses
            if key_node.value in seen and key_node.value != "<<":
                raise yaml.MarkedYAMLError(problem=f"the key {key_node.value!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _from_environment() -> Iterator[tuple[str, list[str], object]]:
    """Name, key path and value of every ISTHMUS_* variable that stands for a key, in a fixed order."""
    for name, text in sorted(os.environ.items()):
        if name.startswith(PREFIX) and name not in NOT_KEYS:
            yield name, name.removeprefix(PREFIX).lower().split("__"), _value(text)


def _value(text: str) -> object:
    """`null` as None, lists and mappings as YAML; all else stays text, which pydantic turns into what the field needs."""
    if text == "null":
        return None
    if text[:1] in ("[", "{"):
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            return text
    return text


def _put(data: dict[str, Any], keys: list[str], value: object) -> KeyPath:
    """Set a nested key and say which; sections on the way are made, a key of the file is matched as the shell can write it."""
    section, path = data, []
    for key in keys[:-1]:
        path.append(_existing(section, key))
        inner = section.get(path[-1])
        section[path[-1]] = section = dict(inner) if isinstance(inner, Mapping) else {}
    path.append(_existing(section, keys[-1]))
    section[path[-1]] = value
    return tuple(path)


def _existing(section: Mapping[str, Any], key: str) -> str:
    """The key of `section` that `key` means: names of models may hold capitals and dashes, variables cannot."""

    def plain(name: object) -> str:
        return re.sub(r"\W", "_", str(name).lower())

    return next((name for name in section if plain(name) == plain(key)), key)
