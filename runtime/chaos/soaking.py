"""The same schedules in real time: a `Cluster`, with simulated containers or real processes, the same users, faults and oracles.

Nothing here can be replayed: which message comes first is the machine's affair. What is stored is looked at some twenty times a second, so
an oracle hears of every change, in order, but of what runs on nodes only as it is at those moments: the one that has to know of every
container that has ever been ready (`ReadyIsTrue`) does not sit. Oracles of single messages hear nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from callboard.actors.store.actor import DISK_ENTRY
from callboard.models.base import replace
from callboard.models.images import Program
from callboard.models.messages.store import Compact
from callboard.models.timing import FAST
from callboard.runtime.chaos.oracles import every
from callboard.runtime.chaos.oracles.base import Oracle, Running, Wrong
from callboard.runtime.chaos.oracles.pods import ReadyIsTrue
from callboard.runtime.chaos.scenarios.drafting import IMAGES
from callboard.runtime.chaos.schedule import FAILS, USERS
from callboard.runtime.chaos.user import NAME, User
from callboard.runtime.chaos.world import SimulatedWorld
from callboard.runtime.face.assembly import CONTROL_PLANE
from callboard.runtime.face.cluster import Cluster
from callboard.runtime.face.nodespec import NodeSpec
from callboard.runtime.faults import carrying, patience
from callboard.runtime.faults.findings import Finding, Outcome
from callboard.runtime.faults.plan import Plan
from callboard.runtime.faults.vocabulary import Pause
from callboard.runtime.systems.links import Hold

LOOK_S = 0.05
STAYS_S = 2.0
FAST_PATIENCE_S = patience.patience_s(FAST)
_RUN = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
PROGRAMS: Mapping[str, Program] = {
    **{name: Program(["sh", "-c", _RUN]) for name in ("web:*", "slow:*", "crashing:*", "broken:*", "faltering:*")},
    "stubborn:*": Program(["sh", "-c", "trap 'sleep 3; exit 0' TERM; while :; do sleep 0.1; done"]),
    "task:*": Program(["sh", "-c", "sleep 1"]),
}
"""What the images of the scenarios are where containers are processes."""


class _Fails(Oracle):
    name = FAILS


class _Users(Oracle):
    name = USERS


_FAILS, _USERS = _Fails(), _Users()


class _RealStage:
    """What faults act upon in a cluster: see `runtime/faults/carrying.py`."""

    def __init__(self, cluster: Cluster) -> None:
        self.system = cluster._system
        self.fleet = cluster._fleet
        self.servers = cluster._blueprint.servers
        self.disk = None
        self._timers: list[threading.Timer] = []

    def later(self, delay_s: float, what: str, do: Callable[[], None]) -> None:
        """Do something after so many seconds, where the system's state may be changed."""
        timer = threading.Timer(delay_s, lambda: self.system.call(do))
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def stored(self, key: str) -> Any:
        """What is stored under a key; None if nothing is."""
        return self._keyspace.items.get(key)

    def compact(self) -> None:
        """Make the store forget its history."""
        self.system.post("store", Compact(self._keyspace.revision))

    @property
    def _keyspace(self) -> Any:
        return self.system.add_machine(CONTROL_PLANE).disk[DISK_ENTRY]

    def stop(self) -> None:
        """Nothing more is to happen."""
        for timer in self._timers:
            timer.cancel()


class _RealWorld(SimulatedWorld):
    """A cluster as oracles see it."""

    @property
    def step(self) -> int:
        found: int = self._system.handled
        return found

    sent = step

    def running(self, node: str) -> tuple[Running, ...]:
        runtime = self.component(f"runtime/{node}")
        if runtime is None or not hasattr(runtime, "sandboxes"):
            return ()
        return tuple(
            Running(node, uid, f"pods/{meta.namespace}/{meta.name}", container.name, container.id, getattr(container, "ready", True))
            for uid, sandbox in runtime.sandboxes.items()
            for meta in (sandbox.pod.metadata,)
            for container in sandbox.containers.values()
            if container.state == "running"
        )


class BudgetSpent(Exception):
    """A soak was left before its end because its time was up: nothing was found until then."""


def soak(
    plan: Plan,
    containers: str = "simulated",
    isolation: str = "auto",
    *,
    system: Literal["realtime", "threaded"] = "realtime",
    hold: Hold | None = None,
    patience_s: float | None = None,
    until_s: float = float("inf"),
) -> Outcome:
    """Play a schedule in real time. Its holds and its strategy don't count, nor do pauses of processes, which have no counterpart.

    Args:
        containers: "simulated" or "process".
        isolation: the level of isolation of real processes, as `Cluster` takes it.
        system: one engine, or a thread for each actor.
        hold: for how many seconds each message between processes is held; None: for none.
        patience_s: seconds to recover in after the last fault; None: what the cluster's periods make possible.
        until_s: when to leave, by `time.monotonic`.

    Raises:
        BudgetSpent: it was left before its end.
    """
    images: Any = IMAGES if containers == "simulated" else PROGRAMS
    nodes = [NodeSpec(name=f"node-{number}", cpu=plan.node_cpu) for number in range(1, plan.nodes + 1)]
    more = {"isolation": isolation} if containers == "process" else {}
    with Cluster(
        nodes=nodes,
        containers=containers,  # type: ignore[arg-type]
        images=images,
        timing=FAST,
        apiservers=plan.apiservers,
        controllers=plan.controllers,
        system=system,
        **more,  # type: ignore[arg-type]
    ) as cluster:
        cluster._system.links.hold(hold)
        return _Soak(cluster, plan, FAST_PATIENCE_S if patience_s is None else patience_s, until_s, containers == "simulated").play()


class _Soak:
    def __init__(self, cluster: Cluster, plan: Plan, patience_s: float, until_s: float, unfailing: bool) -> None:
        """`unfailing`: no component may fail, which those that have to do with real processes may."""
        self._cluster, self._plan = cluster, plan
        self._patience_s, self._until_s, self._unfailing = patience_s, until_s, unfailing
        self._system: Any = cluster._system
        self._world = _RealWorld(cluster, FAST)  # type: ignore[arg-type]
        self._oracles = tuple(oracle for oracle in every() if not isinstance(oracle, ReadyIsTrue))
        self._stage = _RealStage(cluster)
        self._began_s = time.monotonic()

    def play(self) -> Outcome:
        """Let it happen, judge, and wait until all is well."""
        faults = tuple(fault for fault in self._plan.faults if not isinstance(fault, Pause))
        client = self._cluster._blueprint.client()
        self._system.call(lambda: self._system.start(NAME, User, client, self._plan.operations, machine=CONTROL_PLANE))
        carrying.schedule(self._stage, faults, self._world.fault_changed)
        try:
            finding = self._watch(self._plan.lasts_s) or self._rest()
        finally:
            self._stage.stop()
        user = self._system.look(NAME)
        refusals = tuple(user.refusals) if user is not None else ()
        return Outcome(finding, self._system.handled, time.monotonic() - self._began_s, "", refusals=refusals)

    def _watch(self, for_s: float) -> Finding | None:
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            if (found := self._system.still(self._judge)) is not None:
                return self._finding(*found)
            self._look_again()
        return None

    def _look_again(self) -> None:
        if time.monotonic() >= self._until_s:
            raise BudgetSpent
        time.sleep(LOOK_S)

    def _rest(self) -> Finding | None:
        deadline_s = time.monotonic() + self._patience_s
        well_since_s: float | None = None
        while True:
            if (found := self._system.still(self._judge)) is not None:
                return self._finding(*found)
            wrong = self._system.still(self._wrong_at_rest)
            now_s = time.monotonic()
            if wrong is None:
                well_since_s = now_s if well_since_s is None else well_since_s
                if now_s - well_since_s >= STAYS_S:
                    return None
            else:
                well_since_s = None
                if now_s >= deadline_s:
                    oracle, what = wrong
                    return self._finding(oracle, replace(what, words=f"{what.words}, {self._patience_s:g} s after the last fault"))
            self._look_again()

    def _judge(self) -> tuple[Oracle, Wrong] | None:
        world = self._world
        if self._unfailing and self._system.failures:
            failed = self._system.failures[0]
            return _FAILS, Wrong(failed.name, failed.traceback.splitlines()[-1])
        for event in world.changes():
            for oracle in self._oracles:
                if (wrong := oracle.stored(event, world)) is not None:
                    return oracle, wrong
        for node in world.nodes:
            for oracle in self._oracles:
                if (wrong := oracle.ran(node, world)) is not None:
                    return oracle, wrong
        return None

    def _wrong_at_rest(self) -> tuple[Oracle, Wrong] | None:
        user = self._system.look(NAME)
        if user is None or user.done < len(self._plan.operations):
            return _USERS, Wrong("", "the user has not got done what was wanted")
        for oracle in self._oracles:
            if (wrong := oracle.at_rest(self._world)) is not None:
                return oracle, wrong
        return None

    def _finding(self, oracle: Oracle, wrong: Wrong) -> Finding:
        return Finding(oracle.name, wrong.object, wrong.words, time.monotonic() - self._began_s, self._system.handled)
