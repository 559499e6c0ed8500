"""Judgements on pods and on conditions that several controllers, the scheduler and the face share.

Sources: kubernetes pkg/api/v1/pod/util.go and pkg/controller/controller_utils.go (IsPodActive).
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from callboard.models import times
from callboard.models.api.core import Pod, PodCondition
from callboard.models.base import replace

FINISHED_PHASES = ("Succeeded", "Failed")
DISRUPTION_TARGET = "DisruptionTarget"


class ConditionLike(Protocol):
    """What the conditions of all kinds have in common."""

    @property
    def type(self) -> str:
        """`Ready`, `Available`..."""

    @property
    def status(self) -> str:
        """`True`, `False` or `Unknown`."""

    @property
    def last_transition_time(self) -> str:
        """When the status changed last, RFC 3339."""


C = TypeVar("C", bound=ConditionLike)


def phase_of(pod: Pod) -> str:
    """The phase; a pod without a status is Pending."""
    return (pod.status.phase or "Pending") if pod.status is not None else "Pending"


def is_terminating(pod: Pod) -> bool:
    """Whether somebody asked for its deletion."""
    return pod.metadata.deletion_timestamp != ""


def is_finished(pod: Pod) -> bool:
    """Whether its containers have ended for good: phase Succeeded or Failed."""
    return pod.status is not None and pod.status.phase in FINISHED_PHASES


def is_active(pod: Pod) -> bool:
    """Whether it counts as a replica: neither finished nor terminating (Kubernetes' IsPodActive)."""
    return pod.metadata.deletion_timestamp == "" and (pod.status is None or pod.status.phase not in FINISHED_PHASES)


def ready_condition(pod: Pod) -> PodCondition | None:
    """The condition `Ready`, if the pod has one."""
    if pod.status is not None:
        for one in pod.status.conditions:
            if one.type == "Ready":
                return one
    return None


def is_ready(pod: Pod) -> bool:
    """Whether its condition `Ready` is True. A terminating pod may be ready still."""
    found = ready_condition(pod)
    return found is not None and found.status == "True"


def ready_since(pod: Pod) -> float | None:
    """Since when it is ready, in seconds since the epoch; None if it is not.

    Raises:
        ValueError: the condition's lastTransitionTime is no time.
    """
    found = ready_condition(pod)
    if found is None or found.status != "True":
        return None
    return times.parse(found.last_transition_time) if found.last_transition_time else 0.0


def is_available(pod: Pod, min_ready_s: float, now: float) -> bool:
    """Whether it has been ready for `min_ready_s` seconds at `now` (seconds since the epoch)."""
    since = ready_since(pod)
    return since is not None and (min_ready_s <= 0 or since + min_ready_s <= now)


def condition(obj: Any, type_: str) -> Any:
    """The condition of this type of any object with `status.conditions`, as its own struct; None if there is none."""
    status = getattr(obj, "status", None)
    if status is None:
        return None
    for one in status.conditions:
        if one.type == type_:
            return one
    return None


def condition_is(obj: Any, type_: str, status: str = "True") -> bool:
    """Whether an object has the condition of this type with this status."""
    found = condition(obj, type_)
    return found is not None and found.status == status


def disruption_target(reason: str, message: str, time: str, observed_generation: int | None = None) -> PodCondition:
    """The condition of a pod that has to go through no fault of its own; `time` in RFC 3339."""
    return PodCondition(
        type=DISRUPTION_TARGET,
        status="True",
        reason=reason,
        message=message,
        last_transition_time=time,
        observed_generation=observed_generation,
    )


def with_condition(conditions: tuple[C, ...], new: C) -> tuple[C, ...]:
    """The conditions with `new` in place of the one of its type, or at the end.

    `lastTransitionTime` moves only when the status does. The same tuple comes back if nothing changes.
    """
    for index, old in enumerate(conditions):
        if old.type == new.type:
            if old.status == new.status and old.last_transition_time:
                new = replace(new, last_transition_time=old.last_transition_time)  # type: ignore[type-var]
            if old == new:
                return conditions
            return (*conditions[:index], new, *conditions[index + 1 :])
    return (*conditions, new)


def without_condition(conditions: tuple[C, ...], type_: str) -> tuple[C, ...]:
    """The conditions without the one of this type; the same tuple if there is none."""
    kept = tuple(one for one in conditions if one.type != type_)
    return conditions if len(kept) == len(conditions) else kept
