"""The EndpointSlice controller with a real store and apiserver: endpoints are the ready pods when all is quiet, whatever happened."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from callboard.models.api.discovery import EndpointSlice
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import PatchObject
from tests.actors.controller.playground import Playground, replica_set, service

RS, SLICES = "replicasets.apps", "endpointslices.discovery.k8s.io"
ME = "controller/endpointslice"


def _agrees(world: Playground) -> bool:
    return world.endpoints("web") == sorted(pod.metadata.name for pod in world.ready if pod.metadata.labels.get("app") == "web")


def _each_address_once(world: Playground) -> None:
    def judge() -> None:
        slices: list[EndpointSlice] = world.all(SLICES)
        uids = [endpoint.target_ref.uid for one in slices for endpoint in one.endpoints if endpoint.target_ref is not None]
        assert len(uids) == len(set(uids)), "an endpoint is in two slices"

    world.always(judge)


def test_the_endpoints_are_the_ready_pods() -> None:
    world = Playground()
    _each_address_once(world)
    world.create("services", service())
    world.create(RS, replica_set(3))
    world.system.settle()
    assert len(world.endpoints("web")) == 3
    world.scale(RS, "web", 1)
    world.system.settle()
    assert len(world.endpoints("web")) == 1
    assert _agrees(world)


def test_a_service_that_comes_after_its_pods_finds_them() -> None:
    world = Playground()
    world.create(RS, replica_set(3))
    world.system.settle()
    world.create("services", service())
    world.system.settle()
    assert _agrees(world)
    assert len(world.endpoints("web")) == 3


def test_a_change_of_the_selector_or_of_the_ports_reaches_the_slices() -> None:
    world = Playground()
    world.create(RS, replica_set(2))
    made = world.create("services", service())
    world.system.settle()
    world.change("services", "web", replace(made.spec, selector=FrozenMap(app="other")))
    world.system.settle()
    assert world.endpoints("web") == []
    made = world.get("services", "web")
    world.change(
        "services", "web", replace(made.spec, selector=FrozenMap(app="web"), ports=(replace(made.spec.ports[0], target_port=8080),))
    )
    world.system.settle()
    assert len(world.endpoints("web")) == 2
    assert {one.ports[0].port for one in world.all(SLICES)} == {8080}


def test_a_relabelled_pod_leaves_and_a_slice_that_somebody_spoiled_is_mended() -> None:
    world = Playground()
    world.create("services", service())
    world.create(RS, replica_set(2))
    world.system.settle()
    patch = FrozenMap(metadata=FrozenMap(labels=FrozenMap(app="debug")))
    world.ask(PatchObject, resource="pods", namespace="default", name=world.endpoints("web")[0], type="merge", patch=patch)
    world.system.settle()
    assert _agrees(world)
    name = world.all(SLICES)[0].metadata.name
    world.ask(PatchObject, resource=SLICES, namespace="default", name=name, type="merge", patch=FrozenMap(endpoints=()))
    world.system.settle()
    assert len(world.endpoints("web")) == 2
    world.delete(SLICES, name)
    world.system.settle()
    assert len(world.endpoints("web")) == 2


@pytest.mark.parametrize("seed", range(10))
def test_endpoints_agree_with_the_pods_though_the_controller_hears_late_and_answers_are_lost(seed: int) -> None:
    """kubernetes#82149, #92928, #127429: its own slices are not seen, or seen late."""
    world = Playground(seed=seed)
    _each_address_once(world)
    world.hold(0.9, lambda passage: passage.type == "WatchBatch" and passage.target == ME and passage.occurrence % 2 == 0)
    world.lose_every(3, ME, "Written", "Refused")
    world.create("services", service())
    world.create(RS, replica_set(4))
    for replicas in (1, 5, 2):
        world.system.run_for(0.9)
        world.scale(RS, "web", replicas)
    world.until(lambda: len(world.ready) == 2 and _agrees(world), 200)
    world.system.run_for(30)
    assert _agrees(world)
    assert len(world.all(SLICES)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_endpoints_agree_after_restarts(seed: int) -> None:
    world = Playground(seed=seed)
    _each_address_once(world)
    world.create("services", service())
    world.create(RS, replica_set(4))
    for _ in range(8):
        world.system.run_for(0.11)
        world.system.restart(ME)
    world.until(lambda: len(world.ready) == 4 and _agrees(world))
    assert len(world.all(SLICES)) == 1


def test_a_slice_whose_creation_arrives_late_holds_nothing_twice() -> None:
    world = Playground(start_s=0.1)
    _each_address_once(world)
    world.create(RS, replica_set(250))
    world.until(lambda: len(world.ready) == 250)
    late: list[str] = []

    def first_creation(passage: Any) -> bool:
        if passage.type != "CreateObject" or passage.source != ME or late:
            return False
        late.append(passage.subject)
        return True

    world.hold(5.0, first_creation)
    world.create("services", service())
    world.until(lambda: len(world.endpoints("web")) == 250, 60)
    world.system.run_for(20)
    assert late
    assert len(world.all(SLICES)) == 3


def test_a_big_service_is_written_at_a_pace_that_its_size_sets() -> None:
    world = Playground(start_s=0.3)
    writes: list[float] = []

    def of_slices(passage: Any, _message: Any) -> bool:
        if passage.type in ("CreateObject", "UpdateObject"):
            writes.append(world.system.now())
        return False

    world.system.links.drop(ME, "apiserver-*", of_slices)
    world.create("services", service())
    world.create(RS, replica_set(300))
    world.until(lambda: len(world.endpoints("web")) == 300, 60)
    moments = sorted(set(writes))
    assert all(later - earlier >= 0.02 for earlier, later in itertools.pairwise(moments)), moments


def test_many_pods_that_get_ready_at_once_make_few_writes_and_full_slices() -> None:
    world = Playground(start_s=0.3)
    updates, creates = world.count(ME, "UpdateObject"), world.count(ME, "CreateObject")
    world.create("services", service())
    world.create(RS, replica_set(500))
    world.until(lambda: len(world.endpoints("web")) == 500, 60)
    assert len(world.all(SLICES)) <= 8
    assert updates() + creates() <= 100, "changes of many pods make one write of a slice"


def test_a_service_that_comes_again_under_its_name_gets_slices_of_its_own() -> None:
    world = Playground()
    world.create("services", service())
    world.create(RS, replica_set(2))
    world.system.settle()
    world.delete("services", "web")
    owner = world.create("services", service())
    world.system.settle()
    assert {one.metadata.owner_references[0].uid for one in world.all(SLICES)} == {owner.metadata.uid}
    assert len(world.endpoints("web")) == 2
