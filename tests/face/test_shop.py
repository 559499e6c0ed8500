"""The shop's manifests, before any real program runs: they are applied unchanged, roll out with simulated containers, and hold programs
that compile."""

from __future__ import annotations

import time
from pathlib import Path

from callboard import Cluster, Simulation
from callboard.runtime.face.manifests import manifests

SHOP = Path(__file__).resolve().parents[2] / "examples" / "shop"
WORKLOADS = {"store": 1, "catalog": 3, "cart": 2, "front": 2}


def test_the_shop_rolls_out_in_a_cluster_and_its_services_find_their_pods() -> None:
    with Cluster(nodes=3, timing="fast") as cluster:
        cluster.apply(SHOP)
        for name, replicas in WORKLOADS.items():
            cluster.wait(f"deployment/{name}", timeout="30s")
            assert cluster.get(f"deployment/{name}").status.available_replicas == replicas
            _await_endpoints(cluster, name, replicas)


def _await_endpoints(cluster: Cluster, name: str, wanted: int) -> None:
    """Wait until a Service has so many endpoints that are ready; they are told a moment after the pods."""
    deadline_s = time.monotonic() + 10
    while True:
        slices = cluster.list("endpointslices", selector=f"kubernetes.io/service-name={name}")
        ready = [endpoint for one in slices for endpoint in one.endpoints or () if endpoint.conditions.ready]
        if len(ready) == wanted:
            return
        assert time.monotonic() < deadline_s, f"{name} has {len(ready)} endpoints of {wanted}"
        time.sleep(0.02)


def test_the_shop_survives_the_loss_of_a_node_in_a_simulation() -> None:
    with Simulation(nodes=3, seed=5) as simulation:
        simulation.apply(SHOP)
        for name in WORKLOADS:
            simulation.wait(f"deployment/{name}")
        simulation.nodes["node-2"].crash()
        simulation.advance("10m")
        simulation.settle()
        for name, replicas in WORKLOADS.items():
            assert simulation.get(f"deployment/{name}").status.available_replicas == replicas
        assert {pod.spec.node_name for pod in simulation.list("pods") if not pod.metadata.deletion_timestamp} == {"node-1", "node-3"}


def test_the_programs_compile_and_every_file_that_a_container_starts_is_there() -> None:
    trees = [manifest.tree for manifest in manifests(SHOP)]
    files = {name: text for tree in trees if tree["kind"] == "ConfigMap" for name, text in tree["data"].items()}
    for name, text in files.items():
        if name.endswith(".py"):
            compile(text, name, "exec")
    started = [
        word.rpartition("/app/")[2]
        for tree in trees
        if tree["kind"] == "Deployment"
        for container in tree["spec"]["template"]["spec"]["containers"]
        for word in " ".join([*container["command"], *container.get("args", [])]).replace('"', " ").split()
        if "/app/" in word
    ]
    assert sorted(started) == ["cart.py", "catalog.py"]
    assert set(started) <= set(files)


def test_nothing_of_the_secret_stands_elsewhere() -> None:
    texts = {path.name: path.read_text() for path in SHOP.iterdir() if path.suffix == ".yaml"}
    assert [name for name, text in texts.items() if "not-for-the-shop-window" in text] == ["10-settings.yaml"]
