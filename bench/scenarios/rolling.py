"""A rolling update of one Deployment on simulated containers: pods replaced per second, and how many were ever unavailable at once."""

from __future__ import annotations

import time
from typing import Any

from callboard import Cluster, NodeSpec
from callboard.bench.scenarios.rollout import QUIET_LIMIT_S, application

CHANGE = {"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}}


class PodCounts:
    """Counts the pods of one app as the watch tells of them: those that are ready and not terminating, and those of them that are new."""

    def __init__(self, cluster: Any, app: str = "") -> None:
        self.ready = 0
        self.new = 0
        self.old = 0
        self.least_ready: int | None = None
        self._seen: dict[str, tuple[bool, bool]] = {}
        self._events = cluster.watch("pods", selector=f"app={app}" if app else "", timeout=QUIET_LIMIT_S)

    def step(self) -> None:
        """Take in one event.

        Raises:
            RuntimeError: nothing has changed for `QUIET_LIMIT_S`.
        """
        event = next(self._events, None)
        if event is None:
            raise RuntimeError(f"{self.ready} pods are ready, {self.new} of them new, and nothing changes any more")
        was_ready, was_new = self._seen.pop(event.key, (False, False))
        self.ready -= was_ready
        self.new -= was_ready and was_new
        if event.type == "DELETED":
            return
        pod = event.obj
        conditions = pod.status.conditions if pod.status is not None else ()
        told = any(one.type == "Ready" and one.status == "True" for one in conditions)
        ready, new = told and not pod.metadata.deletion_timestamp, pod.metadata.annotations.get("version") == "2"
        self._seen[event.key] = (ready, new)
        self.ready += ready
        self.new += ready and new
        if self.least_ready is not None:
            self.least_ready = min(self.least_ready, self.ready)


def measure(nodes: int, pods: int) -> dict[str, float]:
    """Pods replaced per second by one rolling update with Kubernetes' defaults (25 % surge, 25 % unavailable), from the change of the
    template until all pods are new and ready; and the most pods that were unavailable at once, of the number wanted."""
    specs = [NodeSpec(name=f"node-{number}", cpu="64", memory="256Gi", pods=1000) for number in range(1, nodes + 1)]
    with Cluster(nodes=specs) as cluster:
        counts = PodCounts(cluster, "web")
        cluster.apply(application("web", pods))
        while counts.ready < pods:
            counts.step()
        cluster.wait("deployment/web", timeout=60)
        counts.least_ready = counts.ready
        began_s = time.perf_counter()
        cluster.patch("deployment/web", CHANGE)
        while counts.new < pods:
            counts.step()
        took_s = time.perf_counter() - began_s
    return {"pods_per_s": pods / took_s, "most_unavailable": float(pods - counts.least_ready)}
