"""No acknowledged write is ever lost and nothing unsynced is ever told, whatever crashes; and what clients see is linearizable.

The machine with store, driver and simulated disk crashes at any message, between writing and syncing too. Each promise is also taken out
of a copy, to see that its breach is found.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from callboard.actors.store.keyspace import Keyspace
from callboard.models.messages.base import Message
from callboard.models.messages.store import (
    Committed,
    Compare,
    FollowStore,
    Put,
    RangeRead,
    ReadRange,
    Remove,
    StoreChanged,
    Transact,
    TransactionFailed,
)
from callboard.runtime.chaos.exhaustive.linear import NEVER, linearizable
from callboard.runtime.storage.frames import StoredValue
from callboard.runtime.storage.journal import Journal
from callboard.runtime.storage.simdisk import SimDisk
from callboard.runtime.systems import ComponentFailed, Passage, SimulatedSystem

from .world import ENGINES, Client, Record, World, running, simulated, thing, value_of

KEYS = ("a", "b", "c")


def run_clients(world: World, count: int = 3, operations: int = 12) -> Record:
    record = Record()
    world.system.add_machine("clients")
    for number in range(count):
        world.system.start(f"writer-{number}", Client, record, KEYS, operations, machine="clients")
    return record


def simulation(world: World) -> SimulatedSystem:
    assert isinstance(world.system, SimulatedSystem)
    return world.system


def finish(world: World, record: Record) -> bool:
    """Let the clients come to their end, read everything once more, and judge."""
    simulation(world).run_for(30.0)
    world.system.start("reader", Client, record, (), 1, 1.0, machine="clients")
    simulation(world).run_for(1.0)
    assert record.operations[-1].read
    assert record.operations[-1].ok
    return linearizable(record.operations)


class NoSync(SimDisk):
    """A disk that says it has synced."""

    def create(self, name: str) -> Any:
        return self._lying(super().create(name))

    def reopen(self, name: str) -> Any:
        return self._lying(super().reopen(name))

    def _lying(self, file: Any) -> Any:
        file.sync = lambda: None
        return file


def a_life_with_crashes(seed: int, engine: str, disk_class: type[SimDisk] = SimDisk) -> bool:
    """Clients at work while machine, store and driver crash at random messages. Whether what they saw is linearizable."""
    world, random = simulated(engine, seed, disk_class=disk_class), Random(seed)
    system = simulation(world)
    record = run_clients(world)
    for _ in range(random.randint(1, 4)):
        for _ in range(random.randrange(80)):
            system.step()
        victim = random.choice(("machine", "machine", "store", "journal"))
        if victim == "machine":
            system.crash_machine("control-plane")
            system.run_for(random.random() * 0.5)
            system.restart_machine("control-plane")
        elif victim in system.names():
            system.restart(victim)
    return finish(world, record)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("chunk", range(4))
def test_what_clients_see_is_linearizable_whatever_crashes(chunk: int, engine: str) -> None:
    broken = [seed for seed in range(chunk * 25, chunk * 25 + 25) if not a_life_with_crashes(seed, engine)]
    assert broken == []


def test_on_a_disk_that_does_not_sync_the_same_crashes_lose_acknowledged_writes() -> None:
    outcomes = []
    for seed in range(25):
        try:
            outcomes.append(a_life_with_crashes(seed, "journal", NoSync))
        except ComponentFailed as refused:
            if "the journal is damaged" not in str(refused):  # a later group survived an earlier one
                raise
    assert False in outcomes


def crash_at(step: int, seed: int, disk_class: type[SimDisk] = SimDisk) -> bool:
    world = simulated("journal", seed, disk_class=disk_class)
    record = run_clients(world, operations=6)
    for _ in range(step):
        simulation(world).step()
    world.system.crash_machine("control-plane")
    world.system.restart_machine("control-plane")
    return finish(world, record)


@pytest.mark.parametrize("first", range(0, 160, 20))
def test_a_crash_of_the_machine_at_any_step_loses_no_acknowledged_write(first: int) -> None:
    broken = [step for step in range(first, first + 20) if not crash_at(step, 7)]
    assert broken == []


def test_one_seed_is_one_history_crashes_included() -> None:
    hashes = set()
    for _ in range(2):
        world = simulated("journal", 5)
        run_clients(world)
        system = simulation(world)
        for _ in range(100):
            system.step()
        system.crash_machine("control-plane")
        system.restart_machine("control-plane")
        system.run_for(20.0)
        hashes.add(system.trace_hash)
    assert len(hashes) == 1


# -- nothing unsynced is told -----------------------------------------------------------------------------------------------------------


class Platter:
    """What would be read back if the power went now, and everything that ever was so."""

    def __init__(self, disk: SimDisk) -> None:
        self.disk = disk
        self.ever: set[tuple[str, int]] = set()
        self.records: dict[str, StoredValue] = {}
        self.revision = 0
        self._state: tuple[int, ...] = ()

    def look(self) -> None:
        counters = self.disk.counters
        state = (counters.syncs, counters.folder_syncs, counters.crashes)
        if state == self._state:
            return
        self._state = state
        copy = SimDisk(Random(1))
        for name, inode in self.disk._durable_names.items():
            copy.create(name).close()
            copy.replace_content(name, bytes(inode.durable))
        journal, recovered = Journal.open(copy)
        journal.close()
        self.records, self.revision = recovered.records, recovered.revision
        self.ever.update((key, value[1]) for key, value in self.records.items())


class Spy:
    """Looks at every message of the store when it is sent."""

    def __init__(self, world: World) -> None:
        self.platter = Platter(simulation(world).machines["control-plane"].disk["journal"])
        self.told = 0
        self.leaks: list[str] = []
        world.system.links.drop("store", "*", self._see)

    def _see(self, passage: Passage, message: Message) -> bool:
        self.platter.look()
        if isinstance(message, Committed):
            for obj in message.objects:
                self._object("an answer", obj)
        elif isinstance(message, TransactionFailed):
            for key, obj in message.current:
                self._object("a refusal", obj)
                stored = self.platter.records.get(key)
                if obj is None and stored is not None and stored[1] <= message.revision:
                    self.leaks.append(f"a refusal tells that {key} is gone")
        elif isinstance(message, RangeRead):
            for _, obj in message.items:
                self._object("a read", obj)
        elif isinstance(message, StoreChanged):
            for event in message.events:
                self._object("a watch", event.obj)
                if event.revision > self.platter.revision:
                    self.leaks.append(f"a watch tells of revision {event.revision}")
        return False

    def _object(self, where: str, obj: Any) -> None:
        if obj is None:
            return
        self.told += 1
        if not any(revision == obj.metadata.resource_version for _, revision in self.platter.ever):
            self.leaks.append(f"{where} tells of {value_of(obj)} at {obj.metadata.resource_version}")


def leaks_of(seed: int) -> list[str]:
    world = simulated("journal", seed)
    spy = Spy(world)
    run_clients(world, operations=15)
    system = simulation(world)
    system.outlet(lambda message: None, "follower")
    system.post("store", FollowStore(1, "follower", 0))
    for _ in range(3):
        system.run_for(0.15)
        system.crash_machine("control-plane")
        system.restart_machine("control-plane")
        system.post("store", FollowStore(1, "follower", 0))
    system.run_for(10.0)
    assert spy.told > 20
    return spy.leaks


def test_nothing_unsynced_is_told_in_an_answer_a_read_a_watch_or_a_refusal() -> None:
    for seed in range(20):
        assert leaks_of(seed) == [], seed


def _at_once(self: Keyspace, request: Transact, answer: Any, saw_pending: bool) -> Any:
    return answer


def _everything_shown(self: Keyspace) -> Any:
    taken = _take_group(self)
    for entry in self._queue:
        self.items.update({event.key: event.obj for event in entry.events if event.obj is not None})
    return taken


_take_group = Keyspace.take_group


@pytest.mark.parametrize(
    ("method", "broken", "what"),
    [("_when_seen_is_durable", _at_once, "a refusal"), ("take_group", _everything_shown, "a read")],
)
def test_a_store_that_tells_too_early_is_found_out(method: str, broken: Any, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keyspace, method, broken)
    leaks = [leak for seed in range(20) for leak in leaks_of(seed)]
    assert any(leak.startswith(what) for leak in leaks)


def test_compares_see_what_is_not_durable_yet_and_the_refusal_waits_for_it() -> None:
    world = simulated("journal")
    heard: list[Message] = []
    me = world.system.outlet(heard.append, "me")
    world.ask(lambda number, to: ReadRange(number, to, ""))
    world.system.crash("journal")  # nothing is confirmed from now on
    for number, key in enumerate(("a", "a", "b"), 1):
        world.system.post("store", Transact(number, me, (Compare(key, 0),), (Put(key, thing(str(number))),)))
    world.system.post("store", ReadRange(4, me, ""))
    world.system.post("store", Transact(5, me, (Compare("zz", 9),), (Remove("zz"),)))
    simulation(world).run_for(0.5)
    answers = sorted((message.id, type(message)) for message in heard)  # type: ignore[attr-defined]
    assert answers == [(4, RangeRead), (5, TransactionFailed)]
    assert all(message.items == () for message in heard if isinstance(message, RangeRead))
    world.system.restart("journal")  # what it had not confirmed is read anew: here nothing
    simulation(world).run_for(0.5)
    assert len(heard) == 2
    assert world.read().items == ()  # type: ignore[union-attr]


def test_a_refusal_that_saw_a_pending_write_comes_after_its_answer() -> None:
    world = simulated("journal")
    heard: list[Any] = []
    me = world.system.outlet(heard.append, "me")
    world.ask(lambda number, to: ReadRange(number, to, ""))
    world.system.post("store", Transact(1, me, (Compare("a", 0),), (Put("a", thing("1")),)))
    simulation(world).run_until(lambda: world.system.look("store")._keyspace.pending("a") is not None, 1.0)
    world.system.post("store", Transact(2, me, (Compare("a", 0),), (Put("a", thing("2")),)))
    simulation(world).run_for(1.0)
    assert [type(message) for message in sorted(heard, key=lambda one: one.id)] == [Committed, TransactionFailed]
    assert value_of(next(one for one in heard if one.id == 2).current[0][1]) == "1"


def test_clients_on_a_real_clock_and_a_real_disk_see_a_linearizable_store_while_its_parts_restart(tmp_path: Path) -> None:
    record = Record()
    with running("realtime-journal", tmp_path) as world:
        world.read()
        system = world.system
        for number in range(4):
            system.start(f"writer-{number}", Client, record, KEYS, 60, machine="clients")
        for victim in ("store", "journal", "store", "journal"):
            wanted = len(record.operations) + 40
            wait_until(lambda wanted=wanted: len(record.operations) >= wanted)  # type: ignore[misc]
            system.restart(victim)
        wait_until(lambda: all(system.look(f"writer-{number}").left == 0 for number in range(4)))
        world.read()
        operations = list(record.operations)
    assert sum(one.answered != NEVER for one in operations) > 150
    assert linearizable(operations)


def wait_until(happened: Callable[[], bool]) -> None:
    limit_s = time.monotonic() + 30.0
    while not happened():
        assert time.monotonic() < limit_s, "it did not happen within 30 s"
        time.sleep(0.005)
