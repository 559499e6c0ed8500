"""The actors that the tests of the systems play with, and one way to let each system's time pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from callboard.actors.component import Component, Port, Timer, handles
from callboard.models.messages.base import Address, Answer, Message, Request
from callboard.runtime.systems import RealTimeSystem, SimulatedSystem, System, ThreadedSystem

PATIENCE_S = 10.0
"""How long a test waits for what must happen."""
SYSTEMS: dict[str, Callable[[], System]] = {
    "realtime": lambda: RealTimeSystem(restart_s=0.05, restart_limit_s=0.4),
    "simulated": lambda: SimulatedSystem(seed=1, supervise=True, restart_s=0.05, restart_limit_s=0.4),
    "threaded": lambda: ThreadedSystem(restart_s=0.05, restart_limit_s=0.4),
}


class Question(Request, frozen=True, gc=False):
    """Answered by `Reply`, unless `text` is something that its receiver does instead."""

    text: str = ""

    def subject(self) -> str:
        return self.text


class Reply(Answer, frozen=True, gc=False):
    text: str


class Note(Message, frozen=True, gc=False):
    """To be remembered."""

    number: int
    text: str = ""

    def lane(self) -> str:
        return self.text


class Forward(Message, frozen=True, gc=False):
    """Send so many notes on, numbered from 0, in the lane `text`."""

    to: Address
    count: int
    text: str = ""


class SetTimer(Message, frozen=True, gc=False):
    delay_s: float
    number: int


class CancelTimer(Message, frozen=True, gc=False):
    number: int


class Listener(Component):
    """Remembers its notes; answers questions; fails, stops and sends to itself when told to."""

    def __init__(self, port: Port, told: list[str] | None = None) -> None:
        super().__init__(port)
        self.told = told if told is not None else []
        self.notes: list[int] = []
        self.texts: list[str] = []
        self.timers: dict[int, Timer] = {}

    def on_start(self) -> None:
        self.told.append(f"{self.port.me} starts")

    def on_stop(self) -> None:
        self.told.append(f"{self.port.me} stops")

    @handles(Note)
    def _note(self, note: Note) -> None:
        self.notes.append(note.number)
        self.texts.append(note.text)

    @handles(Forward)
    def _forward(self, message: Forward) -> None:
        for number in range(message.count):
            self.port.send(message.to, Note(number, message.text))

    @handles(SetTimer)
    def _set_timer(self, message: SetTimer) -> None:
        self.timers[message.number] = self.port.after(message.delay_s, Note(message.number))

    @handles(CancelTimer)
    def _cancel_timer(self, message: CancelTimer) -> None:
        self.timers[message.number].cancel()

    @handles(Question)
    def _question(self, question: Question) -> None:
        if question.text == "fail":
            raise ValueError("as it was told to")
        if question.text == "escape":
            raise KeyboardInterrupt
        if question.text == "silence":
            return
        if question.text == "timer fail":
            self.port.after(0.2, Question(0, self.port.me, "fail"))
        if question.text == "self":
            self.port.send(self.port.me, Note(1))
            self.port.send(self.port.name, Note(2))
            self.notes.append(0)
        self.port.send(question.reply_to, Reply(question.id, f"{self.port.me} {question.text}"))


class Asker(Component):
    """Asks `to` a question when it gets a note, and remembers what it hears."""

    def __init__(self, port: Port, to: Address) -> None:
        super().__init__(port)
        self.to = to
        self.heard: list[str] = []

    @handles(Note)
    def _note(self, note: Note) -> None:
        self.port.send(self.to, Question(note.number, self.port.me, note.text))

    @handles(Reply)
    def _reply(self, reply: Reply) -> None:
        self.heard.append(reply.text)


def ask(system: System, to: Address, text: str = "", timeout_s: float = PATIENCE_S) -> str:
    """Ask a `Listener` and return its words."""
    reply: Reply = system.ask(to, lambda number, me: Question(number, me, text), timeout_s)
    return reply.text


def until(system: System, predicate: Callable[[], bool], what: str) -> None:
    """Let time pass until something is so."""
    if isinstance(system, SimulatedSystem):
        assert system.run_until(predicate, 60.0), f"never: {what}"
        return
    deadline_s = time.monotonic() + PATIENCE_S
    while not predicate():
        assert time.monotonic() < deadline_s, f"never: {what}"
        time.sleep(0.002)


def pass_time(system: System, seconds: float) -> None:
    """Let so much of the system's time pass."""
    if isinstance(system, SimulatedSystem):
        system.run_for(seconds)
    else:
        time.sleep(seconds)


def look(system: System, name: str) -> Any:
    """The actor of a process."""
    return system.look(name)
