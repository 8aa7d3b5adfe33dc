"""The manifests of a configuration: a ConfigMap with the configuration itself, and a RayService that runs it."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import yaml

from cluster.config import Config, RemoteModel, SplitModel
from cluster.config.load import read
from cluster.config.sites import Site
from cluster.nodes.application import IMPORT_PATH, NAME
from policies.errors import ConfigurationError

RAY_VERSION = "2.60.0"
FOLDER = "/etc/isthmus"
"""Where the image holds the configuration's folder; the ConfigMap is mounted over the configuration itself."""
CONFIGURATION = f"{FOLDER}/isthmus.yaml"
SECRET = "isthmus-keys"

HEADER = f"""\
# Rendered by 'isthmus k8s render'; change the configuration and render again instead of editing this file.
# The image holds Python, the package isthmus and, in {FOLDER}, the models, documents and index that the configuration names.
# Label the machines first: kubectl label node NODE isthmus/tier=edge isthmus/site=SITE
"""


def render(config: Config, file: FilePath, image: str) -> str:
    """The manifests as YAML. `file` is where `config` comes from, `image` what head and workers run."""
    documents = [_config_map(file), _ray_service(config, image)]
    return HEADER + yaml.dump_all(documents, Dumper=_Readable, sort_keys=False, width=120)


def write(config: Config, file: FilePath, image: str, folder: FilePath) -> FilePath:
    """Render the configuration in `file` into `folder`/rayservice.yaml. Raises ConfigurationError if it cannot be written."""
    manifest = folder / "rayservice.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        manifest.write_text(render(config, file, image), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{manifest} cannot be written ({error.strerror}); name another folder as --out.") from None
    return manifest


def _config_map(file: FilePath) -> dict[str, Any]:
    """The configuration without the link that is emulated on one machine: between these there is a real one."""
    data = read(file)
    if "cluster" in data:
        data["cluster"] = {key: value for key, value in data["cluster"].items() if key != "link"}
    text = yaml.dump(data, Dumper=_Readable, sort_keys=False, width=120)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": {"isthmus.yaml": text}}


def _ray_service(config: Config, image: str) -> dict[str, Any]:
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": NAME},
        "spec": {
            "serveConfigV2": yaml.dump(_serve_config(config), Dumper=_Readable, sort_keys=False),
            "excludeHeadPodFromServeSvc": True,
            "rayClusterConfig": {
                "rayVersion": RAY_VERSION,
                "authOptions": {"mode": "token"},
                "headGroupSpec": _head(config, image),
                "workerGroupSpecs": [_worker_group(config, site, image) for site in config.cluster.sites],
            },
        },
    }


def _serve_config(config: Config) -> dict[str, Any]:
    """All interfaces of a pod: other pods must reach it, the service in front decides who else does."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": config.gateway.port},
        "applications": [{"name": NAME, "route_prefix": "/", "import_path": IMPORT_PATH}],
    }


def _head(config: Config, image: str) -> dict[str, Any]:
    """Ray's head runs no replica: it can be replaced while the gateway goes on answering."""
    ports = {"gcs": 6379, "dashboard": 8265, "client": 10001, "serve": config.gateway.port}
    resources = {"cpu": "1", "memory": "4Gi"}
    return {
        "rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"},
        "template": {"spec": {"containers": [_container("ray-head", config, image, ports, resources)], "volumes": _volumes()}},
    }


def _worker_group(config: Config, site: Site, image: str) -> dict[str, Any]:
    labels = {"tier": site.tier, "site": site.name}
    resources = {"cpu": str(site.cpus), "memory": f"{site.memory_gib:g}Gi"}
    if site.gpus:
        resources["nvidia.com/gpu"] = str(site.gpus)
    container = _container("ray-worker", config, image, {"serve": config.gateway.port}, resources)
    return {
        "groupName": site.name,
        "replicas": 1,
        "minReplicas": 1,
        "maxReplicas": 1,
        "labels": labels,
        "rayStartParams": {},
        "template": {
            "spec": {
                "nodeSelector": {f"isthmus/{key}": value for key, value in labels.items()},
                "tolerations": [{"key": "isthmus/tier", "operator": "Equal", "value": site.tier, "effect": "NoSchedule"}],
                "containers": [container],
                "volumes": _volumes(),
            }
        },
    }


def _container(name: str, config: Config, image: str, ports: dict[str, int], resources: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "env": _environment(config),
        "ports": [{"name": port, "containerPort": number} for port, number in ports.items()],
        "resources": {"requests": dict(resources), "limits": dict(resources)},
        "volumeMounts": [{"name": NAME, "mountPath": CONFIGURATION, "subPath": "isthmus.yaml"}],
    }


def _environment(config: Config) -> list[dict[str, Any]]:
    """The same on head and workers: Serve reads its variables on whichever node a proxy or a replica starts."""
    plain = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "ISTHMUS_CONFIG": CONFIGURATION}
    remote = (model.api_key_env for model in config.models.values() if isinstance(model, RemoteModel))
    split = (model.cloud.key_env for model in config.models.values() if isinstance(model, SplitModel))
    keys = sorted({key for key in (*remote, *split, config.gateway.api_keys_env) if key})
    return [
        *({"name": name, "value": value} for name, value in plain.items()),
        *({"name": key, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key}}} for key in keys),
    ]


def _volumes() -> list[dict[str, Any]]:
    return [{"name": NAME, "configMap": {"name": NAME}}]


class _Readable(yaml.SafeDumper):
    """Texts of several lines as blocks, and no anchors for what appears twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Readable.add_representer(str, _text)
