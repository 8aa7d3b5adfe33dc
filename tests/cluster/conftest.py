"""One Ray cluster for all tests of this folder: an edge head and a cloud node on this machine."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.ports import free_ports

ROOT = Path(__file__).parents[2]
EDGE, CLOUD = {"tier": "edge", "site": "home"}, {"tier": "cloud", "site": "cloud"}
OBJECT_STORE_BYTES = 100 * 2**20
RAY_VARIABLES = {"RAY_AUTH_MODE": "disabled", "RAY_SERVE_ENABLE_HA_PROXY": "0", "RAY_USAGE_STATS_ENABLED": "0"}


@dataclass(frozen=True, slots=True)
class TestCluster:
    """Where the cluster is; the tests are connected to it and Serve runs."""

    __test__ = False

    address: str
    http_port: int
    nodes: Any

    def add(self, site: str) -> Any:
        """A further edge node of 2 logical processors, until it is removed."""
        labels = {"tier": "edge", "site": site}
        return self.nodes.add_node(num_cpus=2, labels=labels, object_store_memory=OBJECT_STORE_BYTES)

    def remove(self, node: Any) -> None:
        """Stop a node that was added."""
        self.nodes.remove_node(node)


@pytest.fixture(scope="session")
def cluster() -> Iterator[TestCluster]:
    """An edge head (site `home`) and a cloud node (site `cloud`) of 4 logical processors each."""
    os.environ.update(RAY_VARIABLES)
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="isthmus-")  # short, since the path of a Unix socket holds 107 characters at most
    os.environ["RAY_TMPDIR"] = folder
    os.mkdir(f"{folder}/ray")  # where Ray writes the head's address before anything else makes the folder
    nodes, (http_port, ray_port) = Cluster(), free_ports(2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray's own, about its coming versions
            nodes.add_node(
                num_cpus=4,
                labels=EDGE,
                gcs_server_port=ray_port,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
            )
            nodes.add_node(num_cpus=4, labels=CLOUD, object_store_memory=OBJECT_STORE_BYTES)
            ray.init(address=nodes.address, runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}}, log_to_driver=False)
            serve.start(http_options={"host": "127.0.0.1", "port": http_port}, proxy_location="HeadOnly")
        yield TestCluster(nodes.address, http_port, nodes)
    finally:
        serve.shutdown()
        ray.shutdown()
        nodes.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
