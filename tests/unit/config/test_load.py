"""Reading isthmus.yaml: what wins over what, where relative paths point, and one sentence per mistake."""

import os
from pathlib import Path

import pytest

from cluster.config import LlamaCppModel, VllmModel, load
from cluster.config.load import locate
from policies.errors import ConfigurationError

ECHO = "models: {edge: {engine: echo}}\n"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ISTHMUS_")]:
        monkeypatch.delenv(name)


def write(folder: Path, text: str, name: str = "isthmus.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def refusal(file: Path, **overrides: object) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(file, **overrides)
    return str(refused.value)


def test_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, ECHO + "gateway: {port: 8001, max_queued: 7}\n")
    assert load(file).gateway.port == 8001
    assert load(file).gateway.replicas == 1
    monkeypatch.setenv("ISTHMUS_GATEWAY__PORT", "8002")
    assert load(file).gateway.port == 8002
    assert load(file, gateway__port=8003).gateway.port == 8003
    assert load(file, gateway__port=None).gateway.port == 8002
    assert load(file).gateway.max_queued == 7


def test_the_file_is_the_argument_then_the_variable_then_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, variable, here = (
        write(tmp_path, f"{ECHO}domain: {name}\n", f"{name}.yaml") for name in ("named", "variable", "isthmus")
    )
    monkeypatch.chdir(tmp_path)
    assert load().domain == "isthmus"
    assert locate() == here
    monkeypatch.setenv("ISTHMUS_CONFIG", str(variable))
    assert load().domain == "variable"
    assert load(named).domain == "named"


def test_a_folder_means_its_isthmus_yaml(tmp_path: Path) -> None:
    write(tmp_path, ECHO)
    assert locate(tmp_path) == tmp_path / "isthmus.yaml"


def test_variables_that_are_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_DATA", "/somewhere")
    assert load(write(tmp_path, ECHO)).domain == "default"


def test_variables_reach_names_the_shell_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, "models: {Qwen2.5-small: {engine: echo}}\n")
    monkeypatch.setenv("ISTHMUS_MODELS__QWEN2_5_SMALL__MAX_TOKENS", "9")
    assert load(file).models["Qwen2.5-small"].max_tokens == 9


def test_variables_hold_lists_and_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, ECHO + "cluster: {link: {rtt_s: 1}}\ndocuments: {folder: docs}\n")
    monkeypatch.setenv("ISTHMUS_STAGES__RETRIEVE", "[none, 'bm25@3']")
    monkeypatch.setenv("ISTHMUS_CLUSTER__LINK", "null")
    config = load(file)
    assert config.stages.retrieve == ("none", "bm25@3")
    assert config.cluster.link is None


def test_relative_paths_mean_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("big", "cross", "models"):
        (tmp_path / folder).mkdir()
    file = write(
        tmp_path,
        """
documents: {folder: docs}
cluster: {link: {trace: traces/a.log}}
stages: {reranker: cross, encoder: org/name}
models:
  edge: {engine: llama_cpp, path: models/a.gguf}
  folder: {engine: vllm, path: big}
  missing: {engine: vllm, path: models/none}
  dotted: {engine: vllm, path: ./none}
  hub: {engine: vllm, path: org/name}
""",
    )
    monkeypatch.chdir("/")
    config = load(file)
    assert config.documents is not None
    assert config.documents.folder == tmp_path / "docs"
    assert config.documents.index == tmp_path / ".isthmus/index"
    assert config.cluster.link is not None
    assert config.cluster.link.trace == tmp_path / "traces/a.log"
    assert config.stages.reranker == str(tmp_path / "cross")
    assert config.stages.encoder == "org/name"
    paths = {name: str(model.path) for name, model in config.models.items() if isinstance(model, LlamaCppModel | VllmModel)}
    assert paths == {
        "edge": f"{tmp_path}/models/a.gguf",
        "folder": f"{tmp_path}/big",
        "missing": f"{tmp_path}/models/none",
        "dotted": f"{tmp_path}/none",
        "hub": "org/name",
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ECHO + "cluster: {sitez: []}", "isthmus.yaml: cluster.sitez is not a known key (did you mean 'sites'?)."),
        (ECHO + "gatway: {}", "isthmus.yaml: gatway is not a known key (did you mean 'gateway'?)."),
        (
            "models: {a: {engine: echo, delai_s: 1}}",
            "isthmus.yaml: models.a.delai_s is not a known key (did you mean 'delay_s'?).",
        ),
        (ECHO + "gateway: {port: 70000}", "isthmus.yaml: gateway.port is 70000; input should be less than or equal to 65535."),
        ("models: {a: {engine: llama_cpp}}", "isthmus.yaml: models.a.path is missing: the GGUF file."),
        ("models: {a: {}}", "isthmus.yaml: models.a.engine is missing; it is one of llama_cpp, vllm, split, remote, echo."),
        (
            "models: {a: {engine: lama_cpp}}",
            "models.a.engine is 'lama_cpp' (did you mean 'llama_cpp'?); it must be one of llama_cpp, vllm, split, remote, echo.",
        ),
        ("models: {a: {engine: echo, tier: fog}}", "isthmus.yaml: models.a.tier is 'fog'; it must be 'edge' or 'cloud'."),
        ("models: 3", "isthmus.yaml: models is 3; it must hold keys of its own."),
        (ECHO + "stages: {retrieve: bm25}", "isthmus.yaml: stages.retrieve is 'bm25'; it must be a list, like [bm25]."),
        (
            ECHO + "cluster: {link: {mbps: 1, trace: x}}",
            "isthmus.yaml: cluster.link: give mbps or trace, not both.",
        ),
        (
            "models: {a: {engine: echo, tier: cloud}}\ncluster: {sites: [{name: home, tier: edge}]}",
            "isthmus.yaml: models.a.tier is 'cloud', but no site has that tier; add one under cluster.sites.",
        ),
        (
            ECHO + "cluster: {sites: [{name: home, tier: cloud}]}",
            "there is no edge site; the gateway and the documents live on one.",
        ),
        ("models: {a: {engine: echo}", "isthmus.yaml, line 1: "),
        ("domain: a\nmodels:\n\t- x", "isthmus.yaml, line 3: "),
        ("domain: a\ndomain: b\n" + ECHO, "isthmus.yaml, line 2: the key 'domain' is given twice."),
        ("- a\n- b", "isthmus.yaml: the file must hold keys and values, like 'domain: home'."),
        ("", "isthmus.yaml: models is missing: the language models by name."),
        ("[" * 5000, "isthmus.yaml has brackets within brackets without end; it is no configuration."),
        (ECHO + "gateway: {timeout_s: .inf}", "isthmus.yaml: gateway.timeout_s is inf; input should be a finite number."),
        (ECHO + "domain: {{x}}", "isthmus.yaml, line 2: found unhashable key."),
        (ECHO + "? [a, b]\n: c", "isthmus.yaml, line 2: found unhashable key."),
        (ECHO + "gateway: {max_queued: 0}", "gateway.max_queued is 0; input should be greater than or equal to 1."),
        ("models: {a: {engine: echo, replicas: 0}}", "models.a: replicas is 0; give at least 1, or `scaling` for"),
        (
            "models: {a: {engine: echo, replicas: 4, scaling: {max_replicas: 3}}}",
            "models.a: replicas is 4, but scaling keeps between 0",
        ),
        (
            "models: {a: {engine: echo, scaling: {min_replicas: 4, max_replicas: 3}}}",
            "models.a.scaling: min_replicas is 4, above max",
        ),
        ("models: {a: {engine: echo, scaling: {min: 0, max_replicas: 3}}}", "models.a.scaling.min is not a known key"),
        ("models: {'a#b': {engine: echo}}", "models.a#b: the name of a model must not be empty nor hold #, @, > or spaces."),
        ("models: {a@b: {engine: echo}}", "models.a@b: the name of a model must not be empty nor hold #, @, > or spaces."),
        ("models: {a>b: {engine: echo}}", "models.a>b: the name of a model must not be empty nor hold #, @, > or spaces."),
        ("models: {a b: {engine: echo}}", "models.a b: the name of a model must not be empty nor hold #, @, > or spaces."),
        ("models: {auto: {engine: echo}}", "models.auto: no model can be called 'auto', by which a request leaves the choice"),
        (
            ECHO + "stages: {preprocess: [hyde]}",
            "isthmus.yaml: stages: no path is left; add none to stages.preprocess and stages.refine, or an option to stages.",
        ),
        (ECHO + "stages: {refine: [mmr]}", "isthmus.yaml: stages: no path is left; "),
        (ECHO + "stages: {retrieve: []}", "isthmus.yaml: stages: no path is left; "),
        (
            ECHO + "stages: {retrieve: [none, bm52@5]}",
            "stages.retrieve[1]: there is no option 'bm52@5' (did you mean 'bm25'?); there are none, bm25@K, dense@K, hybrid@K.",
        ),
        (
            ECHO + "stages: {retrieve: [bm25@x]}",
            "stages.retrieve[0]: 'bm25@x' needs a positive number after the @, as in bm25@5.",
        ),
        (
            ECHO + "stages: {retrieve: [bm25@0]}",
            "stages.retrieve[0]: 'bm25@0' needs a positive number after the @, as in bm25@5.",
        ),
        (ECHO + "stages: {retrieve: [none@3]}", "stages.retrieve[0]: there is no option 'none@3'"),
        (ECHO + "stages: {preprocess: [rewrte]}", "stages.preprocess[0]: there is no option 'rewrte' (did you mean 'rewrite'?)"),
        (ECHO + "stages: {refine: [mmr@3]}", "stages.refine[0]: there is no option 'mmr@3' (did you mean 'mmr'?)"),
    ],
)
def test_one_sentence_for_a_mistake(tmp_path: Path, text: str, sentence: str) -> None:
    message = refusal(write(tmp_path, text))
    assert sentence in message
    assert len(message.splitlines()) == 1


def test_a_sentence_for_each_mistake_and_who_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, ECHO + "domain: []\n")
    monkeypatch.setenv("ISTHMUS_GATEWAY__PRT", "1")
    assert sorted(refusal(file, cluster__port="x").splitlines()) == [
        "ISTHMUS_GATEWAY__PRT: gateway.prt is not a known key (did you mean 'port'?).",
        "command line: cluster.port is 'x'; input should be a valid integer, unable to parse string as an integer.",
        "isthmus.yaml: domain is []; input should be a valid string.",
    ]


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigurationError, match=r"There is no configuration at .*isthmus\.yaml; write one with 'isthmus init DIR'"
    ):
        load()


def test_not_text(tmp_path: Path) -> None:
    file = tmp_path / "isthmus.yaml"
    file.write_bytes(b"\xff\xfe\x00domain")
    assert "isthmus.yaml is not a YAML text in UTF-8" in refusal(file)


def test_a_secret_is_not_repeated_at_length(tmp_path: Path) -> None:
    assert len(refusal(write(tmp_path, ECHO + f"gateway: {{port: {'x' * 500}}}\n"))) < 200


def test_a_model_that_scales_starts_with_its_fewest_replicas(tmp_path: Path) -> None:
    text = "models:\n  a: {{engine: echo, replicas: 2}}\n  b: {{engine: echo, scaling: {{max_replicas: 3}}}}\n  c: {0}\n"
    c = "{engine: echo, replicas: 2, scaling: {min_replicas: 1, max_replicas: 3}}"
    models = load(write(tmp_path, text.format(c))).models
    assert [(model.replicas, model.most_replicas) for model in models.values()] == [(2, 2), (0, 3), (2, 3)]
