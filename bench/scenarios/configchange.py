"""How long a ConfigMap's change takes until a running container sees it in its file."""

from __future__ import annotations

import statistics
import time

from callboard import Cluster

FOLLOW = """
import os, time
last = ""
while True:
    with open(os.environ.get("CALLBOARD_ROOT", "") + "/etc/app/number") as file:
        number = file.read()
    if number != last:
        print(number, time.monotonic(), flush=True)
        last = number
    time.sleep(0.001)
"""


def measure(isolation: str, timing: str, changes: int) -> dict[str, float]:
    """Milliseconds from the answer to a patch until the container reads the new content: median and worst of so many changes."""
    with Cluster(nodes=1, containers="process", isolation=isolation, timing=timing) as cluster:
        cluster.apply([_config("0"), _pod()])
        cluster.wait("pod/following", "Ready", timeout=30)
        took_ms = []
        for number in range(1, changes + 1):
            began_s = time.monotonic()
            cluster.apply(_config(str(number)))
            took_ms.append((_seen_s(cluster, str(number)) - began_s) * 1e3)
    return {"median_ms": statistics.median(took_ms), "worst_ms": max(took_ms)}


def _seen_s(cluster: Cluster, number: str) -> float:
    """When the container read this number."""
    deadline_s = time.monotonic() + 120
    while time.monotonic() < deadline_s:
        for line in cluster.logs("pod/following").splitlines():
            seen, _, at_s = line.partition(" ")
            if seen == number:
                return float(at_s)
        time.sleep(0.02)
    raise TimeoutError(f"the container did not see number {number}")


def _config(number: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app"}, "data": {"number": number}}


def _pod() -> dict[str, object]:
    mount = {"name": "app", "mountPath": "/etc/app"}
    container = {"name": "main", "image": "python:3.11", "command": ["python3", "-c", FOLLOW], "volumeMounts": [mount]}
    spec = {"containers": [container], "volumes": [{"name": "app", "configMap": {"name": "app"}}], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "following"}, "spec": spec}
