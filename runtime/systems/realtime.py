"""The engine of real time: one thread drains the mailboxes of all actors in turns. The default of `Cluster`.

Everything from outside (HTTP, child processes, fsync, other threads) comes in by one inlet with a bound. Nothing inside is shared between
threads, so nothing inside is locked.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import pykka

from callboard.models.messages.base import Address, Message, Request
from callboard.runtime.systems.agenda import Entry
from callboard.runtime.systems.clocked import ClockedSystem
from callboard.runtime.systems.errors import SystemStopped
from callboard.runtime.systems.hooks import Inbox, Letter
from callboard.runtime.systems.process import Process, ProcessPort

T = TypeVar("T")

TURN_LIMIT = 64
"""Messages that one actor handles before the next one gets its turn."""
TURNS_LIMIT = 64
"""Turns before the engine looks at the inlet and at the clock again."""
INLET_LIMIT = 100_000
"""Messages from outside that wait for the engine; then those who bring more are slowed down."""
INLET_PATIENCE_S = 30.0
"""How long somebody outside waits for room in the inlet before the engine counts as stuck."""


class RealTimePort(ProcessPort):
    """The port of one incarnation in real time. While there are no links to judge a message, sending is a look-up and an append."""

    def __init__(self, system: Any, process: Process, random: Any) -> None:
        super().__init__(system, process, random)
        self._engine: RealTimeSystem = system
        self._directory: dict[Address, Inbox] = system._directory

    def send(self, to: Address, message: Message) -> None:
        """Send; silently lost if nobody is there."""
        if not self.alive:
            return
        if self._engine._judged:
            self._engine.route(self, to, message)
            return
        inbox = self._directory.get(to)
        if inbox is not None:
            inbox.messages.append(Letter(message))
            if not inbox.scheduled and inbox.ready is not None:
                inbox.scheduled = True
                inbox.ready.append(inbox)
        else:
            self._engine._deliver(to, message)


class RealTimeSystem(ClockedSystem):
    """Actors on one thread and the wall clock. All public methods may be called from any thread outside; none but `post` and `close_outlet`
    from a driver's callback that the engine waits for. The thread starts with the first use and ends with `stop`.

    A BaseException that isn't an Exception (KeyboardInterrupt, a test's control exception) out of a handler stops the system; whoever asks
    next gets `SystemStopped` with it as the cause.
    """

    port_class = RealTimePort

    def __init__(self, *, restart_s: float = 1.0, restart_limit_s: float = 30.0, inlet_limit: int = INLET_LIMIT) -> None:
        super().__init__(restart_s=restart_s, restart_limit_s=restart_limit_s)
        self._ready: deque[Inbox] = deque()
        self._inlet: deque[tuple[Callable[[Any, Any], None], Any, Any]] = deque()
        self._inlet_limit = inlet_limit
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._asleep = False
        self._crowd = 0
        """Threads that wait for room in the inlet."""
        self._thread: threading.Thread | None = None
        self._engine_id = -1
        self._ending = False

    # -- from outside -------------------------------------------------------------------------------------------------------------

    def _is_inside(self) -> bool:
        return threading.get_ident() == self._engine_id

    def _enter(self, work: Callable[[Any, Any], None], first: Any, second: Any) -> None:
        """Bring something in from another thread.

        Raises:
            SystemStopped: the engine does not run any more, or has been stuck for `INLET_PATIENCE_S`.
        """
        with self._lock:
            if len(self._inlet) >= self._inlet_limit:
                self._wait_for_room()
            self._check_running()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="callboard-engine", daemon=True)
                self._thread.start()
            self._inlet.append((work, first, second))
            if self._asleep:
                self._asleep = False
                self._wake.notify()

    def _wait_for_room(self) -> None:
        self._crowd += 1
        try:
            has_room = self._room.wait_for(lambda: len(self._inlet) < self._inlet_limit or self._stopped, INLET_PATIENCE_S)
        finally:
            self._crowd -= 1
        if not has_room:
            raise SystemStopped(f"{self._inlet_limit} messages wait for the engine, and it has taken none for {INLET_PATIENCE_S:g} s")

    def post(self, to: Address, message: Message) -> None:
        """Bring a message in from outside, past all links; waits for room when too many wait. Lost after `stop`."""
        if self._is_inside():
            self._deliver(to, message)
            return
        try:
            self._enter(self._deliver, to, message)
        except SystemStopped:
            if not self._stopped:
                raise

    def _inside(self, to: Address, request: Request) -> None:
        self._enter(self._from_edge, to, request)

    def _from_edge(self, to: Address, request: Request) -> None:
        self.route(self._edge, to, request)

    def call(self, work: Callable[[], T]) -> T:
        """Run something on the engine's thread and wait for it; what it raises is raised here.

        Raises:
            SystemStopped: the engine does not run (any more).
        """
        if self._is_inside():
            return work()
        future: pykka.ThreadingFuture[T] = pykka.ThreadingFuture()
        self._enter(_work_for, work, future)
        result: T = future.get()
        return result

    def stop(self) -> None:
        """Stop every process, the one that was started last first, and the engine; its thread has ended afterwards."""
        if self._is_inside():
            self._ending = True
            return
        with self._lock:
            thread = self._thread
            self._ending = True
            if thread is None:
                self._stopped = True
            self._asleep = False
            self._wake.notify()
        if thread is not None:
            thread.join()

    # -- the engine ---------------------------------------------------------------------------------------------------------------

    def _push(self, due_s: float, action: Callable[[Entry], None]) -> Entry:
        return self._agenda.push(due_s, action)

    def _run(self) -> None:
        self._engine_id = threading.get_ident()
        try:
            while not self._ending:
                self._run_ready()
                self._take_in()
                self._run_due()
                if not self._ready:
                    self._sleep()
            self._stop_all()
        except BaseException as cause:  # it belongs to whoever asks next
            self._cause = cause
            self.log.error("the engine has stopped", exc_info=cause)
            self._abandon()
        finally:
            self._close()

    def _run_ready(self) -> None:
        ready = self._ready
        for _ in range(TURNS_LIMIT):
            if not ready:
                return
            inbox = ready.popleft()
            if inbox.ready is None:
                continue  # it ended while it waited for its turn
            waiting = len(inbox.messages)
            if waiting > inbox.high_water:
                self._high_water(inbox, waiting)
            actor = inbox.actor
            inbox.process.handled += actor.run_turn(TURN_LIMIT)
            if actor.turn.ended:
                self._ended(inbox.process, actor)
            elif inbox.messages:
                ready.append(inbox)
            else:
                inbox.scheduled = False

    def _began(self, process: Process) -> None:
        actor, inbox = process.actor, process.inbox
        inbox.ready = self._ready
        if inbox.messages:
            inbox.scheduled = True
            self._ready.append(inbox)
        actor.begin()
        if actor.turn.ended:
            self._ended(process, actor)

    def _take_in(self) -> None:
        inlet = self._inlet
        for _ in range(len(inlet)):  # those that come meanwhile have to wait for the actors' turns
            work, first, second = inlet.popleft()
            work(first, second)
        if self._crowd:
            with self._lock:
                self._room.notify_all()

    def _run_due(self) -> None:
        heap = self._agenda.heap
        if not heap:
            return
        now_s = time.monotonic()
        while (entry := self._agenda.pop_due(now_s)) is not None:
            entry.action(entry)

    def _sleep(self) -> None:
        due_s = self._agenda.next_due_s()
        with self._lock:
            if self._inlet or self._ending:
                return
            self._asleep = True
            while self._asleep:
                wait_s = None if due_s is None else due_s - time.monotonic()
                if wait_s is not None and wait_s <= 0.0:
                    break
                self._wake.wait(None if wait_s is None else min(wait_s, threading.TIMEOUT_MAX))
            self._asleep = False

    def _abandon(self) -> None:
        """After an exception that belongs to nobody inside: let every process clean up all the same."""
        try:
            self._stop_all()
        except BaseException as failure:
            self.log.error("not every component could clean up", exc_info=failure)

    def _close(self) -> None:
        with self._lock:
            self._stopped = True
            left = list(self._inlet)
            self._inlet.clear()
            self._room.notify_all()
        stopped = SystemStopped("the cluster has been stopped; make a new one")
        stopped.__cause__ = self._cause
        for work, _, future in left:
            if work is _work_for:
                future.set_exception((SystemStopped, stopped, None))
        self._give_up()
        self._agenda.heap.clear()


def _work_for(work: Callable[[], Any], future: pykka.ThreadingFuture[Any]) -> None:
    """Do what `call` was given, and tell its caller."""
    try:
        result = work()
    except Exception as failure:
        future.set_exception((type(failure), failure, failure.__traceback__))
    except BaseException as failure:
        future.set_exception((type(failure), failure, failure.__traceback__))
        raise
    else:
        future.set(result)
