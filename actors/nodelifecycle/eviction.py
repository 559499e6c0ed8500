"""Who must leave a tainted node and when, and how fast nodes may be tainted at all.

Called by the node lifecycle controller's actor; pure, on the observed clock of `health.py`. When most of a zone is lost the fault is more
likely ours than theirs (kubernetes/kubernetes#28832), so evictions slow down or stop.
Source: pkg/controller/tainteviction (tolerations), node_lifecycle_controller.go (ComputeZoneState, limiters).
"""

from __future__ import annotations

from typing import Literal

from callboard.models.api.core import Pod, Taint, Toleration
from callboard.models.taints import tolerates
from callboard.models.times import parse

UNHEALTHY_ZONE_THRESHOLD = 0.55
LARGE_ZONE_NODES = 50
"""A partly disrupted zone of more nodes goes on at the reduced rate; a smaller one stops."""

CLOCK_ERROR_S = 1e-3
"""Differences of times since the epoch are not more exact than that when they have been added up."""

ZoneState = Literal["normal", "partial", "full"]
FOREVER = None


def zone_state(ready: int, not_ready: int) -> ZoneState:
    """How much of a zone is lost."""
    if ready == 0 and not_ready > 0:
        return "full"
    if not_ready > 2 and not_ready / (not_ready + ready) >= UNHEALTHY_ZONE_THRESHOLD:
        return "partial"
    return "normal"


def zone_rate(state: ZoneState, size: int, rate_per_s: float, reduced_per_s: float) -> float:
    """Nodes per second that may be tainted for eviction in a zone. (That all zones are lost is the caller's affair: then none.)"""
    if state == "partial":
        return reduced_per_s if size > LARGE_ZONE_NODES else 0.0
    return rate_per_s


class TokenBucket:
    """Tokens that come at a rate which may change. It holds one, or as many as come within `period_s`, between two looks at it: so a rate
    of several nodes per look is kept, and a long rest saves up nothing."""

    def __init__(self, clock_s: float, period_s: float = 0.0) -> None:
        self._tokens = 1.0
        self._last_s = clock_s
        self._period_s = period_s

    def take(self, clock_s: float, rate_per_s: float) -> bool:
        """Take a token if there is one; none at rate 0."""
        limit = max(1.0, self._period_s * rate_per_s)
        self._tokens = min(limit, self._tokens + (clock_s - self._last_s) * rate_per_s)
        self._last_s = clock_s
        if rate_per_s <= 0.0 or self._tokens < 1.0 - 1e-9:
            return False
        self._tokens -= 1.0
        return True


def toleration_s(tolerations: tuple[Toleration, ...], taints: tuple[Taint, ...]) -> float | None:
    """How long a pod may stay on a node with these NoExecute taints; None: for ever."""
    shortest: float | None = FOREVER
    for taint in taints:
        covering = next((one for one in tolerations if tolerates(one, taint)), None)
        if covering is None:
            return 0.0
        if covering.toleration_seconds is not None:
            limit = max(float(covering.toleration_seconds), 0.0)
            shortest = limit if shortest is None else min(shortest, limit)
    return shortest


class EvictionBook:
    """Since when each pod has been on a node with evicting taints, by the pod's UID, in seconds of the observed clock."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def start(self, pod: Pod, clock_s: float) -> None:
        """A pod's time on its node begins, unless it has begun."""
        self._since.setdefault(pod.metadata.uid, clock_s)

    def left_s(self, pod: Pod, taints: tuple[Taint, ...], clock_s: float) -> float | None:
        """How long a pod may stay from now on; None: for ever, or it goes already, or its time has not begun."""
        since_s = self._since.get(pod.metadata.uid)
        if since_s is None or pod.metadata.deletion_timestamp:
            return None
        limit = toleration_s(pod.spec.tolerations if pod.spec is not None else (), taints)
        return None if limit is None else limit - (clock_s - since_s)

    def forget(self, uid: str) -> None:
        """The pod is gone, or its node evicts nobody any more."""
        self._since.pop(uid, None)

    def __len__(self) -> int:
        return len(self._since)


def passed_before_s(pod: Pod, taints: tuple[Taint, ...], now: float) -> float:
    """Whole seconds that a pod has surely spent on a tainted node before a controller that starts at `now` sees it first.

    Taken from the taint's timeAdded, which an earlier life of this controller wrote in whole seconds.
    """
    moments = [parse(taint.time_added) for taint in taints if taint.time_added]
    if not moments or not pod.metadata.creation_timestamp:
        return 0.0
    return max(now - max(*moments, parse(pod.metadata.creation_timestamp)) - 1.0, 0.0)
