"""The simulated system: virtual time, one thread, and one seed that decides everything.

Every message between processes takes a random time of up to `jitter_s`; that is what reorders lanes. Inside a lane order is kept. Handling
takes no time. Nothing moves but by a call of `step`, `run_for`, `run_until`, `settle` or `ask`.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

from callboard.models.messages.base import Address, Message, Request
from callboard.runtime.systems.edge import Edge, timed_out
from callboard.runtime.systems.errors import ComponentFailed, InboxOverflow, Livelock, MutableMessage, SystemStopped, Unsettled
from callboard.runtime.systems.hooks import INBOX_LIMIT, Letter
from callboard.runtime.systems.immutability import ImmutabilityCheck
from callboard.runtime.systems.lanes import LaneKey, Lanes
from callboard.runtime.systems.pending import Flight, Pause, SimulatedPort, SimulatedTimer, what_is_pending
from callboard.runtime.systems.process import Process, ProcessPort
from callboard.runtime.systems.quiet import Quiet
from callboard.runtime.systems.system import System
from callboard.runtime.systems.trace import BATCH, Trace

START_S = 1_767_225_600.0
"""2026-01-01T00:00:00Z, when simulations begin."""
LIVELOCK_LIMIT = 1_000_000
"""Messages and timers handled within one virtual second before it counts as a livelock."""
COMPACT_AT = 1024
_INF = float("inf")
_AT_ONCE = [0.0]


class SimulatedSystem(System):
    """Actors on virtual time. Not for two threads."""

    port_class = SimulatedPort

    def __init__(
        self,
        seed: int | str,
        *,
        jitter_s: float = 0.001,
        start_s: float = START_S,
        check_messages: bool = True,
        supervise: bool = False,
        livelock_limit: int = LIVELOCK_LIMIT,
        restart_s: float = 1.0,
        restart_limit_s: float = 30.0,
    ) -> None:
        """Args:
        seed: decides every delay and all that components draw.
        jitter_s: the longest time that a message between processes takes; 0: all are handled in the order in which they were sent.
        start_s: seconds since the epoch at the beginning.
        check_messages: look into every message that is sent, and raise `MutableMessage` if it can be changed.
        supervise: start failed components again, as in real time, instead of ending the run with `ComponentFailed`.
        livelock_limit: messages and timers within one virtual second that raise `Livelock`.
        """
        self.quiet = Quiet(start_s)
        self._now = start_s
        super().__init__(restart_s=restart_s, restart_limit_s=restart_limit_s)
        self.seed = seed
        self.jitter_s = jitter_s
        self.supervise = supervise
        self.livelock_limit = livelock_limit
        self.on_step: list[Callable[[], None]] = []
        """Called after every step, for invariants; what they raise comes out of `step`."""
        self.trace = Trace()
        self._random = random.Random(f"callboard/{seed}")
        self._heap: list[tuple[float, int, Any]] = []
        self._numbers = 0
        self._dead_timers = 0
        self._lanes = Lanes()
        self._check = ImmutabilityCheck().check if check_messages else None
        self._second_from = start_s
        self._second_count = 0
        self._handled = 0
        self._running = False
        self._failed: Exception | None = None
        self._unused_ready: deque[Any] = deque(maxlen=0)

    # -- time ---------------------------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds since the epoch, virtual."""
        return self._now

    @property
    def handled(self) -> int:
        """Messages and timers handled so far."""
        return self._handled

    @property
    def trace_hash(self) -> str:
        """A hash over all that has been handled so far: equal hashes, equal histories."""
        return self.trace.digest()

    def step(self) -> bool:
        """Handle exactly one message or timer, moving time to it; False if there is none.

        Raises:
            ComponentFailed: a component ended with an exception, now or earlier.
            Livelock, MutableMessage, InboxOverflow: see there.
        """
        return self._step(_INF)

    def run_for(self, seconds: float) -> None:
        """Let this much virtual time pass."""
        until_s = self._now + seconds
        while self._step(until_s):
            pass
        self._now = until_s

    def run_until(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Run until `predicate` is true, which is asked after every step; False if `timeout_s` of virtual time passed before."""
        if predicate():
            return True
        until_s = self._now + timeout_s
        while self._step(until_s):
            if predicate():
                return True
        self._now = until_s
        return False

    def settle(self, timeout_s: float = 600.0, quiet_s: float = 5.0) -> None:
        """Run until nothing goes on: no message on its way and no timer pending but those that come for ever (see `Quiet`), and nothing
        has gone on, nor the watched state changed, for `quiet_s`.

        Raises:
            Unsettled: it did not happen within `timeout_s` of virtual time; says who kept whom busy in the last minute.
        """
        quiet = self.quiet
        until_s = self._now + timeout_s
        while True:
            if quiet.foreground > 0:
                if self._step(until_s):
                    continue
                self._now = until_s
            else:
                end_s = max(quiet.stirred_at_s + quiet_s, self._now)
                if self._step(min(end_s, until_s)):
                    continue
                if end_s <= until_s:
                    self._now = end_s
                    return
                self._now = until_s
            busiest = self.trace.busiest(self._now - 60.0)
            raise Unsettled(f"it did not settle within {timeout_s:g} s; in the last minute: {busiest}{what_is_pending(self._heap)}")

    # -- one step -----------------------------------------------------------------------------------------------------------------

    def _step(self, until_s: float) -> bool:
        if self._failed is not None or self._stopped:
            self._refuse()
        if self._running:
            raise RuntimeError("a simulation can't be moved from inside a step: neither by a component nor by an invariant")
        heap, quiet = self._heap, self.quiet
        while heap and heap[0][0] <= until_s:
            due_s, _, item = heappop(heap)
            if due_s > self._now:
                self._now = due_s
            kind = item.__class__
            if kind is Flight:
                found = self._land(item)
            elif kind is SimulatedTimer:
                found = self._ring(item)
            else:
                quiet.foreground -= 1
                self._count("", item.name, "Restart", "")
                item.restart()
                found = True
            if found:
                for hook in self.on_step:
                    hook()
                return True
        return False

    def _land(self, flight: Flight) -> bool:
        """A message arrives; False if nobody is there."""
        message, to = flight.message, flight.to
        if not flight.background:
            self.quiet.foreground -= 1
        if flight.lane is not None:
            self._lanes.arrived(flight.lane, self._now)
        inbox = self._directory.get(to)
        if inbox is None:
            receive = self._outlets.get(to)
            if receive is None:
                return False
            self._count(flight.sender, to, message.__class__.__name__, message.subject())
            receive(message)
            return True
        if inbox.coming:
            inbox.coming -= 1
        self._count(flight.sender, inbox.process.address, message.__class__.__name__, message.subject())
        self._handle(inbox, message, flight.background)
        return True

    def _ring(self, timer: SimulatedTimer) -> bool:
        """A timer is due; False if it was cancelled or its incarnation is gone."""
        if timer.done:
            self._dead_timers -= 1
            return False
        timer.done = True
        port = timer.port
        if not port.alive:
            return False
        inbox = self._directory[port.me]
        if not timer.background:
            port.foreground -= 1
            self.quiet.foreground -= 1
            self.quiet.fired(port.me, timer.message)
        self._count("", port.me, timer.message.__class__.__name__, timer.message.subject())
        self._handle(inbox, timer.message, timer.background)
        return True

    def _count(self, sender: Address, receiver: Address, kind: str, subject: str) -> None:
        trace = self.trace
        trace.batch.append((self._now, sender, receiver, kind, subject))
        if len(trace.batch) >= BATCH:
            trace.flush()
        self._handled += 1
        self._second_count += 1
        if self._second_count > self.livelock_limit:
            self._check_livelock()

    def _check_livelock(self) -> None:
        if self._now - self._second_from < 1.0:
            busiest = self.trace.busiest(self._second_from)
            raise Livelock(f"more than {self.livelock_limit} messages and timers within one second of virtual time: {busiest}")
        self._second_from, self._second_count = self._now, 0

    def _handle(self, inbox: Any, message: Message, background: bool) -> None:
        quiet, actor, process = self.quiet, inbox.actor, inbox.process
        inbox.messages.append(Letter(message))
        process.handled += 1
        self._running = True
        quiet.background = background
        try:
            actor.run_turn(1)
        finally:
            quiet.end(self._now)
            self._running = False
        if self._failed is not None:
            raise self._failed
        if actor.turn.ended:
            self._ended(process, actor)

    def _ended(self, process: Process, actor: Any) -> None:
        if process.actor is actor:
            if actor.failure is not None:
                self._fail(process, actor.failure)
            else:
                process.wanted = False
                self._end(process)
        if actor.escaped is not None:
            raise actor.escaped

    def _began(self, process: Process) -> None:
        actor, inbox = process.actor, process.inbox
        inbox.ready = self._unused_ready
        self.quiet.stirred_at_s = self._now
        actor.begin()
        if self._failed is not None:
            raise self._failed
        if actor.turn.ended:
            self._ended(process, actor)

    def _end(self, process: Process) -> None:
        port: Any = process.port
        if port is not None:
            self.quiet.foreground -= port.foreground
            port.foreground = 0
        self.quiet.stirred_at_s = self._now
        super()._end(process)

    def _fail(self, process: Process, failure: BaseException) -> None:
        if self.supervise:
            super()._fail(process, failure)
            return
        failed = ComponentFailed(process.name, self._record(process, failure, log=False))
        self._end(process)
        self._fatal(failed, failure)

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
        quiet = self.quiet
        background = quiet.background
        flight = Flight(sender, to, message, lane, background)
        if background:
            quiet.demoted.append(flight)
        else:
            quiet.foreground += 1
        self._numbers += 1
        heappush(self._heap, (due_s, self._numbers, flight))
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
        quiet = self.quiet
        background = periodic or quiet.background or quiet.is_retry(port.me, message)
        timer = SimulatedTimer(self, port, message, background)
        if not background:
            quiet.foreground += 1
            port.foreground += 1
        elif not periodic:
            quiet.demoted.append(timer)
        self._numbers += 1
        heappush(self._heap, (self._now + max(delay_s, 0.0), self._numbers, timer))
        return timer

    def _cancelled(self, timer: SimulatedTimer) -> None:
        if not timer.background and timer.port.alive:
            timer.port.foreground -= 1
            self.quiet.foreground -= 1
        self._dead_timers += 1
        if self._dead_timers > COMPACT_AT and self._dead_timers > len(self._heap) // 2:
            self._heap[:] = [entry for entry in self._heap if not entry[2].done]
            heapify(self._heap)
            self._dead_timers = 0

    def _restart_later(self, process: Process, delay_s: float, restart: Callable[[], None]) -> None:
        self._numbers += 1
        self.quiet.foreground += 1
        heappush(self._heap, (self._now + delay_s, self._numbers, Pause(process.name, restart)))

    def _links_changed(self) -> None:
        self.quiet.stirred_at_s = self._now

    def _random_of(self, process: Process) -> random.Random:
        return random.Random(f"{self.seed}/{process.address}")

    # -- outside ------------------------------------------------------------------------------------------------------------------

    def post(self, to: Address, message: Message) -> None:
        """Bring a message in from outside: it arrives now, past all links and after what arrives now already."""
        if not self._stopped:
            if self._check is not None:
                self._look_into("post", message)
            self._fly(self._now, "post", to, message, None)

    def ask(self, to: Address, build: Callable[[int, Address], Request], timeout_s: float) -> Any:
        """Send a request from outside and run the world until its answer is there.

        Raises:
            WaitTimeout: none came within `timeout_s` of virtual time.
            ComponentFailed: a component ended with an exception.
            SystemStopped: the system has been stopped.
        """
        self._check_running()
        number, future = self._edge.open(to)
        try:
            request = build(number, self._edge.me)
            self.route(self._edge, to, request)
            if not self.run_until(lambda: not self._edge.is_open(number), timeout_s):
                raise timed_out(to, request, timeout_s)
            return future.get(timeout=0)
        finally:
            self._edge.close(number)

    def stop(self) -> None:
        """Stop every process, the one that was started last first. Nothing moves any more."""
        if not self._stopped:
            self._stopped = True
            self._stop_all()
            self._heap.clear()
            self._edge.fail("*", lambda: SystemStopped("the simulation has been stopped; make a new one"))

    def _refuse(self) -> None:
        if self._failed is not None:
            raise self._failed
        self._check_running()
