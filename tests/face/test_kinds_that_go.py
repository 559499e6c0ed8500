"""A user-defined kind whose definition is deleted is as unknown as before it came, in a cluster and in a simulation."""

from __future__ import annotations

from typing import Any

import pytest

from callboard import Cluster, NotFound, Simulation
from callboard.models.errors import UnknownKind
from tests.actors.garbagecollector.test_user_kinds import GROUP, GUESTS, guest


@pytest.fixture(params=["cluster", "simulation"])
def world(request: pytest.FixtureRequest) -> Any:
    """One of each."""
    with Cluster(nodes=1, timing="fast") if request.param == "cluster" else Simulation(nodes=1, seed=1) as one:
        yield one


def test_a_kind_is_unknown_before_its_definition_comes_and_after_it_has_gone(world: Any) -> None:
    for _ in range(2):
        with pytest.raises(UnknownKind):
            world.list("guests")
        with pytest.raises(UnknownKind):
            world.get("guest/ann")
        with pytest.raises(UnknownKind):
            next(world.watch("guests", timeout="1s"))
        world.apply(GUESTS)
        assert world.list("guests") == []
        with pytest.raises(NotFound) as missing:
            world.get("guest/ann")
        assert not isinstance(missing.value, UnknownKind)
        world.apply(guest("ann"))
        assert [one.metadata.name for one in world.list("guests")] == ["ann"]
        world.delete(f"crd/guests.{GROUP}")
        world.wait(f"crd/guests.{GROUP}", "Deleted")


def test_who_waits_for_the_end_of_an_object_sees_it_end_with_its_kind(world: Any) -> None:
    world.apply(GUESTS)
    world.apply(guest("ann"))
    ann = world.get("guest/ann")
    world.delete(f"crd/guests.{GROUP}")
    assert world.still_there([ann]) == []
    world.wait(f"crd/guests.{GROUP}", "Deleted")
    world.apply(GUESTS)
    world.apply(guest("bob"))
    world.delete(f"crd/guests.{GROUP}")
    world.wait("guest/bob", "Deleted")
    world.wait(f"crd/guests.{GROUP}", "Deleted")
    with pytest.raises(UnknownKind):
        world.list("guests")
    assert world.still_there([ann]) == []
