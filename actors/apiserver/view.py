"""What a planner sees: the objects that a write is decided from, and which of them were only looked up in a cache. Used by all planners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class View:
    """The objects that a plan is made from: what the store has lately said where it has, else what the cache holds.

    `guessed` are the keys that were looked up in the cache, in order: what depends on them is no more than likely. `rules` is
    `WatchCache.rules` as it was when this began, -1 if that says nothing any more.
    """

    __slots__ = ("_bucket", "_cached", "fresh", "guessed", "rules")

    def __init__(self, cached: Callable[[str], Any], bucket: Callable[[str, str], Mapping[str, Any]], rules: int = -1) -> None:
        self._cached = cached
        self._bucket = bucket
        self.rules = rules
        self.fresh: dict[str, Any] = {}
        self.guessed: dict[str, None] = {}

    def get(self, key: str) -> Any | None:
        """The object under a key, or None."""
        if key in self.fresh:
            return self.fresh[key]
        self.guessed[key] = None
        return self._cached(key)

    def objects(self, resource: str, namespace: str) -> tuple[Any, ...]:
        """The objects of a resource in a namespace that the cache knows of, by name, each as fresh as anybody has said."""
        bucket = self._bucket(resource, namespace)
        if not bucket:
            return ()
        return tuple(obj for key in sorted(bucket) if (obj := self.get(key)) is not None)

    def learn(self, current: tuple[tuple[str, Any], ...]) -> None:
        """Take in what the store has said."""
        self.fresh.update(current)
        self.rules = -1
        self.guessed = {}
