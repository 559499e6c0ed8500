"""Which pods of a ReplicaSet are deleted first. Pure; source: kubernetes pkg/controller/controller_utils.go, ActivePodsWithRanks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cmp_to_key
from math import log2

import msgspec

from callboard.models import times
from callboard.models.api.core import Pod
from callboard.models.podstatus import is_ready, phase_of, ready_since

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
_INT32 = 2**31


class Rank(msgspec.Struct, frozen=True, gc=False):
    """What the order looks at. The lesser goes first; `coarse` is compared before the times, `restarts` only where those are equal."""

    coarse: tuple[int, int, int, int, int]
    ready_s: float | None
    restarts: tuple[int, int]
    created_s: float
    uid: str


def first_to_go(pods: Iterable[Pod], count: int, neighbours: Mapping[str, int], now: float) -> list[Pod]:
    """The `count` pods that are deleted first.

    In order: without a node; Pending, then Unknown, then Running; not ready; of lower deletion cost; on a node with more pods of the
    same controller (`neighbours`: active pods by node); ready more recently; restarted more often; newer. Times are compared by the
    logarithm of the age, so that pods of about the same age are chosen among by UID.
    """
    ranked = [(rank_of(pod, neighbours), pod) for pod in pods]

    def compare(one: tuple[Rank, Pod], other: tuple[Rank, Pod]) -> int:
        return compare_ranks(one[0], other[0], now)

    ranked.sort(key=cmp_to_key(compare))
    return [pod for _, pod in ranked[:count]]


def rank_of(pod: Pod, neighbours: Mapping[str, int]) -> Rank:
    """The rank of one pod."""
    node = pod.spec.node_name if pod.spec is not None else ""
    ready = is_ready(pod)
    coarse = (1 if node else 0, _PHASES.get(phase_of(pod), 0), 1 if ready else 0, deletion_cost(pod), -neighbours.get(node, 0))
    created = pod.metadata.creation_timestamp
    return Rank(coarse, ready_since(pod), _restarts(pod), times.parse(created) if created else 0.0, pod.metadata.uid)


def deletion_cost(pod: Pod) -> int:
    """The annotation's value; 0 if it is absent or no 32-bit integer (Kubernetes refuses those at admission)."""
    text = pod.metadata.annotations.get(DELETION_COST, "")
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    if not (digits.isascii() and digits.isdigit()) or (digits != "0" and digits.startswith("0")):
        return 0
    value = sign * int(digits)
    return value if -_INT32 <= value < _INT32 else 0


def compare_ranks(one: Rank, other: Rank, now: float) -> int:
    """Negative if `one` goes first."""
    if one.coarse != other.coarse:
        return -1 if one.coarse < other.coarse else 1
    if one.ready_s is not None and other.ready_s is not None and one.ready_s != other.ready_s:
        return _compare_ages(one.ready_s, other.ready_s, now) or _compare_text(one.uid, other.uid)
    if one.restarts != other.restarts:
        return -1 if one.restarts > other.restarts else 1
    if one.created_s != other.created_s:
        return _compare_ages(one.created_s, other.created_s, now) or _compare_text(one.uid, other.uid)
    return _compare_text(one.uid, other.uid)


def _compare_ages(one_s: float, other_s: float, now: float) -> int:
    return _magnitude(now - one_s) - _magnitude(now - other_s)


def _magnitude(age_s: float) -> int:
    """The whole part of the logarithm of an age in nanoseconds; -1 for what lies in the future."""
    return int(log2(age_s * 1e9)) if age_s > 1e-9 else -1


def _compare_text(one: str, other: str) -> int:
    return (one > other) - (one < other)


def _restarts(pod: Pod) -> tuple[int, int]:
    """The most restarts of any container, then of any restartable init container (a sidecar)."""
    if pod.status is None:
        return 0, 0
    sidecars = {one.name for one in pod.spec.init_containers if one.restart_policy == "Always"} if pod.spec is not None else set()
    regular = max((one.restart_count or 0 for one in pod.status.container_statuses), default=0)
    beside = max((one.restart_count or 0 for one in pod.status.init_container_statuses if one.name in sidecars), default=0)
    return regular, beside
