"""The clock of a node's machine is set back by an hour: nobody waits that long."""

from __future__ import annotations

from callboard.models.behaviour import Behaviour
from callboard.models.timing import KUBERNETES
from tests.actors.kubelet.kit import NODE, World, container, pod

HOUR_S = 3600.0


def set_back(world: World) -> None:
    world.system.add_machine(NODE).skew_s -= HOUR_S


def test_a_container_in_back_off_is_restarted() -> None:
    world = World(images={"flaky:*": Behaviour(exits=[1, 1], runs_for="1s")})
    world.create(pod("web", container(image="flaky:1")))
    world.run(4)
    state = world.status().state
    assert state is not None
    assert state.waiting is not None
    assert state.waiting.reason == "CrashLoopBackOff"
    set_back(world)
    assert world.wait(lambda: world.running() == ["web/web/2"]) <= 2 * KUBERNETES.crash_back_off_s + KUBERNETES.lease_renew_s * 1.1


def test_a_pull_that_failed_is_tried_again() -> None:
    world = World(images={"late:*": Behaviour(pull_fails=1)})
    world.create(pod("web", container(image="late:1")))
    world.run(2)
    set_back(world)
    assert world.wait(lambda: world.running() == ["web/web/0"]) <= 2 * KUBERNETES.crash_back_off_s + KUBERNETES.lease_renew_s * 1.1


def test_a_container_that_will_not_end_is_killed_when_its_grace_is_over() -> None:
    world = World(images={"deaf:*": Behaviour(stops_in="10h")})
    world.create(pod("web", container(image="deaf:1"), termination_grace_period_seconds=20))
    world.run(2)
    world.delete("web")
    world.run(1)
    set_back(world)
    assert world.wait(lambda: world.find("web") is None) <= 40
