"""On real processes: a pod of a high priority takes the place of one of a low priority, whose process is told to end first."""

from __future__ import annotations

from typing import Any

from callboard import Cluster, NodeSpec
from callboard.models.podstatus import condition_is

TIMEOUT_S = 30.0


def _class(name: str, value: int) -> dict[str, Any]:
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value}


def _pod(name: str, priority: str, node: str = "") -> dict[str, Any]:
    container = {
        "name": "main",
        "image": "local",
        "command": ["sleep", "300"],
        "resources": {"requests": {"cpu": "1", "memory": "64Mi"}},
    }
    spec = {"priorityClassName": priority, "terminationGracePeriodSeconds": 1, "containers": [container]}
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_a_process_ends_for_one_of_a_higher_priority() -> None:
    nodes = [NodeSpec(name=name, cpu="1", memory="1Gi") for name in ("small-1", "small-2")]
    with Cluster(nodes=nodes, containers="process", timing="fast") as cluster:
        cluster.apply([_class("low", 1), _class("middle", 5), _class("high", 10)])
        cluster.apply([_pod("low", "low", "small-1"), _pod("middle", "middle", "small-2")])
        for name in ("low", "middle"):
            cluster.wait(f"pod/{name}", "Ready", timeout=TIMEOUT_S)
        cluster.apply(_pod("high", "high"))
        high = cluster.wait("pod/high", "Ready", timeout=TIMEOUT_S)
        assert high.spec.node_name == "small-1"
        cluster.wait("pod/low", "Deleted", timeout=TIMEOUT_S)
        assert condition_is(cluster.get("pod/middle"), "Ready")
        told = [one for one in cluster.list("events") if one.reason == "Preempted"]
        assert [one.message for one in told] == [f"Preempted by pod {high.metadata.uid} on node small-1"]
