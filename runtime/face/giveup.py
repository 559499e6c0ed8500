"""How a wait hears that nobody waits for it any more: the asyncio task that called was cancelled. Looked at by the loops of real time."""

from __future__ import annotations

import threading
from contextvars import ContextVar

GIVEN_UP: ContextVar[threading.Event | None] = ContextVar("GIVEN_UP", default=None)
"""Set by whoever calls a verb from a thread of its own; None for callers that can't be cancelled."""


class GivenUp(Exception):
    """The call was given up by its caller."""


def check_given_up() -> None:
    """Raises `GivenUp` if the caller of this thread's verb has given it up."""
    event = GIVEN_UP.get()
    if event is not None and event.is_set():
        raise GivenUp
