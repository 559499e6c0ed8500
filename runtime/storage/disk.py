"""The few file operations a journal needs, and their implementation on a real folder.

The journal (and its recovery and snapshots) call :class:`Disk` and nothing else, so that the simulated disk can crash at any of
these operations. All names are plain file names inside one folder.

What is promised: ``AppendFile.sync`` makes the *bytes* of a file durable, ``Disk.sync_folder`` makes *names* durable (creations,
renames, removals). Neither implies the other; that is all POSIX promises.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from callboard.runtime.storage.errors import DataFolderLocked, DiskFull, StorageError

__all__ = ["LOCK_NAME", "AppendFile", "Disk", "RealDisk"]

LOCK_NAME = "callboard.lock"
_ADVICE = {
    errno.EACCES: "give this user permission to read and write there, or choose another data folder",
    errno.EPERM: "give this user permission to read and write there, or choose another data folder",
    errno.EROFS: "the file system is read-only, choose another data folder",
    errno.ENOSPC: "free some space on that disk and start again",
    errno.EDQUOT: "this user's disk quota is used up, free some space and start again",
    errno.ENOTDIR: "a file is in the way, choose another data folder",
    errno.EEXIST: "a file is in the way, choose another data folder",
    errno.EIO: "the disk itself reports a fault, check it before starting again",
}


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class AppendFile(Protocol):
    """An open file with a position at its end. One writer at a time, which the folder's lock guarantees."""

    @property
    def size(self) -> int:
        """Where the next ``write`` begins, in bytes. Unknown after a failed one."""

    def write(self, data: bytes) -> None:
        """Write all of ``data`` at the end. Durable only after ``sync``. Raises StorageError, DiskFull; then the end is unknown."""

    def overwrite(self, offset: int, data: bytes) -> None:
        """Write ``data`` at ``offset``, inside the file. Raises StorageError."""

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes and go on appending there. Raises StorageError."""

    def sync(self) -> None:
        """Return when all bytes and the size are on the disk. After an error nothing about unsynced bytes is known."""

    def close(self) -> None:
        """Give the file back, without making anything durable. Closing twice does nothing."""


class Disk(Protocol):
    """One folder. Every operation raises StorageError with a sentence for the user."""

    @property
    def place(self) -> str:
        """Where this is, for messages."""

    def lock(self) -> None:
        """Take the folder for this process, creating it when missing. Raises DataFolderLocked when it's taken."""

    def unlock(self) -> None:
        """Give the folder back. Without a lock it does nothing."""

    def names(self) -> tuple[str, ...]:
        """All file names, sorted."""

    def read(self, name: str) -> bytes:
        """The whole content of a file."""

    def create(self, name: str) -> AppendFile:
        """A new empty file; an error if the name is taken."""

    def reopen(self, name: str) -> AppendFile:
        """An existing file, positioned at its end."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name at once; a file that had that name is gone."""

    def remove(self, name: str) -> None:
        """Remove a name."""

    def sync_folder(self) -> None:
        """Return when all creations, renames and removals so far are durable."""

    def draw_identity(self) -> int:
        """A new 64-bit number that tells the files of one journal from those of every other."""


@contextlib.contextmanager
def _explained(action: str, path: Path) -> Iterator[None]:
    """Turn an OSError into a sentence that says what failed, where, and what to do."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "check the data folder, or choose another one")
        kind = DiskFull if error.errno in NO_ROOM else StorageError
        raise kind(f"can't {action} {path} ({error.strerror or error}): {advice}") from error


def _sync_descriptor(descriptor: int) -> None:
    """Make a file's bytes and size durable. fdatasync leaves out time stamps only; macOS needs its own call to reach the platter."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


class _RealFile:
    """An AppendFile on a descriptor. Positions are explicit: with O_APPEND, Linux lets pwrite append whatever the offset."""

    def __init__(self, path: Path, flags: int) -> None:
        self._path = path
        with _explained("open", path):
            self._descriptor = os.open(path, flags | os.O_RDWR | os.O_CLOEXEC, 0o600)
            self._end = os.fstat(self._descriptor).st_size

    @property
    def size(self) -> int:
        return self._end

    def write(self, data: bytes) -> None:
        self.overwrite(self._end, data)
        self._end += len(data)

    def overwrite(self, offset: int, data: bytes) -> None:
        with _explained("write", self._path):
            written = os.pwrite(self._descriptor, data, offset)
            while written < len(data):  # a full disk or a signal may cut a write short
                written += os.pwrite(self._descriptor, memoryview(data)[written:], offset + written)

    def truncate(self, size: int) -> None:
        with _explained("cut", self._path):
            os.ftruncate(self._descriptor, size)
        self._end = size

    def sync(self) -> None:
        with _explained("make durable", self._path):
            _sync_descriptor(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with _explained("close", self._path):
                os.close(descriptor)


class RealDisk:
    """A folder of the file system, given as a path; created with its parents when it's first locked.

    Files are readable by their owner only: a journal holds Secrets.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self._lock_descriptor = -1

    @property
    def place(self) -> str:
        return str(self._folder)

    def lock(self) -> None:
        if self._lock_descriptor >= 0:
            raise DataFolderLocked(f"the data folder {self._folder} is already open in this very object: close it before opening it again")
        self._create_folder()
        path = self._folder / LOCK_NAME
        with _explained("open", path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with _explained("lock", path):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                    raise DataFolderLocked(
                        f"the data folder {self._folder} is in use by another cluster"
                        f"{f' (process {holder})' if holder else ''}: stop that one, or choose another data folder"
                    ) from None
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._lock_descriptor = descriptor

    def _create_folder(self) -> None:
        with _explained("create", self._folder):
            missing = [folder for folder in (self._folder, *self._folder.parents) if not folder.exists()]
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in missing:  # a journal in a folder whose own name is lost is lost as well
            self._sync_names_of(folder.parent)

    def unlock(self) -> None:
        # The lock file stays: removing it would let a third opener lock a new file while a second one locks the old.
        if self._lock_descriptor >= 0:
            descriptor, self._lock_descriptor = self._lock_descriptor, -1
            os.close(descriptor)

    def names(self) -> tuple[str, ...]:
        with _explained("list", self._folder):
            return tuple(sorted(name for name in os.listdir(self._folder) if name != LOCK_NAME))

    def read(self, name: str) -> bytes:
        path = self._folder / name
        with _explained("read", path):
            return path.read_bytes()

    def create(self, name: str) -> AppendFile:
        return _RealFile(self._folder / name, os.O_CREAT | os.O_EXCL)

    def reopen(self, name: str) -> AppendFile:
        return _RealFile(self._folder / name, 0)

    def rename(self, old: str, new: str) -> None:
        with _explained("rename", self._folder / old):
            os.rename(self._folder / old, self._folder / new)

    def remove(self, name: str) -> None:
        with _explained("remove", self._folder / name):
            os.unlink(self._folder / name)

    def sync_folder(self) -> None:
        self._sync_names_of(self._folder)

    def _sync_names_of(self, folder: Path) -> None:
        with _explained("make durable the names in", folder):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def draw_identity(self) -> int:
        return int.from_bytes(os.urandom(8), "big")
