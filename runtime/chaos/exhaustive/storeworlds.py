"""The store alone: writers that compare and set one key, a reader, and one who follows the changes."""

from __future__ import annotations

from typing import Any

from callboard.actors.component import Component, Port, handles
from callboard.actors.store.actor import Store
from callboard.models.api import core, meta
from callboard.models.base import FrozenMap
from callboard.models.messages.base import Message
from callboard.models.messages.store import (
    Committed,
    Compare,
    FollowStore,
    Put,
    RangeRead,
    ReadRange,
    StoreChanged,
    Transact,
    TransactionFailed,
)
from callboard.runtime.chaos.exhaustive.chosen import Wish, World
from callboard.runtime.chaos.exhaustive.linear import Operation, linearizable

KEY = "configmaps/d/a"


class Go(Message, frozen=True, gc=False):
    """Begin."""


class Record:
    """What all clients saw, in the order in which they did."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._now = 0

    def called(self, operation: Operation) -> Operation:
        """An operation begins."""
        operation.called = self._tick()
        self.operations.append(operation)
        return operation

    def answered(self, operation: Operation, ok: bool, found: Any, revision: int) -> None:
        """Its answer is there; `found` is the object under the key, as a read or a refusal tells, or None."""
        operation.answered = self._tick()
        operation.ok, operation.revision = ok, revision
        operation.found = ((KEY, found.data["v"]),) if found is not None else ()

    def _tick(self) -> int:
        self._now += 1
        return self._now


class Writer(Component):
    """Sets the key to its own name if it is as it believes it to be, absent at first; refused, it tries once more with what it was told."""

    def __init__(self, port: Port, record: Record, tries: int) -> None:
        super().__init__(port)
        self._record, self._tries = record, tries
        self._known: tuple[str | None, int] = (None, 0)
        self._tried = 0
        self._open = Operation(called=0)

    @handles(Go)
    def _go(self, _: Go) -> None:
        self._tried += 1
        value, (known, revision) = f"{self.port.name}.{self._tried}", self._known
        self._open = self._record.called(Operation(called=0, expected=((KEY, known),), writes=((KEY, value),)))
        thing = core.ConfigMap(metadata=meta.ObjectMeta(name="a", namespace="d", uid="u"), data=FrozenMap({"v": value}))
        self.port.send("store", Transact(self._tried, self.port.me, (Compare(KEY, revision),), (Put(KEY, thing),)))

    @handles(Committed)
    def _committed(self, answer: Committed) -> None:
        self._record.answered(self._open, True, None, answer.revision)

    @handles(TransactionFailed)
    def _failed(self, answer: TransactionFailed) -> None:
        ((_, current),) = answer.current
        self._record.answered(self._open, False, current, answer.revision)
        if current is not None:
            self._known = (current.data["v"], current.metadata.resource_version)
        if self._tried < self._tries:
            self._go(Go())


class Reader(Component):
    """Reads so many times, one after the other."""

    def __init__(self, port: Port, record: Record, reads: int) -> None:
        super().__init__(port)
        self._record, self._reads = record, reads
        self._number = 0
        self._open = Operation(called=0)

    @handles(Go)
    def _go(self, _: Go) -> None:
        self._number += 1
        self._open = self._record.called(Operation(called=0, read=True))
        self.port.send("store", ReadRange(self._number, self.port.me, ""))

    @handles(RangeRead)
    def _read(self, answer: RangeRead) -> None:
        self._record.answered(self._open, True, dict(answer.items).get(KEY), answer.revision)
        if self._number < self._reads:
            self._go(Go())


class Follower(Component):
    """Follows the changes from the picture on, and keeps what it was told."""

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        self.revisions: list[int] = []
        """Of the events after the picture, as they came."""
        self.began = -1
        """The revision of the picture; -1: it has none yet."""
        self.seen: dict[str, Any] = {}
        self.trouble = ""

    @handles(Go)
    def _go(self, _: Go) -> None:
        self.port.send("store", FollowStore(1, self.port.me, 0))

    @handles(StoreChanged)
    def _changed(self, piece: StoreChanged) -> None:
        if piece.picture:
            self.began = piece.revision
        for event in piece.events:
            self.seen[event.key] = event.obj
            if not piece.picture:
                self.revisions.append(event.revision)
                if event.revision <= max((self.began, *self.revisions[:-1])):
                    self.trouble = f"the follower is told of revision {event.revision} after {self.revisions[:-1]}"


class CompareAndSet(World):
    """Two writers compare and set one key of a store, and somebody follows its changes from any moment on."""

    claim = (
        "what clients see of the store could have happened one operation at a time, and its follower is told each revision once, in order"
    )
    wish = Wish(together=FrozenMap({"writer-1": "clients", "writer-2": "clients", "reader": "clients"}))
    """Whether an operation was over before another began is seen by who looks at all clients at once."""
    tries, reads = 1, 0

    def build(self) -> None:
        self.record = Record()
        machine = self.system.add_machine("control-plane")
        self.system.start("store", Store, machine.disk, "")
        self.system.start("writer-1", Writer, self.record, self.tries)
        self.system.start("writer-2", Writer, self.record, self.tries)
        self.system.start("follower", Follower)
        if self.reads:
            self.system.start("reader", Reader, self.record, self.reads)

    def stir(self) -> None:
        for name in ("writer-1", "writer-2", "follower", "reader"):
            self.system.post(name, Go())  # where there is no reader, nobody hears it

    def wrong(self) -> str | None:
        return self.system.look("follower").trouble or None

    def wrong_at_the_end(self) -> str | None:
        if not linearizable(self.record.operations):
            return f"no order of operations explains what clients saw: {self.record.operations}"
        follower, keyspace = self.system.look("follower"), self.system.look("store")._keyspace
        if follower.seen != dict(keyspace.items):
            return "what the follower has been told is not what is stored"
        missed = sorted(set(range(follower.began + 1, keyspace.revision + 1)) - set(follower.revisions))
        return f"the follower was not told of revisions {missed}" if missed else None


class WithReader(CompareAndSet):
    """Two writers compare and set one key of a store, somebody reads it, and another follows its changes from any moment on."""

    reads = 1


class SecondTries(WithReader):
    """Two writers compare and set one key of a store, once more if refused, somebody reads it, and another follows its changes."""

    tries = 2
