"""What a cluster costs in which nothing happens: CPU of this process, in percent of a core, with and without usage reports."""

from __future__ import annotations

import time

import msgspec
import psutil

from callboard import Cluster
from callboard.bench.scenarios.rollout import ReadyEndpoints, application
from callboard.models.timing import KUBERNETES

NEVER_S = 1e9
QUIET_S = 3.0
"""So long after the last node is ready nothing is measured: start-up has its echoes."""


def measure(nodes: int, pods: int = 0, seconds: int = 30) -> dict[str, float]:
    """Percent of a core over so many seconds, at Kubernetes' own periods: of all that an idle cluster does (`idle_percent`), and of the
    same cluster without usage reports, which leaves heartbeats and watches (`heartbeats_percent`)."""
    whole = _percent(nodes, pods, seconds, KUBERNETES.usage_s)
    without = _percent(nodes, pods, seconds, NEVER_S)
    return {"idle_percent": whole, "heartbeats_percent": without}


def _percent(nodes: int, pods: int, seconds: int, usage_s: float) -> float:
    process = psutil.Process()
    timing = msgspec.structs.replace(KUBERNETES, usage_s=usage_s)
    with Cluster(nodes=nodes, timing=timing) as cluster:
        for number in range(1, nodes + 1):
            cluster.wait(f"node/node-{number}", "Ready", timeout=120)
        if pods:
            ready = ReadyEndpoints(cluster)
            for index in range(pods // 100):
                cluster.apply(application(f"web-{index}", 100))
            ready.until(pods)
        time.sleep(QUIET_S)  # to be quiet is what is measured
        began_s, spent_s = time.perf_counter(), _spent_s(process)
        time.sleep(seconds)
        return 100 * (_spent_s(process) - spent_s) / (time.perf_counter() - began_s)


def _spent_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
