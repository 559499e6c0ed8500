"""Which scenarios of real pods a run consists of, with their aims, by what this machine has. Called by the runner."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

from callboard.bench.measure import Figure, repeat
from callboard.runtime.isolation.levels import chosen

Say = Callable[[str], None]
NETWORKED = ("A", "B")
SYSTEM_PATH = "/usr/sbin:/sbin"


def run(repeats: int, seconds: int, say: Say) -> Iterator[Figure]:
    """Measure what real pods and their network do, each figure with its level in its name; `seconds` per single measurement."""
    best = chosen("auto").name
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PATH}")
    for level in dict.fromkeys((best, "C0")):
        yield from _pods(level, repeats, say)
    if best in NETWORKED:
        say(f"100 networks of pods, level {best}")
        results = repeat("podnetworks", {"isolation": best, "pods": 100}, repeats)
        yield _figure(f"a pod's network made, level {best}", "ms", results, "made_ms", 15.0, more=False)
        yield _figure(f"a pod's network removed, level {best}", "ms", results, "removed_ms", None, more=False)
        yield _figure(f"a socket made inside and handed out, level {best}", "ms", results, "socket_ms", None, more=False)
    if nginx is None:
        say("no nginx on this machine (apt-get install nginx-light): nothing of Services and the Ingress is measured")
        return
    if best in NETWORKED:
        yield from _services(best, "nftables" if chosen(best).rules else "userspace proxy", repeats, seconds, say)
        yield from _rules(best, repeats, say)
    yield from _services("C0", "userspace proxy", repeats, seconds, say)
    yield from _ingress(repeats, seconds, say)


def _pods(level: str, repeats: int, say: Say) -> Iterator[Figure]:
    say(f"100 real pods at level {level}")
    results = repeat("realpods", {"isolation": level, "pods": 100}, repeats)
    yield _figure(f"100 real pods Ready, level {level}", "s", results, "ready_s", 10.0, more=False)
    yield _figure(f"a real pod created, level {level}", "ms", results, "create_ms", None, more=False)
    yield _figure(f"a real pod deleted, level {level}", "ms", results, "delete_ms", None, more=False)
    for timing, changes in (("fast", 5), *((("kubernetes", 1),) if repeats > 1 else ())):  # a minute each, at Kubernetes' own pace
        say(f"ConfigMap's change at level {level}, timing {timing}")
        results = repeat("configchange", {"isolation": level, "timing": timing, "changes": changes}, 1)
        name = f"ConfigMap's change seen in a container, level {level}, timing {timing}"
        yield _figure(name, "ms", results, "median_ms", None, more=False)


def _services(level: str, how: str, repeats: int, seconds: int, say: Say) -> Iterator[Figure]:
    say(f"a Service by {how} beside a direct connection, level {level}")
    results = repeat("services", {"isolation": level, "seconds": seconds}, repeats)
    by_rules = how == "nftables"
    aims: dict[str, float | None] = {"requests": 90.0 if by_rules else None, "bytes": None if by_rules else 50.0, "connections": None}
    for what, unit in (("requests", "requests/s"), ("connections", "connections/s"), ("bytes", "GB/s")):
        yield _figure(f"direct, level {level}", unit, results, f"direct_{what}_per_s", None)
        yield _figure(f"ClusterIP by {how}, level {level}", unit, results, f"service_{what}_per_s", None)
        yield _figure(f"ClusterIP by {how}, of direct, {unit}", "%", results, f"{what}_percent", aims[what])


def _rules(level: str, repeats: int, say: Say) -> Iterator[Figure]:
    say(f"one of 100 Services changed, level {level}")
    results = repeat("rules", {"isolation": level, "services": 99, "endpoints": 10}, repeats)
    yield _figure(
        f"a pod's connections follow a change of one of 100 Services, level {level}", "ms", results, "median_ms", 50.0, more=False
    )


def _ingress(repeats: int, seconds: int, say: Say) -> Iterator[Figure]:
    say("the Ingress beside nginx")
    results = repeat("ingress", {"isolation": "C0", "seconds": seconds}, repeats)
    for way, name in (("ingress", "Ingress"), ("nginx", "nginx as reverse proxy")):
        yield _figure(name, "requests/s", results, f"{way}_per_s", None)
        yield _figure(f"{name}, per core", "requests/s", results, f"{way}_per_core_s", None)
    yield _figure("Ingress, of nginx, per core", "%", results, "percent_per_core", 25.0)


def _figure(name: str, unit: str, results: list[dict[str, float]], key: str, aim: float | None, *, more: bool = True) -> Figure:
    return Figure(name, unit, tuple(result[key] for result in results), aim, more)
