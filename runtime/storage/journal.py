"""The durable journal: groups of records go in, and once ``append`` has returned they survive any crash.

A journal driver calls it from one thread; :mod:`recovery` reads what it wrote. The files in its folder:

    segment-<n>.journal     a file header, then commit groups; the first one is group n
    snapshot-<n>.state      the whole state after group n; then only segments from n + 1 on are needed
    *.tmp                   a file being made; removed when found at opening
    segment-*.cut-*         bytes that recovery cut off and kept aside; never read again
    callboard.lock          held while the journal is open
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from callboard.runtime.storage import frames
from callboard.runtime.storage.disk import Disk
from callboard.runtime.storage.errors import DiskFull, JournalPoisoned
from callboard.runtime.storage.frames import Group, GroupLike, Kind, StoredValue
from callboard.runtime.storage.recovery import Recovered, Resume, create_segment, recover, segment_sequence
from callboard.runtime.storage.snapshot import SnapshotJob, sequence_in

__all__ = ["Group", "GroupLike", "Journal", "JournalLimits", "Recovered", "StoredValue"]


class JournalLimits(msgspec.Struct, frozen=True):
    """``snapshot_after_bytes``: a snapshot is due when so many bytes, and no fewer than the last snapshot had, were written since."""

    snapshot_after_bytes: int = 16 << 20
    batch_bytes_max: int = 1 << 30


class _Written(msgspec.Struct, frozen=True):
    """How far the journal will be once what is written is durable; ``size`` in bytes."""

    sequence: int
    checksum: int
    revision: int
    reserved: int
    compacted: int
    size: int


class Journal:
    """An open journal; ``open`` makes one. Not thread-safe, except that a SnapshotJob may be written by another thread meanwhile."""

    def __init__(self, disk: Disk, limits: JournalLimits, recovered: Recovered, resume: Resume) -> None:
        self._disk = disk
        self._limits = limits
        self._identity = resume.identity
        self._seed = frames.seed_of(resume.identity)
        self._file = resume.file
        self._segment_start = resume.segment_start
        self._sequence = resume.sequence
        self._checksum = resume.checksum
        self._bytes_since = resume.bytes_since
        self._snapshot_bytes = resume.snapshot_bytes
        self._job: SnapshotJob | None = None
        self._revision = recovered.revision
        self._reserved_revision = recovered.reserved_revision
        self._compacted_revision = recovered.compacted_revision
        self._written: _Written | None = None
        self._closed = False
        self._poison: str | None = None

    @classmethod
    def open(cls, disk: Disk, *, limits: JournalLimits | None = None) -> tuple[Journal, Recovered]:
        """Lock the folder, recover what it holds, and get ready to append.

        Raises DataFolderLocked, JournalDamaged, JournalFormatUnknown, StorageError; the folder isn't locked then.
        """
        disk.lock()
        try:
            recovered, resume = recover(disk)
        except BaseException:
            disk.unlock()
            raise
        return cls(disk, limits or JournalLimits(), recovered, resume), recovered

    @property
    def revision(self) -> int:
        """The last durable revision."""
        return self._revision

    @property
    def reserved_revision(self) -> int:
        """The durable upper bound of revisions; none above it may be handed out before a group that reserves it is appended."""
        return self._reserved_revision

    @property
    def compacted_revision(self) -> int:
        """The last durable compaction."""
        return self._compacted_revision

    @property
    def poisoned(self) -> str | None:
        """Why nothing is taken any more, or None."""
        return self._poison

    def append(self, groups: Sequence[GroupLike]) -> None:
        """Make groups durable, in order, with one write and one sync; returns only when they are.

        Raises ValueError for groups that don't fit behind what is there (then nothing was written). Raises StorageError when the
        disk fails: then each of the groups may or may not survive, and every later call raises JournalPoisoned until the
        journal is opened anew. (A second sync after a failed one may report success for bytes that never reached the disk.)
        """
        self.write(groups)
        self.sync()

    def write(self, groups: Sequence[GroupLike]) -> None:
        """The first half of ``append``; ``sync`` is the second. What a crash between the two leaves is up to the disk.

        Raises DiskFull if there is no room: then nothing was written, and the journal is as before. Else what ``append`` raises.
        """
        self._check_usable()
        if self._written is not None:
            raise ValueError("what was written last is not durable yet")
        if not groups:
            return
        sequence, checksum = self._sequence, self._checksum
        revision, reserved, compacted = self._revision, self._reserved_revision, self._compacted_revision
        parts: list[bytes] = []
        for group in groups:
            body = frames.encode_group_body(group, revision)
            sequence += 1
            part, checksum = frames.encode_frame(Kind.GROUP, sequence, self._sequence, checksum, body, self._seed)
            parts.append(part)
            revision, reserved = group.last_revision, max(reserved, group.reserved_revision)
            for record in group.records:
                if record[0] == "compact":
                    compacted = max(compacted, record[1])
        batch = b"".join(parts)
        if len(batch) > self._limits.batch_bytes_max:
            raise ValueError(f"a batch of {len(batch)} bytes is too large for the journal: at most {self._limits.batch_bytes_max}")
        end = self._file.size
        try:
            self._file.write(batch)
        except DiskFull:
            self._cut_off(end)
            raise
        except BaseException as error:
            self._poison_by(error)  # the end of the file is unknown then
            raise
        self._written = _Written(sequence, checksum, revision, reserved, compacted, len(batch))

    def _cut_off(self, end: int) -> None:
        """Take away what a write without room has left: the next one has to begin where that did."""
        file = self._file
        with self._poisoned_by_failure():
            file.truncate(end)
            file.sync()

    def sync(self) -> None:
        """Make durable what ``write`` has written; without that it does nothing."""
        self._check_usable()
        written, self._written = self._written, None
        if written is None:
            return
        with self._poisoned_by_failure():
            self._file.sync()
        self._sequence, self._checksum = written.sequence, written.checksum
        self._revision, self._reserved_revision, self._compacted_revision = written.revision, written.reserved, written.compacted
        self._bytes_since += written.size

    def should_snapshot(self) -> bool:
        """Whether a snapshot is due. Never while one is being made."""
        return self._job is None and self._bytes_since >= max(self._limits.snapshot_after_bytes, self._snapshot_bytes)

    def snapshot(self, state: Iterable[tuple[str, StoredValue]], revision: int) -> None:
        """Write the whole state, which is the one at ``revision`` (that of the last append), and drop the segments it replaces.

        Raises ValueError if ``revision`` is another one; StorageError if it couldn't be
        written: then all is as before, unless ``poisoned``.
        """
        if revision != self._revision:
            raise ValueError(f"a snapshot at revision {revision} isn't the state of the journal, which is at revision {self._revision}")
        job = self.begin_snapshot()
        try:
            size = job.write(state)
        except BaseException:
            self.abandon_snapshot()
            raise
        self.finish_snapshot(size)

    def begin_snapshot(self) -> SnapshotJob:
        """Start a new segment, and describe the snapshot that replaces all segments before it.

        ``job.write(state)`` may run on another thread while appends go on, with a frozen copy of the state at ``job.revision``; then
        ``finish_snapshot(size)``, or ``abandon_snapshot()`` if it failed, is called here. A crash anywhere between loses nothing: the
        older segments stay until the snapshot is durable. Raises StorageError.
        """
        self._check_usable()
        if self._job is not None:
            raise ValueError("a snapshot is already being made")
        if self._written is not None:
            raise ValueError("what was written last is not durable yet")
        if self._segment_start != self._sequence + 1:
            with self._poisoned_by_failure():  # the new segment may be there: a group added to the old one could then be lost
                file = create_segment(self._disk, self._identity, self._sequence + 1, self._checksum)
            self._file.close()
            self._file, self._segment_start = file, self._sequence + 1
        self._job = SnapshotJob(
            self._disk, self._identity, self._sequence, self._checksum, self._revision, self._reserved_revision, self._compacted_revision
        )
        self._bytes_since = 0
        return self._job

    def finish_snapshot(self, size: int) -> None:
        """The job's write has returned ``size``: drop what its snapshot replaces.

        Raises StorageError; what stays is removed at the next opening.
        """
        job, self._job = self._job, None
        if job is None:
            raise ValueError("no snapshot is being made")
        self._snapshot_bytes = size
        for name in self._disk.names():
            segment, snapshot = segment_sequence(name), sequence_in(name)
            if (segment is not None and segment <= job.sequence) or (snapshot is not None and snapshot < job.sequence):
                self._disk.remove(name)
        self._disk.sync_folder()

    def abandon_snapshot(self) -> None:
        """The job's write has failed; another one is due after as many bytes as usual."""
        self._job = None

    def close(self) -> None:
        """Give the folder back. Everything appended is durable already. Closing twice does nothing."""
        if not self._closed:
            self._closed = True
            try:
                self._file.close()
            finally:
                self._disk.unlock()

    def _check_usable(self) -> None:
        if self._closed:
            raise JournalPoisoned(f"the journal in {self._disk.place} is closed: open it again to write")
        if self._poison is not None:
            raise JournalPoisoned(self._poison)

    @contextlib.contextmanager
    def _poisoned_by_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:  # even a KeyboardInterrupt
            self._poison_by(error)
            raise

    def _poison_by(self, error: BaseException) -> None:
        self._poison = (
            f"the journal in {self._disk.place} takes no more writes, because one failed ({str(error) or type(error).__name__}): "
            f"mend the cause and open it again, which keeps every write that was confirmed"
        )
