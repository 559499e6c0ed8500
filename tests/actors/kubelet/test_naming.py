"""Two pods of one name on a node: the second starts when nothing of the first is left, even where the first was removed by force."""

from __future__ import annotations

import pytest

from callboard.actors.kubelet.naming import NameBook
from callboard.models.behaviour import Behaviour
from callboard.models.messages.runtime import RemoveSandbox
from tests.actors.kubelet.kit import KUBELET, RUNTIME, World, container, pod

KEY = "pods/default/web"
IMAGES = {"slow:*": Behaviour(stops_in="30s")}


def test_who_comes_first_may_start_and_who_comes_second_when_the_first_has_left() -> None:
    book = NameBook()
    assert book.take(KEY, "a")
    assert not book.take(KEY, "b")
    assert book.take("pods/default/other", "c")
    assert book.leave(KEY, "a") == "b"
    assert book.leave(KEY, "b") == ""
    assert book.take(KEY, "d"), "a name that nobody has is free"


def test_who_waits_in_the_middle_and_leaves_lets_nobody_start() -> None:
    book = NameBook()
    for uid in "abc":
        book.take(KEY, uid)
    assert book.leave(KEY, "b") == ""
    assert book.leave(KEY, "b") == "", "leaving twice is leaving once"
    assert book.leave(KEY, "a") == "c"


def test_a_stray_sandbox_has_its_name_until_it_is_gone() -> None:
    book = NameBook()
    book.take_stray(KEY, "a")
    book.take_stray(KEY, "a")
    assert not book.take(KEY, "b")
    assert book.strays() == ("a",)
    assert book.stray_left("a") == "b"
    assert book.stray_left("a") == ""
    assert book.strays() == ()


def slow(seconds: int = 20) -> object:
    return pod("web", container(image="slow:1"), termination_grace_period_seconds=seconds)


def uids_running(world: World) -> set[str]:
    return {uid for uid, sandbox in world.runtime.sandboxes.items() for one in sandbox.containers.values() if one.state == "running"}


@pytest.mark.parametrize("seed", range(3))
def test_a_pod_waits_for_one_of_its_name_that_was_removed_by_force(seed: int) -> None:
    world = World(seed, IMAGES)
    first = world.create(slow()).metadata.uid
    world.wait(lambda: world.is_true("Ready"))
    world.delete("web", grace_s=0)
    second = world.create(slow()).metadata.uid
    both = world.wait(lambda: uids_running(world) == {second})
    assert both > 1.0, "the first one had its small grace period"
    assert first not in world.runtime.sandboxes
    world.wait(lambda: world.is_true("Ready"))


@pytest.mark.parametrize("seed", range(3))
def test_at_no_moment_two_of_a_name_run(seed: int) -> None:
    world = World(seed, IMAGES)
    world.create(slow())
    world.wait(lambda: world.is_true("Ready"))
    for _ in range(3):
        world.delete("web", grace_s=0)
        world.create(slow())
        for _ in range(60):
            world.run(0.1)
            assert len(uids_running(world)) <= 1
    world.wait(lambda: world.is_true("Ready"))


@pytest.mark.parametrize("lost", [False, True])
def test_a_kubelet_that_comes_back_removes_what_has_no_pod_before_it_starts_another_of_its_name(lost: bool) -> None:
    world = World(1, IMAGES)
    first = world.create(slow()).metadata.uid
    world.wait(lambda: world.is_true("Ready"))
    world.system.crash(KUBELET)
    world.delete("web", grace_s=0)
    second = world.create(slow()).metadata.uid
    if lost:
        world.system.links.drop(KUBELET, RUNTIME, lambda _passage, message: isinstance(message, RemoveSandbox))
    world.system.restart(KUBELET)
    if lost:
        world.run(20)
        assert uids_running(world) == {first}
        world.system.links.clear()
    world.wait(lambda: uids_running(world) == {second})
