"""Each rule of recovery, with the byte at which it bites."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from callboard.runtime.storage.errors import JournalDamaged, JournalFormatUnknown, StorageError
from callboard.runtime.storage.frames import FILE_HEADER_BYTES, FRAME_HEADER_BYTES, Group, Record
from callboard.runtime.storage.journal import Journal, Recovered
from callboard.runtime.storage.simdisk import Operation, SimDisk

SEGMENT = "segment-00000000000000000001.journal"


def group(revision: int, size: int = 40) -> Group:
    record: Record = ("put", f"key-{revision}", revision, revision, 1, "v1/Thing", bytes([revision]) * size)
    return Group(revision, revision, revision + 100, (record,))


def written(*batches: tuple[Group, ...]) -> tuple[SimDisk, list[int]]:
    """A closed journal with these batches, and the offsets where each one ends."""
    disk = SimDisk(Random(1))
    journal, _ = Journal.open(disk)
    ends = [FILE_HEADER_BYTES]
    for batch in batches:
        journal.append(batch)
        ends.append(len(disk.read(SEGMENT)))
    journal.close()
    return disk, ends


def resurrected(disk: SimDisk, seed: int) -> SimDisk:
    """The same durable files on a disk with other luck."""
    other = SimDisk(Random(seed))
    for name in disk.names():
        other.create(name).close()
        other.replace_content(name, disk.read(name))
    other.sync_folder()
    return other


def reopened(disk: SimDisk) -> Recovered:
    """Open, see that it takes a group and is the same when opened once more, and close."""
    journal, recovered = Journal.open(disk)
    journal.append([Group(recovered.reserved_revision + 1, recovered.reserved_revision, recovered.reserved_revision, ())])
    journal.close()
    again, second = Journal.open(disk)
    again.close()
    assert (second.records, second.warnings) == (recovered.records, ())
    return recovered


def three() -> tuple[SimDisk, list[int]]:
    return written((group(1),), (group(2),), (group(3),))


def edit(disk: SimDisk, change: Callable[[bytearray], None], name: str = SEGMENT) -> bytes:
    content = bytearray(disk.read(name))
    change(content)
    disk.replace_content(name, bytes(content))
    return bytes(content)


def flip(offset: int) -> Callable[[bytearray], None]:
    def change(content: bytearray) -> None:
        content[offset] ^= 0x10

    return change


def test_a_new_folder_holds_nothing() -> None:
    assert reopened(SimDisk(Random(1))) == Recovered({}, 0, 0, 0, ())


def test_everything_comes_back() -> None:
    last = Group(3, 4, 99, (("delete", "key-1", 3), ("put", "key-2", 2, 4, 2, "v1/Thing", b"new"), ("compact", 2)))
    disk, _ = written((group(1), group(2)), (last,))
    assert reopened(disk) == Recovered({"key-2": (2, 4, 2, "v1/Thing", b"new")}, 4, 102, 2, ())


def test_the_reservation_of_a_group_without_transactions_comes_back() -> None:
    disk, _ = written((group(1),), (Group(2, 1, 5000, ()),))
    recovered = reopened(disk)
    assert (recovered.revision, recovered.reserved_revision) == (1, 5000)


def test_a_last_group_cut_short_at_any_byte_is_dropped_with_a_warning() -> None:
    _, ends = three()
    for size in range(ends[2] + 1, ends[3]):
        disk, _ = three()
        edit(disk, lambda content, size=size: content.__delitem__(slice(size, None)))  # type: ignore[misc]
        recovered = reopened(disk)
        assert recovered.revision == 2
        (warning,) = recovered.warnings
        assert warning == (
            f"simulated disk: {SEGMENT} ends with an unfinished write, as a crash leaves it; "
            f"its last {size - ends[2]} bytes, from byte {ends[2]}, were cut off"
        )
        assert disk.names() == (SEGMENT,)


@pytest.mark.parametrize("zeros", [1, FRAME_HEADER_BYTES - 1, FRAME_HEADER_BYTES, 5000])
def test_zeros_at_the_end_are_a_torn_tail(zeros: int) -> None:
    disk, ends = three()
    edit(disk, lambda content: content.extend(bytes(zeros)))
    recovered = reopened(disk)
    assert recovered.revision == 3
    assert len(recovered.warnings) == 1
    assert f"its last {zeros} bytes, from byte {ends[3]}, were cut off" in recovered.warnings[0]
    assert disk.names() == (SEGMENT,)


def test_a_last_group_of_full_length_with_any_byte_changed_is_dropped_and_a_copy_is_kept() -> None:
    _, ends = three()
    for offset in range(ends[2], ends[3]):
        disk, _ = three()
        content = edit(disk, flip(offset))
        recovered = reopened(disk)
        assert recovered.revision == 2, offset
        (copy,) = (name for name in disk.names() if ".cut-" in name)
        assert disk.read(copy) == content[ends[2] :]
        (warning,) = recovered.warnings
        assert warning == (
            f"simulated disk: {SEGMENT} ends with a group of full length with a wrong checksum, as a crash leaves it; "
            f"its last {ends[3] - ends[2]} bytes, from byte {ends[2]}, were cut off, a copy of them is kept in {copy}"
        )


def test_copies_of_two_crashes_are_both_kept() -> None:
    disk, ends = three()
    edit(disk, flip(ends[3] - 1))
    Journal.open(disk)[0].close()
    journal, _ = Journal.open(disk)
    journal.append([group(110)])
    journal.close()
    edit(disk, flip(len(disk.read(SEGMENT)) - 1))
    reopened(disk)
    assert sum(".cut-" in name for name in disk.names()) == 2


def test_a_tail_stays_cut_off_even_if_the_opening_that_cut_it_failed_to_make_that_durable() -> None:
    for seed in range(20):
        disk, ends = written((group(1),), (group(2, 3000),))
        edit(disk, flip(ends[1]))
        disk = resurrected(disk, seed)
        disk.fail("sync", after=1)  # the first one is that of the copy
        with pytest.raises(StorageError):
            Journal.open(disk)
        disk.kill()
        journal, _ = Journal.open(disk)
        journal.append([group(110)])
        disk.crash()
        recovered = reopened(disk)
        assert (recovered.revision, recovered.warnings) == (110, ())


def test_a_changed_byte_before_the_last_group_is_damage_and_nothing_is_changed() -> None:
    _, ends = three()
    for offset in range(ends[0], ends[2]):
        disk, _ = three()
        content = edit(disk, flip(offset))
        with pytest.raises(JournalDamaged) as caught:
            Journal.open(disk)
        damaged_group = 0 if offset < ends[1] else 1
        assert (caught.value.file, caught.value.offset) == (SEGMENT, ends[damaged_group]), offset
        assert f"damaged in {SEGMENT} at byte {ends[damaged_group]}: group {damaged_group + 1} can't be read" in str(caught.value)
        assert f"but group {3 if damaged_group else 2} at byte {ends[damaged_group + 1]} is whole" in str(caught.value)
        assert "restore the data folder from a backup" in str(caught.value)
        assert {name: disk.read(name) for name in disk.names()} == {SEGMENT: content}
        with pytest.raises(JournalDamaged):  # and the folder isn't left locked
            Journal.open(disk)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_group_that_vanished_from_the_middle_is_damage(missing: int) -> None:
    disk, ends = three()
    edit(disk, lambda content: content.__delitem__(slice(ends[missing], ends[missing + 1])))
    with pytest.raises(
        JournalDamaged, match=f"group {missing + 2} there doesn't follow group {missing}, something between them is lost"
    ) as caught:
        Journal.open(disk)
    assert caught.value.offset == ends[missing]


def test_a_group_that_stands_there_twice_is_damage() -> None:
    disk, ends = three()
    edit(disk, lambda content: content.extend(content[ends[2] : ends[3]]))
    with pytest.raises(JournalDamaged, match="group 3 there doesn't follow group 3"):
        Journal.open(disk)


def test_a_hole_inside_the_last_write_is_a_torn_tail_even_with_whole_groups_behind_it() -> None:
    """A disk may keep the later sectors of an unfinished write and lose the earlier ones."""
    disk, ends = written((group(1),), (group(2), group(3), group(4)))
    edit(disk, flip(ends[1] + FRAME_HEADER_BYTES + 3))
    recovered = reopened(disk)
    assert recovered.revision == 1
    assert "a copy of them is kept" in recovered.warnings[0]


def test_groups_of_the_last_write_before_its_flaw_are_kept() -> None:
    disk, ends = written((group(1),), (group(2), group(3), group(4)))
    edit(disk, flip(ends[2] - 1))
    assert reopened(disk).revision == 3


@pytest.mark.parametrize("broken", ["header", "body"])
def test_what_looks_like_a_group_inside_a_stored_value_is_none(broken: str) -> None:
    """A user may store another cluster's journal in a Secret."""
    other, _ = three()
    fake = other.read(SEGMENT)[FILE_HEADER_BYTES:]
    disk = SimDisk(Random(2))
    journal, _ = Journal.open(disk)
    journal.append([group(1)])
    second = len(disk.read(SEGMENT))
    journal.append([Group(2, 2, 2, (("put", "a", 2, 2, 1, "v1/Secret", fake),))])
    journal.close()
    start = disk.read(SEGMENT).index(fake)
    edit(disk, flip(start - 1 if broken == "body" else second + 12))
    assert reopened(disk).revision == 1


@pytest.mark.parametrize(("offset", "message"), [(0, "not the first bytes of a segment"), (35, "not the first bytes of a segment")])
def test_a_damaged_file_header_is_damage(offset: int, message: str) -> None:
    disk, _ = three()
    edit(disk, flip(offset))
    with pytest.raises(JournalDamaged, match=f"at byte 0: these are {message}"):
        Journal.open(disk)


def test_an_unknown_format_is_refused_with_what_to_do() -> None:
    disk, _ = three()
    edit(disk, lambda content: content.__setitem__(11, 7))
    with pytest.raises(
        JournalFormatUnknown, match="is written in format 7, .* reads format 1: open the data folder with the version that wrote it"
    ):
        Journal.open(disk)


def snapshotted() -> SimDisk:
    disk, _ = three()
    journal, recovered = Journal.open(disk)
    journal.snapshot(recovered.records.items(), 3)
    journal.append([group(200)])
    journal.close()
    return disk


def test_a_snapshot_replaces_the_segments_before_it() -> None:
    disk = snapshotted()
    assert disk.names() == ("segment-00000000000000000004.journal", "snapshot-00000000000000000003.state")
    recovered = reopened(disk)
    assert (sorted(recovered.records), recovered.revision, recovered.reserved_revision) == (
        ["key-1", "key-2", "key-200", "key-3"],
        200,
        300,
    )


def test_any_damaged_byte_of_a_snapshot_is_damage() -> None:
    name = "snapshot-00000000000000000003.state"
    for offset in range(len(snapshotted().read(name))):
        if 8 <= offset < 12:  # the format number
            continue
        disk = snapshotted()
        edit(disk, flip(offset), name)
        with pytest.raises(JournalDamaged) as caught:
            Journal.open(disk)
        assert caught.value.file == name


def test_a_snapshot_cut_short_is_damage() -> None:
    name = "snapshot-00000000000000000003.state"
    disk = snapshotted()
    edit(disk, lambda content: content.__delitem__(slice(-10, None)), name)
    with pytest.raises(JournalDamaged, match="the piece of the snapshot there can't be read, the file ends inside it"):
        Journal.open(disk)


def test_a_missing_segment_is_damage() -> None:
    disk = snapshotted()
    disk.remove("segment-00000000000000000004.journal")
    with pytest.raises(JournalDamaged, match="segment-00000000000000000004.journal at byte 0: this file .* is missing"):
        Journal.open(disk)


def test_a_segment_of_another_journal_is_damage() -> None:
    disk, foreign = snapshotted(), SimDisk(Random(9))
    journal, _ = Journal.open(foreign)
    for revision in range(1, 4):
        journal.append([group(revision)])
    journal.begin_snapshot()
    name = "segment-00000000000000000004.journal"
    disk.replace_content(name, foreign.read(name))
    with pytest.raises(JournalDamaged, match="belongs to another journal"):
        Journal.open(disk)


def test_a_torn_tail_in_front_of_a_newer_segment_is_damage() -> None:
    disk, ends = three()
    journal, _ = Journal.open(disk)
    journal.begin_snapshot()
    journal.append([group(4)])
    disk.kill()
    edit(disk, lambda content: content.__delitem__(slice(ends[3] - 1, None)))
    with pytest.raises(JournalDamaged, match="the file ends inside it, and a newer segment follows") as caught:
        Journal.open(disk)
    assert (caught.value.file, caught.value.offset) == (SEGMENT, ends[2])


def test_appends_go_on_while_a_snapshot_is_written() -> None:
    disk, _ = three()
    journal, recovered = Journal.open(disk)
    state = dict(recovered.records)
    job = journal.begin_snapshot()
    journal.append([group(4)])
    assert not journal.should_snapshot()
    with pytest.raises(ValueError, match="already being made"):
        journal.begin_snapshot()
    size = job.write(state.items())
    journal.append([group(5)])
    journal.finish_snapshot(size)
    journal.close()
    assert disk.names() == ("segment-00000000000000000004.journal", "snapshot-00000000000000000003.state")
    assert sorted(reopened(disk).records) == [f"key-{number}" for number in range(1, 6)]


def test_a_snapshot_that_fails_leaves_the_journal_as_it_was() -> None:
    disk, _ = three()
    journal, recovered = Journal.open(disk)
    operations: tuple[Operation, ...] = ("write", "sync")
    for operation in operations:
        job = journal.begin_snapshot()
        disk.fail(operation)
        with pytest.raises(StorageError):
            job.write(recovered.records.items())
        journal.abandon_snapshot()
    journal.append([group(4)])
    journal.close()
    assert not any(name.startswith("snapshot") for name in disk.names())
    assert sorted(reopened(disk).records) == ["key-1", "key-2", "key-3", "key-4"]
