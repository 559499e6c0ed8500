"""Transactions and reads, over every engine and on every clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.actors.store.actor import StoreSettings
from callboard.models.api import coordination, meta
from callboard.models.messages.store import (
    Committed,
    Compact,
    Compare,
    Fence,
    Put,
    RangeRead,
    ReadRevision,
    Remove,
    StoreRefused,
    TransactionFailed,
)

from .world import KINDS, World, running, thing, value_of


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with running(request.param, tmp_path) as world:
        yield world


def put(store: World, key: str, value: str) -> Committed:
    answer = store.transact(Put(key, thing(value)))
    assert isinstance(answer, Committed)
    return answer


def test_a_transaction_is_one_revision_which_its_objects_carry(store: World) -> None:
    first = put(store, "a", "1")
    answer = store.transact(Put("a", thing("2")), Put("b", thing("3")), Remove("c"))
    assert isinstance(answer, Committed)
    assert answer.revision == first.revision + 1
    assert [obj and obj.metadata.resource_version for obj in answer.objects] == [answer.revision, answer.revision, None]
    read = store.read()
    assert isinstance(read, RangeRead)
    assert [(key, value_of(obj), obj.metadata.resource_version) for key, obj in read.items] == [
        ("a", "2", answer.revision),
        ("b", "3", answer.revision),
    ]
    assert read.revision == answer.revision


def test_all_compares_must_hold_or_nothing_is_done(store: World) -> None:
    first = put(store, "a", "1")
    answer = store.transact(Put("a", thing("2")), Put("b", thing("2")), compares=(Compare("a", first.revision), Compare("b", 77)))
    assert isinstance(answer, TransactionFailed)
    assert [(key, value_of(obj)) for key, obj in answer.current] == [("a", "1"), ("b", None)]
    assert (answer.revision, answer.fenced) == (first.revision, False)
    read = store.read()
    assert isinstance(read, RangeRead)
    assert [value_of(obj) for _, obj in read.items] == ["1"]


def test_a_compare_with_zero_means_that_the_key_is_absent(store: World) -> None:
    assert isinstance(store.transact(Put("a", thing("1")), compares=(Compare("a", 0),)), Committed)
    assert isinstance(store.transact(Put("a", thing("2")), compares=(Compare("a", 0),)), TransactionFailed)
    store.transact(Remove("a"))
    assert isinstance(store.transact(Put("a", thing("3")), compares=(Compare("a", 0),)), Committed)


def test_what_was_removed_is_told_and_a_removal_of_nothing_is_no_revision(store: World) -> None:
    first = put(store, "a", "1")
    removed = store.transact(Remove("a"))
    assert isinstance(removed, Committed)
    assert (removed.revision, value_of(removed.objects[0])) == (first.revision + 1, "1")
    again = store.transact(Remove("a"))
    assert isinstance(again, Committed)
    assert (again.revision, again.objects) == (removed.revision, (None,))


def test_a_read_at_an_earlier_revision_undoes_what_came_later(store: World) -> None:
    revisions = [put(store, "x/a", "1").revision, put(store, "x/b", "2").revision, put(store, "x/a", "3").revision]
    store.transact(Remove("x/b"))
    put(store, "y/c", "4")
    contents = []
    for revision in revisions:
        read = store.read("x/", revision)
        assert isinstance(read, RangeRead)
        assert read.revision == revision
        contents.append([value_of(obj) for _, obj in read.items])
    assert contents == [["1"], ["1", "2"], ["3", "2"]]


def test_a_read_at_a_revision_to_come_is_refused(store: World) -> None:
    first = put(store, "a", "1")
    answer = store.read("", first.revision + 1)
    assert isinstance(answer, StoreRefused)
    assert (answer.code, answer.message) == (504, f"revision {first.revision + 1} is in the future, the store is at {first.revision}")


def test_after_compaction_earlier_revisions_are_gone(store: World) -> None:
    first, second = put(store, "a", "1").revision, put(store, "a", "2").revision
    store.system.post("store", Compact(second))
    answer = store.read("", first)
    assert isinstance(answer, StoreRefused)
    assert (answer.code, answer.message) == (410, f"too old resource version: {first} ({second})")
    assert isinstance(store.read("", second), RangeRead)


def test_the_newest_revision_can_be_asked_for(store: World) -> None:
    revision = put(store, "a", "1").revision
    assert store.ask(ReadRevision).revision == revision


def lease(epoch: int | None) -> Put:
    spec = coordination.LeaseSpec(holder_identity="x", lease_transitions=epoch)
    return Put("lease", coordination.Lease(metadata=meta.ObjectMeta(name="lease"), spec=spec))


def test_a_fence_lets_only_the_present_leader_write(store: World) -> None:
    assert isinstance(store.transact(Put("a", thing("1")), fence=Fence("lease", 0)), TransactionFailed)
    store.transact(lease(None))
    assert isinstance(store.transact(Put("a", thing("2")), fence=Fence("lease", 0)), Committed)
    store.transact(lease(3))
    late = store.transact(Put("a", thing("3")), fence=Fence("lease", 0))
    assert isinstance(late, TransactionFailed)
    assert late.fenced
    assert isinstance(store.transact(Put("a", thing("4")), fence=Fence("lease", 3)), Committed)
    store.transact(Remove("lease"))
    assert isinstance(store.transact(Put("a", thing("5")), fence=Fence("lease", 3)), TransactionFailed)


@pytest.mark.parametrize("kind", ["simulated-memory", "simulated-journal"])
def test_history_is_bounded_and_what_is_beyond_is_compacted(kind: str, tmp_path: Path) -> None:
    with running(kind, tmp_path, StoreSettings(history_limit=20)) as store:
        revisions = [put(store, "a", str(number)).revision for number in range(60)]
        assert isinstance(store.read("", revisions[-20]), RangeRead)
        answer = store.read("", revisions[10])
        assert isinstance(answer, StoreRefused)
        assert answer.code == 410
        assert len(store.system.look("store")._keyspace.history) <= 25


@pytest.mark.parametrize("kind", ["simulated-memory", "simulated-journal"])
def test_a_restarted_store_has_everything_and_goes_on_counting(kind: str, tmp_path: Path) -> None:
    with running(kind, tmp_path) as store:
        last = 0
        for number in range(30):
            last = put(store, f"k{number % 7}", str(number)).revision
        store.system.restart("store")
        read = store.read()
        assert isinstance(read, RangeRead)
        assert sorted(int(value_of(obj) or "") for _, obj in read.items) == list(range(23, 30))
        assert read.revision >= last
        assert put(store, "a", "new").revision > last


def test_a_real_folder_holds_everything_for_the_next_program(tmp_path: Path) -> None:
    with running("realtime-journal", tmp_path) as store:
        last = 0
        for number in range(100):
            last = put(store, f"k{number % 7}", str(number)).revision
        store.transact(Remove("k1"))
    with running("realtime-journal", tmp_path) as store:
        read = store.read()
        assert isinstance(read, RangeRead)
        found = {key: value_of(obj) for key, obj in read.items}
        assert found == {"k0": "98", "k2": "93", "k3": "94", "k4": "95", "k5": "96", "k6": "97"}
        assert max(obj.metadata.resource_version for _, obj in read.items) == last - 1  # the last write was that of k1
        assert read.revision > last
