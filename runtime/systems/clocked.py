"""What the systems on a real clock have in common: time, timers, delayed messages, and questions from outside."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import pykka

from callboard.actors.component import Timer
from callboard.models.messages.base import Address, Message, Request
from callboard.runtime.systems.agenda import Agenda, Entry
from callboard.runtime.systems.edge import Edge, timed_out
from callboard.runtime.systems.errors import SystemStopped
from callboard.runtime.systems.hooks import Letter
from callboard.runtime.systems.lanes import LaneKey, Lanes
from callboard.runtime.systems.process import Process, ProcessPort
from callboard.runtime.systems.system import System


class ClockedSystem(System):
    """Timers are due on the monotonic clock. `now` is the wall clock at the system's start plus what the monotonic one has counted since:
    it follows no later correction of the wall clock, so it never jumps and no lease runs out because an administrator set the time."""

    def __init__(self, *, restart_s: float = 1.0, restart_limit_s: float = 30.0) -> None:
        self._wall_s = time.time() - time.monotonic()
        self._agenda = Agenda()
        self._lanes = Lanes()
        self._judged = False
        """Whether messages have to be looked at one by one: there are rules, or delayed messages that must not be overtaken."""
        super().__init__(restart_s=restart_s, restart_limit_s=restart_limit_s)

    def now(self) -> float:
        """Seconds since the epoch; never jumps."""
        return time.monotonic() + self._wall_s

    # -- timers -------------------------------------------------------------------------------------------------------------------

    @abstractmethod
    def _push(self, due_s: float, action: Callable[[], None]) -> Entry:
        """Do something at a time of the monotonic clock."""

    def schedule(self, port: ProcessPort, delay_s: float, message: Message, periodic: bool) -> Timer:
        """Deliver a message to a process's present incarnation later."""
        return self._push(time.monotonic() + delay_s, partial(self._fire, port, message))

    def _fire(self, port: ProcessPort, message: Message) -> None:
        inbox = self._directory.get(port.me)
        if inbox is not None and port.alive:
            inbox.put(Letter(message))

    def _restart_later(self, process: Process, delay_s: float, restart: Callable[[], None]) -> None:
        self._push(time.monotonic() + delay_s, restart)

    # -- links --------------------------------------------------------------------------------------------------------------------

    def _links_changed(self) -> None:
        self._judged = self.links.active or bool(self._lanes.last_s)

    def route(self, port: ProcessPort | Edge, to: Address, message: Message) -> None:
        """Carry a message, past the links."""
        target = to.partition("#")[0]
        if not self._judged or target == port.name:
            self._deliver(to, message)
            return
        now_s = time.monotonic()
        key = self._lanes.key(port.me, target, message)
        for delay_s in self._ways(port, target, message):
            if delay_s <= 0.0 and (key is None or key not in self._lanes.last_s):
                self._deliver(to, message)
            else:
                due_s = self._lanes.arrival_s(key, now_s + delay_s)
                self._push(due_s, partial(self._arrive, to, message, key, due_s))
        self._links_changed()

    def _arrive(self, to: Address, message: Message, key: LaneKey | None, due_s: float) -> None:
        self._lanes.arrived(key, due_s)
        self._links_changed()
        self._deliver(to, message)

    # -- outside ------------------------------------------------------------------------------------------------------------------

    @abstractmethod
    def _inside(self, to: Address, request: Request) -> None:
        """Send a request of the edge from inside the system.

        Raises:
            SystemStopped: nobody is there any more.
        """

    @abstractmethod
    def _is_inside(self) -> bool:
        """Whether this is a thread that must not wait for an answer."""

    def ask(self, to: Address, build: Callable[[int, Address], Request], timeout_s: float) -> Any:
        """Send a request from outside and wait for its answer; from any thread but those of the system.

        Raises:
            WaitTimeout: none came in time.
            ComponentFailed: the receiver ended with an exception meanwhile.
            SystemStopped: the system does not run (any more).
        """
        if self._is_inside():
            raise RuntimeError("a component, or an outlet, can't wait for an answer: send a request and handle its answer as a message")
        self._check_running()
        number, future = self._edge.open(to)
        try:
            request = build(number, self._edge.me)
            self._inside(to, request)
            return future.get(timeout=timeout_s)
        except pykka.Timeout:
            raise timed_out(to, request, timeout_s) from None
        finally:
            self._edge.close(number)

    def _give_up(self) -> None:
        """The system has stopped: nobody waits for an answer any more."""
        cause = self._cause

        def stopped() -> BaseException:
            failure = SystemStopped("the cluster has been stopped; make a new one")
            failure.__cause__ = cause
            return failure

        self._edge.fail("*", stopped)
