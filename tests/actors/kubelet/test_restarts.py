"""What is started again, when, and what survives a restart of kubelet, runtime and machine."""

from __future__ import annotations

import pytest

from callboard.models.behaviour import Behaviour
from callboard.models.timing import CHAOS, KUBERNETES, Timing
from tests.actors.kubelet.kit import KUBELET, NODE, RUNTIME, World, container, pod


def test_a_crashing_container_is_started_at_once_then_after_ten_seconds_doubling_up_to_five_minutes() -> None:
    world = World(images={"bad:*": Behaviour(exits=[1] * 50)})
    world.create(pod("web", container(image="bad:1")))
    began_s = world.now
    starts: dict[int, float] = {}
    for _ in range(11_000):
        world.run(0.1)
        for sandbox in world.runtime.sandboxes.values():
            one = sandbox.containers["web"]
            starts[one.attempt] = one.started_at_s
    assert starts[1] - began_s < 1, "the first restart comes at once"
    pauses = [round(starts[number + 1] - starts[number]) for number in range(1, 8)]
    assert pauses == [10, 20, 40, 80, 160, 300, 300]
    waiting = world.status().state
    assert waiting is not None
    assert waiting.waiting is not None
    assert waiting.waiting.reason == "CrashLoopBackOff"
    assert waiting.waiting.message.startswith("back-off 5m0s restarting failed container=web pod=web_default(")
    last = world.status().last_state
    assert last is not None
    assert last.terminated is not None
    assert last.terminated.exit_code == 1
    assert {one.type for one in world.events("BackOff")} == {"Warning"}


def test_a_container_that_ran_long_enough_starts_again_at_once() -> None:
    timing = Timing(crash_back_off_s=10, crash_back_off_reset_s=60)
    world = World(images={"bad:*": Behaviour(exits=[1, 1, 1], runs_for="61s")}, timing=timing)
    world.create(pod("web", container(image="bad:1")))
    world.run(62 * 2 + 30)
    assert world.status().restart_count == 2


def test_a_kubelet_that_restarts_finds_its_containers_and_starts_none_twice() -> None:
    world = World(images={"flaky:*": Behaviour(exits=[1])})
    world.create(pod("a"))
    world.create(pod("b", container(image="flaky:1")))
    world.run(3)
    before = world.running()
    status = world.pod("a").status
    world.system.restart(KUBELET)
    world.run(5)
    assert world.running() == before == ["a/web/0", "b/web/1"]
    assert world.status("b").restart_count == 1
    assert world.pod("a").status == status, "nothing has changed, so nothing is written"


def test_what_ended_while_the_kubelet_was_down_is_started_again() -> None:
    world = World(images={"once:*": Behaviour(exits=[1], runs_for="5s")})
    world.create(pod("web", container(image="once:1")))
    world.run(2)
    world.system.crash(KUBELET)
    world.run(10)
    assert world.running() == []
    world.system.restart(KUBELET)
    world.run(2)
    assert world.running() == ["web/web/1"]
    assert world.status().restart_count == 1


def test_a_pod_deleted_while_the_kubelet_was_down_is_removed() -> None:
    world = World()
    world.create(pod("gone"))
    world.create(pod("going"))
    world.run(2)
    world.system.crash(KUBELET)
    world.delete("gone", 0)
    world.delete("going")
    world.run(2)
    assert len(world.running()) == 2
    world.system.restart(KUBELET)
    world.run(3)
    assert world.running() == []
    assert world.find("going") is None
    assert world.runtime.sandboxes == {}


def test_a_restarting_kubelet_does_not_reject_what_runs() -> None:
    world = World(pods=2)
    world.create(pod("a"))
    world.create(pod("b"))
    world.run(2)
    world.create(pod("c"))
    world.run(2)
    world.system.restart(KUBELET)
    world.run(3)
    assert [world.phase(name) for name in "abc"] == ["Running", "Running", "Failed"]


@pytest.mark.parametrize("seed", range(6))
def test_a_runtime_that_lost_everything_is_told_to_run_it_again(seed: int) -> None:
    world = World(seed=seed)
    world.create(pod("a"))
    world.create(pod("never", restart_policy="Never"))
    world.run(2)
    world.create(pod("b"))  # on its way while the runtime goes down
    world.system.restart(RUNTIME)
    world.run(15)
    assert sorted(world.running()) == ["a/web/1", "b/web/0"]
    assert world.status("a").restart_count == 1
    last = world.status("a").last_state
    assert last is not None
    assert last.terminated is not None
    assert (last.terminated.reason, last.terminated.exit_code) == ("ContainerStatusUnknown", 137)
    assert world.phase("never") == "Failed"
    assert world.phase("a") == "Running"
    assert world.is_true("Ready", "a")


def test_a_machine_that_comes_back_runs_its_pods_again() -> None:
    world = World()
    world.create(pod("a"))
    world.create(pod("never", restart_policy="Never"))
    world.run(2)
    world.system.crash_machine(NODE)
    world.run(5)
    assert world.phase("a") == "Running", "nobody has said otherwise"
    world.system.restart_machine(NODE)
    world.run(5)
    assert world.running() == ["a/web/1"]
    assert world.is_true("Ready", "a")
    assert world.status("a").restart_count == 1
    assert world.phase("never") == "Failed"
    ended = world.status("never").state
    assert ended is not None
    assert ended.terminated is not None
    assert ended.terminated.exit_code == 137


def test_a_finished_pod_is_never_run_again() -> None:
    world = World(images={"job:*": Behaviour(exits=[0])})
    world.create(pod("web", container(image="job:1"), restart_policy="OnFailure"))
    world.run(2)
    assert world.phase() == "Succeeded"
    world.system.crash_machine(NODE)
    world.system.restart_machine(NODE)
    world.run(5)
    assert world.phase() == "Succeeded"
    assert world.runtime.sandboxes == {}


def test_a_lost_push_of_the_runtime_is_made_up_for() -> None:
    world = World(images={"once:*": Behaviour(exits=[1], runs_for="5s")}, timing=CHAOS)
    world.create(pod("web", container(image="once:1")))
    world.run(2)
    world.system.links.drop(RUNTIME, KUBELET)
    world.run(5)
    world.system.links.clear()
    assert world.running() == []
    world.wait(lambda: world.running() == ["web/web/1"], 10)


@pytest.mark.parametrize("seed", range(4))
def test_a_start_whose_answer_was_lost_is_asked_for_again_and_not_done_twice(seed: int) -> None:
    world = World(seed=seed)
    world.system.links.drop(RUNTIME, KUBELET)
    world.create(pod())
    world.run(5)
    world.system.links.clear()
    world.run(KUBERNETES.request_timeout_s * 2 + 2)
    assert world.running() == ["web/web/0"]
    assert world.phase() == "Running"


def test_the_sandboxes_of_finished_pods_are_kept_for_their_logs_but_not_for_ever() -> None:
    world = World(images={"job:*": Behaviour(exits=[0])}, finished_kept=2)
    for number in range(5):
        world.create(pod(f"job-{number}", container(image="job:1"), restart_policy="Never"))
        world.run(2)
    kept = [sandbox.pod.metadata.name for sandbox in world.runtime.sandboxes.values()]
    assert kept == ["job-3", "job-4"]
    assert [world.phase(f"job-{number}") for number in range(5)] == ["Succeeded"] * 5
    status = world.pod("job-0").status
    assert status is not None
    assert status.pod_ip, "its last address can still be read"


def test_a_pull_that_fails_is_err_image_pull_then_image_pull_back_off_until_it_succeeds() -> None:
    """pkg/kubelet/images/image_manager.go: the failure itself, then its back-off (10 s, 20 s, ...), after which it is tried again."""
    world = World(images={"far:*": Behaviour(pull_fails=2)})
    world.create(pod("web", container(image="far:1")))
    seen: list[str] = []
    began_s = world.now
    while not world.is_true("Ready"):
        world.run(0.25)
        state = world.status().state
        reason = state.waiting.reason if state is not None and state.waiting is not None else "running"
        if not seen or seen[-1] != reason:
            seen.append(reason)
        assert world.now < began_s + 60
    assert [one for one in seen if "Image" in one] == ["ErrImagePull", "ImagePullBackOff", "ErrImagePull", "ImagePullBackOff"]
    assert 30 <= world.now - began_s < 32
    assert (world.phase(), world.status().restart_count) == ("Running", 0)
    told = {one.message for one in world.events("Failed")}
    assert told == {
        'Failed to pull image "far:1": failed to pull and unpack image "far:1": not found',
        "Error: ErrImagePull",
        "Error: ImagePullBackOff",
    }
    assert {(one.type, one.message) for one in world.events("BackOff")} == {("Normal", 'Back-off pulling image "far:1"')}
