"""The real folder and the simulated disk keep the same contract; the real one explains itself, the simulated one forgets what it may."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from callboard.runtime.storage.disk import LOCK_NAME, Disk, RealDisk
from callboard.runtime.storage.errors import DataFolderLocked, DiskFull, StorageError
from callboard.runtime.storage.journal import Group, Journal
from callboard.runtime.storage.simdisk import SimCrash, SimDisk


@pytest.fixture(params=["real", "simulated"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    disk: Disk = RealDisk(tmp_path / "a" / "data") if request.param == "real" else SimDisk(Random(1))
    disk.lock()
    yield disk
    disk.unlock()


def test_a_file_is_written_overwritten_cut_and_reopened(disk: Disk) -> None:
    file = disk.create("f")
    file.write(b"hello ")
    file.write(b"world")
    file.overwrite(0, b"J")
    file.truncate(7)
    file.write(b"!")
    file.sync()
    file.close()
    file.close()
    file = disk.reopen("f")
    file.write(b"?")
    file.close()
    assert disk.read("f") == b"Jello w!?"


def test_names_are_created_renamed_and_removed(disk: Disk) -> None:
    for name in ("b", "a", "c"):
        disk.create(name).close()
    disk.rename("a", "b")
    disk.sync_folder()
    assert disk.names() == ("b", "c")
    disk.remove("c")
    assert disk.names() == ("b",)


def test_what_cannot_be_done_is_a_storage_error(disk: Disk) -> None:
    disk.create("taken").close()
    for attempt in (lambda: disk.create("taken"), lambda: disk.reopen("gone"), lambda: disk.read("gone"), lambda: disk.remove("gone")):
        with pytest.raises(StorageError, match=r"^can't \w+ .*\): .*choose another"):
            attempt()


def test_a_locked_folder_is_refused_until_it_is_given_back(disk: Disk) -> None:
    with pytest.raises(DataFolderLocked):
        disk.lock()
    disk.unlock()
    disk.lock()


def test_a_second_cluster_on_a_folder_is_told_which_and_what_to_do(tmp_path: Path) -> None:
    journal, _ = Journal.open(RealDisk(tmp_path))
    with pytest.raises(DataFolderLocked) as caught:
        Journal.open(RealDisk(tmp_path))
    assert str(caught.value) == (
        f"the data folder {tmp_path} is in use by another cluster (process {os.getpid()}): stop that one, or choose another data folder"
    )
    journal.close()
    Journal.open(RealDisk(tmp_path))[0].close()


def test_the_lock_holds_between_processes_and_ends_with_its_process(tmp_path: Path) -> None:
    script = (
        "import sys; from callboard.runtime.storage.disk import RealDisk\n"
        "RealDisk(sys.argv[1]).lock(); print('locked', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(DataFolderLocked, match=f"process {other.pid}"):
            RealDisk(tmp_path).lock()
        other.kill()
    disk = RealDisk(tmp_path)
    disk.lock()
    disk.unlock()


@pytest.fixture
def without_privilege(tmp_path: Path) -> Iterator[None]:
    """Nobody may write in the temporary folder. Root may everywhere, so be somebody else meanwhile."""
    tmp_path.chmod(0o500)
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_without_permission_is_one_sentence_that_says_what_to_do(tmp_path: Path, without_privilege: None) -> None:
    with pytest.raises(StorageError) as caught:
        Journal.open(RealDisk(tmp_path / "data"))
    assert str(caught.value) == (
        f"can't create {tmp_path / 'data'} (Permission denied): "
        f"give this user permission to read and write there, or choose another data folder"
    )


def test_a_file_in_the_way_is_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(StorageError, match="a file is in the way, choose another data folder"):
            Journal.open(RealDisk(folder))


def test_a_journal_holds_secrets_so_only_its_owner_may_read_it(tmp_path: Path) -> None:
    journal, _ = Journal.open(RealDisk(tmp_path / "data"))
    journal.append([Group(1, 1, 1, (("put", "a", 1, 1, 1, "t", b"v"),))])
    journal.close()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()} == {0o600}
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [LOCK_NAME, "segment-00000000000000000001.journal"]


def test_a_crash_keeps_what_was_synced() -> None:
    for seed in range(50):
        disk = SimDisk(Random(seed))
        file = disk.create("f")
        file.write(b"durable")
        file.sync()
        disk.sync_folder()
        file.write(b"perhaps")
        disk.crash()
        assert disk.read("f").startswith(b"durable")


def test_a_crash_may_keep_drop_tear_and_reorder_unsynced_sectors() -> None:
    outcomes: set[bytes] = set()
    for seed in range(400):
        disk = SimDisk(Random(seed))
        file = disk.create("f")
        disk.sync_folder()
        file.write(b"a" * 512)
        file.write(b"b" * 512 + b"c" * 512)
        disk.crash()
        content = disk.read("f")
        assert len(content) <= 1536
        for start, letter in ((0, b"a"), (512, b"b"), (1024, b"c")):
            assert set(content[start : start + 512]) <= {0, letter[0]}
        outcomes.add(content)
    a, b, c = b"a" * 512, b"b" * 512, b"c" * 512
    assert outcomes >= {b"", a, a + b + c, bytes(512) + b + c, a + bytes(512) + c, a + b + bytes(512), bytes(1024) + c}
    assert any(len(content) % 512 for content in outcomes)


def test_a_crash_may_lose_unsynced_names_but_not_against_their_order() -> None:
    outcomes: set[tuple[str, ...]] = set()
    for seed in range(400):
        disk = SimDisk(Random(seed))
        disk.create("old").close()
        disk.sync_folder()
        disk.create("tmp").close()
        disk.rename("tmp", "new")
        disk.remove("old")
        disk.crash()
        outcomes.add(disk.names())
    assert outcomes == {("old",), ("old", "tmp"), ("new", "old"), ("new",), (), ("tmp",)}


def test_a_kill_keeps_what_was_written_but_a_later_crash_may_not() -> None:
    lost = 0
    for seed in range(50):
        disk = SimDisk(Random(seed))
        disk.lock()
        disk.create("f").write(b"written")
        disk.kill()
        disk.lock()  # the dead process holds no lock
        assert disk.read("f") == b"written"
        disk.crash()
        lost += disk.names() == ()
    assert 0 < lost < 50


def test_a_failed_sync_loses_its_bytes_and_the_next_one_does_not_notice() -> None:
    disk = SimDisk(Random(3))
    file = disk.create("f")
    disk.sync_folder()
    file.write(b"x" * 100)
    disk.fail("sync")
    with pytest.raises(StorageError):
        file.sync()
    file.sync()
    assert disk.read("f") == b"x" * 100
    disk.crash()
    assert disk.read("f") == b""


def test_a_full_disk_keeps_a_part_of_a_write_and_takes_the_next_one_when_there_is_room() -> None:
    disk = SimDisk(Random(1))
    file = disk.create("f")
    file.write(b"before")
    disk.full += 1
    with pytest.raises(DiskFull, match="ENOSPC"):
        file.write(b"x" * 10)
    assert disk.read("f") == b"before" + b"x" * 5
    file.truncate(6)
    file.sync()
    disk.full -= 1
    assert file.size == 6
    file.write(b" after")
    assert disk.read("f") == b"before after"


def test_a_torn_disk_has_all_but_the_last_unsynced_write_and_a_part_of_that() -> None:
    for seed in range(50):
        disk = SimDisk(Random(seed))
        file = disk.create("f")
        disk.sync_folder()
        file.write(b"one ")
        file.write(b"two ")
        file.write(b"three")
        disk.tear()
        content = disk.read("f")
        assert content.startswith(b"one two t")
        assert len(content) < len(b"one two three")


def test_a_planned_crash_strikes_before_or_after_the_operation() -> None:
    after = 0
    for seed in range(40):
        disk = SimDisk(Random(seed))
        file = disk.create("f")
        disk.crash_after(1)
        file.write(b"one")
        with pytest.raises(SimCrash):
            file.write(b"two")
        after += disk.read("f") == b"onetwo"
    assert 0 < after < 40


def test_a_file_opened_before_a_crash_cannot_be_used_after_it() -> None:
    disk = SimDisk(Random(1))
    file = disk.create("f")
    disk.crash()
    with pytest.raises(ValueError, match="used after it was closed, or after a crash"):
        file.write(b"ghost")
