"""Nodes lost with many pods: how long until all are Ready again elsewhere, in virtual or in real time, against what the timings allow."""

from __future__ import annotations

import time
from math import ceil
from typing import Any

import msgspec

from callboard import Cluster, NodeSpec, Simulation
from callboard.bench.scenarios.rolling import PodCounts
from callboard.bench.scenarios.rollout import PODS_PER_DEPLOYMENT, application
from callboard.models.timing import FAST, Timing

TIMING = msgspec.structs.replace(FAST, node_grace_s=4.0)
"""The fast profile, with more patience: 100 nodes that start 10,000 pods in one process may be silent for a while without being lost."""


def bound_s(timing: Timing, lost_nodes: int) -> float:
    """The longest time, from the loss, that the configured timings explain: the grace period, counted from a tick and ended by one; the
    last node's turn at the eviction rate, given at a tick; the toleration, which a tick finds over."""
    ticks = ceil((lost_nodes - 1) / max(timing.eviction_rate_per_s * timing.node_monitor_s, 1.0))
    turn_s = max(ticks * timing.node_monitor_s, (lost_nodes - 1) / timing.eviction_rate_per_s)
    return timing.node_grace_s + 2 * timing.node_monitor_s + turn_s + timing.toleration_s + timing.node_monitor_s


def measure(nodes: int, pods: int, lost: int, virtual: int) -> dict[str, float]:
    """Of `nodes` nodes with `pods` pods, `lost` nodes crash: seconds until all pods are ready again, and the excess over what the timings
    allow. `virtual=1`: in a simulation, whose own cost in real time is told too."""
    specs = [NodeSpec(name=f"node-{number}", cpu="64", memory="256Gi", pods=1000) for number in range(1, nodes + 1)]
    world: Any = Simulation(nodes=specs, seed=1, timing=TIMING) if virtual else Cluster(nodes=specs, timing=TIMING)
    with world:
        clock = (lambda: world.now) if virtual else time.perf_counter
        counts = PodCounts(world)
        for index in range(pods // PODS_PER_DEPLOYMENT):
            world.apply(application(f"web-{index}", PODS_PER_DEPLOYMENT))
        while counts.ready < pods:
            counts.step()
        per_node: dict[str, int] = {}
        for pod in world.list("pods"):
            per_node[pod.spec.node_name] = per_node.get(pod.spec.node_name, 0) + 1
        victims = [spec.name for spec in specs[:lost]]
        gone = sum(per_node.get(name, 0) for name in victims)
        began_s, real_began_s = clock(), time.perf_counter()
        for name in victims:
            world.nodes[name].crash()
        while counts.ready > pods - gone:
            counts.step()
        while counts.ready < pods:
            counts.step()
        took_s, real_s = clock() - began_s, time.perf_counter() - real_began_s
    allowed_s = bound_s(TIMING, lost)
    return {"pods_lost": float(gone), "seconds": took_s, "allowed_s": allowed_s, "excess_s": took_s - allowed_s, "real_s": real_s}
