"""Pykka's three hooks for new actor types, and what else it takes to run actors without threads of their own.

Pykka's own loop is reused, not copied. It asks `actor_stopped` before every message, so a flag that also says yes when the mailbox is
empty or the turn is over (`Turn`) makes the loop return to its engine with its semantics intact and without an exception. What the stock
loop does with a BaseException (it stops every actor of the process: pytest's and Hypothesis's control exceptions are BaseExceptions) and
with its process-wide registry is kept away from here. The names used are under a contract test.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec
import pykka
from pykka.messages import _ActorStop

INBOX_LIMIT = 200_000
"""High-water mark of an inbox: more waiting messages than this fail a simulation, and are a log line in real time."""


class Letter(msgspec.Struct, gc=False):
    """A message in a mailbox: what Pykka calls an envelope, at a third of its cost."""

    message: Any
    reply_to: Any = None


class Fired(msgspec.Struct, gc=False):
    """The message of a timer in a mailbox: not handled if the timer is cancelled before its turn comes."""

    timer: Any
    message: Any


class Turn:
    """What Pykka's loop takes for its stop flag. `left` is how many messages the actor may still handle in this turn."""

    __slots__ = ("ended", "left", "messages")

    def __init__(self, messages: deque[Any]) -> None:
        self.messages = messages
        self.ended = False
        self.left = 0

    def is_set(self) -> bool:
        """Whether the loop should return; counts the message that is handled if not."""
        left = self.left
        if left > 0 and self.messages and not self.ended:
            self.left = left - 1
            return False
        return True

    def set(self) -> None:
        """End the actor for good, after the message at hand."""
        self.ended = True


class Flag:
    """What an `ActorRef` needs of `threading.Event`: whether the actor has ended."""

    __slots__ = ("_turn",)

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    def is_set(self) -> bool:
        """Whether the actor has ended."""
        return self._turn.ended

    def set(self) -> None:
        """End the actor for good."""
        self._turn.ended = True

    def wait(self, timeout: float | None = None) -> bool:
        """Pykka's refs may ask; an actor without a thread cannot be waited for here."""
        if not self._turn.ended:
            raise RuntimeError("an actor without a thread of its own can't be waited for; stop it through its system")
        return True


class Inbox:
    """A mailbox that enters itself in its engine's list when it has something to do. Not for two threads."""

    __slots__ = ("actor", "coming", "get", "high_water", "messages", "process", "ready", "scheduled")

    def __init__(self) -> None:
        self.messages: deque[Any] = deque()
        self.get = self.messages.popleft
        self.actor: Any = None
        self.process: Any = None
        self.ready: deque[Inbox] | None = None
        """The engine's list of inboxes with something to do; None once the actor has ended."""
        self.scheduled = False
        self.coming = 0
        """Messages on their way here; counted in simulations only."""
        self.high_water = 0

    def put(self, letter: Any, /) -> None:
        """Take a message; called by `ActorRef` and by the systems."""
        self.messages.append(letter)
        if not self.scheduled and self.ready is not None:
            self.scheduled = True
            self.ready.append(self)

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self.messages


class Hooks(pykka.Actor):
    """What actors of all our systems have in common, mixed in before a component."""

    failure: BaseException | None = None
    """What ended the actor."""
    escaped: BaseException | None = None
    """An exception that isn't an `Exception` came out of a handler: it belongs to whoever runs the system."""

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> Any:
        """Actors of a system are started by the system."""
        raise RuntimeError(f"start {cls.__name__} through a system: system.start(name, {cls.__name__}, ...)")

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    def _handle_receive(self, message: Any) -> Any:
        kind = message.__class__
        if kind is _ActorStop:
            return self._stop()
        if kind is Fired:
            if message.timer.cancelled:
                return None
            message = message.message
        try:
            return self.on_receive(message)
        except Exception:
            raise
        except BaseException as escaped:  # Pykka would stop all actors of the process; the engine lets it through instead
            self.escaped = escaped
            self.actor_stopped.set()
            return None

    def _stop(self) -> None:
        self.actor_stopped.set()
        try:
            self.on_stop()
        except Exception as failure:
            self.failure = failure
        except BaseException as escaped:
            self.escaped = escaped

    def _handle_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self.actor_stopped.set()
        if self.failure is None:  # what `on_failure` raises on top says less
            self.failure = exception_value


class LoopHooks(Hooks):
    """The actor is run by an engine, a turn at a time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inbox: Any = self.actor_inbox
        self.turn = Turn(inbox.messages)
        self.actor_stopped = self.turn  # type: ignore[assignment]
        self._actor_ref.actor_stopped = Flag(self.turn)  # type: ignore[assignment]

    @staticmethod
    def _create_actor_inbox() -> Any:
        return Inbox()

    def _start_actor_loop(self) -> None:
        """Nothing to start: the engine calls `run_turn`."""

    def begin(self) -> None:
        """Run `on_start`; a failure is in `failure` afterwards."""
        self._actor_loop_setup()

    def run_turn(self, limit: int) -> int:
        """Handle up to `limit` messages and return how many. `turn.ended` tells that the actor has ended, `failure` and `escaped` why."""
        turn = self.turn
        turn.left = limit
        self._actor_loop_running()
        handled = limit - turn.left
        if turn.ended:
            self._actor_loop_teardown()  # whoever asked through Pykka and was not answered hears ActorDeadError
        return handled
