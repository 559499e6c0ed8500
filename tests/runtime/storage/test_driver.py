"""The journal driver on a real folder: opening early, its thread, its crashes, and what it tells when the disk is not as it should be."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callboard.actors.store.actor import Store
from callboard.actors.store.keyspace import CommitGroup
from callboard.models.api import core, meta
from callboard.models.base import FrozenMap
from callboard.models.messages.base import Message
from callboard.models.messages.store import Committed, Put, RangeRead, ReadRange, StoreEvent, Transact
from callboard.runtime.storage.disk import RealDisk
from callboard.runtime.storage.driver import JournalDriver, open_journal
from callboard.runtime.storage.errors import DataFolderLocked, JournalDamaged, StorageError
from callboard.runtime.storage.journal import Group, Journal, JournalLimits
from callboard.runtime.storage.session import JournalFolder, Session
from callboard.runtime.systems import ComponentFailed, RealTimeSystem, System, ThreadedSystem, WaitTimeout

ANSWER_S = 20.0
TINY = JournalLimits(snapshot_after_bytes=3_000)


def thing(value: str) -> core.ConfigMap:
    return core.ConfigMap(metadata=meta.ObjectMeta(name="a"), data=FrozenMap({"v": value}))


class World:
    """A store over a journal in a real folder."""

    def __init__(self, system: System, folder: JournalFolder) -> None:
        self.system = system
        self.folder = folder
        system.start("journal", JournalDriver, folder, system.post)
        system.start("store", Store, {}, "journal")

    def put(self, key: str, value: str) -> Committed:
        answer = self.system.ask("store", lambda number, me: Transact(number, me, (), (Put(key, thing(value)),)), ANSWER_S)
        assert isinstance(answer, Committed)
        return answer

    def write_until_answered(self, key: str, value: str) -> None:
        """A journal that is opened anew leaves what was not confirmed unanswered: try again."""
        for _ in range(20):
            with contextlib.suppress(WaitTimeout):
                self.system.ask("store", lambda number, me: Transact(number, me, (), (Put(key, thing(value)),)), 0.5)
                return
        pytest.fail("the store never answered")

    def values(self) -> dict[str, str]:
        answer = self.system.ask("store", lambda number, me: ReadRange(number, me, ""), ANSWER_S)
        assert isinstance(answer, RangeRead)
        return {key: obj.data["v"] for key, obj in answer.items}


@pytest.fixture(params=[RealTimeSystem, ThreadedSystem])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    system = request.param(restart_s=0.01)
    try:
        yield World(system, open_journal(tmp_path / "data", TINY))
    finally:
        system.stop()


def wait_until(happened: Callable[[], Any]) -> None:
    limit_s = time.monotonic() + ANSWER_S
    while not happened():
        assert time.monotonic() < limit_s, "it did not happen in time"
        time.sleep(0.002)


def journal_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name in ("callboard-journal", "callboard-snapshot")]


def test_a_stopped_system_leaves_the_folder_free_and_no_thread(tmp_path: Path) -> None:
    before = journal_threads()
    for number in range(3):
        system = RealTimeSystem()
        try:
            world = World(system, open_journal(tmp_path / "data"))
            assert world.values() == {str(earlier): "x" for earlier in range(number)}
            world.put(str(number), "x")
        finally:
            system.stop()
    wait_until(lambda: journal_threads() == before)


def test_a_crashed_driver_is_replaced_and_nothing_confirmed_is_lost(world: World) -> None:
    confirmed: dict[str, str] = {}
    for number in range(40):
        if number % 8 == 7:
            assert world.values() == confirmed
            world.system.restart("journal")
        confirmed[f"k{number % 5}"] = str(number)
        world.write_until_answered(f"k{number % 5}", str(number))
    assert world.values() == confirmed
    wait_until(lambda: len(journal_threads()) == 1)


def test_snapshots_are_written_beside_the_load_and_replace_old_segments(world: World, tmp_path: Path) -> None:
    for number in range(200):
        world.put(f"k{number % 10}", str(number))
    names = RealDisk(tmp_path / "data").names()
    assert sum(name.startswith("segment") for name in names) <= 2
    assert any(name.startswith("snapshot") for name in names)
    world.system.restart("journal")
    world.system.restart("store")
    assert world.values() == {f"k{number % 10}": str(number) for number in range(190, 200)}


def test_a_folder_in_use_is_refused_before_anything_is_started(world: World, tmp_path: Path) -> None:
    with pytest.raises(DataFolderLocked, match=f"{tmp_path / 'data'} is in use by another cluster .*: stop that one, or choose another"):
        open_journal(tmp_path / "data")
    world.put("a", "1")


def test_a_damaged_journal_is_refused_with_file_and_offset_and_the_folder_is_free_again(tmp_path: Path) -> None:
    write_journal(tmp_path)
    (segment,) = tmp_path.glob("segment-*")
    content = bytearray(segment.read_bytes())
    content[50] ^= 1
    segment.write_bytes(content)
    for _ in range(2):
        with pytest.raises(
            JournalDamaged, match=f"the journal is damaged in {segment.name} at byte 36: .* restore the data folder"
        ) as caught:
            open_journal(tmp_path)
        assert "\n" not in str(caught.value)


def write_journal(path: Path, groups: int = 3) -> None:
    session = Session(RealDisk(path), JournalLimits())
    for revision in range(1, groups + 1):
        obj = core.ConfigMap(metadata=meta.ObjectMeta(name="a", resource_version=revision))
        session.write([CommitGroup(revision, revision, revision, (StoreEvent("a", obj, None, revision),))])
        session.sync()
    session.end()


NOBODY = 65534


@contextmanager
def _ordinary_user() -> Iterator[None]:
    """Nothing is forbidden to root, so root does this as somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_without_permission_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with _ordinary_user(), pytest.raises(StorageError, match="Permission denied.*give this user permission"):
        open_journal(tmp_path / "data")


def test_a_file_in_the_way_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(StorageError, match=r"can't create .*data .*: a file is in the way, choose another data folder"):
        open_journal(tmp_path / "data")


def test_an_object_of_an_unknown_type_is_one_sentence_and_the_folder_is_free_again(tmp_path: Path) -> None:
    journal, _ = Journal.open(RealDisk(tmp_path))
    journal.append([Group(1, 1, 1, (("put", "a", 1, 1, 1, "v9/Thing", b"\x80"),))])
    journal.close()
    for _ in range(2):
        with pytest.raises(StorageError, match=r"the object a in the data folder .* can't be read \(objects of type v9/Thing are unknown"):
            open_journal(tmp_path)


class Weak(RealDisk):
    """A disk whose next sync of a file fails."""

    failing = False

    def reopen(self, name: str) -> Any:
        return self._weak(super().reopen(name))

    def create(self, name: str) -> Any:
        return self._weak(super().create(name))

    def _weak(self, file: Any) -> Any:
        sync = file.sync

        def fail_once() -> None:
            if Weak.failing:
                Weak.failing = False
                raise StorageError("can't make durable x (No space left on device): free some space on that disk and start again")
            sync()

        file.sync = fail_once
        return file


def test_after_a_failed_sync_the_store_begins_anew_with_all_that_was_confirmed(tmp_path: Path) -> None:
    system = RealTimeSystem(restart_s=0.01)
    try:
        world = World(system, JournalFolder(lambda: Weak(tmp_path / "data")))
        world.put("a", "1")
        Weak.failing = True
        with pytest.raises(ComponentFailed, match="the store's journal can't be written: can't make durable .* free some space"):
            world.put("b", "2")
        wait_until(lambda: system.alive("store"))
        assert world.values()["a"] == "1"
        world.put("c", "3")
        assert [one.name for one in system.failures] == ["store"]
    finally:
        system.stop()


def test_an_error_that_is_no_condition_of_the_disk_ends_the_driver_with_its_traceback(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("a", "1")

    def break_down(*_: object) -> None:
        monkeypatch.undo()
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Session, "sync", break_down)
    world.system.post("store", Transact(7, "nobody", (), (Put("b", thing("2")),)))
    wait_until(lambda: world.system.failures)
    assert "a mistake of ours" in world.system.failures[0].traceback
    world.write_until_answered("c", "3")
    assert world.values()["a"] == "1"


def test_no_store_waits_for_the_thread(world: World) -> None:
    """While a sync takes its time, the store answers what needs none."""
    world.put("a", "1")
    release, waiting = threading.Event(), threading.Event()
    sync = Session.sync

    def slow(session: Session) -> None:
        waiting.set()
        assert release.wait(ANSWER_S)
        sync(session)

    heard: list[Message] = []
    me = world.system.outlet(heard.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "sync", slow)
        world.system.post("store", Transact(1, me, (), (Put("a", thing("2")),)))
        assert waiting.wait(ANSWER_S)
        assert world.values() == {"a": "1"}
        assert heard == []
        release.set()
        wait_until(lambda: heard)
    assert world.values() == {"a": "2"}
