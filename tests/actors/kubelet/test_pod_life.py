"""A pod's life on a node: up, ready, ended, deleted; with the real apiserver and simulated containers."""

from __future__ import annotations

from callboard.models.api.core import HTTPGetAction, Lifecycle, LifecycleHandler, SleepAction
from callboard.models.base import replace
from callboard.models.behaviour import Behaviour
from callboard.models.messages.api import BindPod, WriteStatus
from tests.actors.kubelet.kit import World, container, pod


def test_a_pod_runs_and_is_ready_with_one_write_of_its_status() -> None:
    world = World()
    created = world.create(pod())
    world.run(1)
    found = world.pod()
    status = found.status
    assert status is not None
    assert status.phase == "Running"
    assert [one.type for one in status.conditions if one.status == "True"] == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]
    web = status.container_statuses[0]
    assert (web.ready, web.started, web.restart_count, web.image) == (True, True, 0, "web:1")
    assert web.state is not None
    assert web.state.running is not None
    assert status.pod_ip == status.pod_ips[0].ip == "10.128.0.2"
    assert (status.host_ip, status.qos_class, status.observed_generation) == ("172.16.0.1", "BestEffort", 1)
    others = 2  # Events
    assert found.metadata.resource_version - created.metadata.resource_version <= 1 + others


def test_a_pod_that_takes_long_to_start_says_so_meanwhile() -> None:
    world = World(images={"slow:*": Behaviour(start="5s")})
    world.create(pod("web", container(image="slow:1")))
    world.run(2)
    status = world.status()
    assert world.phase() == "Pending"
    assert status.state is not None
    assert status.state.waiting is not None
    assert status.state.waiting.reason == "ContainerCreating"
    world.run(5)
    assert world.phase() == "Running"


def test_readiness_of_its_own_decides_where_there_is_no_probe() -> None:
    world = World(images={"slow:*": Behaviour(ready_after="3s")})
    world.create(pod("web", container(image="slow:1"), container("other")))
    world.run(1)
    assert world.phase() == "Running"
    assert not world.is_true("Ready")
    ready = next(one for one in world.pod().status.conditions if one.type == "Ready")  # type: ignore[union-attr]
    assert ready.message == "containers with unready status: [web]"
    world.run(3)
    assert world.is_true("Ready")


def test_a_pod_that_does_its_work_succeeds() -> None:
    world = World(images={"job:*": Behaviour(exits=[0], runs_for="5s")})
    world.create(pod("web", container(image="job:1"), restart_policy="Never"))
    world.run(2)
    assert world.phase() == "Running"
    world.run(5)
    assert world.phase() == "Succeeded"
    ready = next(one for one in world.pod().status.conditions if one.type == "Ready")  # type: ignore[union-attr]
    assert (ready.status, ready.reason) == ("False", "PodCompleted")
    ended = world.status().state
    assert ended is not None
    assert ended.terminated is not None
    assert (ended.terminated.reason, ended.terminated.exit_code) == ("Completed", 0)


def test_a_pod_that_fails_and_must_not_be_restarted_has_failed() -> None:
    world = World(images={"job:*": Behaviour(exits=[3], runs_for="2s")})
    world.create(pod("web", container(image="job:1"), container("other", "job:2"), restart_policy="Never"))
    world.run(4)
    assert world.phase() == "Failed"
    assert world.running() == []


def test_on_failure_restarts_what_failed_and_not_what_did_its_work() -> None:
    world = World(images={"a:*": Behaviour(exits=[0]), "b:*": Behaviour(exits=[1, 0], runs_for="1s")})
    world.create(pod("web", container("a", "a:1"), container("b", "b:1"), restart_policy="OnFailure"))
    world.wait(lambda: world.phase() == "Succeeded")
    assert (world.status("web", "a").restart_count, world.status("web", "b").restart_count) == (0, 1)


def test_a_deleted_pod_gets_its_grace_period_and_goes() -> None:
    world = World(images={"slow:*": Behaviour(stops_in="7s")})
    world.create(pod("web", container(image="slow:1"), termination_grace_period_seconds=20))
    world.run(2)
    world.delete("web")
    world.run(5)
    assert world.is_true("Ready"), "it goes on serving until it has ended"
    assert world.pod().metadata.deletion_timestamp
    took_s = 5 + world.wait(lambda: world.find("web") is None)
    assert 7 <= took_s < 8
    assert world.runtime.sandboxes == {}
    assert world.kubelet.pods == {}
    assert [one.message for one in world.events("Killing")] == ["Stopping container web"]


def test_a_pod_that_does_not_end_is_killed_when_its_grace_period_is_over() -> None:
    world = World(images={"deaf:*": Behaviour(stops_in="1h")})
    world.create(pod("web", container(image="deaf:1"), termination_grace_period_seconds=5))
    world.run(2)
    world.delete("web")
    assert 5 <= world.wait(lambda: world.find("web") is None) < 6.5


def test_a_second_delete_can_only_shorten_the_grace_period() -> None:
    world = World(images={"deaf:*": Behaviour(stops_in="1h")})
    world.create(pod("web", container(image="deaf:1"), termination_grace_period_seconds=600))
    world.run(2)
    world.delete("web")
    world.run(10)
    world.delete("web", 15)
    assert 4 <= world.wait(lambda: world.find("web") is None) < 7


def test_the_last_status_of_a_deleted_pod_tells_how_it_ended() -> None:
    world = World()
    made = pod()
    world.create(replace(made, metadata=replace(made.metadata, finalizers=("example.org/keep",))))
    world.run(2)
    world.delete("web")
    world.run(3)
    status = world.status()
    assert world.phase() == "Failed"
    assert status.ready is False
    assert status.state is not None
    assert status.state.terminated is not None
    assert status.state.terminated.exit_code == 143
    assert world.runtime.sandboxes == {}
    kept = world.pod()
    world.update(replace(kept, metadata=replace(kept.metadata, finalizers=())), "pods")
    world.run(1)
    assert world.find("web") is None
    assert world.kubelet.pods == {}


def test_a_hook_before_the_end_takes_its_time_from_the_grace_period() -> None:
    world = World(images={"deaf:*": Behaviour(stops_in="1h")})
    hook = Lifecycle(pre_stop=LifecycleHandler(sleep=SleepAction(seconds=4)))
    world.create(pod("web", container(image="deaf:1", lifecycle=hook), termination_grace_period_seconds=10))
    world.run(2)
    world.delete("web")
    world.run(3.5)
    assert world.events("Killing") == []
    took_s = 3.5 + world.wait(lambda: world.find("web") is None)
    assert 10 <= took_s < 13


def test_a_pod_whose_object_vanished_is_killed() -> None:
    world = World(images={"deaf:*": Behaviour(stops_in="1h")})
    world.create(pod("web", container(image="deaf:1")))
    world.run(2)
    world.delete("web", 0)
    assert world.find("web") is None
    world.run(1)
    assert world.running() == ["web/web/0"], "on its node it still gets a small grace period (Kubernetes' page on forced deletion)"
    world.run(2)
    assert world.running() == []
    assert world.kubelet.pods == {}


def test_a_pod_of_the_same_name_is_another_pod() -> None:
    world = World()
    first = world.create(pod())
    world.run(2)
    world.delete("web", 0)
    second = world.create(pod())
    world.run(2)
    assert list(world.runtime.sandboxes) == [second.metadata.uid] != [first.metadata.uid]
    assert world.phase() == "Running"
    assert world.status().restart_count == 0


def test_a_pod_is_ended_when_it_has_been_active_for_too_long() -> None:
    world = World()
    world.create(pod(active_deadline_seconds=30))
    world.run(25)
    assert world.phase() == "Running"
    world.run(8)
    status = world.pod().status
    assert status is not None
    assert (status.phase, status.reason) == ("Failed", "DeadlineExceeded")
    assert world.running() == []


def test_a_phase_that_others_decided_is_kept_and_its_containers_end() -> None:
    world = World()
    made = world.create(pod())
    world.run(2)
    status = replace(world.pod().status, phase="Failed", reason="Evicted")  # type: ignore[type-var]
    world.ask(WriteStatus, resource="pods", namespace="default", name="web", status=status, uid=made.metadata.uid)
    world.run(3)
    assert world.running() == []
    assert world.phase() == "Failed"
    assert world.status().ready is False


def test_a_pod_that_is_bound_later_runs_from_then_on() -> None:
    world = World()
    made = pod()
    made = world.create(replace(made, spec=replace(made.spec, node_name="")))  # type: ignore[type-var]
    world.run(2)
    assert world.running() == []
    world.ask(BindPod, resource="pods", namespace="default", name="web", uid=made.metadata.uid, node_name="node-1")
    world.run(1)
    assert world.running() == ["web/web/0"]
    assert world.is_true("PodScheduled")


def test_pods_beyond_the_room_of_the_node_have_failed() -> None:
    world = World(pods=2)
    for name in ("a", "b", "c"):
        world.create(pod(name))
        world.run(1)
    assert [world.phase(name) for name in ("a", "b", "c")] == ["Running", "Running", "Failed"]
    status = world.pod("c").status
    assert status is not None
    assert status.reason == "OutOfpods"
    assert status.message == "Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 2, capacity: 2"
    world.delete("a")
    world.wait(lambda: world.find("a") is None)
    world.create(pod("d"))
    world.run(1)
    assert world.phase("d") == "Running", "there is room again"


def test_a_restarted_container_of_a_new_image_runs_that_image() -> None:
    world = World()
    world.create(pod())
    world.run(2)
    running = world.pod()
    assert running.spec is not None
    newer = replace(running.spec, containers=(replace(running.spec.containers[0], image="web:2"),))
    world.update(replace(running, spec=newer), "pods")
    world.run(3)
    status = world.status()
    assert (status.image, status.restart_count) == ("web:2", 1)
    assert world.running() == ["web/web/1"]


def test_a_container_has_not_started_until_its_post_start_hook_is_over() -> None:
    """Documented of hooks: "the Container's status is not set to RUNNING until the postStart handler completes"."""
    hook = Lifecycle(post_start=LifecycleHandler(sleep=SleepAction(seconds=5)))
    world = World()
    world.create(pod("web", container(lifecycle=hook)))
    world.run(4)
    state = world.status().state
    assert state is not None
    assert state.waiting is not None
    assert (state.waiting.reason, world.status().started, world.status().ready) == ("ContainerCreating", False, False)
    assert world.phase() == "Pending"
    assert world.running() == ["web/web/0"]
    world.run(3)
    assert (world.phase(), world.status().started, world.status().ready) == ("Running", True, True)


def test_a_container_whose_post_start_hook_fails_is_killed_and_started_again() -> None:
    world = World(images={"web:*": Behaviour(serve=lambda request: (500, "no"))})
    hook = Lifecycle(post_start=LifecycleHandler(http_get=HTTPGetAction(path="/", port=80)))
    world.create(pod("web", container(lifecycle=hook), termination_grace_period_seconds=1))
    world.run(5)
    assert world.status().restart_count == 1
    assert world.phase() == "Running", "it has run"
    (told,) = world.events("FailedPostStartHook")
    assert told.message == "PostStartHook failed: HTTP probe failed with statuscode: 500"
    assert world.status().ready is False
