"""The status of a Deployment: its counts, and the conditions Available, Progressing and ReplicaFailure. Pure.

Source: kubernetes pkg/controller/deployment/progress.go, sync.go (calculateStatus) and util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from callboard.actors.deployment.sizes import (
    actual_replicas,
    desired_replicas,
    max_unavailable,
    spec_replicas,
    told_available,
)
from callboard.models import times
from callboard.models.api.apps import Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet
from callboard.models.base import replace

NO_DEADLINE = 2**31 - 1
Conditions = tuple[DeploymentCondition, ...]


def status_of(deployment: Deployment) -> DeploymentStatus:
    """The status as it is."""
    return deployment.status or DeploymentStatus()


def find(conditions: Conditions, type_: str) -> DeploymentCondition | None:
    """The condition of this type."""
    return next((one for one in conditions if one.type == type_), None)


def without(conditions: Conditions, type_: str) -> Conditions:
    """The conditions without the one of this type."""
    return tuple(one for one in conditions if one.type != type_)


def made(type_: str, status: str, reason: str, message: str, now: float) -> DeploymentCondition:
    """A condition that changed now."""
    time = times.rfc3339(now)
    return DeploymentCondition(type=type_, status=status, reason=reason, message=message, last_update_time=time, last_transition_time=time)


def with_new(conditions: Conditions, new: DeploymentCondition) -> Conditions:
    """The conditions with `new`; unchanged if it has the status and reason of the present one (SetDeploymentCondition)."""
    present = find(conditions, new.type)
    if present is not None:
        if present.status == new.status and present.reason == new.reason:
            return conditions
        if present.status == new.status:
            new = replace(new, last_transition_time=present.last_transition_time)
    return (*without(conditions, new.type), new)


def counted(
    deployment: Deployment, conditions: Conditions, new: ReplicaSet | None, all_sets: Sequence[ReplicaSet], now: float
) -> DeploymentStatus:
    """The status with fresh counts and a fresh condition Available on top of `conditions` (calculateStatus)."""
    available = sum(told_available(one) for one in all_sets)
    wanted = sum(spec_replicas(one) for one in all_sets)
    if available >= desired_replicas(deployment) - max_unavailable(deployment):
        condition = made("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
    else:
        message = "Deployment does not have minimum availability."
        condition = made("Available", "False", "MinimumReplicasUnavailable", message, now)
    statuses = [one.status for one in all_sets if one.status is not None]
    return DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=sum(actual_replicas(one) for one in all_sets) or None,
        updated_replicas=(actual_replicas(new) if new is not None else 0) or None,
        ready_replicas=sum(one.ready_replicas or 0 for one in statuses) or None,
        available_replicas=available or None,
        unavailable_replicas=max(wanted - available, 0) or None,
        terminating_replicas=sum(one.terminating_replicas or 0 for one in statuses),
        collision_count=status_of(deployment).collision_count,
        conditions=with_new(conditions, condition),
    )


# -- progress -----------------------------------------------------------------------------------------------------------------------


def has_deadline(deployment: Deployment) -> bool:
    """Whether anybody wants to know about progress."""
    deadline = deployment.spec.progress_deadline_seconds if deployment.spec is not None else None
    return deadline is not None and deadline != NO_DEADLINE


def with_pause(deployment: Deployment, now: float) -> Conditions:
    """The conditions, with Progressing telling that the Deployment was paused or resumed (checkPausedConditions)."""
    conditions = status_of(deployment).conditions
    present = find(conditions, "Progressing")
    if not has_deadline(deployment) or (present is not None and present.reason == "ProgressDeadlineExceeded"):
        return conditions
    told = present is not None and present.reason == "DeploymentPaused"
    paused = bool(deployment.spec is not None and deployment.spec.paused)
    if paused and not told:
        return with_new(conditions, made("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now))
    if not paused and told:
        return with_new(conditions, made("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed", now))
    return conditions


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """Whether all pods are of the new ReplicaSet, and available (DeploymentComplete)."""
    wanted = desired_replicas(deployment)
    return (
        (status.updated_replicas or 0) == wanted
        and (status.replicas or 0) == wanted
        and (status.available_replicas or 0) == wanted
        and (status.observed_generation or 0) >= deployment.metadata.generation
    )


def _has_progressed(old: DeploymentStatus, new: DeploymentStatus) -> bool:
    """Whether more pods are new, fewer old, or more ready or available than were (DeploymentProgressing)."""
    old_of_old = (old.replicas or 0) - (old.updated_replicas or 0)
    new_of_old = (new.replicas or 0) - (new.updated_replicas or 0)
    return (
        (new.updated_replicas or 0) > (old.updated_replicas or 0)
        or new_of_old < old_of_old
        or (new.ready_replicas or 0) > (old.ready_replicas or 0)
        or (new.available_replicas or 0) > (old.available_replicas or 0)
    )


def deadline_s(deployment: Deployment, condition: DeploymentCondition | None) -> float | None:
    """When the time for progress is over, in seconds since the epoch; None if no clock runs."""
    if condition is None or not has_deadline(deployment) or condition.reason in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    assert deployment.spec is not None
    updated = condition.last_update_time
    return (times.parse(updated) if updated else 0.0) + (deployment.spec.progress_deadline_seconds or 0)


def with_progress(deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, now: float) -> DeploymentStatus:
    """The status with the condition Progressing brought up to date (syncRolloutStatus)."""
    conditions = status.conditions
    if not has_deadline(deployment):
        return replace(status, conditions=without(conditions, "Progressing"))
    present = find(conditions, "Progressing")
    at_rest = present is not None and present.reason == "NewReplicaSetAvailable" and status.replicas == status.updated_replicas
    if at_rest:
        return status
    subject = f'ReplicaSet "{new.metadata.name}"' if new is not None else f'Deployment "{deployment.metadata.name}"'
    if is_complete(deployment, status):
        condition = made("Progressing", "True", "NewReplicaSetAvailable", f"{subject} has successfully progressed.", now)
        return replace(status, conditions=with_new(conditions, condition))
    if _has_progressed(status_of(deployment), status):
        condition = made("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", now)
        if present is not None and present.status == "True":
            condition = replace(condition, last_transition_time=present.last_transition_time)
        return replace(status, conditions=(*without(conditions, "Progressing"), condition))
    end_s = deadline_s(deployment, present)
    if end_s is not None and end_s < now:
        condition = made("Progressing", "False", "ProgressDeadlineExceeded", f"{subject} has timed out progressing.", now)
        return replace(status, conditions=with_new(conditions, condition))
    return status


def with_failure(status: DeploymentStatus, new: ReplicaSet | None, all_sets: Sequence[ReplicaSet]) -> DeploymentStatus:
    """The status with the ReplicaFailure of a ReplicaSet, the new one's before others', or without one."""
    ordered = (new, *all_sets) if new is not None else all_sets
    for one in ordered:
        for failure in one.status.conditions if one.status is not None else ():
            if failure.type == "ReplicaFailure":
                moment = failure.last_transition_time
                condition = DeploymentCondition(
                    type="ReplicaFailure",
                    status=failure.status,
                    reason=failure.reason,
                    message=failure.message,
                    last_update_time=moment,
                    last_transition_time=moment,
                )
                return replace(status, conditions=with_new(status.conditions, condition))
    return replace(status, conditions=without(status.conditions, "ReplicaFailure"))
