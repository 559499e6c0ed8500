"""A disk in memory that crashes as badly as POSIX allows: what simulated machines and the journal's tests stand on.

Only two things are durable: bytes after ``AppendFile.sync`` and names after ``Disk.sync_folder``. Of everything else a crash keeps
whatever the random source likes: each unsynced write whole, not at all, up to some byte, or in any choice of its 512-byte sectors
(later ones without earlier ones; holes read as zeros), and each unsynced change of names, as long as the earlier
changes to the same names are kept too.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from callboard.runtime.storage.disk import AppendFile
from callboard.runtime.storage.errors import DataFolderLocked, DiskFull, StorageError

__all__ = ["DiskCounters", "RandomSource", "SimCrash", "SimDisk"]

SECTOR_BYTES = 512
Operation: TypeAlias = Literal["write", "sync", "truncate", "create", "rename", "remove", "sync_folder"]


class RandomSource(Protocol):
    """Where chance comes from; a ``random.Random`` is one."""

    def random(self) -> float:
        """A number in [0, 1)."""


class SimCrash(BaseException):
    """The machine stops here. Not an Exception: nothing on a dead machine may handle it."""


class DiskCounters(msgspec.Struct):
    """How often the disk was asked; ``crashes`` counts power losses and ``kills`` ends of the process only."""

    writes: int = 0
    written_bytes: int = 0
    syncs: int = 0
    folder_syncs: int = 0
    crashes: int = 0
    kills: int = 0


class _Change(NamedTuple):
    """An unsynced write at ``offset``, or, without data, a cut to that size."""

    offset: int
    data: bytes | None


class _Inode:
    """A file's content: as programs see it, as it is on the platter, and what lies between the two."""

    __slots__ = ("durable", "live", "unsynced")

    def __init__(self) -> None:
        self.live = bytearray()
        self.durable = bytearray()
        self.unsynced: list[_Change] = []


def _apply(content: bytearray, change: _Change) -> None:
    if change.data is None:
        del content[change.offset :]
        return
    if len(content) < change.offset:
        content.extend(bytes(change.offset - len(content)))
    content[change.offset : change.offset + len(change.data)] = change.data


class _NameChange(NamedTuple):
    """An unsynced change of the folder: these names then lead to these files (None: nowhere)."""

    names: dict[str, _Inode | None]


class SimDisk:
    """A :class:`~callboard.runtime.storage.disk.Disk`. After ``crash()`` or ``kill()`` it's the disk that the next process finds."""

    def __init__(self, random: RandomSource, place: str = "simulated disk") -> None:
        self._random = random
        self._place = place
        self._names: dict[str, _Inode] = {}
        self._durable_names: dict[str, _Inode] = {}
        self._unsynced_names: list[_NameChange] = []
        self._locked = False
        self._crash_in = -1
        self._failures: dict[str, int] = {}
        self.boot = 0
        self.full = 0
        """How many reasons there are for the disk to be full; as long as there is one, what would make a file longer fails."""
        self.slow_s = 0.0
        """How much longer a sync takes, in seconds; whoever has it synced lets that time pass."""
        self.on_done: tuple[Callable[[Operation], None], ...] = ()
        """Called after every write and every sync of a file."""
        self.counters = DiskCounters()

    # what tests and simulations do to it

    def crash(self) -> None:
        """The power goes: decide what survives of everything unsynced. Files open until now can't be used any more."""
        self.counters.crashes += 1
        self._durable_names = self._surviving_names()
        self._unsynced_names = []
        self._names = dict(self._durable_names)
        for inode in self._names.values():
            self._settle(inode)
        self._end_process()

    def tear(self) -> None:
        """The power goes while the last unsynced write is being done: all before it is there, and of that one, whatever it was, neither
        nothing nor everything."""
        self.counters.crashes += 1
        self._durable_names = self._surviving_names()
        self._unsynced_names = []
        self._names = dict(self._durable_names)
        for inode in self._names.values():
            for change in inode.unsynced[:-1]:
                _apply(inode.durable, change)
            for change in inode.unsynced[-1:]:
                if change.data is not None and len(change.data) > 1:
                    _apply(inode.durable, _Change(change.offset, change.data[: 1 + self._below(len(change.data) - 1)]))
            inode.live, inode.unsynced = bytearray(inode.durable), []
        self._end_process()

    def lose_power(self) -> None:
        """The machine it stands in crashes. Its system calls this for whatever in ``Machine.disk`` has it."""
        self.crash()

    def kill(self) -> None:
        """The process ends at once, the machine goes on: all that was written can be read, but it isn't more durable than before."""
        self.counters.kills += 1
        self._end_process()

    def crash_after(self, operations: int) -> None:
        """Raise SimCrash in the course of the operation after so many changing ones from now: before its effect or just after it."""
        self._crash_in = operations

    def fail(self, operation: Operation, after: int = 0) -> None:
        """Let such an operation fail once, after so many successful ones. A failed sync loses what it should have written, and a
        later one won't notice; a failed write leaves a part."""
        self._failures[operation] = after

    def replace_content(self, name: str, content: bytes) -> None:
        """Change a file's durable bytes behind everybody's back, as a rotting disk does."""
        inode = self._inode(name)
        inode.live, inode.durable, inode.unsynced = bytearray(content), bytearray(content), []

    # what journals call

    @property
    def place(self) -> str:
        return self._place

    def lock(self) -> None:
        if self._locked:
            raise DataFolderLocked(
                f"the data folder {self._place} is in use by another cluster: stop that one, or choose another data folder"
            )
        self._locked = True

    def unlock(self) -> None:
        self._locked = False

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._names))

    def read(self, name: str) -> bytes:
        return bytes(self._inode(name).live)

    def create(self, name: str) -> AppendFile:
        crash_after = self.begin("create", name)
        if name in self._names:
            raise self.fault("create", name, errno.EEXIST)
        inode = _Inode()
        self._change_names({name: inode})
        self.end(crash_after)
        return _SimFile(self, name, inode)

    def reopen(self, name: str) -> AppendFile:
        return _SimFile(self, name, self._inode(name))

    def rename(self, old: str, new: str) -> None:
        crash_after = self.begin("rename", old)
        self._change_names({new: self._inode(old), old: None})
        self.end(crash_after)

    def remove(self, name: str) -> None:
        crash_after = self.begin("remove", name)
        self._inode(name)
        self._change_names({name: None})
        self.end(crash_after)

    def sync_folder(self) -> None:
        crash_after = self.begin("sync_folder", self._place)
        self.counters.folder_syncs += 1
        self._durable_names = dict(self._names)
        self._unsynced_names.clear()
        self.end(crash_after)

    def draw_identity(self) -> int:
        return self._below(1 << 32) << 32 | self._below(1 << 32)

    # shared with the open files

    def begin(self, operation: Operation, name: str) -> bool:
        """Count down to the crash and to planned failures; gives whether the crash comes right after this operation."""
        if self._crash_in >= 0:
            self._crash_in -= 1
            if self._crash_in < 0:
                if self._random.random() < 0.5:
                    raise SimCrash
                return True
        if operation in self._failures:
            self._failures[operation] -= 1
            if self._failures[operation] < 0:
                del self._failures[operation]
                raise self.fault(operation, name, errno.EIO)
        return False

    def end(self, crash: bool) -> None:
        """The operation has had its effect."""
        if crash:
            raise SimCrash

    def done(self, operation: Operation) -> None:
        """Tell whoever wants to know of writes and syncs."""
        for tell in self.on_done:
            tell(operation)

    def fault(self, operation: str, name: str, code: int) -> StorageError:
        """The error of a failed operation, worded as a real disk's."""
        reason = errno.errorcode[code]
        kind = DiskFull if code == errno.ENOSPC else StorageError
        return kind(f"can't {operation} {name} on {self._place} ({reason}): check the data folder, or choose another one")

    def _inode(self, name: str) -> _Inode:
        inode = self._names.get(name)
        if inode is None:
            raise self.fault("open", name, errno.ENOENT)
        return inode

    def _change_names(self, names: dict[str, _Inode | None]) -> None:
        self._unsynced_names.append(_NameChange(names))
        _rename(self._names, names)

    def _end_process(self) -> None:
        self.boot += 1
        self._locked = False
        self._crash_in = -1
        self._failures.clear()

    def _below(self, bound: int) -> int:
        return int(self._random.random() * bound)

    def _surviving_names(self) -> dict[str, _Inode]:
        """The folder after a crash: half the time a prefix of the changes (a journalling file system), else any choice that keeps,
        with each change, all earlier ones to the same names."""
        names = dict(self._durable_names)
        changes = self._unsynced_names
        if not changes:
            return names
        if self._random.random() < 0.5:
            for change in changes[: self._below(len(changes) + 1)]:
                _rename(names, change.names)
            return names
        lost: set[str] = set()
        for change in changes:
            if self._random.random() < 0.5 or not lost.isdisjoint(change.names):
                lost.update(change.names)
            else:
                _rename(names, change.names)
        return names

    def _settle(self, inode: _Inode) -> None:
        """Decide a file's bytes after a crash."""
        chance = self._random.random()
        if inode.unsynced and chance >= 0.15:  # else nothing unsynced was kept
            for change in inode.unsynced:
                self._keep_some(inode.durable, change, everything=chance < 0.3)
        inode.live = bytearray(inode.durable)
        inode.unsynced = []

    def _keep_some(self, content: bytearray, change: _Change, everything: bool) -> None:
        chance = self._random.random()
        if everything or chance < 0.25:
            _apply(content, change)
        elif chance < 0.45 or change.data is None:
            return
        elif chance < 0.65:
            _apply(content, _Change(change.offset, change.data[: self._below(len(change.data) + 1)]))
        else:
            self._keep_sectors(content, change.offset, change.data)

    def _keep_sectors(self, content: bytearray, offset: int, data: bytes) -> None:
        """Any choice of the sectors a write touches. The size may have been made durable before the bytes: then zeros stand in for them."""
        end = offset + len(data)
        if self._random.random() < 0.5 and len(content) < end:
            content.extend(bytes(end - len(content)))
        start = offset
        while start < end:
            stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
            if self._random.random() < 0.5:
                _apply(content, _Change(start, data[start - offset : stop - offset]))
            start = stop


def _rename(folder: dict[str, _Inode], names: dict[str, _Inode | None]) -> None:
    for name, inode in names.items():
        if inode is None:
            folder.pop(name, None)
        else:
            folder[name] = inode


class _SimFile:
    """An open file of one boot: used after a crash it's an error of the caller's."""

    def __init__(self, disk: SimDisk, name: str, inode: _Inode) -> None:
        self._disk = disk
        self._name = name
        self._inode = inode
        self._boot = disk.boot
        self._open = True

    @property
    def size(self) -> int:
        return len(self._inode.live)

    def write(self, data: bytes) -> None:
        self.overwrite(len(self._inode.live), data)

    def overwrite(self, offset: int, data: bytes) -> None:
        self._check()
        try:
            crash_after = self._disk.begin("write", self._name)
        except StorageError:
            self._change(_Change(offset, data[: len(data) // 2]))
            raise
        if self._disk.full and offset + len(data) > len(self._inode.live):
            self._change(_Change(offset, data[: len(data) // 2]))
            raise self._disk.fault("write", self._name, errno.ENOSPC)
        self._disk.counters.writes += 1
        self._disk.counters.written_bytes += len(data)
        self._change(_Change(offset, data))
        self._disk.end(crash_after)
        self._disk.done("write")

    def truncate(self, size: int) -> None:
        self._check()
        crash_after = self._disk.begin("truncate", self._name)
        self._change(_Change(size, None))
        self._disk.end(crash_after)

    def sync(self) -> None:
        self._check()
        inode = self._inode
        try:
            crash_after = self._disk.begin("sync", self._name)
        except StorageError:
            inode.unsynced.clear()  # Linux marks the pages clean: still readable, never written
            raise
        self._disk.counters.syncs += 1
        for change in inode.unsynced:
            _apply(inode.durable, change)
        inode.unsynced.clear()
        self._disk.end(crash_after)
        self._disk.done("sync")

    def close(self) -> None:
        self._open = False

    def _check(self) -> None:
        if not self._open or self._boot != self._disk.boot:
            raise ValueError(f"{self._name} on {self._disk.place} is used after it was closed, or after a crash")

    def _change(self, change: _Change) -> None:
        self._inode.unsynced.append(change)
        _apply(self._inode.live, change)
