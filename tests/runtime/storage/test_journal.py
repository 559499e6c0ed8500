"""What an open journal takes and refuses, what a batch costs, and when a snapshot is due."""

from __future__ import annotations

from random import Random

import pytest

from callboard.runtime.storage.errors import StorageError
from callboard.runtime.storage.frames import Group
from callboard.runtime.storage.journal import Journal, JournalLimits
from callboard.runtime.storage.simdisk import SimDisk

SEGMENT = "segment-00000000000000000001.journal"


def group(revision: int, size: int = 40) -> Group:
    return Group(revision, revision, revision + 100, (("put", f"key-{revision}", revision, revision, 1, "v1/Thing", bytes(size)),))


def test_a_snapshot_of_another_revision_is_refused() -> None:
    journal, _ = Journal.open(SimDisk(Random(1)))
    with pytest.raises(ValueError, match="at revision 7 isn't the state of the journal, which is at revision 0"):
        journal.snapshot([], 7)


def test_a_snapshot_is_due_after_so_many_bytes_and_not_before_as_many_as_the_last_one_had() -> None:
    disk = SimDisk(Random(1))
    journal, _ = Journal.open(disk, limits=JournalLimits(snapshot_after_bytes=1000))
    assert not journal.should_snapshot()
    journal.append([group(1, 2000)])
    assert journal.should_snapshot()
    journal.snapshot([("key-1", (1, 1, 1, "v1/Thing", bytes(5000)))], 1)
    journal.append([group(2, 4000)])
    assert not journal.should_snapshot()
    journal.append([group(3, 1200)])
    assert journal.should_snapshot()


@pytest.mark.parametrize(
    "bad",
    [
        Group(1, 1, 1, ()),  # not after revision 1
        Group(2, 2, 1, ()),  # reserves less than it uses
        Group(4, 2, 9, ()),  # backwards
        Group(2, 2, 2, (("put", "a", 1, 3, 1, "t", b""),)),  # a revision of another group
        Group(2, 2, 2, (("delete", "a", 1),)),
        Group(2, 2, 2, (("put", "a", 1, 2, 1, "t", "text"),)),  # type: ignore[arg-type]
        Group(2, 2, 2, (("rename", "a"),)),  # type: ignore[arg-type]
        Group(2, 2, 2, (("compact", 3),)),
    ],
)
def test_a_group_that_recovery_could_not_make_sense_of_is_refused_and_nothing_is_written(bad: Group) -> None:
    disk = SimDisk(Random(1))
    journal, _ = Journal.open(disk)
    journal.append([group(1)])
    before = disk.read(SEGMENT)
    with pytest.raises(ValueError, match="group of revisions"):
        journal.append([bad])
    assert disk.read(SEGMENT) == before
    journal.append([group(2)])


def test_a_batch_is_one_write_and_one_sync() -> None:
    disk = SimDisk(Random(1))
    journal, _ = Journal.open(disk)
    before = (disk.counters.writes, disk.counters.syncs)
    journal.append([group(revision) for revision in range(1, 33)])
    journal.append([])
    assert (disk.counters.writes, disk.counters.syncs) == (before[0] + 1, before[1] + 1)


def test_a_closed_journal_takes_nothing_and_can_be_opened_again() -> None:
    disk = SimDisk(Random(1))
    journal, _ = Journal.open(disk)
    journal.append([group(1)])
    journal.close()
    journal.close()
    with pytest.raises(StorageError, match="is closed: open it again"):
        journal.append([group(4)])
    assert Journal.open(disk)[1].revision == 1
