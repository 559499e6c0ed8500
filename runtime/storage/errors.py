"""What can go wrong with a data folder, one class per thing a caller can do about it.

Raised by the disks and the journal; the command line prints ``str(error)`` as it is, so each message is one sentence
that says what happened, where, and what to do.
"""

from __future__ import annotations

from callboard.runtime.errors import CallboardError

__all__ = ["DataFolderLocked", "DiskFull", "JournalDamaged", "JournalFormatUnknown", "JournalPoisoned", "StorageError"]


class StorageError(CallboardError):
    """The disk refused an operation, or what lies on it can't be used."""


class DiskFull(StorageError):
    """There is no room on the disk, or this user's share of it is used up. Later there may be."""


class DataFolderLocked(StorageError):
    """Another cluster holds the lock of the data folder."""


class JournalDamaged(StorageError):
    """Bytes that were once durable have changed or vanished. ``file`` is a name inside the data folder, ``offset`` a byte in it."""

    def __init__(self, file: str, offset: int, what: str) -> None:
        super().__init__(
            f"the journal is damaged in {file} at byte {offset}: {what}; nothing was changed, restore the data folder from a backup"
        )
        self.file = file
        self.offset = offset


class JournalFormatUnknown(StorageError):
    """The file was written in a format that this version doesn't read."""


class JournalPoisoned(StorageError):
    """A write or a sync failed before, so what is on the disk is unknown until the journal is opened again."""
