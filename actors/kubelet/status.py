"""A pod's status from what its kubelet knows of it: phase, conditions, container statuses. Pure.

Source: kubernetes pkg/kubelet/kubelet_pods.go (getPhase, convertToAPIContainerStatuses) and pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from functools import lru_cache

from callboard.actors.kubelet.backoff import pull_words_change_s
from callboard.actors.kubelet.containers import PULL_REASONS, ContainerRecord, Failure
from callboard.actors.kubelet.pods import STUCK_AFTER_FAILURES, PodRecord
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.models.api.core import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateWaiting,
    ContainerStatus,
    HostIP,
    PodCondition,
    PodIP,
    PodStatus,
)
from callboard.models.base import replace
from callboard.models.podstatus import FINISHED_PHASES, with_condition
from callboard.models.times import rfc3339

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
CONDITIONS_KEPT = 4096
_condition = lru_cache(maxsize=CONDITIONS_KEPT)(PodCondition)
_running = lru_cache(maxsize=CONDITIONS_KEPT)(lambda second: ContainerState(running=ContainerStateRunning(started_at=rfc3339(second))))


def status_of(pod: PodRecord, now_s: float, settings: KubeletSettings) -> PodStatus:
    """What the API should say of a pod: the newest status that it is known to have, with what this kubelet knows in it."""
    seen = pod.seen
    if pod.rejected:
        return replace(
            seen,
            phase=pod.phase,
            reason=pod.reason,
            message=pod.message,
            start_time=pod.start_time,
            observed_generation=pod.pod.metadata.generation or None,
        )
    init = tuple([_container_status(pod, one, settings, now_s) for one in pod.containers.values() if one.kind != "main"])
    main = tuple([_container_status(pod, one, settings, now_s) for one in pod.containers.values() if one.kind == "main"])
    phase = _phase(pod)
    over = pod.finished and phase == pod.phase
    return replace(
        seen,
        phase=phase,
        reason=pod.reason if over else "",
        message=pod.message if over else "",
        conditions=_conditions(pod, phase, now_s),
        init_container_statuses=init,
        container_statuses=main,
        pod_ip=pod.ip,
        pod_ips=(PodIP(ip=pod.ip),) if pod.ip else (),
        host_ip=pod.host_ip,
        host_ips=(HostIP(ip=pod.host_ip),) if pod.host_ip else (),
        start_time=pod.start_time,
        observed_generation=pod.pod.metadata.generation or None,
    )


# -- phase --------------------------------------------------------------------------------------------------------------------------


def _phase(pod: PodRecord) -> str:
    if pod.seen.phase in FINISHED_PHASES:
        return pod.seen.phase
    if pod.finished:
        return "Running" if pod.sandbox != "absent" and _anything_runs(pod) else pod.phase
    if pod.goal != "run" and not _anything_runs(pod) and not _anything_starts(pod):
        return _terminal_phase(pod)
    if not pod.initialized:
        return "Pending"
    running = stopped = waiting = 0
    for one in pod.containers.values():
        if one.state == "running" and not one.post_start:
            running += 1
        elif one.kind == "main":
            ended = one.ended is not None or one.previous is not None
            stopped += ended
            waiting += not ended
        elif one.kind == "sidecar" and one.ended is None and one.previous is None:
            waiting += 1
    if waiting:
        return "Pending"
    return "Running" if running or stopped else "Pending"


def _anything_runs(pod: PodRecord) -> bool:
    return any(one.state == "running" for one in pod.containers.values())


def _anything_starts(pod: PodRecord) -> bool:
    """Whether a container may run yet before it is stopped: the runtime has been asked to start it and has not answered."""
    return pod.sandbox != "absent" and any(one.state == "starting" for one in pod.containers.values())


def _terminal_phase(pod: PodRecord) -> str:
    """Of a pod that was stopped: Succeeded if all its own containers ended well."""
    mains = [one for one in pod.containers.values() if one.kind == "main"]
    return "Succeeded" if all(one.succeeded for one in mains) else "Failed"


# -- conditions ---------------------------------------------------------------------------------------------------------------------


def _conditions(pod: PodRecord, phase: str, now_s: float) -> tuple[PodCondition, ...]:
    old = {one.type: one for one in pod.seen.conditions}
    generation = pod.pod.metadata.generation or None
    time = rfc3339(now_s)

    def condition(type_: str, is_true: bool, reason: str = "", message: str = "") -> PodCondition:
        status = "True" if is_true else "False"
        before = old.get(type_)
        since = before.last_transition_time if before is not None and before.status == status else ""
        return _condition(
            type=type_,
            status=status,
            reason="" if is_true and reason != "PodCompleted" else reason,
            message="" if is_true else message,
            last_transition_time=since or time,
            observed_generation=generation,
        )

    # A pod that has failed is not ready from that moment on, even while its containers still end and its phase waits for them
    # (status_manager.go, mergePodStatus).
    ended = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get("Failed" if pod.phase == "Failed" else phase, "")
    unready = [one.name for one in pod.containers.values() if one.kind != "init" and not one.ready]
    waiting_init = [] if pod.initialized else [one.name for one in pod.containers.values() if _holds_back(one)]
    containers_ready = not ended and not unready and pod.sandbox == "running"
    why, what = (ended, "") if ended else ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    gates = [] if pod.pod.spec is None else pod.pod.spec.readiness_gates
    closed = [words for gate in gates if (words := _closed(gate.condition_type, old.get(gate.condition_type)))]
    ready = containers_ready and not closed
    if containers_ready and closed:
        ready_why, ready_what = "ReadinessGatesNotReady", ", ".join(closed)
    else:
        ready_why, ready_what = why, what
    initialized = pod.initialized or phase == "Succeeded"
    init_what = f"containers with incomplete status: [{' '.join(waiting_init)}]"
    init_why = "PodCompleted" if phase == "Succeeded" else "ContainersNotInitialized"
    own = (
        condition("PodReadyToStartContainers", pod.sandbox == "running" and not ended),
        condition("Initialized", initialized, init_why, init_what),
        condition("Ready", ready, ready_why, ready_what),
        condition("ContainersReady", containers_ready, why, what),
    )
    others = tuple([one for one in pod.seen.conditions if one.type not in OWN_CONDITIONS])
    if pod.disruption is not None:
        others = with_condition(others, pod.disruption)
    if "PodScheduled" not in old:
        others = (condition("PodScheduled", True), *others)
    return own + others


def _closed(gate: str, condition: PodCondition | None) -> str:
    """Why a readiness gate is not open; "" if it is."""
    if condition is None:
        return f'corresponding condition of pod readiness gate "{gate}" does not exist.'
    return "" if condition.status == "True" else f'the status of pod readiness gate "{gate}" is not "True", but {condition.status}'


def _holds_back(one: ContainerRecord) -> bool:
    if one.kind == "init":
        return not one.succeeded
    return one.kind == "sidecar" and not (one.state == "running" and one.started)


# -- containers ---------------------------------------------------------------------------------------------------------------------


def _container_status(pod: PodRecord, one: ContainerRecord, settings: KubeletSettings, now_s: float) -> ContainerStatus:
    running = one.state == "running" and not (one.post_start and pod.goal == "run")
    if running:
        state = _running(int(one.started_at_s))
        last = one.previous
    else:
        state, last = _not_running(pod, one, settings, now_s), one.previous
        if state.waiting is not None and one.ended is not None:
            last = one.ended
        elif state.terminated is last:
            last = None
    return ContainerStatus(
        name=one.name,
        image=one.spec.image,
        image_id=one.spec.image if one.attempt >= 0 else "",
        container_id=one.container_id,
        ready=one.ready,
        started=running and one.started,
        restart_count=one.restarts,
        state=state,
        last_state=ContainerState(terminated=last) if last is not None else None,
    )


def _not_running(pod: PodRecord, one: ContainerRecord, settings: KubeletSettings, now_s: float) -> ContainerState:
    failure = one.failure
    if pod.goal == "run":
        if failure is not None and one.state != "starting":
            return _waiting(*_failure_words(one, failure, now_s, settings))
        if one.state == "exited":
            assert one.ended is not None
            code = one.ended.exit_code or 0
            done_init = one.kind == "init" and code == 0
            due_s = one.restart_due_s(settings.timing)
            if done_init or not one.restarted_after(code, pod.policy) or due_s <= one.ended_at_s:
                return ContainerState(terminated=one.ended)
            meta = pod.pod.metadata
            pause = f"{one.back_off.pause_s:g}s" if one.back_off.pause_s < 60 else _minutes(one.back_off.pause_s)
            message = f"back-off {pause} restarting failed container={one.name} pod={meta.name}_{meta.namespace}({meta.uid})"
            return _waiting("CrashLoopBackOff", message)
        if one.previous is not None and one.state == "starting":
            return ContainerState(terminated=one.previous)  # until the next life has begun
    elif one.state == "exited":
        return ContainerState(terminated=one.ended)
    return _waiting("PodInitializing" if pod.template.has_init else "ContainerCreating", "")


def _failure_words(one: ContainerRecord, failure: Failure, now_s: float, settings: KubeletSettings) -> tuple[str, str]:
    """What keeps a container from its start. A pull that failed is `ErrImagePull` until its pod is synced again, which finds it waiting
    for the next try: `ImagePullBackOff` (pkg/kubelet/images/image_manager.go). A pod that is stuck changes its words no more."""
    if failure.reason in PULL_REASONS and (
        failure.count > STUCK_AFTER_FAILURES or now_s >= pull_words_change_s(failure.count, failure.retry_at_s, settings.timing)
    ):
        return "ImagePullBackOff", f'Back-off pulling image "{one.spec.image}": {failure.reason}: {failure.message}'
    return failure.reason, failure.message


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)}m{seconds % 60:g}s"


@lru_cache(maxsize=CONDITIONS_KEPT)
def _waiting(reason: str, message: str) -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=reason, message=message))
