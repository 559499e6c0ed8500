"""When which pod is to be looked at again: one timer for all pods of a node, however many wait for something."""

from __future__ import annotations

from heapq import heappop, heappush

from callboard.actors.component import Port, Timer
from callboard.models.messages.base import Message


class Wake(Message, frozen=True, gc=False):
    """Timer: look at the pods whose time has come. `stuck`: those for which nothing goes on until something changes elsewhere."""

    stuck: bool


class Wakes:
    """Appointments of pods. A pod that is given a new one keeps the old one too: looking once too often does no harm."""

    def __init__(self, port: Port, stuck: bool) -> None:
        self._port = port
        self._stuck = stuck
        self._heap: list[tuple[float, str]] = []
        self._timer: Timer | None = None
        self._timer_at_s = 0.0

    def at(self, due_s: float, uid: str) -> None:
        """Look at this pod then."""
        heappush(self._heap, (due_s, uid))
        if self._timer is None or due_s < self._timer_at_s:
            self._set(due_s)

    def due(self, now_s: float) -> dict[str, None]:
        """The timer has fired: the pods to be looked at now."""
        self._timer = None
        found: dict[str, None] = {}
        heap = self._heap
        while heap and heap[0][0] <= now_s:
            found[heappop(heap)[1]] = None
        return found

    def next(self) -> None:
        """Set the timer for the next appointment."""
        if self._heap and (self._timer is None or self._heap[0][0] < self._timer_at_s):
            self._set(self._heap[0][0])

    def forget(self) -> None:
        """Drop all appointments."""
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_s = due_s
        self._timer = self._port.after(max(due_s - self._port.now(), 0.0), Wake(self._stuck), periodic=self._stuck)
