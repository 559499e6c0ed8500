"""What has lately changed, in order: the memory that watch streams resume from and that reads at an earlier revision undo.

Kept by `Keyspace`, and by each apiserver for its own watchers. Bounded: beyond its limit the oldest changes are forgotten, a quarter
of the limit at a time, so that forgetting costs next to nothing per change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from callboard.models.messages.store import StoreEvent

_REVISION = attrgetter("revision")


class History:
    """Changes after `compacted`, oldest first. `compacted` is the oldest revision that one can still resume from or read at."""

    def __init__(self, limit: int, compacted: int = 0) -> None:
        self.limit = limit
        self.compacted = compacted
        self._events: list[StoreEvent] = []
        self._trim_at = limit + max(limit // 4, 1)

    def __len__(self) -> int:
        return len(self._events)

    def extend(self, events: Sequence[StoreEvent]) -> None:
        """Add changes, which are all newer than those here."""
        self._events.extend(events)
        if len(self._events) > self._trim_at:
            self._forget(len(self._events) - self.limit)

    def since(self, revision: int) -> list[StoreEvent] | None:
        """All changes after `revision`; None if some of them are forgotten. A future revision has no changes after it."""
        if revision < self.compacted:
            return None
        return self._events[bisect_right(self._events, revision, key=_REVISION) :]

    def compact(self, revision: int) -> None:
        """Forget what happened up to `revision`, which stays readable itself."""
        if revision > self.compacted:
            del self._events[: bisect_right(self._events, revision, key=_REVISION)]
            self.compacted = revision

    def restart(self, revision: int) -> None:
        """Forget everything: history begins again after `revision`."""
        self._events.clear()
        self.compacted = revision

    def _forget(self, count: int) -> None:
        self.compacted = self._events[count - 1].revision
        del self._events[:count]
