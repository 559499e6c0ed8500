"""The StatefulSet controller with a real store and apiserver, while messages are lost, late and repeated."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from callboard.actors.statefulset.actor import StatefulSetController
from callboard.models.api.apps import StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy
from callboard.models.api.meta import LabelSelector, ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import DeleteObject, PatchObject, WatchBatch
from callboard.models.owners import controller_of
from tests.actors.controller.playground import Playground, bare_pod, template

STS = "statefulsets.apps"
REVISIONS = "controllerrevisions.apps"
ME = "controller/statefulset"


def stateful_set(replicas: int, image: str = "web:1", **changes: Any) -> Any:
    """A StatefulSet over app=web, as a user makes it."""
    fields: dict[str, Any] = {
        "replicas": replicas,
        "service_name": "web",
        "selector": LabelSelector(match_labels=FrozenMap(app="web")),
        "template": template(image),
        "update_strategy": StatefulSetUpdateStrategy(),
        **changes,
    }
    return StatefulSet(metadata=ObjectMeta(name="web", namespace="default"), spec=StatefulSetSpec(**fields))


def playground(**more: Any) -> Playground:
    """A world with the controller in it."""
    world = Playground(**more)
    world.system.start(ME, StatefulSetController, world.client)
    world.system.run_for(0.1)
    return world


def names(world: Playground) -> list[str]:
    """The names of all pods, going or not."""
    return sorted(pod.metadata.name for pod in world.all("pods"))


def in_order(world: Playground) -> None:
    """From now on no pod comes before those below it are ready."""
    seen: dict[str, None] = {}

    def judge() -> None:
        there = {pod.metadata.name: pod for pod in world.all("pods")}
        ready = {pod.metadata.name for pod in world.ready}
        for name, pod in there.items():
            if pod.metadata.uid in seen:
                continue
            seen[pod.metadata.uid] = None
            lower = [f"web-{number}" for number in range(int(name.rpartition("-")[2]))]
            assert all(one in ready for one in lower), f"{name} came, ready are {sorted(ready)}"

    world.always(judge)


def test_a_stateful_set_gets_its_pods_in_order_and_a_status_and_everything_comes_to_rest() -> None:
    world = playground()
    in_order(world)
    world.create(STS, stateful_set(3))
    world.system.settle()
    status = world.get(STS, "web").status
    assert names(world) == ["web-0", "web-1", "web-2"]
    assert (status.replicas, status.ready_replicas, status.available_replicas, status.observed_generation) == (3, 3, 3, 1)
    (revision,) = world.all(REVISIONS)
    assert {status.current_revision, status.update_revision} == {revision.metadata.name}
    assert {controller_of(one).uid for one in (*world.live, revision)} == {world.get(STS, "web").metadata.uid}  # type: ignore[union-attr]


def test_scaling_up_and_down_leaves_the_wanted_ordinals() -> None:
    world = playground()
    world.create(STS, stateful_set(2))
    world.system.settle()
    for replicas in (5, 1, 3, 0):
        world.scale(STS, "web", replicas)
        world.system.settle()
        assert names(world) == [f"web-{number}" for number in range(replicas)]
        assert world.get(STS, "web").status.replicas == replicas


def test_nothing_is_watched_in_namespaces_without_stateful_sets() -> None:
    world = playground()
    controller = world.system.look(ME)
    assert controller.views == {}
    world.create(STS, stateful_set(1))
    world.system.settle()
    assert sorted(controller.views["default"]) == [REVISIONS, "pods"]
    world.scale(STS, "web", 0)
    world.system.settle()
    world.delete(STS, "web")
    world.system.settle()
    assert controller.views == {}
    assert controller._memories == {}
    assert controller._appointments == {}


def test_an_update_goes_from_the_last_to_the_first_and_history_keeps_what_it_may() -> None:
    world = playground()
    world.create(STS, stateful_set(3, revision_history_limit=1))
    world.system.settle()
    for number in (2, 3, 4):
        spec = world.get(STS, "web").spec
        world.change(STS, "web", replace(spec, template=template(f"web:{number}")))
        world.system.settle()
        assert {pod.spec.containers[0].image for pod in world.live} == {f"web:{number}"}
    assert sorted(one.revision for one in world.all(REVISIONS)) == [3, 4]


@pytest.mark.parametrize("seed", range(8))
def test_each_pod_is_asked_for_once_while_the_controller_hears_of_its_pods_late(seed: int) -> None:
    world = playground(seed=seed)
    in_order(world)
    made = world.count(ME, "CreateObject")
    world.hold(1.5, lambda passage: passage.type == "WatchBatch" and passage.target == ME)
    world.create(STS, stateful_set(4))
    world.until(lambda: len(world.ready) == 4)
    world.system.run_for(20)
    assert made() == 5, "four pods and a revision"


@pytest.mark.parametrize("seed", range(8))
def test_the_order_is_kept_though_every_other_answer_is_lost(seed: int) -> None:
    world = playground(seed=seed)
    in_order(world)
    world.lose_every(2, ME, "Written", "Refused")
    world.create(STS, stateful_set(4))
    world.until(lambda: len(world.ready) == 4, 300)
    world.scale(STS, "web", 2)
    world.until(lambda: names(world) == ["web-0", "web-1"], 300)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_is_kept_across_restarts_of_the_controller(seed: int) -> None:
    world = playground(seed=seed)
    in_order(world)
    world.create(STS, stateful_set(4))
    for _ in range(12):
        world.system.run_for(0.13)
        world.system.restart(ME)
    world.until(lambda: len(world.ready) == 4)


@pytest.mark.parametrize("seed", range(6))
def test_a_late_deletion_does_not_hit_the_pods_successor(seed: int) -> None:
    """A deletion that was given up after 2 s arrives after 6, when the pod that it meant is gone and another has its name."""
    world = playground(seed=seed)
    late: list[str] = []

    def first_deletion(passage: Any) -> bool:
        if passage.type != "DeleteObject" or passage.source != ME or late:
            return False
        late.append(passage.subject)
        return True

    world.create(STS, stateful_set(2))
    world.system.settle()
    world.hold(6.0, first_deletion)
    spec = world.get(STS, "web").spec
    world.change(STS, "web", replace(spec, template=template("web:2")))
    world.until(lambda: {pod.spec.containers[0].image for pod in world.ready} == {"web:2"} and len(world.ready) == 2, 60)
    uids = sorted(pod.metadata.uid for pod in world.live)
    assert late == ["pods/default/web-1"]
    world.system.run_for(20)
    assert sorted(pod.metadata.uid for pod in world.live) == uids


@pytest.mark.parametrize("seed", range(6))
def test_pods_are_judged_as_fresh_as_the_set(seed: int) -> None:
    """kubernetes#41889, #78209: the set is seen scaled up at once, the pods are seen as they were before they fell."""
    world = playground(seed=seed)
    world.create(STS, stateful_set(2))
    world.system.settle()

    def of_pods(_passage: Any, message: Any) -> bool:
        return isinstance(message, WatchBatch) and any(event.key.startswith("pods/") for event in message.events)

    in_order(world)
    rule = world.system.links.drop("apiserver-*", ME, of_pods)
    nodes = world.system.look("nodes")
    nodes.start_s = 30.0
    world.delete("pods", "web-0")
    world.until(lambda: "web-0" not in names(world))
    world.scale(STS, "web", 4)
    world.system.run_for(1.5)
    assert "web-2" not in names(world)
    world.system.links.remove(rule)
    nodes.start_s = 0.5
    world.until(lambda: len(world.ready) == 4, 120)


def test_an_orphan_of_its_names_is_adopted_and_any_other_left_alone() -> None:
    world = playground()
    world.create("pods", bare_pod("web-0", app="web"))
    world.create("pods", bare_pod("stray", app="web"))
    world.create("pods", bare_pod("web-1", app="other"))
    world.system.settle()
    world.create(STS, stateful_set(3))
    world.system.run_for(10)
    assert controller_of(world.get("pods", "web-0")) is not None
    assert controller_of(world.get("pods", "stray")) is None
    assert controller_of(world.get("pods", "web-1")) is None, "it is not selected, and it has the name"
    assert names(world) == ["stray", "web-0", "web-1"]
    (told,) = {(one.reason, one.message) for one in world.all("events") if one.type == "Warning"}
    assert told == ("FailedCreate", 'create Pod web-1 in StatefulSet web failed error: "web-1" exists and is not ours')
    world.delete("pods", "web-1")
    world.until(lambda: len(world.ready) == 4, 120)
    assert names(world) == ["stray", "web-0", "web-1", "web-2"]


def test_what_was_orphaned_on_purpose_is_not_adopted_by_the_set_that_is_going() -> None:
    """The controller sees its pods orphaned before it sees why: the set is deleted with the Orphan policy."""
    world = playground()
    world.create(STS, stateful_set(2))
    world.system.settle()

    def of_sets(_passage: Any, message: Any) -> bool:
        return isinstance(message, WatchBatch) and any(event.key.startswith(STS) for event in message.events)

    world.system.links.drop("apiserver-*", ME, of_sets)
    world.delete(STS, "web", propagation="Orphan")  # a finalizer keeps it until the garbage collector, which does not run here, is done
    for pod in world.live:
        patch = FrozenMap(metadata=FrozenMap(ownerReferences=None))
        world.ask(PatchObject, resource="pods", namespace="default", name=pod.metadata.name, type="merge", patch=patch)
    adoptions = world.count(ME, "UpdateObject")
    world.system.settle()
    assert [controller_of(pod) for pod in world.live] == [None, None]
    assert adoptions() == 0


def test_a_set_that_comes_again_under_its_name_waits_until_the_former_ones_pods_are_gone() -> None:
    world = playground()
    former = world.create(STS, stateful_set(2))
    world.system.settle()
    world.delete(STS, "web")
    owner = world.create(STS, stateful_set(2))
    world.system.run_for(5)
    held = Counter(reference.uid for pod in world.all("pods") if (reference := controller_of(pod)) is not None)
    assert held == {former.metadata.uid: 2}
    for pod in world.all("pods"):  # as the garbage collector does, which does not run here
        world.ask(DeleteObject, resource="pods", namespace="default", name=pod.metadata.name)
    for one in world.all(REVISIONS):
        world.ask(DeleteObject, resource=REVISIONS, namespace="default", name=one.metadata.name)
    world.until(lambda: len(world.ready) == 2, 60)
    assert {controller_of(pod).uid for pod in world.live} == {owner.metadata.uid}  # type: ignore[union-attr]
    (revision,) = world.all(REVISIONS)
    assert controller_of(revision).uid == owner.metadata.uid  # type: ignore[union-attr]
    assert world.get(STS, "web").status.collision_count == 0


def test_pods_that_always_fail_do_not_make_a_hot_loop() -> None:
    world = playground(start_s=0.05)
    made = world.count(ME, "CreateObject")
    nodes = world.system.look("nodes")
    nodes.rejects = True
    world.create(STS, stateful_set(2))
    world.system.run_for(60)
    assert 4 <= made() <= 12
    nodes.rejects = False
    world.until(lambda: len(world.ready) == 2, 120)


def test_a_pod_that_is_refused_is_told_of_and_tried_again() -> None:
    world = playground()
    bad = template()
    bad = replace(bad, spec=replace(bad.spec, dns_policy="Nonsense"))
    world.create(STS, stateful_set(1, pod_management_policy="Parallel", template=bad))
    world.system.run_for(30)
    assert names(world) == []
    (told,) = [one for one in world.all("events") if one.reason == "FailedCreate"]
    assert "create Pod web-0 in StatefulSet web failed error: " in told.message
    assert "dnsPolicy" in told.message
    spec = world.get(STS, "web").spec
    world.change(STS, "web", replace(spec, template=template()))
    world.until(lambda: len(world.ready) == 1, 120)
