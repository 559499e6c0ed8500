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
from callboard.runtime.systems.giveup import woken_by_give_up
from callboard.runtime.systems.hooks import Fired, Letter
from callboard.runtime.systems.lanes import LaneKey, Lanes
from callboard.runtime.systems.process import Machine, Process, ProcessPort
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
    def _push(self, due_s: float, action: Callable[[Entry], None]) -> Entry:
        """Do something at a time of the monotonic clock."""

    def schedule(self, port: ProcessPort, delay_s: float, message: Message, periodic: bool) -> Timer:
        """Deliver a message to a process's present incarnation later."""
        return self._push(time.monotonic() + delay_s, partial(self._fire, port, message))

    def _fire(self, port: ProcessPort, message: Message, entry: Entry) -> None:
        inbox = self._directory.get(port.me)
        if inbox is not None and port.alive:
            inbox.put(Letter(Fired(entry, message)))

    def _restart_later(self, process: Process, delay_s: float, restart: Callable[[], None]) -> None:
        self._push(time.monotonic() + delay_s, lambda _entry: self.call(restart))

    # -- links --------------------------------------------------------------------------------------------------------------------

    def _links_changed(self) -> None:
        self._judged = self.links.active or bool(self._lanes.last_s)

    def route(self, port: ProcessPort | Edge, to: Address, message: Message) -> None:
        """Carry a message, past the links."""
        for _ in range(self._judge(port, to, message) if self._judged else 1):
            self._deliver(to, message)

    def _judge(self, port: ProcessPort | Edge, to: Address, message: Message) -> int:
        """How many copies of a message arrive now; others are entered in the agenda."""
        target = to.partition("#")[0]
        if target == port.name:
            return 1
        now_s, at_once = time.monotonic(), 0
        key = self._lanes.key(port.me, target, message)
        for delay_s in self._ways(port, target, message):
            if delay_s <= 0.0 and (key is None or key not in self._lanes.last_s):
                at_once += 1
            else:
                due_s = self._lanes.arrival_s(key, now_s + delay_s)
                self._push_delayed(due_s, partial(self._arrive, to, message, key, due_s))
        self._links_changed()
        return at_once

    def _push_delayed(self, due_s: float, action: Callable[[Entry], None]) -> Entry:
        """As `_push`, from where the agenda may be touched."""
        return self._push(due_s, action)

    def _arrive(self, to: Address, message: Message, key: LaneKey | None, due_s: float, _entry: Entry) -> None:
        self._deliver(to, message)
        self._lanes.arrived(key, due_s)  # after the delivery, so that nothing overtakes it in its lane
        self._links_changed()

    # -- lives of processes: changed where `call` runs ------------------------------------------------------------------------------

    def start(self, name: str, component: type[Any], *args: Any, machine: str = "control-plane", **kwargs: Any) -> None:
        """Start a process; see `System.start`. What the component's constructor raises is raised here."""
        begin = super().start
        self.call(lambda: begin(name, component, *args, machine=machine, **kwargs))

    def add_machine(self, name: str) -> Machine:
        """A machine of this name; the same one when it's there."""
        add = super().add_machine
        return self.call(lambda: add(name))

    def crash(self, name: str) -> None:
        """End a process as a power cut would; it stays down until `restart`."""
        crash = super().crash
        self.call(lambda: crash(name))

    def restart(self, name: str) -> None:
        """Start a process again as a new incarnation; see `System.restart`."""
        restart = super().restart
        self.call(lambda: restart(name))

    def stop_process(self, name: str) -> None:
        """Let a process clean up and end it; see `System.stop_process`."""
        stop = super().stop_process
        self.call(lambda: stop(name))

    def remove(self, name: str) -> None:
        """Stop a process and forget it."""
        remove = super().remove
        self.call(lambda: remove(name))

    def crash_machine(self, name: str) -> None:
        """Cut the power of a machine: all its processes end, its disk stays."""
        crash = super().crash_machine
        self.call(lambda: crash(name))

    def restart_machine(self, name: str) -> None:
        """Switch a machine on; see `System.restart_machine`."""
        restart = super().restart_machine
        self.call(lambda: restart(name))

    def outlet(self, receive: Callable[[Any], None], name: str = "") -> Address:
        """An address outside; `receive` runs on a thread of the system and must not block."""
        outlet = super().outlet
        return self.call(lambda: outlet(receive, name))

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
            GivenUp: the caller's call was given up.
        """
        if self._is_inside():
            raise RuntimeError("a component, or an outlet, can't wait for an answer: send a request and handle its answer as a message")
        self._check_running()
        number, future = self._edge.open(to)
        try:
            request = build(number, self._edge.me)
            self._inside(to, request)
            with woken_by_give_up(partial(self._edge.give_up, number)):
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
