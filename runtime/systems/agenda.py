"""What is due later: a heap that stays small when most timers are cancelled before they fire, as time-outs of requests are."""

from __future__ import annotations

import heapq
from collections.abc import Callable

COMPACT_AT = 1024
"""Cancelled entries that a heap may hold before it's looked through."""


class Entry:
    """Something to be done later. `cancel` may be called at any time and from any thread."""

    __slots__ = ("action", "agenda", "cancelled", "done")

    def __init__(self, agenda: Agenda, action: Callable[[Entry], None]) -> None:
        self.agenda = agenda
        self.action = action
        self.cancelled = False
        self.done = False
        """It has left the agenda."""

    def cancel(self) -> None:
        """Make sure that it is not done; harmless if it has been. A timer's message that waits in a mailbox already is not handled."""
        if not self.cancelled:
            self.cancelled = True
            if not self.done:
                self.agenda.cancelled += 1


class Agenda:
    """Entries in the order in which they are due; those due at once in the order in which they came."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Entry]] = []
        self.cancelled = 0
        """About how many entries of the heap are cancelled."""
        self._numbers = 0

    def push(self, due_s: float, action: Callable[[Entry], None]) -> Entry:
        """Enter an action."""
        if self.cancelled > COMPACT_AT and self.cancelled > len(self.heap) // 2:
            self.heap = [entry for entry in self.heap if not entry[2].cancelled]
            heapq.heapify(self.heap)
            self.cancelled = 0
        entry = Entry(self, action)
        self._numbers += 1
        heapq.heappush(self.heap, (due_s, self._numbers, entry))
        return entry

    def next_due_s(self) -> float | None:
        """When something is due next."""
        heap = self.heap
        while heap and heap[0][2].cancelled:
            heapq.heappop(heap)
            self.cancelled -= 1
        return heap[0][0] if heap else None

    def pop_due(self, now_s: float) -> Entry | None:
        """The next entry if it is due."""
        due_s = self.next_due_s()
        if due_s is None or due_s > now_s:
            return None
        entry = heapq.heappop(self.heap)[2]
        entry.done = True
        return entry
