"""Init containers run one after the other and to their end; restartable ones stay as long as the pod."""

from __future__ import annotations

from callboard.models.api.core import Probe, TCPSocketAction
from callboard.models.behaviour import Behaviour
from callboard.models.timing import CHAOS
from tests.actors.kubelet.kit import KUBELET, RUNTIME, World, container, pod

WORK = {"work:*": Behaviour(exits=[0] * 20, runs_for="3s"), "fail:*": Behaviour(exits=[1] * 20, runs_for="1s")}


def test_init_containers_run_in_their_order_before_the_pods_own() -> None:
    world = World(images=WORK)
    init = (container("first", "work:1"), container("second", "work:1"))
    world.create(pod(init_containers=init))
    world.run(2)
    assert world.running() == ["web/first/0"]
    assert world.phase() == "Pending"
    assert not world.is_true("Initialized")
    status = world.pod().status
    assert status is not None
    incomplete = next(one for one in status.conditions if one.type == "Initialized")
    assert (incomplete.reason, incomplete.message) == (
        "ContainersNotInitialized",
        "containers with incomplete status: [first second]",
    )
    waiting = world.status("web", "web").state
    assert waiting is not None
    assert waiting.waiting is not None
    assert waiting.waiting.reason == "PodInitializing"
    world.run(3)
    assert world.running() == ["web/second/0"]
    world.run(3)
    assert world.running() == ["web/web/0"]
    assert world.is_true("Initialized")
    assert world.is_true("Ready")
    assert world.status("web", "first").ready is True


def test_an_init_container_that_fails_is_tried_again() -> None:
    world = World(images={"flaky:*": Behaviour(exits=[1, 0], runs_for="1s")})
    world.create(pod(init_containers=(container("first", "flaky:1"),)))
    world.wait(lambda: world.phase() == "Running")
    assert world.status("web", "first").restart_count == 1
    assert world.status("web", "web").restart_count == 0


def test_an_init_container_that_fails_for_good_fails_the_pod() -> None:
    world = World(images=WORK)
    world.create(pod(init_containers=(container("first", "fail:1"),), restart_policy="Never"))
    world.run(5)
    assert world.phase() == "Failed"
    assert world.running() == []
    assert world.status("web", "web").restart_count == 0


def test_a_sidecar_starts_before_the_others_and_goes_on_beside_them() -> None:
    world = World(images=WORK)
    init = (container("log", restart_policy="Always"), container("first", "work:1"))
    world.create(pod(init_containers=init))
    world.run(2)
    assert world.running() == ["web/log/0", "web/first/0"]
    world.run(3)
    assert sorted(world.running()) == ["web/log/0", "web/web/0"]
    assert world.is_true("Ready")


def test_what_comes_after_a_sidecar_waits_for_its_startup_probe() -> None:
    world = World(images={"slow:*": Behaviour(start="4s")})
    probe = Probe(tcp_socket=TCPSocketAction(port=80), period_seconds=2, initial_delay_seconds=6)
    world.create(pod(init_containers=(container("log", restart_policy="Always", startup_probe=probe),)))
    world.run(4)
    assert world.running() == ["web/log/0"]
    assert world.status("web", "log").started is False
    world.run(4)
    assert sorted(world.running()) == ["web/log/0", "web/web/0"]
    assert world.status("web", "log").started is True


def test_a_sidecar_that_ends_is_started_again_while_the_pod_works_and_stopped_when_it_is_done() -> None:
    images = {"job:*": Behaviour(exits=[0], runs_for="30s"), "log:*": Behaviour(exits=[1], runs_for="2s")}
    world = World(images=images)
    sidecar = container("log", "log:1", restart_policy="Always")
    world.create(pod("web", container(image="job:1"), init_containers=(sidecar,), restart_policy="Never"))
    world.run(10)
    assert sorted(world.running()) == ["web/log/1", "web/web/0"]
    assert world.phase() == "Running"
    world.run(30)
    assert world.running() == []
    assert world.phase() == "Succeeded"


def test_sidecars_end_after_the_others_the_last_first() -> None:
    world = World(images={"slow:*": Behaviour(stops_in="2s")})
    sidecars = tuple(container(name, "slow:1", restart_policy="Always") for name in ("a", "b"))
    world.create(pod("web", container(image="slow:1"), init_containers=sidecars))
    world.run(2)
    world.delete("web")
    orders: list[list[str]] = []
    while world.find("web") is not None:
        running = sorted(world.running())
        if not orders or orders[-1] != running:
            orders.append(running)
        world.run(0.2)
    assert [order for order in orders if order] == [["web/a/0", "web/b/0", "web/web/0"], ["web/a/0", "web/b/0"], ["web/a/0"]]


def test_a_restarted_kubelet_knows_that_a_pod_was_initialized() -> None:
    world = World(images=WORK)
    world.create(pod(init_containers=(container("first", "work:1"),)))
    world.run(6)
    assert world.running() == ["web/web/0"]
    status = world.pod().status
    world.system.restart(KUBELET)
    world.run(3)
    assert world.running() == ["web/web/0"]
    assert world.pod().status == status


def test_what_an_init_container_did_is_not_forgotten_when_its_pod_fails_for_a_lost_sandbox() -> None:
    """Nothing of the pod is to run again, so it is not initialized anew."""
    world = World(images={"work:*": Behaviour(exits=[0], runs_for="1s")}, timing=CHAOS)
    world.create(pod(init_containers=(container("first", "work:1"),), restart_policy="Never"))
    world.run(3)
    assert world.phase() == "Running"
    world.system.restart(RUNTIME)
    world.run(10)
    assert world.phase() == "Failed"
    state = world.status("web", "first").state
    assert state is not None
    assert state.terminated is not None
    assert state.terminated.reason == "Completed"
    assert world.is_true("Initialized")


def test_a_pod_that_goes_on_in_a_new_sandbox_is_initialized_anew() -> None:
    world = World(images=WORK, timing=CHAOS)
    world.create(pod(init_containers=(container("first", "work:1"),)))
    world.run(5)
    assert world.running() == ["web/web/0"]
    world.system.restart(RUNTIME)
    world.run(2)
    assert world.running() == ["web/first/1"]
    assert not world.is_true("Initialized")
    world.run(5)
    assert world.is_true("Ready")
