"""Requests that wait until the watch cache has come far enough: for a revision they name, or for the store's newest.

Reads that want the newest share one `ReadRevision`: those that come while one is on its way wait for the next, since its answer may be
older than they are. Owned by the `ApiServer`; no message is sent here.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

import msgspec


class Waiter(msgspec.Struct, gc=False):
    """Something that waits: a request, or a job. `revision` is 0 as long as it isn't known."""

    item: Any
    deadline_s: float
    revision: int = 0


class WaitingRoom:
    """Who waits, for what. `asked_at_s` is when the store was asked for its revision, None while it is not."""

    def __init__(self) -> None:
        self.asked_at_s: float | None = None
        self._asked_id = 0
        self._waiters: dict[int, Waiter] = {}
        self._asked: list[int] = []
        self._next: list[int] = []
        self._due: list[tuple[int, int]] = []
        self._last = 0

    def __len__(self) -> int:
        return len(self._waiters)

    def until(self, revision: int, item: Any, deadline_s: float) -> None:
        """Wait until the cache has come to this revision."""
        number = self._enter(item, deadline_s, revision)
        heappush(self._due, (revision, number))

    def until_newest(self, item: Any, deadline_s: float) -> bool:
        """Wait until the cache is as new as the store is now. Returns whether the store has to be asked."""
        self._next.append(self._enter(item, deadline_s, 0))
        return self.asked_at_s is None

    def _enter(self, item: Any, deadline_s: float, revision: int) -> int:
        self._last += 1
        self._waiters[self._last] = Waiter(item, deadline_s, revision)
        return self._last

    def ask(self, number: int, now_s: float) -> None:
        """The store is being asked, by this request: for all who don't know their revision yet."""
        self._asked_id, self.asked_at_s = number, now_s
        self._asked.extend(self._next)
        self._next.clear()

    def is_mine(self, number: int) -> bool:
        """Whether this is the number of the question that is out."""
        return self.asked_at_s is not None and number == self._asked_id

    def answered(self, revision: int) -> bool:
        """The store has said its revision. Returns whether it has to be asked again, for those who came meanwhile."""
        for number in self._asked:
            waiter = self._waiters.get(number)
            if waiter is not None:
                waiter.revision = revision
                heappush(self._due, (revision, number))
        self._asked.clear()
        self.asked_at_s = None
        return bool(self._next)

    def reached(self, revision: int) -> list[Any]:
        """The items whose wait is over now that the cache has come to this revision, in order of arrival within a revision."""
        found = []
        while self._due and self._due[0][0] <= revision:
            waiter = self._waiters.pop(heappop(self._due)[1], None)
            if waiter is not None:
                found.append(waiter.item)
        return found

    def expired(self, now_s: float) -> list[Waiter]:
        """Those whose time is over; they wait no more."""
        late = [number for number, waiter in self._waiters.items() if waiter.deadline_s <= now_s]
        return [self._waiters.pop(number) for number in late]
