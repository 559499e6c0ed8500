"""Change streams: a picture first, then every change once and in order, heartbeats, resumption, and 410 where history ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.actors.store.actor import StoreSettings
from callboard.models.messages.base import Message
from callboard.models.messages.store import Compact, FollowStore, Put, Remove, StoreChanged, StoreRefused
from callboard.runtime.systems import SimulatedSystem

from .world import ENGINES, World, simulated, thing, value_of


class Follower:
    """Hears a change stream and keeps what it should know from it."""

    def __init__(self, world: World, name: str = "follower") -> None:
        self.world = world
        self.heard: list[StoreChanged] = []
        self.refused: list[StoreRefused] = []
        self.items: dict[str, str] = {}
        self.changes: list[tuple[str, str | None]] = []
        self.revision = 0
        self.me = world.system.outlet(self._hear, name)

    def follow(self, number: int, from_revision: int = 0) -> None:
        self.world.system.post("store", FollowStore(number, self.me, from_revision))

    def _hear(self, message: Message) -> None:
        if isinstance(message, StoreRefused):
            self.refused.append(message)
            return
        assert isinstance(message, StoreChanged)
        self.heard.append(message)
        if message.picture:
            self.items.clear()
        for event in message.events:
            self.changes.append((event.key, value_of(event.obj)))
            if event.obj is None:
                del self.items[event.key]
            else:
                self.items[event.key] = str(value_of(event.obj))
        assert message.revision >= self.revision
        self.revision = message.revision


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest) -> Callable[..., World]:
    return lambda **settings: simulated(request.param, settings=StoreSettings(**settings))


def run(world: World, seconds: float = 0.5) -> None:
    assert isinstance(world.system, SimulatedSystem)
    world.system.run_for(seconds)


def put(world: World, key: str, value: str) -> int:
    return world.transact(Put(key, thing(value))).revision


def test_a_stream_begins_with_a_picture_and_goes_on_with_every_change_in_order(make: Callable[..., World]) -> None:
    world = make()
    put(world, "a", "1")
    follower = Follower(world)
    follower.follow(1)
    run(world)
    assert follower.heard[0].picture
    assert follower.items == {"a": "1"}
    put(world, "b", "2")
    world.transact(Put("a", thing("3")), Remove("b"))
    last = put(world, "c", "4")
    run(world)
    assert follower.changes == [("a", "1"), ("b", "2"), ("a", "3"), ("b", None), ("c", "4")]
    assert [message.seq for message in follower.heard] == list(range(1, len(follower.heard) + 1))
    assert {message.id for message in follower.heard} == {1}
    assert follower.revision == last
    olds = [value_of(event.old) for message in follower.heard for event in message.events]
    assert olds == [None, None, "1", "2", None]


def test_a_follower_resumes_where_it_was_and_a_repeated_request_changes_nothing(make: Callable[..., World]) -> None:
    world = make()
    follower = Follower(world)
    seen = put(world, "a", "1")
    put(world, "b", "2")
    follower.follow(1, seen)
    follower.follow(1, seen)
    run(world)
    put(world, "c", "3")
    run(world)
    assert follower.changes == [("b", "2"), ("c", "3")]
    assert not any(message.picture for message in follower.heard)


def test_a_stream_from_a_future_revision_tells_only_what_is_later(make: Callable[..., World]) -> None:
    world = make()
    first = put(world, "a", "1")
    follower = Follower(world)
    follower.follow(1, first + 2)
    for number in range(2, 5):
        put(world, f"k{number}", str(number))
    run(world)
    assert follower.changes == [("k4", "4")]


def test_a_follower_that_was_away_too_long_hears_410(make: Callable[..., World]) -> None:
    world = make()
    seen = put(world, "a", "1")
    compacted = put(world, "a", "2")
    put(world, "a", "3")
    world.system.post("store", Compact(compacted))
    follower = Follower(world)
    follower.follow(1, seen)
    run(world, 3.0)
    assert [(one.id, one.code) for one in follower.refused] == [(1, 410)]
    assert follower.heard == []
    follower.follow(2, compacted)
    run(world)
    assert follower.changes == [("a", "3")]


def test_silence_is_broken_by_heartbeats_that_say_how_far_things_are(make: Callable[..., World]) -> None:
    world = make(heartbeat_s=1.0)
    revision = put(world, "a", "1")
    follower = Follower(world)
    follower.follow(1)
    run(world, 10.5)
    beats = follower.heard[1:]
    assert 9 <= len(beats) <= 11
    assert all(beat.events == () and beat.revision == revision for beat in beats)


def test_a_restart_ends_streams_and_a_follower_resumes_with_the_next_life(make: Callable[..., World]) -> None:
    world = make()
    follower = Follower(world)
    follower.follow(1)
    put(world, "a", "1")
    run(world)
    world.system.restart("store")
    run(world, 3.0)
    heard = len(follower.heard)
    put(world, "b", "2")
    run(world, 3.0)
    assert len(follower.heard) == heard
    follower.follow(2, follower.revision)
    run(world)
    if follower.refused:  # a journal keeps no history: who resumes lists anew
        assert [one.code for one in follower.refused] == [410]
        follower.follow(3)
        run(world)
    assert follower.items == {"a": "1", "b": "2"}


def test_a_new_life_of_a_follower_takes_the_place_of_the_former(make: Callable[..., World]) -> None:
    world = make()
    first, second = Follower(world, "api#1"), Follower(world, "api#2")
    first.follow(1)
    run(world)
    second.follow(1)
    run(world)
    heard = len(first.heard)
    put(world, "a", "1")
    run(world, 3.0)
    assert len(first.heard) == heard
    assert second.items == {"a": "1"}


def test_ephemeral_keys_expire_and_followers_hear_of_it(make: Callable[..., World]) -> None:
    world = make(expiry_s=1.0)
    follower = Follower(world)
    follower.follow(1)
    world.transact(Put("event", thing("1"), 5.0))
    world.transact(Put("kept", thing("2"), 5.0))
    put(world, "kept", "3")
    run(world, 3.0)
    assert follower.items == {"event": "1", "kept": "3"}
    run(world, 5.0)
    assert follower.items == {"kept": "3"}
    assert [key for key, _ in world.read().items] == ["kept"]  # type: ignore[union-attr]


def test_the_ring_of_ephemeral_keys_is_bounded_and_the_oldest_make_room(make: Callable[..., World]) -> None:
    world = make(ephemeral_limit=10)
    follower = Follower(world)
    follower.follow(1)
    put(world, "lasting", "0")
    for number in range(30):
        world.transact(Put(f"event-{number:02}", thing(str(number)), 1e6))
    run(world)
    kept = {f"event-{number:02}": str(number) for number in range(20, 30)}
    assert follower.items == {"lasting": "0", **kept}
    assert dict(_values(world)) == follower.items


def _values(world: World) -> list[tuple[str, Any]]:
    return [(key, value_of(obj)) for key, obj in world.read().items]  # type: ignore[union-attr]


def test_ephemeral_writes_need_no_sync_and_are_not_journaled() -> None:
    world = simulated("journal")
    put(world, "a", "1")
    disk = world.system.machines["control-plane"].disk["journal"]
    syncs = disk.counters.syncs
    last = 0
    for number in range(100):
        last = world.transact(Put(f"event-{number}", thing("e"), 1e6)).revision
    assert disk.counters.syncs == syncs
    world.system.crash_machine("control-plane")
    world.system.restart_machine("control-plane")
    assert _values(world) == [("a", "1")]
    assert put(world, "b", "2") > last  # no revision is given twice


def test_a_lasting_key_that_became_ephemeral_does_not_come_back_after_a_crash() -> None:
    world = simulated("journal")
    put(world, "a", "1")
    put(world, "b", "1")
    world.transact(Put("a", thing("2"), 1e6))
    world.transact(Put("b", thing("2"), 1e6))
    put(world, "b", "3")
    assert _values(world) == [("a", "2"), ("b", "3")]
    world.system.crash_machine("control-plane")
    world.system.restart_machine("control-plane")
    assert _values(world) == [("b", "3")]


def test_what_a_follower_knows_equals_the_store_under_any_load(make: Callable[..., World]) -> None:
    world = make(history_limit=50)
    follower = Follower(world)
    follower.follow(1)
    for number in range(300):
        key = f"k{number * 7 % 23}"
        if number % 5 == 4:
            world.transact(Remove(key), Put(f"{key}x", thing(str(number))))
        else:
            put(world, key, str(number))
    run(world)
    assert sorted(follower.items.items()) == _values(world)
