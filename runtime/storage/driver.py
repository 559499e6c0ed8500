"""The journal as a component: makes the store's commit groups durable and reads them back after a crash.

The store speaks to it by the messages of `actors/store/messages.py`. In real time all disk work is done by a thread of its own (and a
second one while a snapshot is written) and comes back as a message to this incarnation; in a simulation it is done in the handlers, with a
pause between writing and syncing, in which the machine may crash.
"""

from __future__ import annotations

import os
import queue
import threading
import traceback
from collections.abc import Callable
from typing import Any

from callboard.actors.component import Component, Port, handles
from callboard.actors.store.messages import JournalReady, OpenJournal
from callboard.models.messages.base import Address, Message
from callboard.models.messages.store import Append
from callboard.runtime.storage.desk import Desk
from callboard.runtime.storage.disk import RealDisk
from callboard.runtime.storage.errors import StorageError
from callboard.runtime.storage.journal import JournalLimits
from callboard.runtime.storage.session import JournalFolder, Retired, Session, Snapshot

__all__ = ["JournalDriver", "JournalFailed", "open_journal"]

WORK_LIMIT = 1_000
"""Orders that wait for the driver's thread. A store sends one batch at a time, so this many mean that something is wrong."""

Post = Callable[[Address, Message], None]


def open_journal(path: str | os.PathLike[str], limits: JournalLimits | None = None) -> JournalFolder:
    """Open the journal of a data folder on the caller's thread, before anything is started; made if it isn't there.

    Give it to `JournalDriver`, and call its `close` when the system has stopped.

    Raises DataFolderLocked, JournalDamaged, JournalFormatUnknown, StorageError: one sentence that says what to do.
    """
    folder = JournalFolder(lambda: RealDisk(path), limits)
    folder.open_early()
    return folder


class JournalFailed(Exception):
    """The driver's thread ended with an error that is no condition of the disk; its traceback is in the text."""


class WorkDone(Message, frozen=True, gc=False):
    """The driver's thread to the driver: say this to that address."""

    to: Address
    answer: Message


class WorkLog(Message, frozen=True, gc=False):
    """The driver's thread to the driver: a line for the log."""

    event: str
    problem: str


class WorkFailed(Message, frozen=True, gc=False):
    """The driver's thread to the driver: it has ended with an error."""

    traceback: str


class SyncNow(Message, frozen=True, gc=False):
    """Timer of a simulated driver: make durable what is written."""


class SnapshotNow(Message, frozen=True, gc=False):
    """A simulated driver to itself: make a snapshot if one is due."""


class JournalDriver(Component):
    """One folder's journal. `post` brings messages in from the driver's thread; without it everything is done in the handlers.

    `sync_s`: how long a simulated disk takes to sync at most; each time takes a random part of it, and `slow_s()`
    more. `store` is told of every start.
    """

    def __init__(
        self,
        port: Port,
        folder: JournalFolder,
        post: Post | None = None,
        *,
        sync_s: float = 0.0,
        slow_s: Callable[[], float] = lambda: 0.0,
        store: Address = "store",
    ) -> None:
        super().__init__(port)
        self._folder = folder
        self._store = store
        self._sync_s = sync_s
        self._slow_s = slow_s
        self._worker = _Worker(folder, lambda message: post(port.me, message)) if post is not None else None
        self._desk = Desk(folder) if post is None else None

    def on_start(self) -> None:
        """Tell the store, which then has the journal opened."""
        if self._worker is not None:
            self._worker.start()
        self.port.send(self._store, JournalReady())

    def on_stop(self) -> None:
        """Free the folder, after at most the sync that is going on."""
        self._folder.close()

    @handles(OpenJournal)
    def _open(self, request: OpenJournal) -> None:
        if self._worker is not None:
            self._worker.order(request)
            return
        assert self._desk is not None
        opened = self._desk.open(request)
        if opened is not None:
            self.port.send(request.reply_to, opened)

    @handles(Append)
    def _append(self, append: Append) -> None:
        if self._worker is not None:
            self._worker.order(append)
            return
        assert self._desk is not None
        answer = self._desk.write(append)
        if answer is not None:
            self.port.send(append.reply_to, answer)
        elif self._sync_s > 0.0:
            self.port.after(self._sync_s * self.port.random() + self._slow_s(), SyncNow())
        else:
            self._sync(self._desk)

    # -- in a simulation --------------------------------------------------------------------------------------------------------

    @handles(SyncNow)
    def _sync_now(self, _: SyncNow) -> None:
        if self._desk is not None:
            self._sync(self._desk)

    def _sync(self, desk: Desk) -> None:
        outcome = desk.sync()
        if outcome is not None:
            self.port.send(*outcome)
            self.port.send(self.port.me, SnapshotNow())

    @handles(SnapshotNow)
    def _snapshot_now(self, _: SnapshotNow) -> None:
        try:
            begun = self._desk.begin_snapshot() if self._desk is not None else None
            if begun is not None:
                session, snapshot = begun
                session.finish_snapshot(_write(snapshot, lambda problem: self._log(WorkLog("no snapshot", problem))))
        except StorageError as error:
            self._log(WorkLog("the journal's old files stay", str(error)))

    # -- from the thread --------------------------------------------------------------------------------------------------------

    @handles(WorkDone)
    def _done(self, done: WorkDone) -> None:
        self.port.send(done.to, done.answer)

    @handles(WorkLog)
    def _log(self, line: WorkLog) -> None:
        self.port.log.warning(line.event, problem=line.problem)

    @handles(WorkFailed)
    def _failed(self, failed: WorkFailed) -> None:
        raise JournalFailed(failed.traceback)


def _write(snapshot: Snapshot, on_problem: Callable[[str], Any]) -> int | None:
    """Write a snapshot; its size, or None if it could not be written, which is no reason to stop."""
    try:
        return snapshot.write()
    except StorageError as error:
        on_problem(str(error))
        return None


class _Written(Message, frozen=True, gc=False):
    """The snapshot thread to the driver's thread: the snapshot of that session is written, or (None) is not."""

    session: Session
    size: int | None


class _Worker:
    """The thread that waits for the disk. It ends when the folder gets another owner."""

    def __init__(self, folder: JournalFolder, report: Callable[[Message], None]) -> None:
        self._report = report
        self._orders: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._retired = False
        self._desk = Desk(folder, self._retire)
        self._thread = threading.Thread(target=self._run, name="callboard-journal", daemon=True)

    def start(self) -> None:
        """Begin to carry out orders."""
        self._thread.start()

    def order(self, order: Message) -> None:
        """Take an order of the store; never blocks."""
        if self._orders.qsize() >= WORK_LIMIT:
            raise JournalFailed(f"{WORK_LIMIT} orders wait for the disk")
        self._orders.put(order)

    def _retire(self) -> None:
        self._retired = True
        self._orders.put(None)

    def _run(self) -> None:
        try:
            while (order := self._orders.get()) is not None and not self._retired:
                self._carry_out(order)
        except Retired:
            return
        except BaseException:
            self._report(WorkFailed(traceback.format_exc()))

    def _carry_out(self, order: Message) -> None:
        desk = self._desk
        if isinstance(order, OpenJournal):
            opened = desk.open(order)
            if opened is not None:
                self._report(WorkDone(order.reply_to, opened))
        elif isinstance(order, Append):
            answer = desk.write(order)
            outcome: tuple[Address, Message] | None = (order.reply_to, answer) if answer is not None else desk.sync()
            if outcome is not None:
                self._report(WorkDone(*outcome))
                self._snapshot_if_due()
        elif isinstance(order, _Written) and not order.session.ended:
            try:
                order.session.finish_snapshot(order.size)
            except StorageError as error:
                self._report(WorkLog("the journal's old files stay", str(error)))

    def _snapshot_if_due(self) -> None:
        try:
            begun = self._desk.begin_snapshot()
        except StorageError as error:  # the next batch will fail, too, and have the journal opened anew
            self._report(WorkLog("no snapshot", str(error)))
            return
        if begun is None:
            return
        session, snapshot = begun

        def write() -> None:
            self._orders.put(_Written(session, _write(snapshot, lambda problem: self._report(WorkLog("no snapshot", problem)))))

        thread = threading.Thread(target=write, name="callboard-snapshot", daemon=True)
        session.written_by(thread)
        thread.start()
