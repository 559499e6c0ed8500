"""Whether a node takes a pod that was bound to it: the kubelet's own check, since the scheduler may have decided from an old picture.

Source: kubernetes pkg/kubelet/lifecycle/predicate.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from callboard.actors.kubelet.pods import PodRecord
from callboard.models.base import EMPTY_MAP
from callboard.models.quantity import cpu_milli, to_bytes

Rejection = tuple[str, str]
"""Reason and message of a pod that is not taken."""


def is_extended(name: str) -> bool:
    """Whether a resource is an extended one: with a domain that is not Kubernetes' (pkg/apis/core/v1/helper, IsExtendedResourceName)."""
    domain, slash, _ = name.partition("/")
    native = domain == "kubernetes.io" or domain.endswith(".kubernetes.io")
    return bool(slash) and not native and not name.startswith("requests.")


def room_of(capacity: Mapping[str, str]) -> dict[str, int]:
    """What a node has, in the units of a template's requests."""
    return {name: cpu_milli(amount) if name == "cpu" else to_bytes(amount) for name, amount in capacity.items()}


class Room:
    """What the pods of a node take of it; kept up to date pod by pod."""

    def __init__(self, capacity: Mapping[str, str]) -> None:
        self.capacity = room_of(capacity)
        self._taken: dict[str, tuple[tuple[str, int], ...]] = {}
        self._used: dict[str, int] = {}

    def take(self, pod: PodRecord, patched: Mapping[str, str] = EMPTY_MAP) -> Rejection | None:
        """Take a pod in, or say why not. `patched` is what the API says can be allocated, where extended resources are found; one that is
        not there either is not the node's business (predicate.go, removeMissingExtendedResources)."""
        requests = pod.template.requests
        if len(self._taken) >= self.capacity["pods"]:
            return _rejection("pods", 1, len(self._taken), self.capacity["pods"])
        for name, amount in requests:
            room = self.capacity.get(name)
            if room is None and is_extended(name):
                if name not in patched:
                    continue
                room = to_bytes(patched[name])
            used = self._used.get(name, 0)
            if room is None or used + amount > room:
                return _rejection(name, amount, used, room or 0)
        self._add(pod.uid, requests)
        return None

    def hold(self, pods: Iterable[PodRecord]) -> None:
        """These pods run already, whether there is room or not."""
        for pod in pods:
            self._add(pod.uid, pod.template.requests)

    def _add(self, uid: str, requests: tuple[tuple[str, int], ...]) -> None:
        self._taken[uid] = requests
        for name, amount in requests:
            self._used[name] = self._used.get(name, 0) + amount

    def leave(self, uid: str) -> None:
        """A pod takes nothing any more; harmless if it did not."""
        for name, amount in self._taken.pop(uid, ()):
            self._used[name] -= amount


def _rejection(name: str, requested: int, used: int, capacity: int) -> Rejection:
    why = f"Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}"
    return f"OutOf{name}", f"Pod was rejected: {why}"
