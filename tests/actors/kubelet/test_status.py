"""What the API is told of a pod, rule by rule: phase, conditions, container states. Pure, no actor."""

from __future__ import annotations

import pytest

from callboard.actors.kubelet.containers import Failure
from callboard.models.api.core import PodCondition, PodReadinessGate, Probe, TCPSocketAction
from callboard.models.base import replace
from tests.actors.kubelet.kit import container, pod
from tests.actors.kubelet.records import (
    NOW_S,
    OWN,
    at,
    condition,
    container_status,
    end,
    record,
    start,
    state,
    status,
    written,
)

PROBE = Probe(tcp_socket=TCPSocketAction(port=80))


# -- phase: kubelet_pods.go, getPhase ------------------------------------------------------------------------------------------------------


def test_a_pod_is_pending_until_each_of_its_containers_has_started() -> None:
    made = record(pod("web", container("app"), container("log")))
    assert status(made).phase == "Pending"
    start(made, "app")
    assert status(made).phase == "Pending"
    start(made, "log")
    assert status(made).phase == "Running"


def test_a_pod_that_initializes_is_pending_whatever_its_sidecars_do() -> None:
    made = record(pod("web", container("app"), init_containers=(container("proxy", restart_policy="Always"), container("a"))))
    start(made, "proxy")
    assert status(made).phase == "Pending"
    assert condition(status(made), "Initialized").message == "containers with incomplete status: [a]"


def test_a_pod_between_two_lives_of_its_container_is_running() -> None:
    for policy in ("Always", "OnFailure"):
        made = record(pod("web", restart_policy=policy))
        start(made, "web")
        end(made, "web", 1)
        assert status(made).phase == "Running"


def test_a_finished_pod_is_running_as_long_as_a_sidecar_runs_and_then_tells_its_reason() -> None:
    """status_manager.go, mergePodStatus: a terminal phase waits for the containers, and so do reason and message."""
    made = record(pod("web", container("app"), init_containers=(container("proxy", restart_policy="Always"),)))
    start(made, "proxy")
    made.initialized = True
    start(made, "app")
    made.finish("Failed", "DeadlineExceeded", "too long")
    found = status(made)
    assert (found.phase, found.reason, found.message) == ("Running", "", "")
    assert (condition(found, "Ready").status, condition(found, "Ready").reason) == ("False", "PodFailed")
    end(made, "app", 143)
    end(made, "proxy", 143)
    found = status(made)
    assert (found.phase, found.reason, found.message) == ("Failed", "DeadlineExceeded", "too long")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_final_phase_is_never_left(phase: str) -> None:
    made = record(pod())
    made.seen = replace(made.seen, phase=phase)
    start(made, "web")
    assert status(made).phase == phase


def test_a_deleted_pod_has_no_final_phase_while_a_container_may_start_yet() -> None:
    made = record(pod("web"))
    made.goal, made.sandbox = "end", "running"
    made.containers["web"].state = "starting"
    assert status(made).phase == "Pending"
    made.sandbox = "absent"
    assert status(made).phase in ("Succeeded", "Failed"), "what was to be started in it is no more"


def test_a_deleted_pod_ends_in_a_final_phase_by_its_exit_codes() -> None:
    """Since 1.27 a terminating pod reaches Succeeded or Failed before its object goes, whatever its restartPolicy."""
    for code, phase in ((0, "Succeeded"), (143, "Failed")):
        made = record(pod("web", restart_policy="Always"))
        start(made, "web")
        made.end_within(30, NOW_S)
        end(made, "web", code)
        assert status(made).phase == phase


# -- conditions: status/generate.go --------------------------------------------------------------------------------------------------------


def test_conditions_of_a_pod_that_comes_up() -> None:
    made = record(pod("web", container("app", readiness_probe=PROBE)), sandbox=False)
    found = status(made)
    assert {one.type: one.status for one in found.conditions} == {
        "PodScheduled": "True",
        "PodReadyToStartContainers": "False",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
    }
    assert condition(found, "ContainersReady").reason == "ContainersNotReady"
    assert condition(found, "Ready").message == "containers with unready status: [app]"
    made.has_sandbox("10.0.0.1", "172.16.0.1")
    assert condition(status(made), "PodReadyToStartContainers").status == "True"


def test_a_transition_time_moves_exactly_when_the_status_of_its_condition_does() -> None:
    made = record(pod("web", container("app", readiness_probe=PROBE)))
    one = start(made, "app")
    written(made, NOW_S)
    later = written(made, NOW_S + 60)
    assert {one.last_transition_time for one in later.conditions} == {at(NOW_S)}
    one.probe_ready = True
    ready = written(made, NOW_S + 90)
    assert condition(ready, "Ready").last_transition_time == condition(ready, "ContainersReady").last_transition_time == at(NOW_S + 90)
    assert condition(ready, "Initialized").last_transition_time == at(NOW_S)


def test_a_pod_is_ready_only_when_its_readiness_gates_are_open_as_well() -> None:
    gates = (PodReadinessGate(condition_type="example.org/a"), PodReadinessGate(condition_type="example.org/b"))
    made = record(pod("web", readiness_gates=gates))
    start(made, "web")
    made.seen = replace(made.seen, conditions=(PodCondition(type="example.org/b", status="Unknown"),))
    found = status(made)
    assert condition(found, "ContainersReady").status == "True"
    ready = condition(found, "Ready")
    assert (ready.status, ready.reason) == ("False", "ReadinessGatesNotReady")
    assert ready.message == (
        'corresponding condition of pod readiness gate "example.org/a" does not exist., '
        'the status of pod readiness gate "example.org/b" is not "True", but Unknown'
    )
    opened = tuple(PodCondition(type=gate.condition_type, status="True") for gate in gates)
    made.seen = replace(made.seen, conditions=opened)
    found = status(made)
    assert condition(found, "Ready").status == "True"
    assert condition(found, "example.org/a").status == "True", "what others wrote stays"


def test_a_pod_that_succeeded_is_initialized_and_not_ready_since_it_completed() -> None:
    made = record(pod("web", restart_policy="Never"))
    start(made, "web")
    end(made, "web", 0)
    made.finish("Succeeded")
    found = status(made)
    assert [(one, condition(found, one).status, condition(found, one).reason) for one in ("Initialized", "Ready", "ContainersReady")] == [
        ("Initialized", "True", "PodCompleted"),
        ("Ready", "False", "PodCompleted"),
        ("ContainersReady", "False", "PodCompleted"),
    ]


def test_a_sidecar_counts_for_readiness_and_an_init_container_does_not() -> None:
    sidecar = container("proxy", restart_policy="Always", readiness_probe=PROBE)
    made = record(pod("web", container("app"), init_containers=(sidecar, container("a"))))
    proxy = start(made, "proxy")
    start(made, "a")
    end(made, "a")
    made.initialized = True
    start(made, "app")
    assert condition(status(made), "Ready").message == "containers with unready status: [proxy]"
    proxy.probe_ready = True
    assert condition(status(made), "Ready").status == "True"


# -- containers: kubelet_pods.go, convertToAPIContainerStatuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(("inits", "word"), [((), "ContainerCreating"), ((container("a"),), "PodInitializing")])
def test_a_container_that_waits_for_its_pod_says_so_also_while_a_volume_is_missing(inits: tuple[object, ...], word: str) -> None:
    """A missing volume is told in an Event (FailedMount); the waiting reason stays ContainerCreating, or PodInitializing."""
    made = record(pod("web", container("app"), init_containers=inits), sandbox=False)
    made.failure = Failure("FailedMount", 'configmap "x" not found', 2, NOW_S + 10)
    assert state(status(made), "app") == ("waiting", word)


def test_a_first_restart_is_immediate_and_the_next_waits_as_crash_loop_back_off() -> None:
    made = record(pod())
    start(made, "web")
    end(made, "web", 1)
    assert state(status(made), "web") == ("terminated", "Error")
    start(made, "web")
    found = container_status(status(made), "web")
    assert found.restart_count == 1
    assert found.last_state is not None
    assert found.last_state.terminated is not None
    assert found.last_state.terminated.exit_code == 1
    end(made, "web", 2)
    assert state(status(made), "web") == ("waiting", "CrashLoopBackOff")
    found = container_status(status(made), "web")
    assert found.state is not None
    assert found.state.waiting is not None
    assert found.state.waiting.message == "back-off 10s restarting failed container=web pod=web_default(uid-of-web)"
    assert found.last_state is not None
    assert found.last_state.terminated is not None
    assert found.last_state.terminated.exit_code == 2, "the newest end, while nothing runs"
    assert found.restart_count == 1, "only a life that began counts"


def test_a_container_that_completes_under_always_backs_off_like_one_that_fails() -> None:
    made = record(pod("web", restart_policy="Always"))
    for _ in range(2):
        start(made, "web")
        end(made, "web", 0)
    assert state(status(made), "web") == ("waiting", "CrashLoopBackOff")


def test_a_pull_that_failed_is_told_first_and_its_back_off_from_the_next_sync_on() -> None:
    made = record(pod())
    one = made.containers["web"]
    one.asked_to_start(1, NOW_S)
    one.start_refused("ErrImagePull", "not found", NOW_S, OWN.timing)
    assert state(status(made, NOW_S), "web") == ("waiting", "ErrImagePull")
    assert state(status(made, NOW_S + 1), "web") == ("waiting", "ImagePullBackOff")
    found = container_status(status(made, NOW_S + 1), "web")
    assert found.state is not None
    assert found.state.waiting is not None
    assert found.state.waiting.message == 'Back-off pulling image "web:1": ErrImagePull: not found'
    assert found.restart_count == 0


def test_started_tells_of_the_startup_probe_and_ready_of_the_readiness_probe() -> None:
    made = record(pod("web", container("web", startup_probe=PROBE, readiness_probe=PROBE)))
    one = start(made, "web")
    assert (container_status(status(made), "web").started, container_status(status(made), "web").ready) == (False, False)
    one.started = True
    assert (container_status(status(made), "web").started, container_status(status(made), "web").ready) == (True, False)
    one.probe_ready = True
    assert container_status(status(made), "web").ready is True
    end(made, "web", 1)
    assert (container_status(status(made), "web").started, container_status(status(made), "web").ready) == (False, False)
