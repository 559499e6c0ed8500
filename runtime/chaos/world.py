"""A simulation as oracles see it: what is stored, what runs on nodes, what the actors hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callboard.actors.store.actor import DISK_ENTRY
from callboard.models.messages.store import StoreEvent
from callboard.models.timing import Timing
from callboard.runtime.chaos.oracles.base import Running
from callboard.runtime.face.assembly import CONTROL_PLANE
from callboard.runtime.face.simulation import Simulation
from callboard.runtime.faults.vocabulary import Fault

CLOCKS = ("ClockJump",)


class SimulatedWorld:
    """See `oracles.base.World`."""

    def __init__(self, simulation: Simulation, timing: Timing) -> None:
        self.timing = timing
        self._simulation = simulation
        self._system = simulation._system
        self._disk = self._system.add_machine(CONTROL_PLANE).disk
        self._active: dict[str, int] = {}
        self._known: dict[Fault, float] = {}
        """Faults that have begun, with the moments when they ended."""
        self.active_faults: frozenset[str] = frozenset()
        self._looked_at = self.keyspace
        """What the store held when `changes` was asked last: one that has been started again may hold another keyspace."""
        self._seen = self._looked_at.revision

    @property
    def keyspace(self) -> Any:
        """The store's own memory."""
        return self._disk[DISK_ENTRY]

    @property
    def now(self) -> float:
        return self._system.now()

    @property
    def step(self) -> int:
        found: int = self._system.steps
        return found

    @property
    def sent(self) -> int:
        found: int = self._system.last_born
        return found

    @property
    def objects(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.keyspace.items
        return found

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(self._simulation.nodes)

    def running(self, node: str) -> tuple[Running, ...]:
        name = f"runtime/{node}"
        runtime = self._system.look(name) if name in self._system.names() else None
        if runtime is None:
            return ()
        return tuple(
            Running(node, uid, f"pods/{meta.namespace}/{meta.name}", container.name, container.id, container.ready)
            for uid, sandbox in runtime.sandboxes.items()
            for meta in (sandbox.pod.metadata,)
            for container in sandbox.containers.values()
            if container.state == "running"
        )

    def component(self, name: str) -> Any:
        return self._system.look(name) if name in self._system.names() else None

    def components(self) -> tuple[str, ...]:
        return tuple(self._system.names())

    def fault_changed(self, fault: Fault, on: bool) -> None:
        """A fault begins or ends."""
        kind = type(fault).__name__
        self._known[fault] = float("inf") if on else self.now
        left = self._active.get(kind, 0) + (1 if on else -1)
        if left > 0:
            self._active[kind] = left
        else:
            self._active.pop(kind, None)
        self.active_faults = frozenset(self._active)

    def troubled(self, node: str) -> bool:
        """Whether anything that goes on, or has gone on lately, may keep a node from being heard: whatever concerns it, links, servers or
        the store. Clocks alone don't."""
        lately_s = self.now - 2 * (self.timing.node_grace_s + self.timing.node_monitor_s)
        return any(ended_s >= lately_s and _may_silence(fault, node) for fault, ended_s in self._known.items())

    @property
    def changed(self) -> bool:
        """Whether anything has been stored or removed since `changes` was asked last."""
        keyspace = self._disk[DISK_ENTRY]
        return bool(keyspace.revision != self._seen or keyspace is not self._looked_at)

    def changes(self) -> tuple[StoreEvent, ...]:
        """What has been stored or removed since this was asked last."""
        keyspace = self.keyspace
        if keyspace is not self._looked_at:
            before, self._looked_at, self._seen = self._looked_at.items, keyspace, keyspace.revision
            return differences(before, keyspace.items, keyspace.revision)
        if keyspace.revision == self._seen:
            return ()
        events = keyspace.history.since(self._seen)
        self._seen = keyspace.revision
        return tuple(events or ())


def differences(before: Mapping[str, Any], after: Mapping[str, Any], revision: int) -> tuple[StoreEvent, ...]:
    """What has changed between two contents of the store, in the order of revisions; removals, whose revisions are not kept, come last."""
    changed = [
        StoreEvent(key, obj, before.get(key), obj.metadata.resource_version)
        for key, obj in after.items()
        if (old := before.get(key)) is None or old.metadata.resource_version != obj.metadata.resource_version
    ]
    removed = [StoreEvent(key, None, obj, revision) for key, obj in before.items() if key not in after]
    return (*sorted(changed, key=lambda event: event.revision), *removed)


def _may_silence(fault: Fault, node: str) -> bool:
    """Whether a fault may keep anybody from hearing a node: not one of clocks, nor one of a process that is not on the way of leases."""
    if type(fault).__name__ in CLOCKS:
        return False
    target = str(getattr(fault, "target", ""))
    if target.startswith(("controller/", "scheduler", "proxy/")):
        return target.startswith("controller/nodelifecycle")
    return target in ("", node, f"kubelet/{node}") or target.startswith(("apiserver", "store", "control-plane"))
