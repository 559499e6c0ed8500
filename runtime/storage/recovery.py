"""What a journal makes of its files when it's opened: which groups count, which tail is cut off, when to refuse.

Called by ``Journal.open`` with the folder locked. The rules:

- A crash can only spoil what was not yet durable: the last write to the newest segment. Every group says which group was durable when
  it was written (``synced_sequence``), so for any whole group found behind a flaw one can tell whether both came from one unfinished
  write (a disk may keep its later sectors and lose its earlier ones) or whether the flaw hit durable bytes.
- Unfinished last group: cut off, with a warning. Full length but a wrong checksum: cut off, with a copy kept aside and a warning.
- A flaw in front of anything that was written after it was durable, or in any file but the newest segment: JournalDamaged, and nothing
  is changed.
- What counts is made durable before it's shown: after a mere kill of the process, whole groups may stand in the page cache only. They are
  written once more, because after a failed sync the system may hold such pages for clean and not write them at the next sync.
"""

from __future__ import annotations

import enum
import re
import zlib

import msgspec

from callboard.runtime.storage import frames
from callboard.runtime.storage.disk import AppendFile, Disk
from callboard.runtime.storage.errors import JournalDamaged
from callboard.runtime.storage.frames import FileHeader, FileKind, Flaw, Frame, Kind, StoredValue
from callboard.runtime.storage.snapshot import TEMPORARY, SnapshotRead, format_unknown, fresh_file, read_snapshot, sequence_in

__all__ = ["Recovered", "Resume", "Tail", "create_segment", "judge_tail", "recover", "segment_name", "segment_sequence"]

_SEGMENT_NAME = re.compile(r"segment-(\d{20})\.journal\Z")


def segment_name(first_sequence: int) -> str:
    """The file whose first group is ``first_sequence``."""
    return f"segment-{first_sequence:020}.journal"


def segment_sequence(name: str) -> int | None:
    """The first sequence in a segment's file name; None for any other file."""
    match = _SEGMENT_NAME.match(name)
    return int(match[1]) if match else None


class Recovered(msgspec.Struct, frozen=True):
    """The state a journal held when it was opened.

    ``revision`` is the last journalled one; new revisions start above ``reserved_revision``, which no revision ever handed out exceeds.
    ``warnings`` are sentences for the user about what was cut off.
    """

    records: dict[str, StoredValue]
    revision: int
    reserved_revision: int
    compacted_revision: int
    warnings: tuple[str, ...]


class Resume(msgspec.Struct):
    """Where a journal goes on writing. ``segment_start``: sequence of the segment's first group. ``bytes_since``: all live segments."""

    identity: int
    file: AppendFile
    segment_start: int
    sequence: int
    checksum: int
    bytes_since: int
    snapshot_bytes: int


class Tail(enum.Enum):
    """What may be done about a flaw at the end of the newest segment."""

    TORN = "an unfinished write"
    SPOILED = "a group of full length with a wrong checksum"


class _Progress(msgspec.Struct):
    """How far the replay has come. ``proven`` is the newest group that a later one says was durable."""

    records: dict[str, StoredValue]
    identity: int
    sequence: int
    checksum: int
    revision: int
    reserved_revision: int
    compacted_revision: int
    proven: int = 0
    unproven_offset: int = 0
    bytes_since: int = 0


def create_segment(disk: Disk, identity: int, first_sequence: int, previous: int) -> AppendFile:
    """A new durable segment, open for appending. It never has its name without a whole header. Raises StorageError."""
    name = segment_name(first_sequence)
    file = fresh_file(disk, name + TEMPORARY)
    try:
        file.write(frames.encode_file_header(FileKind.SEGMENT, FileHeader(identity, first_sequence, previous)))
        file.sync()
        disk.rename(name + TEMPORARY, name)
        disk.sync_folder()
    except BaseException:
        file.close()
        raise
    return file


def judge_tail(data: bytes, offset: int, expected: int, flaw: Flaw, seed: int) -> Tail | Frame:
    """Whether the flaw at ``offset``, where group ``expected`` should stand, may be cut off; else the frame that proves it was durable.

    Pure. ``data`` is the whole newest segment.
    """
    if flaw in (Flaw.SHORT, Flaw.ZERO):  # nothing can follow
        return Tail.TORN
    search = offset + 1
    if flaw is Flaw.BODY:  # its length can be trusted, and what lies inside is a user's data
        length = int.from_bytes(data[offset + 8 : offset + 12], "big")
        search = offset + frames.FRAME_HEADER_BYTES + length
    later = frames.find_frame(data, search, seed)
    while later is not None:
        if later.sequence == expected or later.sequence > expected <= later.synced_sequence:
            return later
        later = frames.find_frame(data, later.end, seed)
    return Tail.SPOILED


def recover(disk: Disk) -> tuple[Recovered, Resume]:
    """Read, judge and repair the files of a locked folder. Raises JournalDamaged, JournalFormatUnknown, StorageError."""
    # Names first: a name seen now but not yet durable must not vanish after other names were removed because of it.
    disk.sync_folder()
    names = disk.names()
    snapshots = [name for name in names if sequence_in(name) is not None]
    segments = [name for name in names if segment_sequence(name) is not None]
    if not segments and not snapshots:
        return _begin(disk, names)
    snapshot = read_snapshot(disk, snapshots[-1]) if snapshots else None
    after = snapshot.sequence if snapshot else 0
    live = [name for name in segments if (segment_sequence(name) or 0) > after]
    if not live or segment_sequence(live[0]) != after + 1:
        raise JournalDamaged(segment_name(after + 1), 0, "this file with the groups after the last snapshot is missing")
    progress = _start(snapshot)
    warnings: list[str] = []
    for name in live[:-1]:
        data = disk.read(name)
        end, flaw = _replay_segment(name, data, progress)
        if flaw is not None:
            raise JournalDamaged(name, end, f"group {progress.sequence + 1} can't be read, {flaw.value}, and a newer segment follows")
        progress.bytes_since += len(data)
    file = _finish_newest(disk, live[-1], progress, warnings)
    try:
        _remove_obsolete(disk, names, {*live, *snapshots[-1:]})
    except BaseException:
        file.close()
        raise
    resume = Resume(
        progress.identity, file, segment_sequence(live[-1]) or 0, progress.sequence, progress.checksum, progress.bytes_since,
        snapshot.size if snapshot else 0,
    )  # fmt: skip
    recovered = Recovered(progress.records, progress.revision, progress.reserved_revision, progress.compacted_revision, tuple(warnings))
    return recovered, resume


def _begin(disk: Disk, names: tuple[str, ...]) -> tuple[Recovered, Resume]:
    """A journal in a folder that holds none."""
    identity = disk.draw_identity()
    _remove_obsolete(disk, names, set())
    file = create_segment(disk, identity, 1, 0)
    return Recovered({}, 0, 0, 0, ()), Resume(identity, file, 1, 0, 0, frames.FILE_HEADER_BYTES, 0)


def _start(snapshot: SnapshotRead | None) -> _Progress:
    if snapshot is None:
        return _Progress({}, -1, 0, 0, 0, 0, 0)
    return _Progress(
        snapshot.records, snapshot.identity, snapshot.sequence, snapshot.checksum, snapshot.revision, snapshot.reserved_revision,
        snapshot.compacted_revision,
    )  # fmt: skip


def _replay_segment(name: str, data: bytes, progress: _Progress) -> tuple[int, Flaw | None]:
    """Carry a segment's groups out on ``progress``; gives the offset where the last good one ends, and the flaw there, if any."""
    try:
        header = frames.read_file_header(FileKind.SEGMENT, data)
    except frames.BadFileHeader:
        raise JournalDamaged(name, 0, "these are not the first bytes of a segment") from None
    except frames.UnknownFormat as unknown:
        raise format_unknown(name, unknown.format) from None
    if progress.identity == -1:
        progress.identity = header.identity
    if header.identity != progress.identity:
        raise JournalDamaged(name, 0, "the file belongs to another journal than the files before it")
    if (header.first_sequence, header.previous) != (progress.sequence + 1, progress.checksum):
        raise JournalDamaged(name, 0, f"it doesn't continue where the file before it ends, at group {progress.sequence}")
    seed = frames.seed_of(header.identity)
    view = memoryview(data)
    offset = frames.FILE_HEADER_BYTES
    progress.proven, progress.unproven_offset = progress.sequence, offset
    while offset < len(data):
        try:
            frame = frames.read_frame(view, offset, seed)
        except frames.UnknownFormat as unknown:
            raise format_unknown(f"{name} at byte {offset}", unknown.format) from None
        if isinstance(frame, Flaw):
            return offset, frame
        _replay_group(name, frame, progress)
        offset = frame.end
    return offset, None


def _replay_group(name: str, frame: Frame, progress: _Progress) -> None:
    if (frame.kind, frame.sequence, frame.previous) != (Kind.GROUP, progress.sequence + 1, progress.checksum):
        raise JournalDamaged(
            name, frame.start, f"group {frame.sequence} there doesn't follow group {progress.sequence}, something between them is lost"
        )
    if frame.synced_sequence > progress.proven:  # the first group of a later write than those before
        progress.proven, progress.unproven_offset = frame.synced_sequence, frame.start
    try:
        group = frames.decode_group(frame.body)
        progress.compacted_revision = frames.apply_records(progress.records, group.records, progress.compacted_revision)
    except frames.BadContent as error:
        raise JournalDamaged(name, frame.start, f"group {frame.sequence} there makes no sense, {error}") from error
    progress.sequence, progress.checksum = frame.sequence, frame.checksum
    progress.revision = max(progress.revision, group.last_revision)
    progress.reserved_revision = max(progress.reserved_revision, group.reserved_revision)


def _finish_newest(disk: Disk, name: str, progress: _Progress, warnings: list[str]) -> AppendFile:
    """Replay the newest segment, cut off its tail if the rules allow it, make the rest durable; gives the file, open for appending."""
    data = disk.read(name)
    end, flaw = _replay_segment(name, data, progress)
    if flaw is not None:
        try:
            verdict = judge_tail(data, end, progress.sequence + 1, flaw, frames.seed_of(progress.identity))
        except frames.UnknownFormat as unknown:
            raise format_unknown(f"{name} behind byte {end}", unknown.format) from None
        if isinstance(verdict, Frame):
            raise JournalDamaged(
                name,
                end,
                f"group {progress.sequence + 1} can't be read, {flaw.value}, but group {verdict.sequence} at byte {verdict.start} is whole",
            )
        copy = _keep_aside(disk, name, end, data[end:]) if verdict is Tail.SPOILED else None
        kept = f", a copy of them is kept in {copy}" if copy else ""
        warnings.append(
            f"{disk.place}: {name} ends with {verdict.value}, as a crash leaves it; "
            f"its last {len(data) - end} bytes, from byte {end}, were cut off{kept}"
        )
    file = disk.reopen(name)
    try:
        # Cut even when nothing seems to follow: an opening that failed half-way may have cut it without making that durable.
        file.truncate(end)
        if progress.unproven_offset < end:
            file.overwrite(progress.unproven_offset, data[progress.unproven_offset : end])
        file.sync()
    except BaseException:
        file.close()
        raise
    progress.bytes_since += end
    return file


def _keep_aside(disk: Disk, name: str, offset: int, tail: bytes) -> str:
    """Copy a tail into a durable file beside the segment. The name tells the content, so a repeat after a crash makes no second one."""
    copy = f"{name}.cut-{offset}-{zlib.crc32(tail):08x}"
    file = fresh_file(disk, copy)
    try:
        file.write(tail)
        file.sync()
    finally:
        file.close()
    disk.sync_folder()
    return copy


def _remove_obsolete(disk: Disk, names: tuple[str, ...], needed: set[str]) -> None:
    """Remove what a crash left of our own files: unfinished ones, and those that the newest snapshot replaces."""
    for name in names:
        known = name.removesuffix(TEMPORARY)
        if name not in needed and (segment_sequence(known) is not None or sequence_in(known) is not None):
            disk.remove(name)
