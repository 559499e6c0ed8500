"""How faults of the store's disk, and crashes of the store at a step of a write, are made to happen and ended. See `carrying.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from callboard.runtime.faults import vocabulary as v

End = Callable[[], None]
STORE, DRIVER = "store", "journal"
SERVERS = "apiserver-*"
ANSWERS = frozenset({"Committed"})


class Stage(Protocol):
    """What of `carrying.Stage` is needed here."""

    @property
    def system(self) -> Any: ...

    @property
    def disk(self) -> Any: ...

    def later(self, delay_s: float, what: str, do: Callable[[], None]) -> None: ...


def nothing() -> None:
    """There is no disk that could be broken, or nothing to end."""


def slow(fault: v.DiskSlow, stage: Stage) -> End:
    """Every sync takes longer."""
    disk = stage.disk
    if disk is None:
        return nothing
    disk.slow_s += fault.delay_s

    def end() -> None:
        disk.slow_s = max(0.0, disk.slow_s - fault.delay_s)

    return end


def full(_: v.DiskFull, stage: Stage) -> End:
    """There is no room."""
    disk = stage.disk
    if disk is None:
        return nothing
    disk.full += 1

    def end() -> None:
        disk.full -= 1

    return end


def torn(fault: v.TornWrite, stage: Stage) -> End:
    """The power goes in the middle of the n-th write."""
    return nothing if stage.disk is None else _at_disk(stage, "write", fault.write, stage.disk.tear)


def crash(fault: v.StoreCrash, stage: Stage) -> End:
    """The store ends, at once or at a step of a write."""
    disk = stage.disk
    if fault.at == "append":
        return nothing if disk is None else _at_disk(stage, "write", fault.write, disk.crash)
    if fault.at == "apply":
        return nothing if disk is None else _at_disk(stage, "sync", fault.write, disk.kill)
    if fault.at:
        return _at_answer(stage, fault.write, heard=fault.at == "fan-out")
    _end_store(stage, disk.kill if disk is not None else nothing)
    return lambda: _back(stage)


def _at_disk(stage: Stage, operation: str, count: int, becomes: Callable[[], None]) -> End:
    """End the store right after the n-th operation of this kind; `becomes` decides what the disk keeps."""
    disk, left = stage.disk, count

    def done(what: str) -> None:
        nonlocal left
        left -= what == operation
        if left == 0:
            left = -1
            stage.later(0.0, f"crash after a {operation}", lambda: _end_store(stage, becomes))

    disk.on_done = (*disk.on_done, done)

    def end() -> None:
        disk.on_done = tuple(one for one in disk.on_done if one is not done)
        if left < 0:
            _back(stage)

    return end


def _at_answer(stage: Stage, count: int, *, heard: bool) -> End:
    """End the store right after it has given the n-th answer to a write; unless it is `heard`, that is lost, and what comes with it."""
    links, left = stage.system.links, count

    def lost(passage: Any, _message: Any) -> bool:
        nonlocal left
        left -= passage.type in ANSWERS and left > 0
        if left == 0:
            left = -1
            stage.later(0.0, "crash after a write", lambda: _end_store(stage, stage.disk.kill if stage.disk is not None else nothing))
            return not heard
        return left < 0 and (not heard or passage.type == "StoreChanged")

    number = links.drop(STORE, SERVERS, lost)

    def end() -> None:
        links.remove(number)
        if left < 0:
            _back(stage)

    return end


def _end_store(stage: Stage, becomes: Callable[[], None]) -> None:
    """The store's process ends, its journal driver in it."""
    for name in (STORE, DRIVER):
        if name in stage.system.names():
            stage.system.crash(name)
    becomes()


def _back(stage: Stage) -> None:
    system = stage.system
    for name in (DRIVER, STORE):
        if name in system.names() and not system.alive(name):
            system.restart(name)
