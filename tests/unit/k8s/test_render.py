"""The manifests: what they say, that the shipped one is current, and that KubeRay's own schema accepts them."""

import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cluster.config import load
from cluster.k8s.render import render, write
from policies.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "smart_home" / "isthmus.yaml"
IMAGE = "isthmus:0.1.0"
TWO_EDGES = """
cluster:
  sites:
    - {name: lab-1, tier: edge, cpus: 4, memory_gib: 2}
    - {name: lab-2, tier: edge, cpus: 3}
    - {name: dc, tier: cloud, cpus: 8, gpus: 1}
gateway: {port: 9000, api_keys_env: OUR_KEYS}
models:
  edge: {engine: echo}
  far: {engine: remote, tier: cloud, base_url: https://host/v1, model: m, api_key_env: FAR_KEY}
"""


def manifests(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    config_map, service = yaml.safe_load_all(render(load(file), file, IMAGE))
    return config_map, service


@pytest.fixture
def two_edges(tmp_path: Path) -> Path:
    file = tmp_path / "isthmus.yaml"
    file.write_text(TWO_EDGES)
    return file


def test_the_shipped_manifest_is_rendered_from_the_example() -> None:
    shipped = (ROOT / "k8s" / "rayservice.yaml").read_text()
    assert shipped == render(load(EXAMPLE), EXAMPLE, IMAGE), "run: isthmus k8s render -c examples/smart_home --out k8s"


def test_the_configuration_travels_with_it(two_edges: Path, tmp_path: Path) -> None:
    config_map, _ = manifests(two_edges)
    copy = tmp_path / "copy.yaml"
    copy.write_text(config_map["data"]["isthmus.yaml"])
    assert load(copy) == load(two_edges)


def test_a_folder_that_cannot_be_written_is_a_sentence(two_edges: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"rayservice\.yaml cannot be written \(File exists\)"):
        write(load(two_edges), two_edges, "isthmus:test", two_edges)


def test_an_emulated_link_stays_at_home(two_edges: Path, tmp_path: Path) -> None:
    without = load(two_edges)
    two_edges.write_text(TWO_EDGES.replace("cluster:\n", "cluster:\n  link: {rtt_s: 0.04, mbps: 100}  # emulated\n"))
    assert load(two_edges).cluster.link is not None
    config_map, _ = manifests(two_edges)
    assert "emulated" not in config_map["data"]["isthmus.yaml"]
    copy = tmp_path / "copy.yaml"
    copy.write_text(config_map["data"]["isthmus.yaml"])
    assert load(copy) == without


def test_a_worker_group_for_each_site(two_edges: Path) -> None:
    _, service = manifests(two_edges)
    groups = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert [group["groupName"] for group in groups] == ["lab-1", "lab-2", "dc"]
    assert [group["labels"] for group in groups] == [
        {"tier": "edge", "site": "lab-1"},
        {"tier": "edge", "site": "lab-2"},
        {"tier": "cloud", "site": "dc"},
    ]
    pods = [group["template"]["spec"] for group in groups]
    assert pods[0]["nodeSelector"] == {"isthmus/tier": "edge", "isthmus/site": "lab-1"}
    assert pods[2]["tolerations"][0]["value"] == "cloud"
    limits = [pod["containers"][0]["resources"]["limits"] for pod in pods]
    assert limits == [
        {"cpu": "4", "memory": "2Gi"},
        {"cpu": "3", "memory": "4Gi"},
        {"cpu": "8", "memory": "4Gi", "nvidia.com/gpu": "1"},
    ]


def test_no_replica_on_the_head(two_edges: Path) -> None:
    _, service = manifests(two_edges)
    assert service["spec"]["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_head_and_workers_have_the_same_image_and_variables(two_edges: Path) -> None:
    _, service = manifests(two_edges)
    cluster = service["spec"]["rayClusterConfig"]
    containers = [g["template"]["spec"]["containers"][0] for g in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    assert {container["image"] for container in containers} == {IMAGE}
    for container in containers:
        variables = {variable["name"]: variable for variable in container["env"]}
        assert variables["RAY_SERVE_ENABLE_HA_PROXY"]["value"] == "1"
        assert variables["RAY_SERVE_THROUGHPUT_OPTIMIZED"]["value"] == "1"
        assert variables["ISTHMUS_CONFIG"]["value"] == "/etc/isthmus/isthmus.yaml"
        for key in ("FAR_KEY", "OUR_KEYS"):
            assert variables[key]["valueFrom"] == {"secretKeyRef": {"name": "isthmus-keys", "key": key}}
        assert container["env"] == containers[0]["env"]


def test_the_application(two_edges: Path) -> None:
    _, service = manifests(two_edges)
    serve = yaml.safe_load(service["spec"]["serveConfigV2"])
    assert serve["http_options"]["port"] == 9000
    assert serve["applications"] == [{"name": "isthmus", "route_prefix": "/", "import_path": "deployments:app"}]


@pytest.fixture(scope="module")
def kuberay() -> jsonschema.Draft202012Validator:
    data = Path(os.environ.get("ISTHMUS_DATA", ROOT.parent / "shared" / "data"))
    crd = data / "kuberay" / "ray.io_rayservices.yaml"
    if not crd.is_file():
        pytest.skip(f"there is no {crd}")
    with crd.open() as text:
        versions = yaml.load(text, yaml.CSafeLoader)["spec"]["versions"]
    schema = next(version for version in versions if version["name"] == "v1")["schema"]["openAPIV3Schema"]
    return jsonschema.Draft202012Validator(strict(schema))


@pytest.mark.data
@pytest.mark.parametrize("of", ["example", "two_edges"])
def test_kuberay_accepts_it(of: str, kuberay: jsonschema.Draft202012Validator, request: pytest.FixtureRequest) -> None:
    _, service = manifests(EXAMPLE if of == "example" else request.getfixturevalue("two_edges"))
    kuberay.validate(service)
    service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["grupName"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="grupName"):
        kuberay.validate(service)


def strict(schema: Any) -> Any:
    """The schema with unknown fields refused, as the API server prunes them without a word."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(part) for key, part in schema.items()}
    known = made.get("properties")
    if isinstance(known, dict) and "type" in made and not made.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made
