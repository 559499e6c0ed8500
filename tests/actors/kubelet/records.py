"""What a kubelet knows of a pod, made by hand: for tests of decisions, which need no actor."""

from __future__ import annotations

from typing import Any

from callboard.actors.kubelet import steps
from callboard.actors.kubelet.containers import ContainerRecord
from callboard.actors.kubelet.decision import decide
from callboard.actors.kubelet.pods import PodRecord
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.actors.kubelet.status import status_of
from callboard.actors.kubelet.template import template_of
from callboard.models.api.core import ContainerState, ContainerStatus, Pod, PodCondition, PodStatus
from callboard.models.base import replace
from callboard.models.messages.runtime import ContainerExited, ContainerStarted
from callboard.models.times import rfc3339

NOW_S = 1_800_000_000.0
OWN = KubeletSettings(node_name="node-1", runtime="runtime/node-1")


def record(pod: Pod, *, sandbox: bool = True, now_s: float = NOW_S) -> PodRecord:
    """A pod that has just been bound, with its sandbox already unless it is to have none."""
    pod = replace(pod, metadata=replace(pod.metadata, uid=f"uid-of-{pod.metadata.name}", resource_version=1))
    assert pod.spec is not None
    made = PodRecord("pods/default/web", pod, template_of(pod.spec), now_s)
    made.configs = ()
    if sandbox:
        made.has_sandbox("10.0.0.1", "172.16.0.1")
    return made


def start(pod: PodRecord, name: str, now_s: float = NOW_S, *, ready: bool = True) -> ContainerRecord:
    """The next life of a container begins."""
    one = pod.containers[name]
    attempt = one.asked_to_start(1, now_s)
    one.has_started(ContainerStarted(1, pod.uid, name, f"test://{name}/{attempt}", now_s, ready), OWN.timing)
    return one


def end(pod: PodRecord, name: str, code: int = 0, now_s: float = NOW_S) -> None:
    """The life of a container ends."""
    one = pod.containers[name]
    reason = "Completed" if code == 0 else "Error"
    assert one.has_exited(ContainerExited(pod.uid, name, one.container_id, code, 0, one.started_at_s, now_s, reason))


def wanted(pod: PodRecord, now_s: float = NOW_S) -> list[steps.Step]:
    """What is to be done now."""
    return decide(pod, now_s, OWN).steps


def starts(pod: PodRecord, now_s: float = NOW_S) -> list[str]:
    """The containers that are to be started now."""
    return [step.name for step in wanted(pod, now_s) if isinstance(step, steps.Start)]


def stops(pod: PodRecord, now_s: float = NOW_S) -> dict[str, float]:
    """The containers that are to be stopped now, and within which time."""
    return {step.name: round(step.grace_s, 3) for step in wanted(pod, now_s) if isinstance(step, steps.Stop)}


def stopping(pod: PodRecord, name: str, grace_s: float, now_s: float) -> None:
    """A container has been asked to end."""
    one = pod.containers[name]
    one.stop_by_s, one.stop_request, one.asked_at_s, one.stop_acked = now_s + grace_s, 7, now_s, True


def status(pod: PodRecord, now_s: float = NOW_S) -> PodStatus:
    """What the API is to say of it."""
    return status_of(pod, now_s, OWN)


def written(pod: PodRecord, now_s: float = NOW_S) -> PodStatus:
    """The same, and the API has it from now on."""
    pod.seen = status(pod, now_s)
    return pod.seen


def condition(status: PodStatus, type_: str) -> PodCondition:
    """A condition that must be there."""
    return next(one for one in status.conditions if one.type == type_)


def container_status(status: PodStatus, name: str) -> ContainerStatus:
    """The status of a container that must be there."""
    return next(one for one in (*status.init_container_statuses, *status.container_statuses) if one.name == name)


def state(status: PodStatus, name: str) -> tuple[str, str]:
    """A container's state in two words: `running`, `terminated` or `waiting`, and its reason."""
    found: Any = container_status(status, name).state
    assert isinstance(found, ContainerState)
    if found.waiting is not None:
        return "waiting", found.waiting.reason
    if found.terminated is not None:
        return "terminated", found.terminated.reason
    return "running", ""


def at(now_s: float) -> str:
    """A moment as statuses have it."""
    return rfc3339(now_s)
