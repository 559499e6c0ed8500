"""Snapshot files: the whole state at one revision, so that older segments of the journal can go.

Written by a :class:`SnapshotJob` on whatever thread the journal's caller likes, read by recovery. A snapshot is written under a
temporary name, made durable, and only then given its name: one that has its name is whole, and a flaw in it is damage.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable

import msgspec

from callboard.runtime.storage import frames
from callboard.runtime.storage.disk import AppendFile, Disk
from callboard.runtime.storage.errors import JournalDamaged, JournalFormatUnknown, StorageError
from callboard.runtime.storage.frames import FileHeader, FileKind, Frame, Kind, StoredValue

__all__ = ["TEMPORARY", "SnapshotJob", "SnapshotRead", "format_unknown", "fresh_file", "read_snapshot", "sequence_in", "snapshot_name"]

TEMPORARY = ".tmp"
_PIECE_BYTES = 1 << 20
_NAME = re.compile(r"snapshot-(\d{20})\.state\Z")


def snapshot_name(sequence: int) -> str:
    """The file that holds the state after group ``sequence``."""
    return f"snapshot-{sequence:020}.state"


def sequence_in(name: str) -> int | None:
    """The sequence in a snapshot's file name; None for any other file."""
    match = _NAME.match(name)
    return int(match[1]) if match else None


def format_unknown(name: str, found: int) -> JournalFormatUnknown:
    """The refusal to read a file of another format."""
    return JournalFormatUnknown(
        f"{name} is written in format {found}, this version of callboard reads format {frames.FORMAT}: "
        f"open the data folder with the version that wrote it"
    )


def fresh_file(disk: Disk, name: str) -> AppendFile:
    """A new file, in place of one that an attempt that failed may have left."""
    if name in disk.names():
        disk.remove(name)
    return disk.create(name)


class SnapshotJob(msgspec.Struct, frozen=True):
    """A snapshot to be written: the state must be the one at ``revision``, right after group ``sequence``."""

    disk: Disk
    identity: int
    sequence: int
    checksum: int
    revision: int
    reserved_revision: int
    compacted_revision: int

    @property
    def name(self) -> str:
        """The file's final name."""
        return snapshot_name(self.sequence)

    def write(self, state: Iterable[tuple[str, StoredValue]]) -> int:
        """Write the state and make it durable under its name; gives its size in bytes.

        Safe on another thread than the journal's. Raises StorageError; then the journal is as it was and may try again.
        """
        temporary = self.name + TEMPORARY
        file = fresh_file(self.disk, temporary)
        try:
            size = self._write_frames(file, state)
            file.sync()
        except StorageError:
            with contextlib.suppress(StorageError):  # what failed is reported below; the next opening removes the file as well
                self.disk.remove(temporary)
            raise
        finally:
            file.close()
        self.disk.rename(temporary, self.name)
        self.disk.sync_folder()
        return size

    def _write_frames(self, file: AppendFile, state: Iterable[tuple[str, StoredValue]]) -> int:
        seed = frames.seed_of(self.identity)
        header = frames.encode_file_header(FileKind.SNAPSHOT, FileHeader(self.identity, self.sequence, self.checksum))
        file.write(header)
        number, previous, size = 0, self.checksum, len(header)

        def add(kind: Kind, content: object) -> None:
            nonlocal number, previous, size
            data, previous = frames.encode_frame(kind, number, 0, previous, frames.encode_body(content), seed)
            file.write(data)
            number, size = number + 1, size + len(data)

        add(Kind.SNAPSHOT_HEAD, (self.revision, self.reserved_revision, self.compacted_revision))
        piece: list[tuple[str, int, int, int, str, bytes]] = []
        piece_bytes = count = 0
        for key, value in state:
            piece.append((key, *value))
            piece_bytes += len(key) + len(value[4]) + 32
            count += 1
            if piece_bytes >= _PIECE_BYTES:
                add(Kind.SNAPSHOT_PIECE, piece)
                piece, piece_bytes = [], 0
        if piece:
            add(Kind.SNAPSHOT_PIECE, piece)
        add(Kind.SNAPSHOT_END, count)
        return size


class SnapshotRead(msgspec.Struct):
    """What a snapshot file holds. ``checksum`` is that of group ``sequence``."""

    identity: int
    sequence: int
    checksum: int
    revision: int
    reserved_revision: int
    compacted_revision: int
    records: dict[str, StoredValue]
    size: int


def read_snapshot(disk: Disk, name: str) -> SnapshotRead:
    """Read a whole snapshot. Raises JournalDamaged, JournalFormatUnknown."""
    data = disk.read(name)
    try:
        return _read(name, data)
    except frames.BadFileHeader:
        raise JournalDamaged(name, 0, "these are not the first bytes of a snapshot") from None
    except frames.UnknownFormat as unknown:
        raise format_unknown(name, unknown.format) from None


def _read(name: str, data: bytes) -> SnapshotRead:
    header = frames.read_file_header(FileKind.SNAPSHOT, data)
    seed = frames.seed_of(header.identity)
    view = memoryview(data)
    read = SnapshotRead(header.identity, header.first_sequence, header.previous, 0, 0, 0, {}, len(data))
    offset, number, previous = frames.FILE_HEADER_BYTES, 0, header.previous
    while True:
        frame = frames.read_frame(view, offset, seed)
        if not isinstance(frame, Frame):
            raise JournalDamaged(name, offset, f"the piece of the snapshot there can't be read, {frame.value}")
        if (frame.sequence, frame.previous) != (number, previous) or (frame.kind == Kind.SNAPSHOT_HEAD) != (number == 0):
            raise JournalDamaged(name, offset, "the piece of the snapshot there doesn't follow the one before it")
        try:
            done = _take(read, frame)
        except (frames.BadContent, TypeError, ValueError) as error:
            raise JournalDamaged(name, offset, f"the piece of the snapshot there makes no sense, {error}") from error
        if done:
            return read
        offset, number, previous = frame.end, number + 1, frame.checksum


def _take(read: SnapshotRead, frame: Frame) -> bool:
    """Add a frame's content to what was read; gives whether it was the last one."""
    content = frames.decode_body(frame.body)
    if frame.kind == Kind.SNAPSHOT_HEAD:
        read.revision, read.reserved_revision, read.compacted_revision = content
    elif frame.kind == Kind.SNAPSHOT_PIECE:
        frames.apply_records(read.records, (("put", *entry) for entry in content), 0)
    elif frame.kind == Kind.SNAPSHOT_END:
        if content != len(read.records):
            raise frames.BadContent(f"it has {len(read.records)} keys instead of {content}")
        return True
    else:
        raise frames.BadContent(f"a frame of unknown kind {frame.kind}")
    return False
