"""How a wait on real time hears that nobody waits for it any more: the asyncio task that called was cancelled.

Whoever calls a verb from a thread of its own sets `GIVE_UP` there; what waits registers what wakes it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar


class GivenUp(Exception):
    """The call was given up by its caller."""


class GiveUp:
    """One call that may be given up, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given = False
        self._wakers: list[Callable[[], None]] = []

    @property
    def given(self) -> bool:
        """Whether it was."""
        return self._given

    def give_up(self) -> None:
        """Wake whatever waits for this call, now and from now on."""
        with self._lock:
            self._given = True
            wakers = list(self._wakers)
        for wake in wakers:
            wake()

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have `wake` called if this call is given up meanwhile, or was already."""
        with self._lock:
            self._wakers.append(wake)
            given = self._given
        if given:
            wake()
        try:
            yield
        finally:
            with self._lock:
                self._wakers.remove(wake)


GIVE_UP: ContextVar[GiveUp | None] = ContextVar("GIVE_UP", default=None)
"""The call of this thread, None for callers that can't be cancelled."""


def woken_by_give_up(wake: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
    """For as long as it is entered, `wake` is called if this thread's call is given up."""
    call = GIVE_UP.get()
    return contextlib.nullcontext() if call is None else call.waking(wake)


def check_given_up() -> None:
    """Raises `GivenUp` if this thread's call has been given up."""
    call = GIVE_UP.get()
    if call is not None and call.given:
        raise GivenUp
