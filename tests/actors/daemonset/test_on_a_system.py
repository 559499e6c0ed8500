"""The DaemonSet controller with a real store and apiserver, while messages are lost, late and repeated."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from callboard.actors.daemonset.actor import DaemonSetController
from callboard.actors.daemonset.placement import target_of
from callboard.models.api.apps import DaemonSet, DaemonSetSpec
from callboard.models.api.core import Node
from callboard.models.api.meta import LabelSelector, ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import DeleteObject, PatchObject
from callboard.models.owners import controller_of
from tests.actors.controller.playground import Playground, bare_pod, template

SETS = "daemonsets.apps"
REVISIONS = "controllerrevisions.apps"
ME = "controller/daemonset"


def daemon_set(image: str = "web:1", **changes: Any) -> Any:
    """A DaemonSet over app=web, as a user makes it."""
    fields: dict[str, Any] = {"selector": LabelSelector(match_labels=FrozenMap(app="web")), "template": template(image), **changes}
    return DaemonSet(metadata=ObjectMeta(name="web", namespace="default"), spec=DaemonSetSpec(**fields))


def playground(nodes: int = 3, **more: Any) -> Playground:
    """A world with the controller and so many nodes in it."""
    world = Playground(**more)
    for number in range(nodes):
        world.create("nodes", Node(metadata=ObjectMeta(name=f"n-{number}")))
    world.system.start(ME, DaemonSetController, world.client)
    world.system.run_for(0.1)
    return world


def one_each(world: Playground) -> None:
    """From now on no node has two pods."""

    def judge() -> None:
        counts = Counter(target_of(pod) for pod in world.live)
        assert all(count == 1 for count in counts.values()), counts

    world.always(judge)


def where(world: Playground) -> list[str]:
    return sorted(pod.spec.node_name for pod in world.ready)


def test_every_node_gets_a_pod_and_everything_comes_to_rest() -> None:
    world = playground()
    one_each(world)
    world.create(SETS, daemon_set())
    world.system.settle()
    status = world.get(SETS, "web").status
    assert where(world) == ["n-0", "n-1", "n-2"]
    assert (status.desired_number_scheduled, status.number_ready, status.number_available, status.observed_generation) == (3, 3, 3, 1)
    (revision,) = world.all(REVISIONS)
    assert {controller_of(one).uid for one in (*world.live, revision)} == {world.get(SETS, "web").metadata.uid}  # type: ignore[union-attr]


def test_nothing_is_watched_nor_remembered_without_daemon_sets() -> None:
    world = playground()
    controller = world.system.look(ME)
    assert controller.views == {}
    world.create(SETS, daemon_set())
    world.system.settle()
    assert sorted(controller.views[""]) == ["nodes"]
    world.delete(SETS, "web")
    world.system.settle()
    assert controller.views == {}
    assert controller._memories == {}


@pytest.mark.parametrize("seed", range(6))
def test_each_pod_is_asked_for_once_while_the_controller_hears_of_its_pods_late(seed: int) -> None:
    world = playground(seed=seed)
    one_each(world)
    made = world.count(ME, "CreateObject")
    world.hold(1.5, lambda passage: passage.type == "WatchBatch" and passage.target == ME)
    world.create(SETS, daemon_set())
    world.until(lambda: len(world.ready) == 3)
    world.system.run_for(20)
    assert made() == 4, "three pods and a revision"


@pytest.mark.parametrize("seed", range(6))
def test_no_node_gets_two_pods_though_every_other_answer_is_lost(seed: int) -> None:
    world = playground(seed=seed, servers=1 + seed % 2)
    one_each(world)
    world.lose_every(2, ME, "Written", "Refused")
    world.create(SETS, daemon_set())
    world.until(lambda: len(world.ready) == 3, 300)
    spec = world.get(SETS, "web").spec
    world.change(SETS, "web", replace(spec, template=template("web:2")))
    world.until(lambda: {pod.spec.containers[0].image for pod in world.ready} == {"web:2"} and len(world.ready) == 3, 300)


@pytest.mark.parametrize("seed", range(4))
def test_no_node_gets_two_pods_across_restarts_of_the_controller(seed: int) -> None:
    world = playground(seed=seed)
    one_each(world)
    world.create(SETS, daemon_set())
    for _ in range(12):
        world.system.run_for(0.13)
        world.system.restart(ME)
    world.until(lambda: len(world.ready) == 3)


def test_a_node_that_comes_gets_a_pod_and_a_pod_that_is_deleted_is_replaced() -> None:
    world = playground(2)
    one_each(world)
    world.create(SETS, daemon_set())
    world.system.settle()
    world.create("nodes", Node(metadata=ObjectMeta(name="n-9")))
    world.system.settle()
    assert where(world) == ["n-0", "n-1", "n-9"]
    gone = world.live[0]
    world.ask(DeleteObject, resource="pods", namespace="default", name=gone.metadata.name)
    world.system.settle()
    assert where(world) == ["n-0", "n-1", "n-9"]
    assert gone.metadata.uid not in [pod.metadata.uid for pod in world.live]


def test_an_orphan_is_adopted_and_a_pod_that_loses_its_label_is_released_and_replaced() -> None:
    world = playground(1)
    world.create("pods", bare_pod("stray", app="web"))
    world.system.settle()
    world.create(SETS, daemon_set())
    world.system.settle()
    owner = world.get(SETS, "web").metadata.uid
    assert controller_of(world.get("pods", "stray")).uid == owner  # type: ignore[union-attr]
    (pod,) = [pod for pod in world.live if pod.metadata.name != "stray"]
    patch = FrozenMap(metadata=FrozenMap(labels=FrozenMap(app="other")))
    world.ask(PatchObject, resource="pods", namespace="default", name=pod.metadata.name, type="merge", patch=patch)
    world.system.settle()
    assert controller_of(world.get("pods", pod.metadata.name)) is None
    assert [target_of(one) for one in world.live if (own := controller_of(one)) and own.uid == owner].count("n-0") == 1


def test_pods_that_always_fail_do_not_make_a_hot_loop() -> None:
    world = playground(2, start_s=0.05)
    made = world.count(ME, "CreateObject")
    nodes = world.system.look("nodes")
    nodes.rejects = True
    world.create(SETS, daemon_set())
    world.system.run_for(60)
    assert 5 <= made() <= 18
    nodes.rejects = False
    world.until(lambda: len(world.ready) == 2, 200)
