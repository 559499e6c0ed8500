"""The watch cache: everything the store holds, as far as its change stream has told, and what has lately changed.

Owned by the `ApiServer`, which feeds it the pieces of the stream. Objects lie in one bucket per resource and namespace, pods also by
their node, so that a kubelet's list costs its own pods only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

from callboard.actors.store.history import History
from callboard.models.messages.store import StoreEvent

Bucket = dict[str, Any]
"""Objects by store key."""
RULES = ("limitranges/", "priorityclasses.scheduling.k8s.io/")
_EMPTY: Bucket = {}
_REVISION = attrgetter("revision")


def resource_of(key: str) -> str:
    """The resource that a store key begins with."""
    return key[: key.index("/")]


def node_of(key: str, obj: Any) -> str:
    """The node of a pod, "" for anything else."""
    return obj.spec.node_name if obj is not None and obj.spec is not None and key.startswith("pods/") else ""


def _order(event: StoreEvent) -> tuple[int, str]:
    return event.revision, event.key


class WatchCache:
    """All objects as of `revision`, and the changes after `history.compacted`.

    `rules` counts the changes of what rules over the admission of pods (`RULES`): what was worked out from those holds until it moves.
    """

    def __init__(self, history_limit: int) -> None:
        self.revision = 0
        self.rules = 0
        self.history = History(history_limit)
        self._buckets: dict[str, Bucket] = {}
        self._resources: dict[str, dict[str, Bucket]] = {}
        self._by_node: dict[str, Bucket] = {}
        self._recent: dict[str, list[StoreEvent]] = {}
        self._recent_since = 0

    # -- reading ----------------------------------------------------------------------------------------------------------------

    def get(self, key: str) -> Any | None:
        """The object under a key, or None."""
        return self._buckets.get(key[: key.rindex("/")], _EMPTY).get(key)

    def bucket(self, resource: str, namespace: str) -> Bucket:
        """The objects of a resource in one namespace."""
        return self._buckets.get(f"{resource}/{namespace}", _EMPTY)

    def buckets(self, resource: str) -> Iterator[Bucket]:
        """The objects of a resource, a bucket per namespace."""
        yield from self._resources.get(resource, {}).values()

    def on_node(self, node: str) -> Bucket:
        """The pods bound to a node."""
        return self._by_node.get(node, _EMPTY)

    def resources(self) -> list[str]:
        """The resources of which there are objects, in order."""
        return sorted(self._resources)

    def missed(self, resource: str, revision: int) -> list[StoreEvent] | None:
        """The changes of a resource after `revision`; None if some of them are forgotten. Costs what it finds: when 5,000 kubelets begin
        to watch their pods, it matters that they need not look through each other's nodes and leases."""
        if revision < self.history.compacted:
            return None
        recent = self._recent.get(resource, [])
        return recent[bisect_right(recent, revision, key=_REVISION) :]

    # -- changing -----------------------------------------------------------------------------------------------------------------

    def take(self, events: tuple[StoreEvent, ...], revision: int) -> None:
        """Take in changes, in order, up to `revision`."""
        for event in events:
            key = event.key
            self._set(key, event.obj)
            resource = resource_of(key)
            recent = self._recent.get(resource)
            if recent is None:
                recent = self._recent[resource] = []
            recent.append(event)
        self.history.extend(events)
        self.revision = revision
        if self.history.compacted > self._recent_since:
            self._forget(self.history.compacted)

    def _forget(self, revision: int) -> None:
        """Keep of each resource only what is after `revision`."""
        self._recent_since = revision
        for recent in self._recent.values():
            del recent[: bisect_right(recent, revision, key=_REVISION)]

    def replace_by(self, picture: tuple[StoreEvent, ...], revision: int) -> tuple[StoreEvent, ...]:
        """Take in a whole picture as of `revision`; returns how it differs from what was here, as changes. History begins again."""
        fresh = {event.key: event.obj for event in picture}
        changes = []
        for resource in self.resources():
            for bucket in self._resources[resource].values():
                for key, old in bucket.items():
                    if key not in fresh:
                        changes.append(StoreEvent(key, None, old, revision))
        for key, obj in fresh.items():
            old = self.get(key)
            if old is None or old.metadata.resource_version != obj.metadata.resource_version:
                changes.append(StoreEvent(key, obj, old, obj.metadata.resource_version))
        changes.sort(key=_order)
        for change in changes:
            self._set(change.key, change.obj)
        self.revision = revision
        self.history.restart(revision)
        self._recent.clear()
        self._recent_since = revision
        return tuple(changes)

    def _set(self, key: str, obj: Any) -> None:
        place = key[: key.rindex("/")]
        bucket = self._buckets.get(place)
        if bucket is None:
            if obj is None:
                return
            bucket = self._buckets[place] = {}
            self._resources.setdefault(resource_of(key), {})[place] = bucket
        if key.startswith("pods/"):
            self._move(key, bucket.get(key), obj)
        elif key.startswith(RULES):
            self.rules += 1
        if obj is not None:
            bucket[key] = obj
        elif bucket.pop(key, None) is not None and not bucket:
            del self._buckets[place]
            resource = resource_of(key)
            del self._resources[resource][place]
            if not self._resources[resource]:
                del self._resources[resource]

    def _move(self, key: str, old: Any, new: Any) -> None:
        before, after = node_of(key, old), node_of(key, new)
        if before and before != after:
            there = self._by_node[before]
            del there[key]
            if not there:
                del self._by_node[before]
        if after:
            self._by_node.setdefault(after, {})[key] = new
