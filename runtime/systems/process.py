"""Machines, processes and ports: what a crash takes and what it leaves.

A process is one running component. A crash clears its mailbox, skips `on_stop` and leaves questions unanswered; what a machine's disk holds
stays. A restart is a new incarnation: its port has another address, and what belongs to an earlier one is dropped on arrival.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.actors.component import Timer
from callboard.models.messages.base import Address, Message

STABLE_S = 60.0
"""A process that ran this long before it failed is restarted as if for the first time."""


class Machine:
    """What processes run on. `disk` outlives every crash; `skew_s` is how far its clock is ahead of the system's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.disk: dict[str, Any] = {}
        self.skew_s = 0.0
        self.alive = True


class Recipe(msgspec.Struct, frozen=True):
    """How to make the component of a process again."""

    component: type[Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class ProcessStats(msgspec.Struct, frozen=True):
    """What is known of one process: incarnation, restarts by the supervisor or by users, messages handled, most messages that waited."""

    name: str
    alive: bool
    incarnation: int
    restarts: int
    handled: int
    high_water: int


class Failure(msgspec.Struct, frozen=True):
    """A component ended with an exception: which, when (seconds since the epoch), and the traceback."""

    name: str
    incarnation: int
    at_s: float
    traceback: str


class Process:
    """One component's lives. `actor` and `inbox` are those of the present one, None while it is down."""

    def __init__(self, name: str, machine: Machine, recipe: Recipe) -> None:
        self.name = name
        self.machine = machine
        self.recipe = recipe
        self.incarnation = 0
        self.actor: Any = None
        self.inbox: Any = None
        self.port: ProcessPort | None = None
        self.started_at_s = 0.0
        self.failures_in_a_row = 0
        self.handled = 0
        self.high_water = 0
        self.wanted = True
        """False after `crash` or `stop_process`: the supervisor leaves it alone."""

    @property
    def address(self) -> Address:
        """Where messages to this incarnation go."""
        return f"{self.name}#{self.incarnation}"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.actor is not None

    def stats(self) -> ProcessStats:
        """Figures of this process over all its lives."""
        high = max(self.high_water, self.inbox.high_water if self.inbox is not None else 0)
        return ProcessStats(self.name, self.alive, self.incarnation, max(0, self.incarnation - 1), self.handled, high)


class ProcessPort:
    """The port of one incarnation; see `callboard.actors.component.Port`. Dead with it: then nothing goes out any more."""

    def __init__(self, system: Any, process: Process, random: Any) -> None:
        self.name = process.name
        self.me: Address = process.address
        self.machine = process.machine
        self.incarnation = process.incarnation
        self.alive = True
        self.log: Any = system.logger(process.name)
        self._system = system
        self._random = random

    def send(self, to: Address, message: Message) -> None:
        """Send; silently lost if nobody is there."""
        if self.alive:
            self._system.route(self, to, message)

    def after(self, delay_s: float, message: Message, *, periodic: bool = False) -> Timer:
        """Deliver a message to this incarnation later."""
        timer: Timer = self._system.schedule(self, delay_s, message, periodic)
        return timer

    def now(self) -> float:
        """Seconds since the epoch on this machine's clock."""
        now_s: float = self._system.now() + self.machine.skew_s
        return now_s

    def random(self) -> float:
        """A number in [0, 1)."""
        number: float = self._random.random()
        return number

    def mishap(self, problem: Exception) -> None:
        """Something went wrong that the component survives."""
        if self.alive:
            self._system.mishap(self, problem)

    def new_id(self) -> str:
        """A fresh UID."""
        bits = self._random.getrandbits(128)
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
