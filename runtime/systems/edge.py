"""The user's own process at the edge of a system: it numbers its requests and knows who waits for which answer.

Used by the systems' `ask`. To links it is the process `client` on the machine `outside`. Safe for many threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pykka

from callboard.models.errors import WaitTimeout
from callboard.models.messages.base import Address, Message, Request
from callboard.runtime.systems.giveup import GivenUp
from callboard.runtime.systems.process import Machine

OUTSIDE = "outside"
"""The machine on which the user's own program stands, as links see it."""
EDGE = "client"
"""The address to which answers to `ask` go."""


class Edge:
    """Open questions and the futures of those who wait."""

    name = EDGE
    me: Address = EDGE
    incarnation = 0
    alive = True

    def __init__(self) -> None:
        self.machine = Machine(OUTSIDE)
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[Address, pykka.ThreadingFuture[Any]]] = {}
        self._numbers = 0

    def open(self, to: Address) -> tuple[int, pykka.ThreadingFuture[Any]]:
        """Number a request to `to`; its answer comes into the future."""
        future: pykka.ThreadingFuture[Any] = pykka.ThreadingFuture()
        with self._lock:
            self._numbers += 1
            self._waiting[self._numbers] = to, future
            return self._numbers, future

    def close(self, number: int) -> None:
        """Nobody waits for this answer any more; what still comes is dropped."""
        with self._lock:
            self._waiting.pop(number, None)

    def give_up(self, number: int) -> None:
        """Whoever waits for this answer is to wait no longer."""
        with self._lock:
            entry = self._waiting.pop(number, None)
        if entry is not None:
            entry[1].set_exception((GivenUp, GivenUp(), None))

    def is_open(self, number: int) -> bool:
        """Whether somebody waits for this answer, and it has not come."""
        return number in self._waiting

    def receive(self, message: Message) -> None:
        """An answer came in."""
        with self._lock:
            entry = self._waiting.pop(getattr(message, "id", -1), None)
        if entry is not None:
            entry[1].set(message)

    def fail(self, name: str, failure: Callable[[], BaseException]) -> None:
        """Everybody who waits for this process hears of its failure; `*` is all processes."""
        with self._lock:
            numbers = [number for number, (to, _) in self._waiting.items() if name in ("*", to.partition("#")[0])]
            futures = [self._waiting.pop(number)[1] for number in numbers]
        for future in futures:
            raised = failure()
            future.set_exception((type(raised), raised, None))


def timed_out(to: Address, request: Request, timeout_s: float) -> WaitTimeout:
    """The error for a request that was not answered."""
    about = f" about {request.subject()}" if request.subject() else ""
    return WaitTimeout(f"{to} did not answer {type(request).__name__}{about} within {timeout_s:g} s")
