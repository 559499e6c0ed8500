"""Which scenarios a run consists of, with their aims; returns figures for the report. Called by `callboard bench run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from callboard.bench.measure import Figure, repeat
from callboard.bench.realrunner import run as real_pods


class Plan(msgspec.Struct, frozen=True):
    """How much to measure. `quick` is for a check that everything runs; its figures are not for quoting."""

    repeats: int = 5
    pods: int = 5_000
    memory_pods: tuple[int, int] = (10_000, 40_000)
    messages: int = 300_000
    threaded_messages: int = 30_000
    idle_s: int = 30
    loss: tuple[int, int, int] = (100, 10_000, 10)
    """Nodes, pods, and nodes lost."""
    real_repeats: int = 3
    schedules: int = 100
    """Of the chaos harness."""
    load_s: int = 4
    """How long each single measurement under load lasts."""


QUICK = Plan(
    repeats=1,
    pods=500,
    memory_pods=(1_000, 1_000),
    messages=20_000,
    threaded_messages=5_000,
    idle_s=3,
    loss=(20, 1_000, 2),
    real_repeats=1,
    schedules=4,
    load_s=1,
)


def run(plan: Plan, say: Callable[[str], None]) -> Iterator[Figure]:
    """Measure everything of a plan, one figure at a time; `say` hears what is being measured."""
    say("import")
    yield _figure("import callboard", "ms", repeat("imports", {}, plan.repeats), "import_ms", 300.0, more=False)
    say("start-up of three nodes")
    yield _figure("3 nodes Ready and first apply", "ms", repeat("startup", {"nodes": 3}, plan.repeats), "ready_ms", 50.0, more=False)
    for nodes in (100, 1_000):
        say(f"{plan.pods} pods on {nodes} nodes")
        results = repeat("rollout", {"nodes": nodes, "pods": plan.pods}, plan.repeats)
        yield _figure(f"Deployment to Ready endpoint, {nodes} nodes", "pods/s", results, "pods_per_s", 2_000.0)
    first, more = plan.memory_pods
    say(f"memory from {first} to {first + more} pods")
    memory = repeat("rollout", {"nodes": 1_000, "pods": first, "more_pods": more}, max(1, plan.repeats // 3))
    yield _figure(f"resident memory, {first} to {first + more} pods", "KiB/pod", memory, "kib_per_pod", 12.0, more=False)
    yield _figure(f"objects for the collector, {first} to {first + more} pods", "objects/pod", memory, "tracked_per_pod", None, more=False)
    yield from _idle(plan, say)
    yield from _rolling(plan, say)
    yield from _node_loss(plan, say)
    yield from _scheduling(plan, say)
    for system in ("realtime", "simulated", "threaded"):
        say(f"messages on the {system} system")
        count = plan.threaded_messages if system == "threaded" else plan.messages
        results = repeat("messages", {"system": system, "messages": count}, plan.repeats)
        yield _figure(f"{system}: to and fro between two actors", "messages/s", results, "ping_pong_per_s", None)
        yield _figure(f"{system}: from one actor to a hundred", "messages/s", results, "fan_out_per_s", None)
    yield from _schedules(plan, say)
    yield from real_pods(min(plan.repeats, plan.real_repeats), plan.load_s, say)


def _idle(plan: Plan, say: Callable[[str], None]) -> Iterator[Figure]:
    for pods in (0, plan.pods):
        say(f"1000 idle nodes with {pods} pods")
        results = repeat("idle", {"nodes": 1_000, "pods": pods, "seconds": plan.idle_s}, max(1, plan.repeats // 3))
        where = f"idle, 1000 nodes, {pods} pods"
        yield _figure(where, "% of a core", results, "idle_percent", 20.0, more=False)
        yield _figure(f"{where}, without usage reports", "% of a core", results, "heartbeats_percent", None, more=False)


def _rolling(plan: Plan, say: Callable[[str], None]) -> Iterator[Figure]:
    say("a rolling update of 1000 pods")
    results = repeat("rolling", {"nodes": 100, "pods": 1_000}, plan.repeats)
    yield _figure("rolling update of 1000 pods", "pods/s", results, "pods_per_s", None)
    yield _figure(
        "rolling update of 1000 pods, 25 % may be unavailable", "most unavailable", results, "most_unavailable", 250.0, more=False
    )


def _node_loss(plan: Plan, say: Callable[[str], None]) -> Iterator[Figure]:
    nodes, pods, lost = plan.loss
    for virtual, name in ((1, "virtual"), (0, "real")):
        say(f"{lost} of {nodes} nodes with {pods} pods lost, in {name} time")
        arguments = {"nodes": nodes, "pods": pods, "lost": lost, "virtual": virtual}
        results = repeat("nodeloss", dict(arguments), 1 if virtual else max(1, plan.repeats // 2))  # one seed, one history
        where = f"{lost} of {nodes} nodes lost with {int(results[0]['pods_lost'])} of {pods} pods"
        yield _figure(f"{where}: until all are Ready, {name} time", "s", results, "seconds", None, more=False)
        yield _figure(f"{where}: beyond what timings allow, {name} time", "s", results, "excess_s", 2.0, more=False)


def _scheduling(plan: Plan, say: Callable[[str], None]) -> Iterator[Figure]:
    for nodes in (100, 1_000, 5_000):
        pods = min(2_400 if nodes == 100 else 9_600, 4 * plan.pods)  # no more of a Deployment than there are nodes to keep apart on
        say(f"scheduling alone, {pods} pods on {nodes} nodes")
        results = repeat("scheduling", {"nodes": nodes, "pods": pods}, plan.repeats)
        yield _figure(f"scheduling alone, {nodes} nodes", "pods/s", results, "pods_per_s", 2_000.0)


def _schedules(plan: Plan, say: Callable[[str], None]) -> Iterator[Figure]:
    for nodes, pods, share, aim in ((2, 3, 1, 300.0), (10, 50, 5, 30.0)):
        say(f"chaos schedules of {nodes} nodes and {pods} pods")
        results = repeat("schedules", {"nodes": nodes, "pods": pods, "schedules": max(1, plan.schedules // share)}, plan.repeats)
        yield _figure(f"chaos: schedules of {nodes} nodes and {pods} pods, one core", "schedules/s", results, "schedules_per_s", aim)
        yield _figure(f"chaos: a schedule of {nodes} nodes and {pods} pods", "steps", results, "median_steps", None, more=False)


def _figure(name: str, unit: str, results: list[dict[str, float]], key: str, aim: float | None, *, more: bool = True) -> Figure:
    return Figure(name, unit, tuple(result[key] for result in results), aim, more)
