"""What a controller has written and not yet seen in its own caches.

Kubernetes learnt this the hard way: a controller that decides from a cache which misses its own creations makes surplus pods
(kubernetes/kubernetes#129795, #22061). Since 1.36 its controllers remember "wrote at revision R" per object and wait until the cache has
reached R; so do ours. There is no expiry: a lost answer is resolved by reading, never by a clock.
"""

from __future__ import annotations

from heapq import heappop, heappush


class OwnWrites:
    """Per key of a controller: writes in flight, and per cache the revision that it must reach before the next decision.

    A cache is named by what it shows: a resource, perhaps of one namespace."""

    def __init__(self) -> None:
        self._in_flight: dict[str, int] = {}
        self._awaited: dict[str, dict[str, int]] = {}
        self._waiting: dict[str, list[tuple[int, str]]] = {}
        self._reached: dict[str, int] = {}

    def started(self, key: str) -> None:
        """A write for this key is on its way."""
        self._in_flight[key] = self._in_flight.get(key, 0) + 1

    def finished(self, key: str) -> None:
        """One write for this key has been answered or resolved."""
        left = self._in_flight.get(key, 0) - 1
        if left > 0:
            self._in_flight[key] = left
        else:
            self._in_flight.pop(key, None)

    def in_flight(self, key: str) -> int:
        """How many writes for this key have no answer yet."""
        return self._in_flight.get(key, 0)

    def acknowledged(self, key: str, resource: str, revision: int) -> None:
        """A write for this key is durable at `revision`: the cache of `resource` must show it before the next decision."""
        if revision <= self._reached.get(resource, 0):
            return
        awaited = self._awaited.setdefault(key, {})
        if revision > awaited.get(resource, 0):
            awaited[resource] = revision
            heappush(self._waiting.setdefault(resource, []), (revision, key))

    def may_decide(self, key: str) -> bool:
        """Whether nothing is in flight for this key and every cache has come far enough."""
        return key not in self._in_flight and key not in self._awaited

    def reached(self, resource: str, revision: int) -> list[str]:
        """The cache of `resource` has come to `revision`; returns the keys that may now be decided, in the order of their writes."""
        if revision > self._reached.get(resource, 0):
            self._reached[resource] = revision
        return self._released(resource, revision)

    def abandoned(self, resource: str) -> list[str]:
        """There is no cache of `resource` any more: nobody waits for it. Returns the keys that may now be decided, as `reached` does."""
        self._reached.pop(resource, None)
        waiting = self._waiting.get(resource)
        ready = self._released(resource, max(waiting)[0]) if waiting else []
        self._waiting.pop(resource, None)
        return ready

    def _released(self, resource: str, revision: int) -> list[str]:
        waiting = self._waiting.get(resource)
        ready: list[str] = []
        while waiting and waiting[0][0] <= revision:
            written, key = heappop(waiting)
            awaited = self._awaited.get(key)
            if awaited is None or awaited.get(resource) != written:
                continue  # superseded by a later write of the same key
            del awaited[resource]
            if not awaited:
                del self._awaited[key]
                if key not in self._in_flight:
                    ready.append(key)
        return ready

    def forget(self, key: str) -> None:
        """The object is gone: its revisions no longer matter (writes in flight still do)."""
        self._awaited.pop(key, None)
