"""Rollouts with a real store and apiserver, judged after every step, while messages are lost, late and repeated."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.deployment.sizes import fence_posts
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import PatchObject
from callboard.models.owners import controller_of
from tests.actors.controller.playground import Playground, deployment, service, template

DEPLOYMENTS, RS = "deployments.apps", "replicasets.apps"
ME, SETS = "controller/deployment", "controller/replicaset"


def _roll(world: Playground, image: str) -> None:
    owner = world.get(DEPLOYMENTS, "web")
    world.change(DEPLOYMENTS, "web", replace(owner.spec, template=template(image)))


def _images(world: Playground) -> list[str]:
    return sorted(pod.spec.containers[0].image for pod in world.ready)


def _complete(world: Playground) -> bool:
    owner = world.get(DEPLOYMENTS, "web")
    status, meta = owner.status, owner.metadata
    wanted = owner.spec.replicas
    return (
        status is not None
        and (status.observed_generation or 0) >= meta.generation
        and (status.updated_replicas or 0) == (status.replicas or 0) == (status.available_replicas or 0) == wanted
    )


def _within(world: Playground, least: int, most: int) -> None:
    """From now on, after every step: so many pods are available at least, and so many live at most."""

    def judge() -> None:
        assert len(world.ready) >= least, f"{len(world.ready)} ready pods, at least {least} promised"
        assert len(world.live) <= most, f"{len(world.live)} live pods, at most {most} allowed"

    world.always(judge)


def _started(seed: int = 1, **arguments: Any) -> Playground:
    world = Playground(seed=seed)
    world.create(DEPLOYMENTS, deployment(**arguments))
    world.system.settle()
    assert _complete(world)
    return world


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("surge", "unavailable"), [(1, 0), (0, 1), (2, 2), ("25%", "25%"), ("100%", 0), (0, "50%")])
def test_a_rolling_update_stays_between_its_fence_posts_at_every_step(seed: int, surge: int | str, unavailable: int | str) -> None:
    world = _started(seed, replicas=5, surge=surge, unavailable=unavailable)
    more, fewer = fence_posts(world.get(DEPLOYMENTS, "web"))
    _within(world, 5 - fewer, 5 + more)
    _roll(world, "web:2")
    world.system.settle()
    assert _images(world) == ["web:2"] * 5
    assert _complete(world)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("hard_of_hearing", [ME, SETS])
def test_the_fence_posts_hold_while_a_controller_hears_late(seed: int, hard_of_hearing: str) -> None:
    """kubernetes#19299: status delay."""
    world = _started(seed, replicas=5, surge=1, unavailable=1)
    world.hold(0.7, lambda passage: passage.type == "WatchBatch" and passage.target == hard_of_hearing and passage.occurrence % 3 != 0)
    _within(world, 4, 6)
    _roll(world, "web:2")
    world.until(lambda: _images(world) == ["web:2"] * 5, 200)
    world.until(lambda: _complete(world), 60)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("victim", [ME, SETS])
def test_the_fence_posts_hold_though_answers_are_lost(seed: int, victim: str) -> None:
    world = _started(seed, replicas=4, surge=1, unavailable=1)
    world.lose_every(3, victim, "Written", "Refused")
    _within(world, 3, 5)
    _roll(world, "web:2")
    world.until(lambda: _images(world) == ["web:2"] * 4, 300)
    world.until(lambda: _complete(world), 60)


@pytest.mark.parametrize("seed", range(10))
def test_the_fence_posts_hold_across_restarts_and_lost_pieces_of_streams(seed: int) -> None:
    world = _started(seed, replicas=4, surge=1, unavailable=1)
    world.lose_every(4, ME, "WatchBatch")
    world.lose_every(5, SETS, "WatchBatch")
    _within(world, 3, 5)
    _roll(world, "web:2")
    for number in range(8):
        world.system.run_for(0.13)
        world.system.restart(ME if number % 2 else SETS)
    world.until(lambda: _images(world) == ["web:2"] * 4, 300)
    world.until(lambda: _complete(world), 60)


@pytest.mark.parametrize("seed", range(5))
def test_turning_round_in_the_middle_of_a_rollout_keeps_the_promise_and_ends_at_the_last_template(seed: int) -> None:
    world = _started(seed, replicas=6, surge=2, unavailable=1)
    _within(world, 5, 8)
    for image in ("web:2", "web:3", "web:1", "web:2"):
        _roll(world, image)
        world.system.run_for(0.8)
    world.system.settle()
    assert _images(world) == ["web:2"] * 6
    assert len({one.metadata.labels["pod-template-hash"] for one in world.all(RS)}) == 3, "one ReplicaSet per template"


def test_recreate_never_runs_two_versions_at_once() -> None:
    world = _started(replicas=3, kind="Recreate")

    def judge() -> None:
        running = {pod.spec.containers[0].image for pod in world.all("pods")}
        assert len(running) <= 1, running

    world.always(judge)
    _roll(world, "web:2")
    world.system.settle()
    assert _images(world) == ["web:2"] * 3


def test_a_broken_image_stops_the_rollout_with_enough_old_pods_left_and_is_told() -> None:
    world = _started(replicas=4, surge=1, unavailable=1, progress_deadline_seconds=30)
    _within(world, 3, 5)
    _roll(world, "broken")
    world.system.run_for(60)
    told = {one.type: one.reason for one in world.get(DEPLOYMENTS, "web").status.conditions}
    assert told == {"Available": "MinimumReplicasAvailable", "Progressing": "ProgressDeadlineExceeded"}
    _roll(world, "web:1")
    world.system.settle()
    assert _images(world) == ["web:1"] * 4
    assert {one.type: one.reason for one in world.get(DEPLOYMENTS, "web").status.conditions}["Progressing"] == "NewReplicaSetAvailable"


def test_scaling_while_paused_and_rolling_out_when_resumed() -> None:
    world = _started(replicas=2)
    owner = world.get(DEPLOYMENTS, "web")
    world.change(DEPLOYMENTS, "web", replace(owner.spec, paused=True, replicas=4, template=template("web:2")))
    world.system.settle()
    assert _images(world) == ["web:1"] * 4
    owner = world.get(DEPLOYMENTS, "web")
    world.change(DEPLOYMENTS, "web", replace(owner.spec, paused=None))
    world.system.settle()
    assert _images(world) == ["web:2"] * 4


def test_scaling_in_the_middle_of_a_rollout_comes_to_the_new_size_of_the_new_template() -> None:
    world = _started(replicas=6, surge=2, unavailable=2)
    _roll(world, "web:2")
    world.system.run_for(0.6)
    world.scale(DEPLOYMENTS, "web", 9)
    world.system.run_for(0.3)
    world.scale(DEPLOYMENTS, "web", 3)
    world.system.settle()
    assert _images(world) == ["web:2"] * 3
    assert _complete(world)


def test_history_is_kept_up_to_its_limit_and_revisions_go_on() -> None:
    world = _started(replicas=1, revision_history_limit=1)
    for number in range(2, 6):
        _roll(world, f"web:{number}")
        world.system.settle()
    revisions = sorted(one.metadata.annotations["deployment.kubernetes.io/revision"] for one in world.all(RS))
    assert revisions == ["4", "5"]
    assert world.get(DEPLOYMENTS, "web").metadata.annotations["deployment.kubernetes.io/revision"] == "5"


def test_a_taken_name_gets_round_with_one_replica_set_per_revision() -> None:
    """kubernetes#29735, with a hash collision made by hand: a ReplicaSet of other content holds the name."""
    probe = _started(replicas=1)
    taken = probe.all(RS)[0]
    world = Playground()
    other = replace(
        taken,
        metadata=replace(taken.metadata, uid="", resource_version=0, owner_references=(), labels=FrozenMap(x="y")),
        spec=replace(
            taken.spec,
            replicas=0,
            selector=replace(taken.spec.selector, match_labels=FrozenMap(x="y")),
            template=replace(taken.spec.template, metadata=replace(taken.spec.template.metadata, labels=FrozenMap(x="y"))),
        ),
        status=None,
    )
    world.create(RS, other)
    world.create(DEPLOYMENTS, deployment(1))
    world.system.settle()
    assert _complete(world)
    assert world.get(DEPLOYMENTS, "web").status.collision_count == 1
    assert len([one for one in world.all(RS) if controller_of(one) is not None]) == 1


def test_the_endpoints_of_a_service_are_never_fewer_than_the_rollout_promises() -> None:
    world = Playground()
    world.create("services", service())
    world.create(DEPLOYMENTS, deployment(4, surge=1, unavailable=1))
    world.system.settle()
    assert len(world.endpoints("web")) == 4
    _roll(world, "web:2")
    world.system.settle()
    assert world.endpoints("web") == sorted(pod.metadata.name for pod in world.ready)


def test_a_replica_set_that_is_relabelled_is_released() -> None:
    world = _started(replicas=2)
    name = world.all(RS)[0].metadata.name
    patch = FrozenMap(metadata=FrozenMap(labels=FrozenMap(app="other")))
    world.ask(PatchObject, resource=RS, namespace="default", name=name, type="merge", patch=patch)
    world.system.settle()
    assert controller_of(world.get(RS, name)) is None


def test_one_seed_is_one_history() -> None:
    hashes = set()
    for _ in range(2):
        world = _started(7, replicas=3)
        _roll(world, "web:2")
        world.system.settle()
        hashes.add(world.system.trace_hash)
    assert len(hashes) == 1
