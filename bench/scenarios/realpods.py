"""Real pods: how long until a hundred of them are Ready, and what one more costs to create and to delete."""

from __future__ import annotations

import time

from callboard import Cluster

SLEEP = "trap 'exit 0' TERM; while :; do sleep 5 & wait; done"


def measure(isolation: str, pods: int) -> dict[str, float]:
    """Seconds until a Deployment's pods are all Ready, milliseconds per pod to create and to delete them."""
    with Cluster(nodes=3, containers="process", isolation=isolation, timing="fast") as cluster:
        began_s = time.perf_counter()
        cluster.apply(_deployment(pods))
        cluster.wait("deployment/many", timeout=120)
        up_s = time.perf_counter() - began_s
        began_s = time.perf_counter()
        cluster.scale("deployment/many", 0)
        while cluster.list("pods", selector="app=many"):
            time.sleep(0.01)
        down_s = time.perf_counter() - began_s
    return {"ready_s": up_s, "create_ms": 1e3 * up_s / pods, "delete_ms": 1e3 * down_s / pods}


def _deployment(pods: int) -> dict[str, object]:
    container = {"name": "main", "image": "busybox", "command": ["sh", "-c", SLEEP]}
    template = {"metadata": {"labels": {"app": "many"}}, "spec": {"terminationGracePeriodSeconds": 2, "containers": [container]}}
    spec = {"replicas": pods, "selector": {"matchLabels": {"app": "many"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "many"}, "spec": spec}
