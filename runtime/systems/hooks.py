"""Pykka's three hooks for new actor types, and what else it takes to run actors without threads of their own.

Pykka's own loop is reused, not copied: an inbox whose `get` raises leaves it with its semantics intact. What its stock loop does with a
BaseException (it stops every actor of the process: pytest's and Hypothesis's control exceptions are BaseExceptions) and with its
process-wide registry is kept away from here. The names used are under a contract test.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

INBOX_LIMIT = 200_000
"""High-water mark of an inbox: more waiting messages than this fail a simulation, and are a log line in real time."""


class Drained(BaseException):
    """Raised by `Inbox.get` to leave Pykka's loop: the inbox is empty, or the turn is over."""


_DRAINED = Drained()
_NO_LIMIT = 1 << 60


class Flag:
    """What an actor needs of `threading.Event`, at a hundredth of its cost."""

    __slots__ = ("_set",)

    def __init__(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        """Whether `set` has been called."""
        return self._set

    def set(self) -> None:
        """Raise the flag for good."""
        self._set = True

    def wait(self, timeout: float | None = None) -> bool:
        """Pykka's refs may ask; an actor without a thread cannot be waited for here."""
        if not self._set:
            raise RuntimeError("an actor without a thread of its own can't be waited for; stop it through its system")
        return True


class Inbox:
    """A mailbox that tells its engine when it has something to do."""

    __slots__ = ("actor", "high_water", "left", "messages", "ready", "scheduled")

    def __init__(self) -> None:
        self.messages: deque[Envelope[Any]] = deque()
        self.actor: Any = None
        self.ready: Callable[[Inbox], None] | None = None
        self.scheduled = False
        self.left = 0
        self.high_water = 0

    def put(self, envelope: Envelope[Any]) -> None:
        """Take a message; called by `ActorRef` and by the systems."""
        self.messages.append(envelope)
        if not self.scheduled and self.ready is not None:
            self.scheduled = True
            self.ready(self)

    def get(self) -> Envelope[Any]:
        """The next message of this turn."""
        if self.left > 0 and self.messages:
            self.left -= 1
            return self.messages.popleft()
        raise _DRAINED.with_traceback(None)

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self.messages


class LoopHooks(pykka.Actor):
    """Mixed in before a component: the actor is run by an engine, a turn at a time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.escaped: BaseException | None = None
        self.failure: BaseException | None = None
        super().__init__(*args, **kwargs)
        self.actor_stopped = Flag()  # type: ignore[assignment]
        self._actor_ref.actor_stopped = self.actor_stopped

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> Any:
        """Actors of a system are started by the system."""
        raise RuntimeError(f"start {cls.__name__} through a system: system.start(name, {cls.__name__}, ...)")

    @staticmethod
    def _create_actor_inbox() -> Any:
        return Inbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    def _start_actor_loop(self) -> None:
        """Nothing to start: the engine calls `run_turn`."""

    def _handle_receive(self, message: Any) -> Any:
        if isinstance(message, _ActorStop):
            return self._stop()
        try:
            return self.on_receive(message)
        except Exception:
            raise
        except BaseException as escaped:  # Pykka would stop all actors of the process; the engine lets it through instead
            self.escaped = escaped
            return None

    def _stop(self) -> None:
        self.actor_stopped.set()
        try:
            self.on_stop()
        except Exception as failure:
            self.failure = failure

    def _handle_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self.actor_stopped.set()
        self.failure = exception_value

    def begin(self) -> None:
        """Run `on_start`; a failure is in `failure` afterwards."""
        self._actor_loop_setup()

    def run_turn(self, limit: int) -> None:
        """Handle up to `limit` messages; what ended the actor is in `failure`, what must go through in `escaped`."""
        inbox: Any = self.actor_inbox
        waiting = len(inbox.messages)
        if waiting > inbox.high_water:
            inbox.high_water = waiting
        inbox.left = limit
        try:
            self._actor_loop_running()
        except Drained:
            return
        inbox.left = _NO_LIMIT
        self._actor_loop_teardown()  # stopped: whoever asked and was not answered hears ActorDeadError


def envelope(message: Any) -> Envelope[Any]:
    """A message as Pykka's inboxes take it."""
    return Envelope(message)
