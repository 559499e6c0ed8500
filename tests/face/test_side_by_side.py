"""Clusters and simulations side by side in one Python process know nothing of each other."""

from __future__ import annotations

from callboard import Cluster, Simulation

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}


def _labelled(who: str) -> dict[str, object]:
    return {**CONFIG, "data": {"who": who}}


def test_two_clusters_and_a_simulation_do_not_see_each_other() -> None:
    with Cluster(nodes=1) as a, Cluster(nodes=2) as b, Simulation(nodes=3, seed=1) as s:
        for world, who in ((a, "a"), (b, "b"), (s, "s")):
            world.apply(_labelled(who))
        assert [world.get("configmap/mine").data["who"] for world in (a, b, s)] == ["a", "b", "s"]
        assert [len(world.list("nodes")) for world in (a, b, s)] == [1, 2, 3]
        a.components["apiserver-0"].crash()
        b.nodes["node-1"].crash()
        assert s.get("configmap/mine").data["who"] == "s"
        assert b.get("configmap/mine").data["who"] == "b"


def test_two_clusters_of_real_processes_have_addresses_of_their_own() -> None:
    with Cluster(nodes=1, containers="process", isolation="C0") as a, Cluster(nodes=1, containers="process", isolation="C0") as b:
        addresses = []
        for cluster in (a, b):
            cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 8080}]}})
            addresses.append(cluster.get("service/web").spec.cluster_ip)
        assert addresses[0].split(".")[1] != addresses[1].split(".")[1]
        assert a.folder != b.folder


def test_stopping_one_leaves_the_other_alone() -> None:
    with Cluster(nodes=1) as a:
        b = Cluster(nodes=1)
        b.stop()
        a.apply(CONFIG)
        assert a.get("configmap/mine").metadata.name == "mine"
