"""Stores to test: over either engine and on either clock, with clients that write down what they see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from callboard.actors.component import Component, Port, handles
from callboard.actors.store.actor import Store, StoreSettings
from callboard.models.api import core, meta
from callboard.models.base import FrozenMap
from callboard.models.messages.base import Address, Message
from callboard.models.messages.store import (
    Committed,
    Compare,
    Fence,
    Put,
    RangeRead,
    ReadRange,
    Remove,
    StoreRefused,
    Transact,
    TransactionFailed,
)
from callboard.runtime.chaos.exhaustive.linear import Operation
from callboard.runtime.storage.driver import JournalDriver, open_journal
from callboard.runtime.storage.journal import JournalLimits
from callboard.runtime.storage.session import JournalFolder
from callboard.runtime.storage.simdisk import SimDisk
from callboard.runtime.systems import RealTimeSystem, SimulatedSystem, System

ENGINES = ("memory", "journal")
SMALL = JournalLimits(snapshot_after_bytes=2_000)
ANSWER_S = 20.0
GIVE_UP_S = 0.3


def thing(value: str, name: str = "a") -> core.ConfigMap:
    """An object with a value to tell it by."""
    return core.ConfigMap(metadata=meta.ObjectMeta(name=name, namespace="d", uid="u"), data=FrozenMap({"v": value}))


def value_of(obj: Any) -> str | None:
    return None if obj is None else str(obj.data["v"])


class World:
    """A store on a system, and how to speak to it from outside."""

    def __init__(self, system: System) -> None:
        self.system = system

    def transact(self, *ops: Put | Remove, compares: tuple[Compare, ...] = (), fence: Fence | None = None) -> Committed | TransactionFailed:
        answer: Committed | TransactionFailed = self.ask(lambda number, me: Transact(number, me, compares, ops, fence))
        return answer

    def read(self, prefix: str = "", revision: int = 0) -> RangeRead | StoreRefused:
        answer: RangeRead | StoreRefused = self.ask(lambda number, me: ReadRange(number, me, prefix, revision))
        return answer

    def ask(self, build: Callable[[int, Address], Any]) -> Any:
        return self.system.ask("store", build, timeout_s=ANSWER_S)


def simulated(engine: str, seed: int = 1, *, settings: StoreSettings | None = None, disk_class: type[SimDisk] = SimDisk) -> World:
    """A store on virtual time; the journal's disk is simulated, takes its time to sync and crashes with the machine."""
    system = SimulatedSystem(seed)
    machine = system.add_machine("control-plane")
    if engine == "journal":
        disk = machine.disk["journal"] = disk_class(Random(f"{seed}/disk"))
        system.start("journal", JournalDriver, JournalFolder(lambda: disk, SMALL), sync_s=0.02)
    system.start("store", Store, machine.disk, "journal" if engine == "journal" else "", settings)
    return World(system)


@contextmanager
def running(kind: str, folder: Path, settings: StoreSettings | None = None) -> Iterator[World]:
    """A store of a kind such as `realtime-journal` or `simulated-memory`."""
    clock, engine = kind.split("-")
    if clock == "simulated":
        yield simulated(engine, settings=settings)
        return
    system = RealTimeSystem(restart_s=0.01)
    try:
        machine = system.add_machine("control-plane")
        if engine == "journal":
            system.start("journal", JournalDriver, open_journal(folder / "data", SMALL), system.post)
        system.start("store", Store, machine.disk, "journal" if engine == "journal" else "", settings)
        yield World(system)
    finally:
        system.stop()


KINDS = tuple(f"{clock}-{engine}" for clock in ("simulated", "realtime") for engine in ENGINES)


class Record:
    """What all clients of a store saw, in the order in which it happened. On one thread only."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._now = 0

    def called(self, operation: Operation) -> Operation:
        operation.called = self._tick()
        self.operations.append(operation)
        return operation

    def answered(self, operation: Operation, *, ok: bool, found: dict[str, str], revision: int) -> None:
        operation.answered = self._tick()
        operation.ok, operation.found, operation.revision = ok, tuple(sorted(found.items())), revision

    def _tick(self) -> int:
        self._now += 1
        return self._now


class GoOn(Message, frozen=True, gc=False):
    """Timer: the next operation."""


class GiveUp(Message, frozen=True, gc=False):
    """Timer: no answer came."""

    id: int


class Client(Component):
    """Reads and writes a few keys, one operation at a time, and writes down what it saw; without an answer it goes on after a while."""

    def __init__(
        self, port: Port, record: Record, keys: tuple[str, ...], operations: int, reads: float = 0.3, give_up_s: float = 0.3
    ) -> None:
        super().__init__(port)
        self.record = record
        self.keys = keys
        self.left = operations
        self.reads = reads
        self.known: dict[str, tuple[str, int]] = {}
        self.number = 0
        self.open: Operation | None = None

    def on_start(self) -> None:
        self.port.send(self.port.me, GoOn())

    @handles(GoOn)
    def _go_on(self, _: GoOn) -> None:
        if self.left == 0:
            return
        self.left -= 1
        self.number += 1
        if self.port.random() < self.reads:
            self.open = self.record.called(Operation(called=0, read=True))
            self.port.send("store", ReadRange(self.number, self.port.me, ""))
        else:
            self._write()
        self.port.after(GIVE_UP_S, GiveUp(self.number))

    def _write(self) -> None:
        keys = [key for key in self.keys if self.port.random() < 0.5] or [self.keys[0]]
        expected: list[tuple[str, str | None]] = []
        writes: list[tuple[str, str | None]] = []
        compares, ops = [], list[Put | Remove]()
        for index, key in enumerate(keys):
            value, revision = self.known.get(key, (None, 0))
            expected.append((key, value))
            compares.append(Compare(key, revision))
            if revision and self.port.random() < 0.25:
                writes.append((key, None))
                ops.append(Remove(key))
            else:
                new = f"{self.port.me}.{self.number}.{index}"
                writes.append((key, new))
                ops.append(Put(key, thing(new)))
        self.open = self.record.called(Operation(called=0, expected=tuple(expected), writes=tuple(writes)))
        self.port.send("store", Transact(self.number, self.port.me, tuple(compares), tuple(ops)))

    @handles(Committed)
    def _committed(self, answer: Committed) -> None:
        if self._takes(answer.id) and self.open is not None:
            self.record.answered(self.open, ok=True, found={}, revision=answer.revision)
            for (key, value), obj in zip(self.open.writes, answer.objects, strict=True):
                self._learn(key, obj if value is not None else None)
            self._next()

    @handles(TransactionFailed)
    def _failed(self, answer: TransactionFailed) -> None:
        if self._takes(answer.id) and self.open is not None:
            found = {key: str(value_of(obj)) for key, obj in answer.current if obj is not None}
            self.record.answered(self.open, ok=False, found=found, revision=answer.revision)
            for key, obj in answer.current:
                self._learn(key, obj)
            self._next()

    @handles(RangeRead)
    def _read(self, answer: RangeRead) -> None:
        if self._takes(answer.id) and self.open is not None:
            self.record.answered(self.open, ok=True, found={key: str(value_of(obj)) for key, obj in answer.items}, revision=answer.revision)
            self.known.clear()
            for key, obj in answer.items:
                self._learn(key, obj)
            self._next()

    @handles(GiveUp)
    def _give_up(self, message: GiveUp) -> None:
        if self._takes(message.id):
            self._next()

    def _takes(self, number: int) -> bool:
        return self.open is not None and number == self.number

    def _learn(self, key: str, obj: Any) -> None:
        if obj is None:
            self.known.pop(key, None)
        else:
            self.known[key] = (str(value_of(obj)), obj.metadata.resource_version)

    def _next(self) -> None:
        self.open = None
        self.port.after(0.01 * self.port.random(), GoOn())
