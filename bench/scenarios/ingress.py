"""The Ingress beside nginx as a reverse proxy before the same pods, in one run, on loopback addresses so that nothing else stands between.

Each is one process; what counts is requests per second of the processor's time that it takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil

from callboard import Cluster
from callboard.bench.hammer import HammerFailed, hammer, here
from callboard.bench.webpods import PORT, SMALL, client, nginx, service

HOST = "bench.example"
SETTLE_TIMEOUT_S = 20.0
ROUNDS = 2


def measure(isolation: str, seconds: int) -> dict[str, float]:
    """Requests a second, per core and not, of the Ingress and of nginx, taken in turn."""
    with Cluster(nodes=1, containers="process", isolation=isolation, timing="fast") as cluster:
        cluster.apply([service(), nginx("web-1"), nginx("web-2"), client("client"), _ingress()])
        for name in ("web-1", "web-2"):
            cluster.wait(f"pod/{name}", "Ready", timeout=30)
        backends = [f"{cluster.get(f'pod/{name}').status.pod_ip}:{PORT}" for name in ("web-1", "web-2")]
        cluster.apply(nginx("reverse", upstream=backends))
        cluster.wait("pod/reverse", "Ready", timeout=30)
        where = urlsplit(cluster.url("ingress/web"))
        ways = {
            "ingress": (f"http://{where.hostname}:{where.port or 80}/{SMALL}", _ours()),
            "nginx": (f"http://{cluster.get('pod/reverse').status.pod_ip}:{PORT}/{SMALL}", _nginx(cluster)),
        }
        found = {f"{way}_{what}": 0.0 for way in ways for what in ("per_s", "per_core_s")}
        for way, (url, _) in ways.items():
            _await(way, url)
        for _ in range(ROUNDS):
            for way, (url, processes) in ways.items():
                with _watched(processes) as spent:
                    rate = hammer(here, url, seconds, host=HOST).requests_per_s
                found[f"{way}_per_s"] = max(found[f"{way}_per_s"], rate)
                found[f"{way}_per_core_s"] = max(found[f"{way}_per_core_s"], rate / spent[0])
    return {**found, "percent_per_core": 100.0 * found["ingress_per_core_s"] / found["nginx_per_core_s"]}


def _ingress() -> dict[str, object]:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": PORT}}}}
    spec = {"rules": [{"host": HOST, "http": {"paths": [path]}}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": spec}


def _ours() -> list[psutil.Process]:
    """The process in which the Ingress answers: its helper's, else this one."""
    helpers = [child for child in psutil.Process().children(recursive=True) if any("ingress" in word for word in child.cmdline())]
    return helpers or [psutil.Process()]


def _nginx(cluster: Cluster) -> list[psutil.Process]:
    """The reverse proxy's processes: those that listen on its address, as its configuration names it."""
    address = cluster.get("pod/reverse").status.pod_ip
    every = [child for child in psutil.Process().children(recursive=True) if "nginx" in child.name()]
    return [one for one in every if any(link.laddr and link.laddr.ip == address for link in one.net_connections("tcp"))]


@contextmanager
def _watched(processes: list[psutil.Process]) -> Iterator[list[float]]:
    """How many cores these processes took meanwhile, as the only item once it is over."""
    spent: list[float] = []
    began_s, before_s = time.monotonic(), _cpu_s(processes)
    yield spent
    spent.append(max(1e-9, (_cpu_s(processes) - before_s) / (time.monotonic() - began_s)))


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (one.cpu_times() for one in processes))


def _await(way: str, url: str) -> None:
    """Wait until a way answers."""
    deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        try:
            hammer(here, url, 1, connections=1, host=HOST)
            return
        except HammerFailed as problem:
            if time.monotonic() > deadline_s:
                raise HammerFailed(f"{way}: {problem}") from problem
            time.sleep(0.1)
