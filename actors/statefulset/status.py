"""The status of a StatefulSet: its counts, its revisions, and what keeps it from having pods at all. Pure.

Source: kubernetes pkg/controller/statefulset/stateful_set_control.go (updateStatus), stateful_set_utils.go (completeRollingUpdate).
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from callboard.actors.statefulset.identity import revision_in, spec_of, wanted_replicas
from callboard.models import times
from callboard.models.api.apps import StatefulSet, StatefulSetCondition, StatefulSetStatus
from callboard.models.api.core import Pod
from callboard.models.base import replace
from callboard.models.podstatus import is_available, is_ready, is_terminating, phase_of, ready_since, with_condition, without_condition

CLAIMS_BOUND = "VolumeClaimsBound"
"""Condition of our own: False where a StatefulSet has claim templates, since there are no PersistentVolumes here."""
NO_VOLUMES = "NoPersistentVolumes"


def status_of(stateful_set: StatefulSet) -> StatefulSetStatus:
    """The status as it is."""
    return stateful_set.status or StatefulSetStatus()


def is_running_and_ready(pod: Pod) -> bool:
    """Whether it runs and is ready. A terminating one may be still."""
    return phase_of(pod) == "Running" and is_ready(pod)


def is_there(pod: Pod | None, min_ready_s: int, now: float) -> bool:
    """Whether a pod counts as available to its StatefulSet: it is not going, runs, and has been ready long enough."""
    return pod is not None and not is_terminating(pod) and is_running_and_ready(pod) and is_available(pod, min_ready_s, now)


def next_available_s(pods: Iterable[Pod], min_ready_s: int, now: float) -> float | None:
    """When the next of these pods will have been ready for `min_ready_s`, in seconds since the epoch; None if none will."""
    if not min_ready_s:
        return None
    moments = (since + min_ready_s for pod in pods if (since := ready_since(pod)) is not None)
    return min((moment for moment in moments if moment > now), default=None)


def counted(
    stateful_set: StatefulSet,
    pods: Iterable[Pod],
    revisions: tuple[str, str],
    collisions: int,
    doomed: Container[str],
    now: float,
) -> StatefulSetStatus:
    """The status with fresh counts; `revisions` are the names of the current one and of the update, `doomed` the UIDs of the pods that this
    decision deletes: none of these is promised as current, updated or ready (Kubernetes counts them as ready once more)."""
    current, update = revisions
    all_pods = tuple(pods)
    staying = [pod for pod in all_pods if pod.metadata.uid not in doomed]
    ready = [pod for pod in staying if is_running_and_ready(pod)]
    min_ready_s = spec_of(stateful_set).min_ready_seconds or 0
    lasting = [revision_in(pod) for pod in staying if not is_terminating(pod)]
    status = StatefulSetStatus(
        observed_generation=stateful_set.metadata.generation,
        replicas=len(all_pods),
        ready_replicas=len(ready) or None,
        available_replicas=sum(is_available(pod, min_ready_s, now) for pod in ready),
        current_replicas=lasting.count(current) or None,
        updated_replicas=lasting.count(update) or None,
        current_revision=current,
        update_revision=update,
        collision_count=collisions,
        conditions=status_of(stateful_set).conditions,
    )
    return _completed(stateful_set, status)


def _completed(stateful_set: StatefulSet, status: StatefulSetStatus) -> StatefulSetStatus:
    """A rolling update whose pods are all there and ready is over: what was the update is current."""
    strategy, wanted = spec_of(stateful_set).update_strategy, wanted_replicas(stateful_set)
    rolling = strategy is not None and strategy.type == "RollingUpdate"
    counts = (status.updated_replicas or 0, status.ready_replicas or 0, status.replicas or 0)
    if not rolling or counts != (wanted, wanted, wanted):
        return status
    return replace(status, current_replicas=status.updated_replicas, current_revision=status.update_revision)


def with_claims(status: StatefulSetStatus, problem: str, now: float) -> StatefulSetStatus:
    """The status with a condition that tells why claims can't be bound, or without it if nothing keeps them from that."""
    if not problem:
        return replace(status, conditions=without_condition(status.conditions, CLAIMS_BOUND))
    told = StatefulSetCondition(
        type=CLAIMS_BOUND, status="False", reason=NO_VOLUMES, message=problem, last_transition_time=times.rfc3339(now)
    )
    return replace(status, conditions=with_condition(status.conditions, told))
