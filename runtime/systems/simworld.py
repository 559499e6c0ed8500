"""A simulated world: what is on its way in it, and what becomes of processes. `callboard.runtime.systems.simulated` moves it.

One seed decides every delay and all that components draw. Every message between processes takes a random time of up to `jitter_s`; that is
what reorders lanes. Inside a lane order is kept.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from callboard.models.messages.base import Address, Message
from callboard.runtime.systems.activity import Activity
from callboard.runtime.systems.edge import Edge
from callboard.runtime.systems.errors import ComponentFailed, InboxOverflow, MutableMessage
from callboard.runtime.systems.hooks import INBOX_LIMIT
from callboard.runtime.systems.immutability import ImmutabilityCheck
from callboard.runtime.systems.lanes import LaneKey, Lanes
from callboard.runtime.systems.pending import Deed, Flight, Pending, SimulatedPort, SimulatedTimer
from callboard.runtime.systems.process import Process, ProcessPort
from callboard.runtime.systems.system import System
from callboard.runtime.systems.trace import Trace

START_S = 1_767_225_600.0
"""2026-01-01T00:00:00Z, when simulations begin."""
_AT_ONCE = [0.0]


class SimulatedWorld(System):
    """The part of `SimulatedSystem` that stands still."""

    port_class = SimulatedPort

    def __init__(
        self,
        seed: int | str,
        jitter_s: float,
        start_s: float,
        check_messages: bool,
        supervise: bool,
        restart_s: float,
        restart_limit_s: float,
    ) -> None:
        self.activity = Activity(start_s)
        self._now = start_s
        super().__init__(restart_s=restart_s, restart_limit_s=restart_limit_s)
        self.seed = seed
        self.jitter_s = jitter_s
        self.supervise = supervise
        self.trace = Trace()
        self._random = random.Random(f"callboard/{seed}")
        self._pending = Pending()
        self._lanes = Lanes()
        self._check = ImmutabilityCheck().check if check_messages else None
        self._failed: Exception | None = None
        self._steps = 0

    def now(self) -> float:
        """Seconds since the epoch, virtual."""
        return self._now

    # -- lives --------------------------------------------------------------------------------------------------------------------

    def _began(self, process: Process) -> None:
        actor = process.actor
        self.trace.add((self._now, "", process.address, "began", ""))
        self.activity.stirred_at_s = self._now
        actor.begin()
        if self._failed is not None:
            raise self._failed
        if actor.turn.ended:
            self._ended(process, actor)

    def _end(self, process: Process) -> None:
        port: Any = process.port
        if port is not None:
            self.activity.foreground -= port.foreground
            port.foreground = 0
            self.trace.add((self._now, "", process.address, "ended", ""))
        self.activity.stirred_at_s = self._now
        super()._end(process)

    def _fail(self, process: Process, failure: BaseException) -> None:
        if self.supervise:
            super()._fail(process, failure)
            return
        failed = ComponentFailed(process.name, self._record(process, failure, log=False))
        self._end(process)
        self._fatal(failed, failure)

    def mishap(self, port: ProcessPort, problem: Exception) -> None:
        """In a simulation every mistake counts: it ends the run, unless failed components are started again too."""
        if self.supervise:
            super().mishap(port, problem)
            return
        self._fatal(ComponentFailed(port.name, self._record(self._process(port.name), problem, log=False)), problem)

    def _fatal(self, failed: Exception, cause: BaseException | None = None) -> None:
        """End the run, whatever the component at hand does with the exception."""
        self._failed = failed
        raise failed from cause

    # -- messages and timers ------------------------------------------------------------------------------------------------------

    def route(self, port: ProcessPort | Edge, to: Address, message: Message) -> None:
        """Send a message on its way."""
        if self._check is not None:
            self._look_into(port.name, message)
        target = to if to in self._directory and "#" not in to else to.partition("#")[0]
        if target == port.name:
            self._fly(self._now, port.me, port.me if to == target else to, message, None)
            return
        delays = self._ways(port, target, message) if self.links.active else _AT_ONCE
        jitter_s, lanes = self.jitter_s, self._lanes
        for delay_s in delays:
            wanted_s = self._now + delay_s
            if jitter_s:
                wanted_s += self._random.random() * jitter_s
            lane = lanes.key(port.me, target, message)
            self._fly(lanes.arrival_s(lane, wanted_s), port.me, to, message, lane)

    def _look_into(self, sender: str, message: Message) -> None:
        try:
            assert self._check is not None
            self._check(message)
        except MutableMessage as failure:
            self._fatal(MutableMessage(f"{sender} sends what can be changed: {failure}"))

    def _fly(self, due_s: float, sender: Address, to: Address, message: Message, lane: LaneKey | None) -> None:
        activity = self.activity
        background = activity.background
        flight = Flight(sender, to, message, lane, background, self._steps)
        if background:
            activity.demoted.append(flight)
        else:
            activity.foreground += 1
        self._pending.push(due_s, flight)
        inbox = self._directory.get(to)
        if inbox is not None:
            inbox.coming += 1
            if inbox.coming > inbox.high_water:
                inbox.high_water = inbox.coming
                if inbox.coming > INBOX_LIMIT:
                    name, busiest = inbox.process.name, self.trace.busiest(self._now - 1.0)
                    self._fatal(
                        InboxOverflow(f"more than {INBOX_LIMIT} messages are on their way to {name}; in the last second: {busiest}")
                    )

    def schedule(self, port: ProcessPort, delay_s: float, message: Message, periodic: bool) -> SimulatedTimer:
        """Deliver a message to a process's present incarnation later."""
        if self._check is not None:
            self._look_into(port.name, message)
        assert isinstance(port, SimulatedPort)
        activity = self.activity
        background = periodic or activity.background or activity.is_retry(port.me, message)
        timer = SimulatedTimer(self, port, message, background, self._steps)
        if not background:
            activity.foreground += 1
            port.foreground += 1
        elif not periodic:
            activity.demoted.append(timer)
        self._pending.push(self._now + max(delay_s, 0.0), timer)
        return timer

    def _cancelled(self, timer: SimulatedTimer) -> None:
        if not timer.background and timer.port.alive:
            timer.port.foreground -= 1
            self.activity.foreground -= 1
        self._pending.cancelled()

    def _restart_later(self, process: Process, delay_s: float, restart: Callable[[], None]) -> None:
        self.later(delay_s, "Restart", restart, process.name)

    def later(self, delay_s: float, what: str, do: Callable[[], None], name: str = "") -> None:
        """Do something after so many virtual seconds, between two steps: it may start and crash processes and cut links. `name` is the
        process that it is about, for the trace."""
        self.activity.foreground += 1
        self._pending.push(self._now + delay_s, Deed(name, what, do))

    def _links_changed(self) -> None:
        self.activity.stirred_at_s = self._now

    def _random_of(self, process: Process) -> random.Random:
        return random.Random(f"{self.seed}/{process.address}")

    def post(self, to: Address, message: Message) -> None:
        """Bring a message in from outside: it arrives now, past all links and after what arrives now already."""
        if not self._stopped:
            if self._check is not None:
                self._look_into("post", message)
            self._fly(self._now, "post", to, message, None)
