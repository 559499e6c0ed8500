"""The base of every component: a Pykka actor that does everything through its port.

A component is one class body that runs on every actor system. It never blocks, never reads a clock, never draws randomness of its
own and never holds a reference to another actor: it handles one message at a time and speaks through `self.port`. A system makes
its own subclasses of it (`type(name, (hooks, Component), {})`), so nothing ambient says in which world an actor lives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, TypeVar

import pykka

from callboard.models.messages.base import Address, Message


class Timer(Protocol):
    """A pending timer."""

    def cancel(self) -> None:
        """Make sure that it does not fire; harmless if it has."""


class Log(Protocol):
    """What a component may say to the log: an event name in plain words, then fields. Once per decision, never once per message."""

    def debug(self, event: str, **fields: Any) -> Any: ...

    def info(self, event: str, **fields: Any) -> Any: ...

    def warning(self, event: str, **fields: Any) -> Any: ...

    def error(self, event: str, **fields: Any) -> Any: ...


class Port(Protocol):
    """All that a component can do to the world."""

    name: str
    """The part it plays, for example `kubelet/node-1`."""
    me: Address
    """`name#incarnation`: where answers to this incarnation go."""
    log: Log

    def send(self, to: Address, message: Message) -> None:
        """Send; never blocks, never raises for an absent receiver (a network tells nobody). To `self.port.me`: handled after all that
        is in the mailbox now."""

    def after(self, delay_s: float, message: Message, *, periodic: bool = False) -> Timer:
        """Deliver `message` to this incarnation after `delay_s` seconds of this machine's clock.

        `periodic=True` says that the timer comes again and again without meaning that anything is going on, so that a simulation
        may call itself settled while it is pending.
        """

    def now(self) -> float:
        """Seconds since the epoch on this machine's clock."""

    def random(self) -> float:
        """A number in [0, 1)."""

    def mishap(self, problem: Exception) -> None:
        """A mistake in the program has spoilt one request, whose client will hear so; the component goes on. It is logged with its
        traceback and remembered among the failures; a simulation ends with it, so that it is found."""

    def new_id(self) -> str:
        """A fresh UID in the usual form of a UUID."""


class UnhandledMessage(Exception):
    """A component got a message that it has no handler for: a mistake in the program, never a condition to live with."""


M = TypeVar("M", bound=Message)
Handler = Callable[[Any, Any], None]


def handles(*types: type[Message]) -> Callable[[Callable[[Any, M], None]], Callable[[Any, M], None]]:
    """Mark a method as the handler of these message types (exactly these, not their subclasses)."""

    def mark(method: Callable[[Any, M], None]) -> Callable[[Any, M], None]:
        method.__dict__["handled_types"] = types
        return method

    return mark


class Component(pykka.Actor):
    """A part of the control plane. Subclasses mark their handlers with `@handles(...)`; systems supply the three hooks of Pykka."""

    _handlers: ClassVar[dict[type[Message], Handler]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        table: dict[type[Message], Handler] = {}
        for base in reversed(cls.__mro__):
            for name, attribute in vars(base).items():
                for handled in getattr(attribute, "handled_types", ()):
                    table[handled] = getattr(cls, name)  # by name, so that an override without the mark still counts
        cls._handlers = table

    def __init__(self, port: Port) -> None:
        super().__init__()
        self.port = port

    def on_receive(self, message: Any) -> None:
        """Hand a message to its handler."""
        handler = self._handlers.get(message.__class__)
        if handler is None:
            raise UnhandledMessage(f"{self.port.name} has no handler for {type(message).__name__}; add a method marked @handles to it")
        handler(self, message)
