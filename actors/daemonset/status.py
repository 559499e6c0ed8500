"""The status of a DaemonSet: its counts of nodes. Pure.

Source: kubernetes pkg/controller/daemon/daemon_controller.go (updateDaemonSetStatus).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callboard.models.api.apps import DaemonSet, DaemonSetStatus
from callboard.models.api.core import Pod
from callboard.models.controllerrevisions import HASH_LABEL
from callboard.models.podstatus import is_available, is_finished, is_ready, is_terminating, ready_since


class NodePods(msgspec.Struct, frozen=True, gc=False):
    """A node: whether it should have a pod, whether the one that it has may stay, and those that it has, the oldest first."""

    name: str
    should: bool
    may_stay: bool
    pods: tuple[Pod, ...] = ()


def next_available_s(pods: Iterable[Pod], min_ready_s: int, now: float) -> float | None:
    """When the next of these pods will have been ready for `min_ready_s`, in seconds since the epoch; None if none will."""
    if not min_ready_s:
        return None
    moments = (since + min_ready_s for pod in pods if (since := ready_since(pod)) is not None)
    return min((moment for moment in moments if moment > now), default=None)


def counted(daemon_set: DaemonSet, nodes: Iterable[NodePods], hashed: str, collisions: int, now: float) -> DaemonSetStatus:
    """The status with fresh counts. Of each node the oldest pod counts."""
    min_ready_s = (daemon_set.spec.min_ready_seconds if daemon_set.spec is not None else 0) or 0
    desired = current = misscheduled = ready = available = updated = 0
    for node in nodes:
        held = [pod for pod in node.pods if not (is_finished(pod) and is_terminating(pod))]
        if not node.should:
            misscheduled += bool(held)
            continue
        desired += 1
        if held:
            current += 1
            pod = held[0]
            ready += is_ready(pod)
            available += is_available(pod, min_ready_s, now)
            updated += pod.metadata.labels.get(HASH_LABEL) == hashed
    old = daemon_set.status
    return DaemonSetStatus(
        observed_generation=daemon_set.metadata.generation,
        desired_number_scheduled=desired,
        current_number_scheduled=current,
        number_misscheduled=misscheduled,
        number_ready=ready,
        number_available=available or None,
        number_unavailable=(desired - available) or None,
        updated_number_scheduled=updated or None,
        collision_count=collisions or None,
        conditions=old.conditions if old is not None else (),
    )
