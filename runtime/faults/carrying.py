"""How each fault is made to happen, and ended. Used for simulations and, on timers of the wall clock, for clusters in real time.

`begin(stage, fault)` returns what ends it. Both run where the system's state may be changed, between two steps of a simulation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from functools import singledispatch
from typing import Any, Protocol

from callboard.models.messages import api
from callboard.runtime.faults import disks
from callboard.runtime.faults import vocabulary as v

End = Callable[[], None]
WRITES = frozenset({"CreateObject", "UpdateObject", "PatchObject", "ApplyObject", "DeleteObject", "WriteStatus", "BindPod", "EvictPod"})
"""Types of requests that change something stored; leases and Events apart, which come too often to be interesting."""
SERVERS = "apiserver-*"
FORGET_AGAIN_S = 0.2


class Machines(Protocol):
    """The nodes of a cluster, as `runtime/face/fleet.py` has them."""

    def crash(self, name: str) -> None: ...

    def replaceable(self, name: str) -> Any: ...

    def remove(self, name: str) -> None: ...

    def add(self, spec: Any) -> None: ...


class Stage(Protocol):
    """What faults need of a cluster or simulation."""

    @property
    def system(self) -> Any: ...

    @property
    def fleet(self) -> Machines: ...

    @property
    def servers(self) -> tuple[str, ...]: ...

    @property
    def disk(self) -> Any:
        """The disk of the store's journal (`runtime/storage/simdisk.py`); None if it has none that can be broken."""

    def later(self, delay_s: float, what: str, do: Callable[[], None]) -> None:
        """Do something after a while, between two steps."""

    def stored(self, key: str) -> Any:
        """What is stored under a key; None if nothing is."""

    def compact(self) -> None:
        """Make the store forget its history."""


def needs_disk(faults: Iterable[v.Fault]) -> bool:
    """Whether the store needs a journal on a disk for these faults to do anything."""
    return any(
        isinstance(fault, v.DiskSlow | v.DiskFull | v.TornWrite) or (isinstance(fault, v.StoreCrash) and fault.at) for fault in faults
    )


def schedule(stage: Stage, faults: tuple[v.Fault, ...], on_change: Callable[[v.Fault, bool], None] = lambda _fault, _on: None) -> None:
    """Let these faults begin and end in their time, counted from now. `on_change` hears of each beginning (True) and end (False)."""
    for fault in faults:
        stage.later(fault.at_s, type(fault).__name__, lambda fault=fault: _begin_and_end(stage, fault, on_change))  # type: ignore[misc]


def _begin_and_end(stage: Stage, fault: v.Fault, on_change: Callable[[v.Fault, bool], None]) -> None:
    end = begin(stage, fault)

    def ended() -> None:
        end()
        on_change(fault, False)

    on_change(fault, True)
    if fault.for_s > 0:
        stage.later(fault.for_s, f"{type(fault).__name__} ends", ended)
    else:
        ended()


def begin(stage: Stage, fault: v.Fault) -> End:
    """Let a fault begin; what comes back ends it. A target that isn't there (any more) makes it a fault that does nothing."""
    return _begin(fault, stage)


@singledispatch
def _begin(fault: v.Fault, stage: Stage) -> End:
    raise TypeError(f"nobody knows how to carry out a {type(fault).__name__}")


def _nothing() -> None:
    """It has no end of its own."""


# -- links --------------------------------------------------------------------------------------------------------------------------


def _rule(stage: Stage, number: int) -> End:
    return lambda: stage.system.links.remove(number)


def every_nth(types: frozenset[str], every: int) -> Callable[[Any, Any], bool]:
    """A judge that says yes to every n-th message of these types (none named: of all)."""
    count = 0

    def judge(passage: Any, _message: Any) -> bool:
        nonlocal count
        if types and passage.type not in types:
            return False
        count += 1
        return count % every == 0

    return judge


@_begin.register
def _(fault: v.LinkDelay, stage: Stage) -> End:
    return _rule(stage, stage.system.links.delay(fault.source, fault.target, fault.delay_s))


@_begin.register
def _(fault: v.LinkDrop, stage: Stage) -> End:
    return _rule(stage, stage.system.links.drop(fault.source, fault.target, every_nth(frozenset(fault.types), fault.every)))


@_begin.register
def _(fault: v.LinkRepeat, stage: Stage) -> End:
    return _rule(stage, stage.system.links.duplicate(fault.source, fault.target, every_nth(frozenset(fault.types), fault.every)))


@_begin.register
def _(fault: v.Partition, stage: Stage) -> End:
    stage.system.links.partition(fault.a, fault.b, one_way=fault.one_way)
    return lambda: stage.system.links.heal(fault.a, fault.b)


@_begin.register
def _(fault: v.WatchDrop, stage: Stage) -> End:
    return _rule(stage, stage.system.links.drop(SERVERS, fault.target, every_nth(frozenset({"WatchBatch"}), fault.every)))


@_begin.register
def _(fault: v.AnswerLost, stage: Stage) -> End:
    return _rule(stage, stage.system.links.drop(SERVERS, fault.target, every_nth(frozenset({"Written", "Refused"}), fault.every)))


@_begin.register
def _(fault: v.DeafAfterWrite, stage: Stage) -> End:
    links, left = stage.system.links, fault.write

    def counts(passage: Any, _message: Any) -> bool:
        nonlocal left
        left -= passage.type in WRITES
        return False

    numbers = links.drop(fault.target, SERVERS, counts), links.drop(SERVERS, fault.target, lambda _passage, _message: left <= 0)

    def end() -> None:
        for number in numbers:
            links.remove(number)

    return end


@_begin.register
def _(fault: v.WatchDelay, stage: Stage) -> End:
    links, system = stage.system.links, stage.system
    until_s: float = system.now() + fault.for_s

    def told(passage: Any, message: Any) -> float:
        if passage.type not in ("WatchBatch", "WatchClosed"):
            return 0.0
        if fault.resource and _resource_of(system, fault.target, message) != fault.resource:
            return 0.0
        return max(0.0, until_s - float(system.now()))

    return _rule(stage, links.delay_by(SERVERS, fault.target, told))


def _resource_of(system: Any, process: str, message: Any) -> str:
    """Which resource a piece of a watch stream is of, as its reader knows it; "" if it doesn't."""
    reader = system.look(process) if process in system.names() else None
    informer = reader._streams.get(message.id) if reader is not None and hasattr(reader, "_streams") else None
    return informer.resource if informer is not None else ""


@_begin.register
def _(fault: v.ServerLag, stage: Stage) -> End:
    links, system = stage.system.links, stage.system
    until_s: float = system.now() + fault.for_s

    def told(passage: Any, _message: Any) -> float:
        return max(0.0, until_s - float(system.now())) if passage.type == "StoreChanged" else 0.0

    return _rule(stage, links.delay_by("store", fault.target, told))


# -- processes and machines ---------------------------------------------------------------------------------------------------------


@_begin.register
def _(fault: v.ProcessRestart, stage: Stage) -> End:
    system = stage.system
    if fault.target not in system.names():
        return _nothing
    system.crash(fault.target)
    return lambda: _back(system, fault.target)


@_begin.register
def _(fault: v.StoreCrash, stage: Stage) -> End:
    return disks.crash(fault, stage)


@_begin.register
def _(fault: v.TornWrite, stage: Stage) -> End:
    return disks.torn(fault, stage)


@_begin.register
def _(fault: v.DiskSlow, stage: Stage) -> End:
    return disks.slow(fault, stage)


@_begin.register
def _(fault: v.DiskFull, stage: Stage) -> End:
    return disks.full(fault, stage)


@_begin.register
def _(fault: v.ServerGone, stage: Stage) -> End:
    if fault.target in stage.system.names():
        stage.system.crash(fault.target)
    return _nothing


def _back(system: Any, name: str) -> None:
    if name in system.names() and not system.alive(name):
        system.restart(name)


@_begin.register
def _(fault: v.RestartAtWrite, stage: Stage) -> End:
    links, system = stage.system.links, stage.system
    left = fault.write

    def counts(passage: Any, _message: Any) -> bool:
        nonlocal left
        if passage.type in WRITES and left > 0:
            left -= 1
            if not left:
                stage.later(0.0, "crash after a write", lambda: system.crash(fault.target) if fault.target in system.names() else None)
        return False

    number = links.drop(fault.target, SERVERS, counts)

    def end() -> None:
        links.remove(number)
        if left <= 0:
            _back(system, fault.target)

    return end


@_begin.register
def _(fault: v.NodeCrash, stage: Stage) -> End:
    system = stage.system
    if fault.target not in system.machines or not system.machines[fault.target].alive:
        return _nothing
    stage.fleet.crash(fault.target)

    def end() -> None:
        if not system.machines[fault.target].alive:
            system.restart_machine(fault.target)

    return end


@_begin.register
def _(fault: v.NodeReplace, stage: Stage) -> End:
    spec = stage.fleet.replaceable(fault.target)
    if spec is None:
        return _nothing
    stage.fleet.remove(fault.target)
    outlet = stage.system.outlet(lambda _answer: None)  # whether it was there is nobody's business
    server, key = stage.servers[0], api.object_key("nodes", "", fault.target)
    numbers = itertools.count(1)  # whoever looks on tells requests apart by them

    def forget() -> None:
        stage.system.post(server, api.DeleteObject(next(numbers), outlet, resource="nodes", namespace="", name=fault.target))

    def end() -> None:
        if stage.fleet.replaceable(fault.target) is not None:
            return  # another fault was faster
        if stage.stored(key) is None:
            stage.fleet.add(spec)
            return
        forget()  # a kubelet that came before its forerunner's object is gone would lose it: nobody registers twice
        stage.later(FORGET_AGAIN_S, "a node is forgotten", end)

    forget()
    return end


@_begin.register
def _(fault: v.Pause, stage: Stage) -> End:
    if fault.target in stage.system.names():
        stage.system.pause(fault.target, fault.for_s)
    return _nothing


@_begin.register
def _(fault: v.ClockJump, stage: Stage) -> End:
    machine = stage.system.add_machine(fault.target)
    machine.skew_s += fault.skew_s

    def end() -> None:
        machine.skew_s -= fault.skew_s

    return end


@_begin.register
def _(fault: v.Compaction, stage: Stage) -> End:
    stage.compact()
    return _nothing
