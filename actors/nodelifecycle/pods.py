"""Pods by their node, and the pods that nobody but the pod garbage collector will remove.

Owned by the node lifecycle controller's actor and kept up to date by its informer's events. Source: pkg/controller/podgc/gc_controller.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from callboard.models.api.core import Pod
from callboard.models.podstatus import is_finished

FINISHED_LIMIT = 12500
"""Finished pods kept for their owners to look at (--terminated-pod-gc-threshold); the oldest beyond are deleted."""
_NONE: Mapping[str, Pod] = {}


def node_of(pod: Pod) -> str:
    """Name of the node that a pod is bound to, or ""."""
    return pod.spec.node_name if pod.spec is not None else ""


class PodBook:
    """All pods, as far as this controller needs them."""

    def __init__(self) -> None:
        self._by_node: dict[str, dict[str, Pod]] = {}
        self._finished: dict[str, Pod] = {}
        self._stuck: dict[str, Pod] = {}

    def changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        """Take in an event of the informer."""
        before = node_of(old) if old is not None else ""
        after = node_of(new) if new is not None else ""
        if before and before != after:
            mates = self._by_node[before]
            del mates[key]
            if not mates:
                del self._by_node[before]
        if after and new is not None:
            self._by_node.setdefault(after, {})[key] = new
        _keep(self._finished, key, new if new is not None and is_finished(new) else None)
        stuck = new is not None and not after and new.metadata.deletion_timestamp != ""
        _keep(self._stuck, key, new if stuck else None)

    def on(self, node: str) -> Mapping[str, Pod]:
        """The pods bound to a node, by key."""
        return self._by_node.get(node, _NONE)

    def nodes(self) -> tuple[str, ...]:
        """The nodes that pods are bound to."""
        return tuple(self._by_node)

    def surplus(self, limit: int = FINISHED_LIMIT) -> tuple[Pod, ...]:
        """Finished pods beyond the limit, oldest first."""
        count = len(self._finished) - limit
        if count <= 0:
            return ()
        return tuple(sorted(self._finished.values(), key=_age)[:count])

    def stuck(self) -> tuple[Pod, ...]:
        """Terminating pods without a node: no kubelet will ever finish their deletion."""
        return tuple(self._stuck.values())


def _age(pod: Pod) -> tuple[str, str, str]:
    meta = pod.metadata
    return meta.creation_timestamp, meta.namespace, meta.name


def _keep(book: dict[str, Pod], key: str, pod: Pod | None) -> None:
    if pod is None:
        book.pop(key, None)
    else:
        book[key] = pod
