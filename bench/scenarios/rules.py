"""How long a change of one Service takes to reach the rules by which pods connect, among many other Services: from the answer to the write
until a pod's connection follows it."""

from __future__ import annotations

import statistics
import time
from typing import Any

from callboard import Cluster
from callboard.bench.webpods import PORT, nginx

CHANGES = 5
FOLLOW = """
import socket, sys, time
address, open_before = (sys.argv[1], 8080), None
while True:
    try:
        socket.create_connection(address, 0.5).close()
        open_ = True
    except OSError:
        open_ = False
    if open_ != open_before:
        print("open" if open_ else "closed", time.monotonic(), flush=True)
        open_before = open_
    time.sleep(0.001)
"""


def measure(isolation: str, services: int, endpoints: int) -> dict[str, float]:
    """Milliseconds until an endpoint that was added can be reached, and one that was removed can't: median and worst."""
    with Cluster(nodes=1, containers="process", isolation=isolation, timing="fast") as cluster:
        cluster.apply(nginx("web"))
        for number in range(services):
            cluster.apply([_service(f"other-{number}"), _slice(f"other-{number}", [f"10.244.200.{2 + n}" for n in range(endpoints)])])
        cluster.apply(_service("changing"))
        cluster.wait("pod/web", "Ready", timeout=30)
        address, web = cluster.get("service/changing").spec.cluster_ip, cluster.get("pod/web").status.pod_ip
        cluster.apply(_follower(address))
        cluster.wait("pod/following", "Ready", timeout=30)
        took_ms: dict[str, list[float]] = {"open": [], "closed": []}
        _changed_s(cluster, "closed", 0)
        for turn in range(CHANGES):
            for word, addresses in (("open", [web]), ("closed", [])):
                cluster.apply(_slice("changing", addresses))
                began_s = time.monotonic()
                took_ms[word].append(1e3 * (_changed_s(cluster, word, turn + (word == "closed")) - began_s))
    every = took_ms["open"] + took_ms["closed"]
    return {"median_ms": statistics.median(every), "worst_ms": max(every)}


def _changed_s(cluster: Cluster, word: str, turn: int) -> float:
    """When the follower saw this for the `turn`-th time (from 0)."""
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        seen = [float(line.split()[1]) for line in cluster.logs("pod/following").splitlines() if line.startswith(word)]
        if len(seen) > turn:
            return seen[turn]
        time.sleep(0.02)
    raise TimeoutError(f"connections did not become {word}")


def _service(name: str) -> dict[str, Any]:
    spec = {"ports": [{"port": PORT, "targetPort": PORT}]}  # without a selector: whoever writes the EndpointSlice says where it leads
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _slice(name: str, addresses: list[str]) -> dict[str, Any]:
    about = {"name": f"{name}-0", "labels": {"kubernetes.io/service-name": name}}
    endpoints = [{"addresses": [address], "conditions": {"ready": True}, "nodeName": "node-1"} for address in addresses]
    ports = [{"port": PORT, "protocol": "TCP"}]
    slices = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": about, "addressType": "IPv4"}
    return {**slices, "endpoints": endpoints, "ports": ports}


def _follower(address: str) -> dict[str, Any]:
    container = {"name": "main", "image": "python:3.11", "command": ["python3", "-c", FOLLOW, address]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "following"}, "spec": spec}
