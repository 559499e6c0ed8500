"""What store and journal driver say to each other when something is lost, repeated, late, or goes wrong."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.store.actor import WAITING_LIMIT
from callboard.actors.store.keyspace import CommitGroup, Keyspace
from callboard.models.messages.base import Message
from callboard.models.messages.store import Append, Committed, Compare, Put, ReadRange, StoreRefused, Synced, Transact, TransactionFailed
from callboard.runtime.systems import ComponentFailed, Passage, SimulatedSystem

from .world import World, simulated, thing, value_of


def lose_first(world: World, kind: str) -> list[Message]:
    """Lose the first message of a kind between store and driver; gives what was lost."""
    lost: list[Message] = []

    def judge(passage: Passage, message: Message) -> bool:
        if passage.type != kind or lost:
            return False
        lost.append(message)
        return True

    for source, target in (("store", "journal"), ("journal", "store")):
        world.system.links.drop(source, target, judge)
    return lost


@pytest.mark.parametrize("kind", ["OpenJournal", "JournalOpened", "JournalReady", "Append", "Synced"])
def test_a_lost_message_is_made_good(kind: str) -> None:
    world = simulated("journal")
    if kind == "JournalReady":
        world.read()
        lost = lose_first(world, kind)
        world.system.restart("journal")
        world.system.post("store", Transact(1, "nobody", (), (Put("b", thing("0")),)))  # the driver has nothing open to write it to
        assert isinstance(world.system, SimulatedSystem)
        world.system.run_for(10.0)
    else:
        lost = lose_first(world, kind)
    assert isinstance(world.transact(Put("a", thing("1"))), Committed)
    assert isinstance(world.transact(Put("a", thing("2"))), Committed)
    assert len(lost) == 1
    world.system.crash_machine("control-plane")
    world.system.restart_machine("control-plane")
    assert [value_of(obj) for key, obj in world.read().items if key == "a"] == ["2"]  # type: ignore[union-attr]


def test_every_message_may_come_twice() -> None:
    world = simulated("journal")
    for source, target in (("store", "journal"), ("journal", "store")):
        world.system.links.duplicate(source, target)
    for number in range(50):
        assert isinstance(world.transact(Put(f"k{number % 5}", thing(str(number)))), Committed)
    world.system.crash_machine("control-plane")
    world.system.restart_machine("control-plane")
    assert [value_of(obj) for _, obj in world.read().items] == ["45", "46", "47", "48", "49"]  # type: ignore[union-attr]


def test_requests_wait_while_the_journal_is_read_but_not_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callboard.actors.store.actor.WAITING_LIMIT", 10)
    assert WAITING_LIMIT > 10
    world = simulated("journal")
    world.system.crash("journal")
    heard: list[Any] = []
    me = world.system.outlet(heard.append, "me")
    for number in range(12):
        world.system.post("store", ReadRange(number, me, ""))
    assert isinstance(world.system, SimulatedSystem)
    world.system.run_for(1.0)
    assert [(type(one), one.code, one.message) for one in heard] == [(StoreRefused, 503, "the store is still reading its journal")] * 2
    world.system.restart("journal")
    world.system.run_for(1.0)
    assert len(heard) == 12


def test_a_disk_that_fails_ends_the_store_with_a_sentence_that_says_what_to_do() -> None:
    world = simulated("journal")
    world.read()
    world.system.machines["control-plane"].disk["journal"].fail("sync")
    with pytest.raises(ComponentFailed, match="the store's journal can't be written: can't sync .* check the data folder"):
        world.transact(Put("a", thing("1")))


def test_a_damaged_journal_is_refused_with_file_and_offset() -> None:
    world = simulated("journal")
    for number in range(5):
        world.transact(Put("a", thing(str(number))))
    disk = world.system.machines["control-plane"].disk["journal"]
    (name,) = (name for name in disk.names() if name.startswith("segment"))
    content = bytearray(disk.read(name))
    content[60] ^= 1
    disk.replace_content(name, bytes(content))
    world.system.restart("journal")
    assert isinstance(world.system, SimulatedSystem)
    with pytest.raises(ComponentFailed, match=f"can't open its journal: the journal is damaged in {name} at byte 36"):
        world.system.run_for(1.0)


def test_while_one_sync_runs_all_that_arrives_gathers_for_the_next() -> None:
    world = simulated("journal")
    world.read()
    sizes: list[int] = []

    def count(_passage: Passage, message: Message) -> bool:
        if isinstance(message, Append):
            sizes.append(sum(len(group.changes) for group in message.groups))
        return False

    world.system.links.drop("store", "journal", count)
    heard: list[Any] = []
    me = world.system.outlet(heard.append, "me")
    for number in range(100):
        world.system.post("store", Transact(number, me, (), (Put(f"k{number}", thing("1")),)))
    assert isinstance(world.system, SimulatedSystem)
    world.system.run_for(1.0)
    assert len(heard) == 100
    assert len(sizes) <= 3
    assert sum(sizes) == 100


# -- the core alone ---------------------------------------------------------------------------------------------------------------------


def transact(keyspace: Keyspace, number: int, key: str, expected: int) -> Any:
    return keyspace.transact(Transact(number, "me", (Compare(key, expected),), (Put(key, thing(str(number))),)), 0.0)


def test_pending_transactions_follow_each_other_before_any_is_durable() -> None:
    keyspace = Keyspace(journaled=True)
    assert transact(keyspace, 1, "a", 0) is None
    assert transact(keyspace, 2, "a", 1) is None
    assert transact(keyspace, 3, "a", 1) is None
    assert keyspace.read("") == []
    batch, group = keyspace.take_group()
    assert [change.revision for change in group.changes] == [1, 2]
    answers = keyspace.synced(batch, group.reserved_revision)
    assert [type(answer) for _, answer in answers] == [Committed, Committed, TransactionFailed]
    assert [(key, value_of(obj)) for key, obj in keyspace.read("") or ()] == [("a", "2")]


def test_a_group_taken_is_not_taken_again_and_its_successor_waits_for_its_own_sync() -> None:
    keyspace = Keyspace(journaled=True)
    transact(keyspace, 1, "a", 0)
    first, group = keyspace.take_group()
    transact(keyspace, 2, "b", 0)
    assert [key for key, _ in keyspace.read("") or ()] == []
    assert len(keyspace.synced(first, group.reserved_revision)) == 1
    assert [key for key, _ in keyspace.read("") or ()] == ["a"]
    second, later = keyspace.take_group()
    assert (second, later.first_revision, later.last_revision) == (first + 1, 2, 2)
    assert isinstance(later, CommitGroup)
    assert Synced(second).batch == second
    assert not keyspace.has_group
