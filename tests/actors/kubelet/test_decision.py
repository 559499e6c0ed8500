"""What is to be done about a pod, rule by rule: pure decisions, no actor."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.kubelet import steps
from callboard.actors.kubelet.pods import PodRecord
from callboard.models.api.core import Container, Lifecycle, LifecycleHandler, Probe, SleepAction, TCPSocketAction
from callboard.models.base import replace
from tests.actors.kubelet.kit import container, pod
from tests.actors.kubelet.records import NOW_S, end, record, start, starts, stopping, stops, wanted

HOOK = Lifecycle(pre_stop=LifecycleHandler(sleep=SleepAction(seconds=5)))


def init(name: str, **fields: Any) -> Container:
    return container(name, **fields)


def sidecar(name: str, **fields: Any) -> Container:
    return container(name, restart_policy="Always", **fields)


def with_sidecars(*names: str, policy: str = "Always", **spec: Any) -> PodRecord:
    """A pod whose sidecars and own container run."""
    made = record(pod("web", container("app"), init_containers=tuple(sidecar(name) for name in names), restart_policy=policy, **spec))
    for name in names:
        start(made, name)
    made.initialized = True
    start(made, "app")
    return made


def deleted(made: PodRecord, grace_s: float, now_s: float = NOW_S) -> None:
    """Somebody asks for the pod's deletion."""
    meta = replace(made.pod.metadata, deletion_timestamp="2027-01-15T08:00:00Z", deletion_grace_period_seconds=int(grace_s))
    made.pod = replace(made.pod, metadata=meta)
    made.end_within(grace_s, now_s)


# -- up: kuberuntime_manager.go, computePodActions -------------------------------------------------------------------------------------


def test_a_pod_without_a_sandbox_gets_one_before_any_container() -> None:
    assert wanted(record(pod(), sandbox=False)) == [steps.MakeSandbox()]


def test_init_containers_run_one_after_the_other_and_before_all_others() -> None:
    made = record(pod("web", container("app"), container("log"), init_containers=(init("a"), init("b"))))
    assert starts(made) == ["a"]
    start(made, "a")
    assert starts(made) == []
    end(made, "a")
    assert starts(made) == ["b"]
    start(made, "b")
    end(made, "b")
    assert steps.Initialized() in wanted(made)
    assert starts(made) == ["app", "log"], "a pod's own containers start together"


@pytest.mark.parametrize(("policy", "again"), [("Always", ["a"]), ("OnFailure", ["a"]), ("Never", [])])
def test_a_failed_init_container_is_tried_again_unless_the_policy_is_never(policy: str, again: list[str]) -> None:
    made = record(pod("web", container("app"), init_containers=(init("a"),), restart_policy=policy))
    start(made, "a")
    end(made, "a", 1)
    assert starts(made) == again
    if not again:
        assert wanted(made) == [steps.Finish("Failed")]


def test_an_init_container_that_did_its_work_is_not_started_again_even_by_always() -> None:
    made = record(pod("web", container("app"), init_containers=(init("a"),), restart_policy="Always"))
    start(made, "a")
    end(made, "a", 0)
    assert starts(made) == ["app"]


def test_the_next_container_waits_until_a_sidecar_has_started_by_its_startup_probe() -> None:
    """Documented of sidecars: started=true, not readiness, lets the next init container begin."""
    probe = Probe(tcp_socket=TCPSocketAction(port=80))
    made = record(pod("web", container("app"), init_containers=(sidecar("proxy", startup_probe=probe), init("b"))))
    assert starts(made) == ["proxy"]
    one = start(made, "proxy", ready=False)
    assert starts(made) == []
    one.started = True
    assert starts(made) == ["b"]


def test_a_sidecar_that_ends_is_started_again_whatever_the_policy_and_its_code() -> None:
    for policy in ("Always", "OnFailure", "Never"):
        for code in (0, 1):
            made = with_sidecars("proxy", policy=policy)
            end(made, "proxy", code)
            assert starts(made) == ["proxy"]


def test_init_containers_are_not_run_again_when_a_container_restarts() -> None:
    made = record(pod("web", container("app"), init_containers=(init("a"),)))
    start(made, "a")
    end(made, "a")
    made.initialized = True
    start(made, "app")
    end(made, "app", 1)
    assert starts(made) == ["app"]


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 0, False), ("Never", 1, False)],
)
def test_the_restart_policy_decides_by_the_exit_code(policy: str, code: int, again: bool) -> None:
    made = record(pod("web", container("app"), container("log"), restart_policy=policy))
    start(made, "app")
    start(made, "log")
    end(made, "app", code)
    assert starts(made) == (["app"] if again else [])


def test_a_container_s_own_restart_policy_goes_before_the_pod_s() -> None:
    made = record(pod("web", container("app", restart_policy="Never"), container("log"), restart_policy="Always"))
    start(made, "app")
    start(made, "log")
    end(made, "app", 1)
    assert starts(made) == []


@pytest.mark.parametrize(("codes", "phase"), [((0, 0), "Succeeded"), ((0, 1), "Failed"), ((1, 1), "Failed")])
def test_a_pod_has_finished_when_all_its_own_containers_have(codes: tuple[int, int], phase: str) -> None:
    made = record(pod("web", container("app"), container("log"), restart_policy="Never"))
    for name, code in zip(("app", "log"), codes, strict=True):
        start(made, name)
        assert not [step for step in wanted(made) if isinstance(step, steps.Finish)]
        end(made, name, code)
    assert wanted(made) == [steps.Finish(phase)]


def test_sidecars_do_not_keep_a_pod_from_finishing_nor_does_their_code_count() -> None:
    """KEP-753: a Job's pod completes when its own containers do, whatever its sidecars do."""
    made = with_sidecars("proxy", policy="Never")
    end(made, "app", 0)
    assert wanted(made) == [steps.Finish("Succeeded")]
    made.finish("Succeeded")
    made.end_within(30, NOW_S)
    assert stops(made) == {"proxy": 30}
    end(made, "proxy", 137)
    assert not [step for step in wanted(made) if isinstance(step, steps.Finish)]
    assert made.phase == "Succeeded"


def test_an_active_deadline_counts_from_the_pod_s_start_and_ends_it_as_failed() -> None:
    """activeDeadlineSeconds, pkg/kubelet/active_deadline.go: the time since status.startTime, restarts or not."""
    made = record(pod("web", active_deadline_seconds=60, restart_policy="Always"))
    start(made, "web")
    assert wanted(made, NOW_S + 59) == []
    assert wanted(made, NOW_S + 60) == [
        steps.Finish("Failed", "DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
    ]


# -- down: kuberuntime_container.go, kuberuntime_termination_order.go -------------------------------------------------------------------


def test_a_deleted_pod_s_containers_are_all_asked_to_end_at_once_within_the_grace_period() -> None:
    made = record(pod("web", container("app"), container("log")))
    start(made, "app")
    start(made, "log")
    deleted(made, 30)
    assert stops(made) == {"app": 30, "log": 30}


def test_every_container_gets_two_seconds_at_least_even_without_grace() -> None:
    """minimumGracePeriodInSeconds: "always give containers a minimal shutdown window to avoid unnecessary SIGKILLs"."""
    made = record(pod())
    start(made, "web")
    deleted(made, 1)
    assert stops(made) == {"web": 2}


def test_a_pre_stop_hook_takes_its_time_from_the_grace_period_and_leaves_two_seconds() -> None:
    made = record(pod("web", container("web", lifecycle=HOOK)))
    one = start(made, "web")
    deleted(made, 10)
    assert wanted(made) == [steps.PreStop("web", 10)]
    one.pre_stop = "running"
    assert wanted(made, NOW_S + 4) == []
    one.pre_stop = "done"
    assert stops(made, NOW_S + 4) == {"web": 6}
    one.pre_stop = "running"
    assert stops(made, NOW_S + 10) == {"web": 2}, "a hook that takes all of it is not waited for any longer"


def test_sidecars_end_after_the_others_in_the_reverse_of_their_order() -> None:
    made = with_sidecars("first", "second")
    deleted(made, 30)
    assert stops(made) == {"app": 30}
    stopping(made, "app", 30, NOW_S)
    assert stops(made, NOW_S + 1) == {}
    end(made, "app", 143)
    assert stops(made, NOW_S + 2) == {"second": 28}
    stopping(made, "second", 28, NOW_S + 2)
    end(made, "second", 143)
    assert stops(made, NOW_S + 3) == {"first": 27}


def test_sidecars_wait_for_their_turn_only_until_the_grace_period_is_over() -> None:
    """waitForTurn: "if the grace period expired, so immediately exit" the wait; then everybody has the minimal window."""
    made = with_sidecars("first", "second")
    deleted(made, 30)
    stopping(made, "app", 30, NOW_S)
    assert stops(made, NOW_S + 29) == {}
    assert stops(made, NOW_S + 30) == {"first": 2, "second": 2}


def test_hooks_of_sidecars_run_at_once_and_their_signal_waits_for_their_turn() -> None:
    made = record(pod("web", container("app"), init_containers=(sidecar("proxy", lifecycle=HOOK),)))
    proxy = start(made, "proxy")
    made.initialized = True
    start(made, "app")
    deleted(made, 30)
    assert steps.PreStop("proxy", 30) in wanted(made)
    proxy.pre_stop = "done"
    assert stops(made) == {"app": 30}


def test_a_second_delete_can_only_shorten_what_is_left() -> None:
    made = record(pod())
    start(made, "web")
    deleted(made, 600)
    stopping(made, "web", 600, NOW_S)
    deleted(made, 15, NOW_S + 5)
    assert stops(made, NOW_S + 5) == {"web": 10}, "counted from the first"
    stopping(made, "web", 10, NOW_S + 5)
    deleted(made, 3600, NOW_S + 6)
    assert stops(made, NOW_S + 6) == {}
    deleted(made, 1, NOW_S + 7)
    assert stops(made, NOW_S + 7) == {"web": 2}
    stopping(made, "web", 2, NOW_S + 7)
    assert stops(made, NOW_S + 8) == {}, "it is not put off again"


def test_a_pod_whose_object_is_gone_gets_a_small_grace_period_and_no_more() -> None:
    """Documented of forced deletion: such pods "will still be given a small grace period before being force killed"."""
    made = record(pod())
    start(made, "web")
    made.end_within(2, NOW_S)
    made.goal = "vanish"
    assert stops(made) == {"web": 2}
    stopping(made, "web", 2, NOW_S)
    end(made, "web", 143)
    assert wanted(made) == [steps.RemovePod()]


def test_the_object_of_a_deleted_pod_goes_only_when_nothing_of_it_is_left() -> None:
    made = record(pod())
    start(made, "web")
    deleted(made, 30)
    stopping(made, "web", 30, NOW_S)
    assert wanted(made) == []
    end(made, "web", 0)
    assert wanted(made) == [steps.RemovePod()]
    made.sandbox = "removing"
    made.sandbox_asked_at_s = NOW_S
    assert wanted(made) == []
    made.sandbox = "absent"
    assert wanted(made) == [steps.Confirm()]


def test_a_container_that_ends_is_not_started_again_once_its_pod_is_to_end() -> None:
    made = record(pod())
    start(made, "web")
    deleted(made, 30)
    end(made, "web", 1)
    assert starts(made) == []


def test_what_a_liveness_probe_kills_has_that_probe_s_grace_period() -> None:
    made = record(pod("web", termination_grace_period_seconds=600))
    one = start(made, "web")
    one.kill_within("failed", 20, NOW_S)
    assert stops(made) == {"web": 20}
    assert made.goal == "run"
