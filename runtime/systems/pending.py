"""What is pending in a simulation: messages on their way, timers, what the supervisor and faults will do."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappush
from typing import Any

import msgspec

from callboard.models.messages.base import Address, Message
from callboard.runtime.systems.lanes import LaneKey
from callboard.runtime.systems.process import ProcessPort

COMPACT_AT = 1024
"""Cancelled timers that the heap may hold before it's looked through."""
NAMED = 5
"""Timers that a text names."""


class Flight(msgspec.Struct, gc=False):
    """A message on its way."""

    sender: Address
    to: Address
    message: Message
    lane: LaneKey | None
    background: bool
    born: int = 0
    """The step in which it was sent."""
    done: bool = False
    port: None = None


class SimulatedTimer(msgspec.Struct):
    """A pending timer of one incarnation."""

    system: Any
    port: SimulatedPort
    message: Message
    background: bool
    born: int = 0
    """The step in which it was set."""
    done: bool = False

    def cancel(self) -> None:
        """Make sure that it does not fire; harmless if it has."""
        if not self.done:
            self.done = True
            self.system._cancelled(self)


class Pending:
    """A heap of what is pending, by time and then by age. Cancelled timers stay in it until there are too many of them."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Any]] = []
        self.dead = 0
        """Cancelled timers in the heap."""
        self._numbers = 0

    def push(self, due_s: float, item: Flight | SimulatedTimer | Deed) -> None:
        """Enter something."""
        self._numbers += 1
        heappush(self.heap, (due_s, self._numbers, item))

    def cancelled(self) -> None:
        """A timer in the heap has been cancelled."""
        self.dead += 1
        if self.dead > COMPACT_AT and self.dead > len(self.heap) // 2:
            self.heap[:] = [entry for entry in self.heap if not entry[2].done]
            heapify(self.heap)
            self.dead = 0


class Deed(msgspec.Struct):
    """Something from outside all processes that is due at a time: the restart of a failed one, a fault that begins or ends."""

    name: str
    what: str
    do: Callable[[], None]
    background: bool = False
    done: bool = False


class SimulatedPort(ProcessPort):
    """The port of one incarnation; it counts the pending timers that mean that something goes on."""

    foreground = 0


def what_is_pending(heap: list[tuple[float, int, Any]]) -> str:
    """The foreground timers that are due next, for the text of an error."""
    timers = [item for _, _, item in sorted(heap, key=lambda entry: entry[:2]) if item.__class__ is SimulatedTimer]
    names = [f"timer {type(timer.message).__name__} of {timer.port.name}" for timer in timers if not (timer.background or timer.done)]
    return f"; pending: {', '.join(names[:NAMED])}" if names else ""
