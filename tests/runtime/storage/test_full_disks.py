"""A journal on a disk without room: what is refused leaves nothing behind, and what comes later is taken."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from callboard.runtime.storage.disk import RealDisk
from callboard.runtime.storage.errors import DiskFull, JournalPoisoned, StorageError
from callboard.runtime.storage.journal import Group, Journal
from callboard.runtime.storage.simdisk import SimDisk


def group(revision: int, key: str = "a") -> Group:
    return Group(revision, revision, revision, (("put", key, revision, revision, 1, "v1/ConfigMap", b"{}" * 40),))


def test_a_group_that_found_no_room_is_not_there_and_the_next_one_is_taken_when_there_is() -> None:
    for seed in range(30):
        disk = SimDisk(Random(seed))
        journal, _ = Journal.open(disk)
        journal.append([group(1)])
        disk.full += 1
        for revision in (2, 3):
            with pytest.raises(DiskFull):
                journal.append([group(revision, "b")])
        assert journal.poisoned is None
        assert journal.revision == 1
        disk.full -= 1
        journal.append([group(4, "c")])
        disk.crash()
        _, recovered = Journal.open(disk)
        assert recovered.revision == 4
        assert sorted(recovered.records) == ["a", "c"]
        assert recovered.warnings == ()


def test_a_crash_while_the_disk_is_full_loses_nothing_that_was_confirmed() -> None:
    for seed in range(30):
        disk = SimDisk(Random(seed))
        journal, _ = Journal.open(disk)
        journal.append([group(1)])
        disk.full += 1
        with pytest.raises(DiskFull):
            journal.append([group(2, "b")])
        disk.crash()
        _, recovered = Journal.open(disk)
        assert sorted(recovered.records) == ["a"]


def test_a_part_that_can_not_be_cut_off_ends_the_journal() -> None:
    disk = SimDisk(Random(1))
    journal, _ = Journal.open(disk)
    disk.full += 1
    disk.fail("truncate")
    with pytest.raises(StorageError):
        journal.append([group(1)])
    disk.full -= 1
    with pytest.raises(JournalPoisoned):
        journal.append([group(1)])


def test_a_real_disk_says_that_it_is_full_and_the_part_that_found_room_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = RealDisk(tmp_path / "data")
    journal, _ = Journal.open(disk)
    journal.append([group(1)])
    whole = (tmp_path / "data" / "segment-00000000000000000001.journal").stat().st_size
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", _half(os.pwrite))
        with pytest.raises(DiskFull, match="free some space"):
            journal.append([group(2)])
    assert (tmp_path / "data" / "segment-00000000000000000001.journal").stat().st_size == whole
    journal.append([group(3)])
    journal.close()
    _, recovered = Journal.open(disk)
    assert recovered.revision == 3


def _half(pwrite: Callable[[int, bytes, int], int]) -> Callable[[int, bytes, int], int]:
    """A disk that has room for half of a write."""

    def write(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(descriptor, data[: len(data) - 50], offset)

    return write
