"""A port by hand: what a component sends and which timers it sets is kept in lists; time moves when the test says so."""

from __future__ import annotations

from typing import Any

from callboard.actors.component import Component
from callboard.models.messages.base import Address, Message


class FakeTimer:
    """A timer that fires when `FakePort.advance` passes its time."""

    def __init__(self, due_s: float, message: Message, periodic: bool) -> None:
        self.due_s, self.message, self.periodic = due_s, message, periodic
        self.cancelled = False

    def cancel(self) -> None:
        """Never fire."""
        self.cancelled = True


class Silent:
    """A log that nobody reads."""

    def debug(self, event: str, **fields: Any) -> None: ...

    def info(self, event: str, **fields: Any) -> None: ...

    def warning(self, event: str, **fields: Any) -> None: ...

    def error(self, event: str, **fields: Any) -> None: ...


class FakePort:
    """`sent` holds what went to others, in order; what a component sends to itself is handled by `turn`."""

    def __init__(self, name: str = "controller/test") -> None:
        self.name = name
        self.me: Address = f"{name}#1"
        self.log = Silent()
        self.sent: list[tuple[Address, Any]] = []
        self.to_self: list[Message] = []
        self.timers: list[FakeTimer] = []
        self.time_s = 1000.0
        self.chance = 0.5

    def send(self, to: Address, message: Message) -> None:
        """Keep the message."""
        if to == self.me:
            self.to_self.append(message)
        else:
            self.sent.append((to, message))

    def after(self, delay_s: float, message: Message, *, periodic: bool = False) -> FakeTimer:
        """Keep the timer."""
        self.timers.append(FakeTimer(self.time_s + delay_s, message, periodic))
        return self.timers[-1]

    def mishap(self, problem: Exception) -> None:
        """Nothing is survived here."""
        raise problem

    def now(self) -> float:
        """The time that the test has set."""
        return self.time_s

    def random(self) -> float:
        """Always the same."""
        return self.chance

    def new_id(self) -> str:
        """Not needed here."""
        return "00000000-0000-0000-0000-000000000000"

    # -- for tests ------------------------------------------------------------------------------------------------------------------

    def taken(self, kind: type[Any]) -> list[Any]:
        """What was sent of this type since the last time; forgets it."""
        found = [message for _, message in self.sent if isinstance(message, kind)]
        self.sent = [entry for entry in self.sent if not isinstance(entry[1], kind)]
        return found

    def turn(self, component: Component) -> None:
        """Let the component handle what it has sent to itself."""
        while self.to_self:
            component.on_receive(self.to_self.pop(0))

    def advance(self, component: Component, seconds: float) -> None:
        """Let time pass; timers fire in order."""
        until_s = self.time_s + seconds
        while True:
            due = [timer for timer in self.timers if not timer.cancelled and timer.due_s <= until_s]
            if not due:
                break
            timer = min(due, key=lambda one: one.due_s)
            self.timers.remove(timer)
            self.time_s = max(self.time_s, timer.due_s)
            component.on_receive(timer.message)
            self.turn(component)
        self.time_s = until_s
