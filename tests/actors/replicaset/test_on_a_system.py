"""The ReplicaSet controller with a real store and apiserver, while messages are lost, late and repeated."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.base import FrozenMap
from callboard.models.messages.api import PatchObject, WatchBatch
from callboard.models.names import child_suffix
from callboard.models.owners import controller_of
from tests.actors.controller.playground import Playground, bare_pod, replica_set

RS = "replicasets.apps"
ME = "controller/replicaset"


def _never_more_than(world: Playground, limit: int) -> None:
    def judge() -> None:
        live = [pod.metadata.name for pod in world.live]
        assert len(live) <= limit, f"{len(live)} live pods, {limit} wanted: {live}"

    world.always(judge)


def test_a_replica_set_gets_its_pods_and_a_status_and_everything_comes_to_rest() -> None:
    world = Playground()
    world.create(RS, replica_set(3))
    world.system.settle()
    status = world.get(RS, "web").status
    assert (status.replicas, status.ready_replicas, status.available_replicas, status.observed_generation) == (3, 3, 3, 1)
    assert {controller_of(pod).uid for pod in world.live} == {world.get(RS, "web").metadata.uid}  # type: ignore[union-attr]


def test_scaling_up_and_down_leaves_the_wanted_number() -> None:
    world = Playground()
    world.create(RS, replica_set(2))
    world.system.settle()
    for replicas in (7, 1, 4, 0):
        world.scale(RS, "web", replicas)
        world.system.settle()
        assert len(world.live) == replicas
        assert (world.get(RS, "web").status.replicas, world.get(RS, "web").status.terminating_replicas) == (replicas, 0)


def test_six_hundred_pods_come_in_bursts_with_few_status_writes() -> None:
    world = Playground(start_s=0.2)
    statuses, creates = world.count(ME, "WriteStatus"), world.count(ME, "CreateObject")
    world.create(RS, replica_set(600))
    world.until(lambda: (status := world.get(RS, "web").status) is not None and status.ready_replicas == 600, 120)
    assert creates() == 600
    assert statuses() < 150, "changes of many pods make one status write"


def test_a_pod_that_is_deleted_is_replaced_and_its_name_is_not_used_again() -> None:
    world = Playground()
    world.create(RS, replica_set(2))
    world.system.settle()
    names = {pod.metadata.name for pod in world.live}
    gone = sorted(names)[0]
    world.delete("pods", gone)
    world.system.settle()
    assert len(world.live) == 2
    assert gone not in {pod.metadata.name for pod in world.live}


@pytest.mark.parametrize("seed", range(8))
def test_no_pod_too_many_while_the_controller_hears_of_its_pods_late(seed: int) -> None:
    world = Playground(seed=seed)
    world.hold(1.5, lambda passage: passage.type == "WatchBatch" and passage.target == ME)
    _never_more_than(world, 5)
    world.create(RS, replica_set(5))
    world.until(lambda: len(world.ready) == 5)
    world.system.run_for(20)
    assert len(world.ready) == 5


@pytest.mark.parametrize("seed", range(8))
def test_no_pod_too_many_though_every_other_answer_is_lost(seed: int) -> None:
    world = Playground(seed=seed)
    _never_more_than(world, 6)
    world.lose_every(2, ME, "Written", "Refused")
    world.create(RS, replica_set(6))
    world.until(lambda: len(world.ready) == 6, 300)
    world.system.run_for(20)
    assert len(world.ready) == 6


@pytest.mark.parametrize("seed", range(8))
def test_no_pod_too_many_though_creations_arrive_after_they_were_given_up(seed: int) -> None:
    """kubernetes#129795 without a clock: a request that is given up after 2 s arrives after 5."""
    world = Playground(seed=seed)
    late: list[str] = []

    def first_creations(passage: Any) -> bool:
        if passage.type != "CreateObject" or passage.source != ME or len(late) >= 3:
            return False
        late.append(passage.subject)
        return True

    _never_more_than(world, 4)
    world.hold(5.0, first_creations)
    world.create(RS, replica_set(4))
    world.until(lambda: len(world.ready) == 4, 120)
    world.system.run_for(20)
    assert len(late) == 3
    assert len(world.ready) == 4


@pytest.mark.parametrize("seed", range(6))
def test_no_pod_too_many_across_restarts_of_the_controller(seed: int) -> None:
    world = Playground(seed=seed)
    _never_more_than(world, 5)
    world.create(RS, replica_set(5))
    for _ in range(6):
        world.system.run_for(0.004)
        world.system.restart(ME)
    world.until(lambda: len(world.ready) == 5)


def test_an_orphan_is_adopted_and_a_relabelled_pod_released_and_replaced() -> None:
    world = Playground()
    world.create("pods", bare_pod("stray", app="web"))
    world.system.settle()
    world.create(RS, replica_set(2))
    world.system.settle()
    assert len(world.live) == 2
    assert controller_of(world.get("pods", "stray")) is not None
    patch = FrozenMap(metadata=FrozenMap(labels=FrozenMap(app="debug")))
    world.ask(PatchObject, resource="pods", namespace="default", name="stray", type="merge", patch=patch)
    world.system.settle()
    assert controller_of(world.get("pods", "stray")) is None
    assert len([pod for pod in world.live if pod.metadata.labels["app"] == "web"]) == 2


def test_what_was_orphaned_on_purpose_is_not_adopted_by_the_replica_set_that_is_going() -> None:
    """The controller sees its pods orphaned before it sees why: the ReplicaSet is deleted with the Orphan policy."""
    world = Playground()
    world.create(RS, replica_set(2))
    world.system.settle()

    def of_replica_sets(_passage: Any, message: Any) -> bool:
        return isinstance(message, WatchBatch) and any(event.key.startswith(RS) for event in message.events)

    world.system.links.drop("apiserver-*", ME, of_replica_sets)
    world.delete(RS, "web", propagation="Orphan")  # a finalizer keeps it until the garbage collector, which does not run here, is done
    for pod in world.live:
        patch = FrozenMap(metadata=FrozenMap(ownerReferences=None))
        world.ask(PatchObject, resource="pods", namespace="default", name=pod.metadata.name, type="merge", patch=patch)
    adoptions = world.count(ME, "UpdateObject")
    world.system.settle()
    assert [controller_of(pod) for pod in world.live] == [None, None]
    assert adoptions() == 0


def test_a_name_that_somebody_took_is_passed_over_and_the_failure_is_forgotten_after() -> None:
    world = Playground()
    owner = world.create(RS, replica_set(0))
    name = f"web-{child_suffix(owner.metadata.uid, 0)}"
    world.create("pods", bare_pod(name))
    world.scale(RS, "web", 2)
    world.system.settle()
    mine = [pod.metadata.name for pod in world.live if controller_of(pod) is not None]
    assert len(mine) == 2
    assert name not in mine
    assert world.get(RS, "web").status.conditions == ()
    assert "FailedCreate" in [obj.reason for obj in world.all("events")]


def test_pods_that_always_fail_do_not_make_a_hot_loop() -> None:
    """kubernetes#30628, #65240: create, reject, create. Bounded here by pauses that double."""
    world = Playground(start_s=0.05)
    made = world.count(ME, "CreateObject")
    nodes = world.system.look("nodes")
    nodes.rejects = True
    world.create(RS, replica_set(1))
    world.system.run_for(60)
    assert 3 <= made() <= 10
    nodes.rejects = False
    world.until(lambda: len(world.ready) == 1, 120)


def test_a_replica_set_that_comes_again_under_its_name_gets_pods_of_its_own() -> None:
    """kubernetes#69376: what is remembered of the first one must not hold up the second."""
    world = Playground()
    world.create(RS, replica_set(3))
    world.system.settle()
    world.delete(RS, "web")
    owner = world.create(RS, replica_set(2))
    world.system.settle()
    assert len([pod for pod in world.live if (held := controller_of(pod)) and held.uid == owner.metadata.uid]) == 2


def test_nothing_is_remembered_of_a_replica_set_that_is_gone_with_its_pods() -> None:
    world = Playground()
    world.create(RS, replica_set(3))
    world.system.settle()
    world.scale(RS, "web", 0)
    world.system.settle()
    world.delete(RS, "web")
    world.system.settle()
    controller = world.system.look(ME)
    assert controller._memories == {}
    assert controller._appointments == {}
