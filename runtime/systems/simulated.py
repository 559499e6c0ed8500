"""The simulated system: virtual time, one thread, and one seed that decides everything.

Handling takes no time. Nothing moves but by a call of `step`, `run_for`, `run_until`, `settle` or `ask`.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop
from typing import Any

from callboard.models.messages.base import Address, Message, Request
from callboard.runtime.logs import Silent
from callboard.runtime.systems.edge import timed_out
from callboard.runtime.systems.errors import Livelock, SystemStopped, Unsettled
from callboard.runtime.systems.hooks import Letter
from callboard.runtime.systems.pending import Flight, SimulatedTimer, what_is_pending
from callboard.runtime.systems.simworld import START_S, SimulatedWorld
from callboard.runtime.systems.trace import Record

LIVELOCK_LIMIT = 1_000_000
"""Messages and timers handled within one virtual second before it counts as a livelock."""
_INF = float("inf")
_SILENT = Silent()


class SimulatedSystem(SimulatedWorld):
    """Actors on virtual time. Not for two threads."""

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
        silent: bool = False,
    ) -> None:
        """Args:
        seed: decides every delay and all that components draw.
        jitter_s: the longest time that a message between processes takes; 0: all are handled in the order in which they were sent.
        start_s: seconds since the epoch at the beginning.
        check_messages: look into every message that is sent, and raise `MutableMessage` if it can be changed.
        supervise: start failed components again, as in real time, instead of ending the run with `ComponentFailed`.
        livelock_limit: messages and timers within one virtual second that raise `Livelock`.
        silent: nobody hears log lines.
        """
        super().__init__(
            seed,
            jitter_s=jitter_s,
            start_s=start_s,
            check_messages=check_messages,
            supervise=supervise,
            restart_s=restart_s,
            restart_limit_s=restart_limit_s,
        )
        self._silent = silent
        self.livelock_limit = livelock_limit
        self.on_step: list[Callable[[], None]] = []
        """Called after every step, for invariants; what they raise comes out of `step`."""
        self._second_from = start_s
        self._second_count = 0
        self._running = False
        self._paused: dict[str, float] = {}
        self.last: Record = (start_s, "", "", "", "")
        """What was handled last."""
        self.last_message: Message | None = None
        """The message or timer that was handled last; None if it was a deed from outside."""
        self.last_born = 0
        """The step in which that was sent, or set."""

    # -- time ---------------------------------------------------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Messages, timers and restarts handled so far."""
        return self._steps

    @property
    def trace_hash(self) -> str:
        """A hash over all that has been handled so far: equal hashes, equal histories."""
        return self.trace.digest()

    @property
    def quiet(self) -> Callable[[], Any] | None:
        """The state whose changes keep `settle` going, whatever caused them: a cheap function of the caller's, called after every step."""
        return self.activity.watched

    @quiet.setter
    def quiet(self, state: Callable[[], Any] | None) -> None:
        self.activity.watch(state)

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
        """Run until nothing goes on: no message on its way and no timer pending but those that come for ever (see `Activity`), and nothing
        has gone on, nor the watched state changed, for `quiet_s`.

        Raises:
            Unsettled: it did not happen within `timeout_s` of virtual time; says who kept whom busy in the last minute.
        """
        activity = self.activity
        until_s = self._now + timeout_s
        while True:
            if activity.foreground > 0:
                if self._step(until_s):
                    continue
                self._now = until_s
            else:
                end_s = max(activity.stirred_at_s + quiet_s, self._now)
                if self._step(min(end_s, until_s)):
                    continue
                if end_s <= until_s:
                    self._now = end_s
                    return
                self._now = until_s
            busiest = self.trace.busiest(self._now - 60.0)
            raise Unsettled(f"it did not settle within {timeout_s:g} s; in the last minute: {busiest}{what_is_pending(self._pending.heap)}")

    # -- one step -----------------------------------------------------------------------------------------------------------------

    def _step(self, until_s: float) -> bool:
        self._check_movable()
        heap, activity = self._pending.heap, self.activity
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
                activity.foreground -= 1
                self.last_message, self.last_born = None, 0
                self._count("", item.name, item.what, "")
                item.do()
                found = True
            if found:
                if self.on_step:
                    self._call_hooks()
                return True
        return False

    def _call_hooks(self) -> None:
        self._running = True
        try:
            for hook in self.on_step:
                hook()
        finally:
            self._running = False

    def _check_movable(self) -> None:
        if self._failed is not None:
            raise self._failed
        if self._stopped:
            self._check_running()
        if self._running:
            raise RuntimeError("a simulation can't be moved from inside a step: neither by a component nor by an invariant")

    def _land(self, flight: Flight) -> bool:
        """A message arrives; False if nobody is there."""
        self.last_message, self.last_born = flight.message, flight.born
        message = flight.message
        to = flight.to
        inbox = self._directory.get(to)
        if self._paused and inbox is not None and self._waits(inbox.process.name, flight):
            return False
        if not flight.background:
            self.activity.foreground -= 1
        if flight.lane is not None:
            self._lanes.arrived(flight.lane, self._now)
        if inbox is not None:
            if inbox.coming:
                inbox.coming -= 1
            self._count(flight.sender, inbox.process.address, message.__class__.__name__, message.subject())
            self._handle(inbox, message, flight.background)
            return True
        receive = self._outlets.get(to)
        if receive is None:
            return False
        self._count(flight.sender, to, message.__class__.__name__, message.subject())
        self._running, self.activity.background = True, flight.background
        try:
            receive(message)
        finally:
            self.activity.end(self._now)
            self._running = False
        return True

    def _ring(self, timer: SimulatedTimer) -> bool:
        """A timer is due; False if it was cancelled or its incarnation is gone."""
        if timer.done:
            self._pending.dead -= 1
            return False
        port = timer.port
        if self._paused and port.alive and self._waits(port.name, timer):
            return False
        timer.done = True
        if not port.alive:
            return False
        inbox = self._directory[port.me]
        if not timer.background:
            port.foreground -= 1
            self.activity.foreground -= 1
            self.activity.fired(port.me, timer.message)
        self.last_message, self.last_born = timer.message, timer.born
        self._count("", port.me, timer.message.__class__.__name__, timer.message.subject())
        self._handle(inbox, timer.message, timer.background)
        return True

    def logger(self, process: str) -> Any:
        return _SILENT if self._silent else super().logger(process)

    def pause(self, name: str, for_s: float) -> None:
        """Let a process stand still for so many virtual seconds, whatever becomes of its incarnation: what arrives waits, in its order."""
        self._process(name)
        self._paused[name] = max(self._paused.get(name, 0.0), self._now + for_s)

    def _waits(self, name: str, item: Flight | SimulatedTimer) -> bool:
        """Whether its receiver stands still: then it comes when that is over, behind what has waited longer."""
        until_s = self._paused.get(name)
        if until_s is None:
            return False
        if until_s <= self._now:
            del self._paused[name]
            return False
        self._pending.push(until_s, item)
        return True

    def _count(self, sender: Address, receiver: Address, kind: str, subject: str) -> None:
        self.last = record = (self._now, sender, receiver, kind, subject)
        self.trace.add(record)
        self._steps += 1
        self._second_count += 1
        if self._second_count > self.livelock_limit:
            self._check_livelock()

    def _check_livelock(self) -> None:
        if self._now - self._second_from < 1.0:
            busiest = self.trace.busiest(self._second_from)
            raise Livelock(f"more than {self.livelock_limit} messages and timers within one second of virtual time: {busiest}")
        self._second_from, self._second_count = self._now, 0

    def _handle(self, inbox: Any, message: Message, background: bool) -> None:
        activity, actor, process = self.activity, inbox.actor, inbox.process
        inbox.messages.append(Letter(message))
        process.handled += 1
        self._running, activity.background = True, background
        try:
            actor.run_turn(1)
        finally:
            activity.end(self._now)
            self._running = False
        if self._failed is not None:
            raise self._failed
        if actor.turn.ended:
            self._ended(process, actor)

    # -- outside ------------------------------------------------------------------------------------------------------------------

    def ask(self, to: Address, build: Callable[[int, Address], Request], timeout_s: float) -> Any:
        """Send a request from outside and run the world until its answer is there.

        Raises:
            WaitTimeout: none came within `timeout_s` of virtual time.
            ComponentFailed: a component ended with an exception.
            SystemStopped: the system has been stopped.
        """
        self._check_movable()
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
            self._pending.heap.clear()
            self._edge.fail("*", lambda: SystemStopped("the simulation has been stopped; make a new one"))
