"""A store whose disk has no room: writes are refused and can be tried again, reads go on, and nothing of what was refused is ever seen."""

from __future__ import annotations

from typing import Any

from callboard.actors.store.actor import FULL_PAUSE_S
from callboard.models.api.core import ConfigMap
from callboard.models.api.meta import ObjectMeta
from callboard.models.messages.store import Committed, Compare, Put, RangeRead, Remove, StoreRefused, Transact
from callboard.runtime.systems import SimulatedSystem

from .world import World, simulated


def _map(name: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name))


def simulation(world: World) -> SimulatedSystem:
    assert isinstance(world.system, SimulatedSystem)
    return world.system


def _disk(world: World) -> Any:
    return world.system.machines["control-plane"].disk["journal"]


def _names(world: World) -> list[str]:
    found = world.read()
    assert isinstance(found, RangeRead)
    return [key for key, _ in found.items]


def test_writes_are_refused_with_503_as_long_as_there_is_no_room_and_reads_go_on() -> None:
    world = simulated("journal")
    world.transact(Put("a", _map("a")))
    _disk(world).full += 1
    for _ in range(3):
        refused: Any = world.transact(Put("b", _map("b")))
        assert isinstance(refused, StoreRefused)
        assert refused.code == 503
        assert _names(world) == ["a"]
        simulation(world).run_for(FULL_PAUSE_S / 2)
    _disk(world).full -= 1
    simulation(world).run_for(FULL_PAUSE_S)
    assert isinstance(world.transact(Put("b", _map("b")), compares=(Compare("b", 0),)), Committed)
    assert _names(world) == ["a", "b"]


def test_all_that_waits_behind_a_write_without_room_is_refused_with_it_and_revisions_still_grow() -> None:
    world = simulated("journal")
    first = world.transact(Put("a", _map("a")))
    _disk(world).full += 1
    answers: list[Any] = []
    outlet = world.system.outlet(answers.append)
    for number, name in enumerate(("a", "b", "c"), start=1):
        world.system.post("store", Transact(number, outlet, (), (Put(name, _map(name)),)))
    world.system.post("store", Transact(4, outlet, (Compare("a", 99),), (Remove("a"),)))
    simulation(world).run_for(0.5)
    assert sorted((answer.id, type(answer).__name__) for answer in answers) == [(number, "StoreRefused") for number in (1, 2, 3, 4)]
    _disk(world).full -= 1
    simulation(world).run_for(FULL_PAUSE_S)
    again = world.transact(Put("a", _map("a")), compares=(Compare("a", first.revision),))
    assert isinstance(again, Committed)
    assert again.revision > first.revision
    simulation(world).crash_machine("control-plane")
    simulation(world).restart_machine("control-plane")
    assert _names(world) == ["a"]


def test_a_write_of_an_event_that_is_taken_back_leaves_its_time_as_it_was() -> None:
    world = simulated("journal")
    world.transact(Put("events/e", _map("e"), ephemeral_s=40.0))
    _disk(world).full += 1
    answers: list[Any] = []
    outlet = world.system.outlet(answers.append)
    world.system.post("store", Transact(1, outlet, (), (Put("a", _map("a")),)))
    world.system.post(
        "store", Transact(2, outlet, (), (Put("events/e", _map("e"), ephemeral_s=4000.0), Put("events/f", _map("f"), 4000.0)))
    )
    simulation(world).run_for(1.0)
    assert [type(answer) for answer in answers] == [StoreRefused, StoreRefused]
    assert _names(world) == ["events/e"]
    _disk(world).full -= 1
    simulation(world).run_for(100.0)
    assert _names(world) == [], "it was over at its first time"
