"""How long until a three-node cluster has all nodes Ready and has answered a first apply."""

from __future__ import annotations

import time

from callboard import Cluster

FIRST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "first"}, "data": {"key": "value"}}


def measure(nodes: int) -> dict[str, float]:
    """Milliseconds from the call of `Cluster` to the answer of the first apply, all nodes being Ready."""
    began_s = time.perf_counter()
    with Cluster(nodes=nodes) as cluster:
        for number in range(1, nodes + 1):
            cluster.wait(f"node/node-{number}", "Ready")
        cluster.apply(FIRST)
        took_s = time.perf_counter() - began_s
    return {"ready_ms": took_s * 1e3}
