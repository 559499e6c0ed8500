"""Pods per second from Deployment to Ready endpoint, with simulated containers; and resident memory per pod on the way up."""

from __future__ import annotations

import gc
import time
from typing import Any

import psutil

from callboard import Cluster, NodeSpec

PODS_PER_DEPLOYMENT = 100
QUIET_LIMIT_S = 120.0


def application(name: str, replicas: int) -> list[dict[str, Any]]:
    """A Deployment and its Service."""
    labels = {"app": name}
    container = {
        "name": "web",
        "image": "web:1",
        "ports": [{"containerPort": 80}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [{"port": 80}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
    ]


class ReadyEndpoints:
    """Counts ready endpoints over all slices as the watch tells of them."""

    def __init__(self, cluster: Cluster) -> None:
        self.total = 0
        self._by_slice: dict[str, int] = {}
        self._events = cluster.watch("endpointslices", timeout=QUIET_LIMIT_S)

    def until(self, wanted: int) -> None:
        """Come back when so many endpoints are ready."""
        while self.total < wanted:
            event = next(self._events, None)
            if event is None:
                raise RuntimeError(f"only {self.total} of {wanted} endpoints are ready, and nothing changes any more")
            gone = event.type == "DELETED"
            ready = 0 if gone else sum(1 for endpoint in event.obj.endpoints if endpoint.conditions and endpoint.conditions.ready)
            self.total += ready - self._by_slice.get(event.key, 0)
            self._by_slice[event.key] = ready


def measure(nodes: int, pods: int, more_pods: int = 0) -> dict[str, float]:
    """Pods per second for the first `pods`; with `more_pods`, also what each further pod adds: KiB of resident memory, and objects that
    the garbage collector has to look at."""
    node_specs = [NodeSpec(name=f"node-{number}", cpu="64", memory="256Gi", pods=1000) for number in range(1, nodes + 1)]
    process = psutil.Process()
    with Cluster(nodes=node_specs) as cluster:
        ready = ReadyEndpoints(cluster)
        cluster.wait(f"node/node-{nodes}", "Ready", timeout=60)
        began_s = time.perf_counter()
        _apply(cluster, 0, pods)
        ready.until(pods)
        took_s = time.perf_counter() - began_s
        figures = {"pods_per_s": pods / took_s}
        if more_pods:
            resident, tracked = _footprint(process)
            _apply(cluster, pods, more_pods)
            ready.until(pods + more_pods)
            resident_after, tracked_after = _footprint(process)
            figures["kib_per_pod"] = (resident_after - resident) / 1024 / more_pods
            figures["tracked_per_pod"] = (tracked_after - tracked) / more_pods
    return figures


def _footprint(process: psutil.Process) -> tuple[int, int]:
    """Bytes of resident memory and objects known to the garbage collector, garbage taken away."""
    gc.collect()
    return process.memory_info().rss, len(gc.get_objects())


def _apply(cluster: Cluster, first: int, pods: int) -> None:
    for index in range(first // PODS_PER_DEPLOYMENT, (first + pods) // PODS_PER_DEPLOYMENT):
        cluster.apply(application(f"web-{index}", PODS_PER_DEPLOYMENT))
