"""A journal in terms of the store: commit groups of objects go in, objects come out. Synchronous; knows no actor.

Used by the journal driver. A :class:`JournalFolder` stands for a place that holds a journal and outlives every incarnation of the
driver; a :class:`Session` is one opening of it. At any time one owner (one incarnation of a driver) may use the folder: when the next one
claims it, the former one's session is ended before a new one begins, as if its process had been killed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from callboard.actors.store.keyspace import CommitGroup
from callboard.models.base import replace
from callboard.models.codec import Undecodable, decode, encode
from callboard.runtime.storage.disk import Disk
from callboard.runtime.storage.errors import StorageError
from callboard.runtime.storage.frames import Group, Record, StoredValue
from callboard.runtime.storage.journal import Journal, JournalLimits
from callboard.runtime.storage.snapshot import SnapshotJob

__all__ = ["JournalFolder", "Owner", "Retired", "Session", "Snapshot"]


class Retired(Exception):
    """Somebody else uses the folder now."""


class Owner(Protocol):
    """Who may use a folder."""

    def retire(self) -> None:
        """Somebody else does now. Called on any thread; must not block."""


class Snapshot:
    """A snapshot to be written by whatever thread likes; gives up when its session ends."""

    def __init__(self, session: Session, job: SnapshotJob, state: dict[str, StoredValue]) -> None:
        self._session = session
        self._job = job
        self._state = state

    def write(self) -> int:
        """Write it; gives its size in bytes for `Session.finish_snapshot`. Raises StorageError."""
        return self._job.write(self._entries())

    def _entries(self) -> Iterator[tuple[str, StoredValue]]:
        for entry in self._state.items():
            if self._session.ended:
                raise StorageError("the journal was closed while a snapshot of it was being written")
            yield entry


class Session:
    """One opening of a journal. Its methods may be called by one thread, and `end` by any other."""

    def __init__(self, disk: Disk, limits: JournalLimits) -> None:
        """Open, recover and decode. Raises StorageError; then the folder is free again."""
        self._lock = threading.Lock()
        self._journal, recovered = Journal.open(disk, limits=limits)
        self._state = recovered.records
        self._writer: threading.Thread | None = None
        self._snapshotting = False
        self.ended = False
        self.reserved_revision = recovered.reserved_revision
        self.warnings = recovered.warnings
        try:
            self._items: tuple[tuple[str, Any], ...] | None = tuple((key, _object(disk, key, value)) for key, value in self._state.items())
        except BaseException:
            self._journal.close()
            raise

    @property
    def items(self) -> tuple[tuple[str, Any], ...] | None:
        """Every key with its object as the journal holds them; None as soon as something was written, or when the session has ended."""
        return None if self.ended else self._items

    @property
    def poisoned(self) -> bool:
        """Whether nothing is taken any more before the journal is opened anew."""
        return self._journal.poisoned is not None

    def write(self, groups: Iterable[CommitGroup]) -> None:
        """Write groups without making them durable.

        Raises Retired, StorageError (after DiskFull all is as before, unless `poisoned`), and ValueError or TypeError for what is no
        such group.
        """
        staged: dict[str, StoredValue | None] = {}
        plain = [self._plain(group, staged) for group in groups]
        self._items = None
        with self._lock:
            self._check()
            self._journal.write(plain)
        for key, value in staged.items():
            if value is None:
                self._state.pop(key, None)
            else:
                self._state[key] = value

    def sync(self) -> None:
        """Make durable what was written. Raises Retired, StorageError."""
        with self._lock:
            self._check()
            self._journal.sync()

    def begin_snapshot(self) -> Snapshot | None:
        """What has to be written if a snapshot is due, else None. Nothing may be written and not synced. Raises Retired, StorageError."""
        with self._lock:
            self._check()
            if self._snapshotting or not self._journal.should_snapshot():
                return None
            job = self._journal.begin_snapshot()
        self._snapshotting = True
        return Snapshot(self, job, dict(self._state))

    def finish_snapshot(self, size: int | None) -> None:
        """The snapshot has been written and has this size, or (None) could not be written. Raises Retired, StorageError."""
        with self._lock:
            self._check()
            self._snapshotting = False
            if size is None:
                self._journal.abandon_snapshot()
            else:
                self._journal.finish_snapshot(size)

    def written_by(self, thread: threading.Thread) -> None:
        """A thread that writes a snapshot: `end` waits for it, so that no two ever write in one folder."""
        self._writer = thread

    def end(self) -> None:
        """Give the folder back, after the operation that is going on (at most one sync). A second call does nothing."""
        self.ended = True
        with self._lock:
            self._journal.close()
        if self._writer is not None and self._writer is not threading.current_thread():
            self._writer.join()

    def _check(self) -> None:
        if self.ended:
            raise Retired

    def _plain(self, group: CommitGroup, staged: dict[str, StoredValue | None]) -> Group:
        records: list[Record] = []
        for change in group.changes:
            key, revision = change.key, change.revision
            if change.obj is None:
                staged[key] = None
                records.append(("delete", key, revision))
                continue
            known = staged[key] if key in staged else self._state.get(key)
            create_revision, version = (revision, 1) if known is None else (known[0], known[2] + 1)
            type_name, data = encode(change.obj)
            staged[key] = (create_revision, revision, version, type_name, data)
            records.append(("put", key, create_revision, revision, version, type_name, data))
        return Group(group.first_revision, group.last_revision, group.reserved_revision, tuple(records))


def _object(disk: Disk, key: str, value: StoredValue) -> Any:
    _, mod_revision, _, type_name, data = value
    try:
        obj = decode(type_name, data)
    except Undecodable as problem:
        raise StorageError(
            f"the object {key} in the data folder {disk.place} can't be read ({problem}): "
            f"open the folder with the version of callboard that wrote it"
        ) from None
    if obj.metadata.resource_version != mod_revision:
        obj = replace(obj, metadata=replace(obj.metadata, resource_version=mod_revision))
    return obj


class JournalFolder:
    """A place that holds a journal. `open_disk` makes the disk anew for every opening (or gives the same one again)."""

    def __init__(self, open_disk: Callable[[], Disk], limits: JournalLimits | None = None) -> None:
        self._open_disk = open_disk
        self._limits = limits or JournalLimits()
        self._lock = threading.Lock()
        self._owner: Owner | None = None
        self._session: Session | None = None
        self._opened_for: Owner | None = None
        """Whose session it is; None while nobody has asked for one that was opened early."""

    def open_early(self) -> None:
        """Open now, so that what is wrong with the folder is known before anything is started; the first owner gets this session.

        Raises DataFolderLocked, JournalDamaged, JournalFormatUnknown, StorageError.
        """
        with self._lock:
            self._begin()

    def claim(self, owner: Owner) -> None:
        """From now on the folder is this owner's. Doesn't block: the former session ends when the next one begins."""
        former, self._owner = self._owner, owner
        if former is not None:
            former.retire()

    def open(self, owner: Owner) -> Session:
        """A session for its owner in which nothing is written yet; the former one is ended.

        Raises Retired, and what `open_early` raises.
        """
        with self._lock:
            if self._owner is not owner:
                raise Retired
            session = self._session
            if session is not None and session.items is not None and self._opened_for in (owner, None):
                self._opened_for = owner
                return session
            session = self._begin()
            self._opened_for = owner
            return session

    def close(self) -> None:
        """Nobody uses the folder any more: free it. Everything confirmed is durable already. Closing twice does nothing."""
        former, self._owner = self._owner, None
        if former is not None:
            former.retire()
        with self._lock:
            self._end()

    def _begin(self) -> Session:
        self._end()
        self._session = Session(self._open_disk(), self._limits)
        return self._session

    def _end(self) -> None:
        session, self._session = self._session, None
        self._opened_for = None
        if session is not None:
            session.end()
