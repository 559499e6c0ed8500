"""Probes as users see them: what makes a container started, ready, or restarted."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from callboard.models.api.core import ExecAction, HTTPGetAction, Probe
from callboard.models.behaviour import Behaviour
from callboard.models.messages.runtime import ProbeContainer
from tests.actors.kubelet.kit import KUBELET, World, container, pod


class Switch:
    """A server whose health the test decides."""

    def __init__(self) -> None:
        self.status = 200
        self.paths: list[str] = []

    def serve(self, request: Any) -> tuple[int, str]:
        self.paths.append(request.path)
        return self.status, "x"


def http(path: str = "/", **fields: Any) -> Probe:
    fields.setdefault("period_seconds", 10)
    return Probe(http_get=HTTPGetAction(path=path, port=8080), **fields)


def world_with(switch: Switch, **probes: Any) -> World:
    world = World(images={"web:*": Behaviour(serve=switch.serve)})
    world.create(pod("web", container(**probes), termination_grace_period_seconds=1))
    return world


def steps(world: World, seconds: int, value: Callable[[], Any]) -> list[Any]:
    """The value at the end of every second."""
    found = []
    for _ in range(seconds):
        world.run(1)
        found.append(value())
    return found


def test_a_readiness_probe_decides_whether_a_running_container_is_ready() -> None:
    switch = Switch()
    switch.status = 503
    world = world_with(switch, readiness_probe=http("/healthz", failure_threshold=2))
    world.run(2)
    assert world.phase() == "Running"
    assert not world.is_true("Ready")
    switch.status = 204
    world.run(10)
    assert world.is_true("Ready")
    switch.status = 500
    world.run(10)
    assert world.is_true("Ready"), "one failure is not enough"
    world.run(10)
    assert not world.is_true("Ready")
    assert world.status().restart_count == 0
    assert switch.paths[0] == "/healthz"
    assert [one.message for one in world.events("Unhealthy")] != []
    assert {one.message for one in world.events("Unhealthy")} == {
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
        "Readiness probe failed: HTTP probe failed with statuscode: 500",
    }


def test_the_first_probe_waits_for_its_initial_delay() -> None:
    switch = Switch()
    world = world_with(switch, readiness_probe=http(initial_delay_seconds=7))
    ready = steps(world, 10, lambda: world.is_true("Ready"))
    assert ready.index(True) in (6, 7)


def test_a_success_threshold_is_counted_in_a_row() -> None:
    world = world_with(Switch(), readiness_probe=http(success_threshold=3, period_seconds=2))
    ready = steps(world, 8, lambda: world.is_true("Ready"))
    assert ready.index(True) in (3, 4, 5)


def test_a_container_that_is_not_alive_is_killed_and_started_again() -> None:
    switch = Switch()
    world = world_with(switch, liveness_probe=http(failure_threshold=2, period_seconds=5))
    world.run(12)
    assert world.status().restart_count == 0
    switch.status = 500
    world.run(9)
    switch.status = 200
    world.run(6)
    assert world.status().restart_count == 1
    assert world.is_true("Ready")
    assert [one.message for one in world.events("Killing")] == ["Container web failed liveness probe, will be restarted"]
    world.run(60)
    assert world.status().restart_count == 1


def test_a_container_that_is_never_alive_backs_off() -> None:
    switch = Switch()
    switch.status = 500
    world = world_with(switch, liveness_probe=http(failure_threshold=1, period_seconds=1))
    world.run(100)
    assert 3 <= (world.status().restart_count or 0) <= 5


def test_liveness_and_readiness_wait_for_the_startup_probe() -> None:
    switch = Switch()
    switch.status = 500
    liveness = http("/live", failure_threshold=1, period_seconds=1)
    startup = http("/start", failure_threshold=30, period_seconds=1)
    world = world_with(switch, startup_probe=startup, liveness_probe=liveness, readiness_probe=http("/ready", period_seconds=1))
    world.run(5)
    assert set(switch.paths) == {"/start"}
    assert (world.status().started, world.status().ready, world.status().restart_count) == (False, False, 0)
    switch.status = 200
    world.run(3)
    assert set(switch.paths) == {"/start", "/live", "/ready"}
    assert (world.status().started, world.status().ready) == (True, True)
    switch.paths.clear()
    world.run(3)
    assert "/start" not in switch.paths


def test_a_container_that_does_not_start_up_is_restarted() -> None:
    switch = Switch()
    switch.status = 500
    world = world_with(switch, startup_probe=http(failure_threshold=3, period_seconds=1))
    world.run(6)
    assert world.status().restart_count == 1
    assert [one.message for one in world.events("Killing")] == ["Container web failed startup probe, will be restarted"]


def test_exec_probes_succeed_while_a_simulated_container_runs() -> None:
    world = World(images={"slow:*": Behaviour(ready_after="5s")})
    probe = Probe(exec=ExecAction(command=("true",)), period_seconds=1)
    world.create(pod("web", container(image="slow:1", readiness_probe=probe, liveness_probe=probe)))
    world.run(3)
    assert not world.is_true("Ready")
    world.run(4)
    assert world.is_true("Ready")
    assert world.status().restart_count == 0


def test_a_server_that_raises_ends_its_container() -> None:
    def broken(_request: Any) -> str:
        raise RuntimeError("no luck today")

    world = World(images={"web:*": Behaviour(serve=broken)})
    world.create(pod("web", container(readiness_probe=http(period_seconds=1))))
    world.run(3)
    last = world.status().last_state
    assert last is not None
    assert last.terminated is not None
    assert (last.terminated.exit_code, last.terminated.message) == (1, "RuntimeError: no luck today")


def test_a_restarted_kubelet_does_not_make_ready_containers_unready() -> None:
    switch = Switch()
    world = world_with(switch, readiness_probe=http(initial_delay_seconds=1))
    world.run(5)
    status = world.pod().status
    assert world.is_true("Ready")
    world.system.restart(KUBELET)
    seen = steps(world, 5, lambda: world.pod().status == status)
    assert seen == [True] * 5


def test_a_world_with_healthy_probes_comes_to_rest() -> None:
    world = world_with(Switch(), readiness_probe=http(period_seconds=2), liveness_probe=http(period_seconds=2))
    world.system.settle(timeout_s=60)
    assert world.is_true("Ready")


def test_a_container_killed_for_its_probe_has_that_probe_s_grace_period_not_its_pod_s() -> None:
    """terminationGracePeriodSeconds of a liveness or startup probe goes before the pod's (kuberuntime_container.go)."""
    for purpose in ("liveness_probe", "startup_probe"):
        world = World(images={"deaf:*": Behaviour(stops_in="1h", serve=lambda request: (500, "no"))})
        probe = http(failure_threshold=1, period_seconds=1, termination_grace_period_seconds=4)
        probes: dict[str, Any] = {purpose: probe}
        world.create(pod("web", container(image="deaf:1", **probes), termination_grace_period_seconds=600))
        world.wait(lambda world=world: world.events("Killing") != [])
        took_s = world.wait(lambda world=world: (world.status().restart_count or 0) > 0)
        assert 3.5 <= took_s < 6, purpose


def test_a_probe_that_takes_longer_than_its_timeout_is_asked_with_that_limit_and_one_at_a_time() -> None:
    """timeoutSeconds is the runtime's to keep; a probe without an answer is not asked again before it counts as lost."""
    asked: list[tuple[float, float]] = []
    world = World()

    def listen(_passage: Any, message: Any) -> bool:
        if isinstance(message, ProbeContainer):
            asked.append((world.now, message.timeout_s))
            return True
        return False

    world.system.links.drop(KUBELET, "runtime/*", listen)
    world.create(pod("web", container(liveness_probe=http(timeout_seconds=3, period_seconds=1, failure_threshold=1))))
    world.run(20)
    assert {timeout_s for _, timeout_s in asked} == {3}
    pauses = [after - before for (before, _), (after, _) in pairwise(asked)]
    assert pauses
    assert min(pauses) >= 3 + 5
    assert world.status().restart_count == 0, "a lost question says nothing about the container"
