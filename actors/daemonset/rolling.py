"""Which pods of a DaemonSet an update replaces now. Pure. Source: kubernetes pkg/controller/daemon/update.go (rollingUpdate)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from callboard.actors.daemonset.status import NodePods
from callboard.models.api.apps import DaemonSetSpec
from callboard.models.api.core import Pod
from callboard.models.controllerrevisions import HASH_LABEL
from callboard.models.intorstring import scaled
from callboard.models.podstatus import is_available, is_ready, is_terminating


class Limits(msgspec.Struct, frozen=True, gc=False):
    """How many nodes may have no available pod, and how many two pods, because of an update."""

    unavailable: int
    surge: int


class Steps(msgspec.Struct, gc=False):
    """Pods to delete, and nodes that get a second pod."""

    delete: list[Pod] = []
    create: list[NodePods] = []


def limits_of(spec: DaemonSetSpec, desired: int) -> Limits:
    """The limits for so many nodes (updatedDesiredNodeCounts); shares are rounded up, and if neither is given, one may be unavailable."""
    strategy = spec.update_strategy
    rolling = strategy.rolling_update if strategy is not None and strategy.type == "RollingUpdate" else None
    surge = scaled(rolling.max_surge, desired, up=True) if rolling is not None and rolling.max_surge is not None else 0
    unavailable = 1
    if rolling is not None and rolling.max_unavailable is not None:
        unavailable = scaled(rolling.max_unavailable, desired, up=True)
    return Limits(unavailable if unavailable or surge else 1, surge)


def is_of(pod: Pod, hashed: str) -> bool:
    """Whether a pod is of the revision with this hash."""
    return bool(hashed) and pod.metadata.labels.get(HASH_LABEL) == hashed


def is_up(pod: Pod, min_ready_s: int = 0, now: float | None = None) -> bool:
    """Whether a pod is ready; with `now`, whether it has been for `min_ready_s`."""
    return is_ready(pod) if now is None else is_available(pod, min_ready_s, now)


def steps(nodes: Sequence[NodePods], hashed: str, limits: Limits, min_ready_s: int, now: float) -> Steps:
    """What may be done on the nodes that should have a pod, in a state in which nothing else is to be done about them."""
    taken = 0
    free: list[NodePods] = []
    costly: list[NodePods] = []
    found = Steps()
    for node in nodes:
        staying = [pod for pod in node.pods if not is_terminating(pod)]
        new = [pod for pod in staying if is_of(pod, hashed)]
        old = [pod for pod in staying if not is_of(pod, hashed)]
        if limits.surge:
            if new and old:
                taken += 1  # which of them goes, and when, is judged with the node
            elif old:
                (costly if is_up(old[0], min_ready_s, now) else free).append(node)
        elif old and not new:
            (costly if is_up(old[0], min_ready_s, now) else free).append(node)
        elif not new or old or not is_up(new[0], min_ready_s, now):
            taken += 1
    left = max((limits.surge or limits.unavailable) - taken, 0)
    for node in (*free, *costly[:left]):
        if limits.surge:
            found.create.append(node)
        else:
            found.delete.extend(pod for pod in node.pods if not is_terminating(pod))
    return found
