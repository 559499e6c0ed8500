"""What is pending in a simulation: messages on their way, timers, pauses of the supervisor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from callboard.models.messages.base import Address, Message
from callboard.runtime.systems.lanes import LaneKey
from callboard.runtime.systems.process import ProcessPort

NAMED = 5
"""Timers that a text names."""


class Flight(msgspec.Struct, gc=False):
    """A message on its way."""

    sender: Address
    to: Address
    message: Message
    lane: LaneKey | None
    background: bool
    done: bool = False
    port: None = None


class SimulatedTimer(msgspec.Struct):
    """A pending timer of one incarnation."""

    system: Any
    port: SimulatedPort
    message: Message
    background: bool
    done: bool = False

    def cancel(self) -> None:
        """Make sure that it does not fire; harmless if it has."""
        if not self.done:
            self.done = True
            self.system._cancelled(self)


class Pause(msgspec.Struct):
    """What ends when a failed process is started again."""

    name: str
    restart: Callable[[], None]
    background: bool = False


class SimulatedPort(ProcessPort):
    """The port of one incarnation; it counts the pending timers that mean that something goes on."""

    foreground = 0


def what_is_pending(heap: list[tuple[float, int, Any]]) -> str:
    """The foreground timers that are due next, for the text of an error."""
    timers = [item for _, _, item in sorted(heap, key=lambda entry: entry[:2]) if item.__class__ is SimulatedTimer]
    names = [f"timer {type(timer.message).__name__} of {timer.port.name}" for timer in timers if not (timer.background or timer.done)]
    return f"; pending: {', '.join(names[:NAMED])}" if names else ""
