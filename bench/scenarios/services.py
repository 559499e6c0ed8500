"""A Service's address beside its pod's own, in one run: by nftables where pods have networks, by the userspace proxy elsewhere.

The clients are pods, the server is nginx in another pod of the same node, so that both ways are as short as they get. Each way has a client
of its own: ports that a client has used lately slow down its next connections, whichever way these take.
"""

from __future__ import annotations

import time
from functools import partial

from callboard import Cluster
from callboard.bench.hammer import HammerFailed, Rate, hammer
from callboard.bench.webpods import LARGE, PORT, SMALL, client, nginx, service

SETTLE_TIMEOUT_S = 20.0
ROUNDS = 3
WAYS = ("direct", "service")


def measure(isolation: str, seconds: int) -> dict[str, float]:
    """Requests, connections and bytes a second, directly and by the Service, taken in turn; and what part of the former the latter is."""
    with Cluster(nodes=1, containers="process", isolation=isolation, timing="fast") as cluster:
        cluster.apply([service(), nginx("web"), *(client(way) for way in WAYS)])
        for name in ("web", *WAYS):
            cluster.wait(f"pod/{name}", "Ready", timeout=30)
        addresses = dict(zip(WAYS, (cluster.get("pod/web").status.pod_ip, cluster.get("service/web").spec.cluster_ip), strict=True))
        _await(partial(_inside, cluster, "service", float(seconds)), addresses["service"])
        rates: dict[str, list[Rate]] = {}
        for _ in range(ROUNDS):
            for way, address in addresses.items():
                run = partial(_inside, cluster, way, float(seconds))
                url = f"http://{address}:{PORT}/"
                rates.setdefault(f"{way}_requests", []).append(hammer(run, url + SMALL, seconds))
                rates.setdefault(f"{way}_connections", []).append(hammer(run, url + SMALL, seconds, close=True))
                rates.setdefault(f"{way}_bytes", []).append(hammer(run, url + LARGE, seconds, connections=2))
    found: dict[str, float] = {}
    for what in ("requests", "connections", "bytes"):
        for way in WAYS:
            best = max(rate.bytes_per_s / 1e9 if what == "bytes" else rate.requests_per_s for rate in rates[f"{way}_{what}"])
            found[f"{way}_{what}_per_s"] = best
        found[f"{what}_percent"] = 100.0 * found[f"service_{what}_per_s"] / found[f"direct_{what}_per_s"]
    return found


def _inside(cluster: Cluster, pod: str, seconds: float, command: list[str]) -> str:
    """Carry a command out in a client's pod."""
    done = cluster.exec(f"pod/{pod}", command, timeout=seconds + 30)
    if done.exit_code != 0:
        raise HammerFailed(f"{command[0]} ended with {done.exit_code}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _await(run: partial[str], address: str) -> None:
    """Wait until the Service's address leads to the pod."""
    probe = f"import urllib.request; urllib.request.urlopen('http://{address}:{PORT}/{SMALL}', timeout=2).read()"
    deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        try:
            run(["python3", "-c", probe])
            return
        except HammerFailed:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)
