"""Stock threads: every actor on a thread of its own, as Pykka's `ThreadingActor`. For a soak under real preemption, and for users' actors
that block.

Two locks: one for the lives of processes, one for what is delayed. No actor's thread waits for the first while its handler runs. Each
mailbox has a third, which nobody waits for but who wants to look at all actors while they stand still.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

import pykka
from pykka.messages import _ActorStop

from callboard.models.messages.base import Address, Message, Request
from callboard.runtime.systems.agenda import Entry
from callboard.runtime.systems.clocked import ClockedSystem
from callboard.runtime.systems.edge import Edge
from callboard.runtime.systems.hooks import Hooks, Letter
from callboard.runtime.systems.lanes import LaneKey
from callboard.runtime.systems.process import Process, ProcessPort

T = TypeVar("T")

PATIENCE_S = 10.0
"""How long a thread may take to end, by its present handler and `on_stop`; then it is left alone, cut off from the world."""
FAILING_POLL_S = 0.1
"""How often an actor that has failed looks whether somebody has ended it meanwhile, while it waits to be recorded."""


class _Left(BaseException):
    """Raised by `ThreadInbox.get` to leave Pykka's loop after a crash."""


class ThreadInbox:
    """A mailbox that a thread waits at. `order` is what the system wants of it: "", "stop" or "crash"."""

    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.actor: Any = None
        self.process: Any = None
        self.order = ""
        self.high_water = 0
        self.turn = threading.Lock()
        """Held by the actor's thread but for the time in which it waits for a message: see `ThreadedSystem.still`."""

    def put(self, letter: Any, /) -> None:
        """Take a message, from any thread."""
        self.waiting.put(letter)

    def get(self) -> Any:
        """The next message; or what was ordered meanwhile."""
        self.turn.release()
        try:
            letter = self.waiting.get()
        finally:
            self.turn.acquire()
        if self.order == "crash":
            raise _Left
        if self.order == "stop":
            return Letter(_ActorStop())
        self.process.handled += 1
        return letter

    def empty(self) -> bool:
        """Whether nothing waits."""
        return self.waiting.empty()


class ThreadHooks(Hooks, pykka.ThreadingActor):
    """The actor has a thread, but isn't in Pykka's process-wide registry and stops nobody else."""

    thread: threading.Thread | None = None
    ended: Callable[[], None]
    """Called on the actor's thread at its end."""

    @staticmethod
    def _create_actor_inbox() -> Any:
        return ThreadInbox()

    def _start_actor_loop(self) -> None:
        self.thread = threading.Thread(target=self._live, name=f"callboard-{self.actor_urn.rpartition(':')[2]}", daemon=True)
        self.thread.start()

    def _live(self) -> None:
        turn: threading.Lock = self.actor_inbox.turn  # type: ignore[attr-defined]
        try:
            with turn:  # left before `ended`, which may have to wait for who waits for this turn
                self._actor_loop_setup()
                self._actor_loop_running()
                self._actor_loop_teardown()
        except _Left:
            pass
        except BaseException as escaped:  # out of `on_start` or `on_stop`; the system hears of it
            self.escaped = escaped
        finally:
            self.ended()


class ThreadedSystem(ClockedSystem):
    """Actors on threads of their own. All public methods may be called from any thread that isn't an actor's."""

    hooks = ThreadHooks

    def __init__(self, *, restart_s: float = 1.0, restart_limit_s: float = 30.0) -> None:
        self._lives = threading.RLock()
        self._depth = 0
        self._delayed = threading.Condition(threading.Lock())
        self._timer_thread: threading.Thread | None = None
        self._timers_end = False
        self._leaving: list[threading.Thread] = []
        self._closed = threading.Event()
        super().__init__(restart_s=restart_s, restart_limit_s=restart_limit_s)

    # -- lives --------------------------------------------------------------------------------------------------------------------

    def call(self, work: Callable[[], T]) -> T:
        """Run something while no process begins or ends by another thread's hand, and wait until the threads of what it ended are gone."""
        with self._lives:
            self._depth += 1
            try:
                return work()
            finally:
                self._depth -= 1
                leaving = []
                if self._depth == 0:
                    leaving, self._leaving = self._leaving, []
                self._lives.release()  # those who leave may need it
                try:
                    self._join(leaving)
                finally:
                    self._lives.acquire()

    def still(self, work: Callable[[], T]) -> T:
        """Run something while no handler runs, and no process begins or ends: waits for those that run, and lets no other begin meanwhile.
        Not from an actor's thread, nor while one of them blocks."""

        def looked() -> T:
            with ExitStack() as held:
                for process in self._processes.values():
                    if process.inbox is not None:
                        held.enter_context(process.inbox.turn)
                return work()

        return self.call(looked)

    def _join(self, threads: list[threading.Thread]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        for thread in threads:
            if thread is threading.current_thread():
                continue
            thread.join(max(0.0, deadline_s - time.monotonic()))
            if thread.is_alive():
                self.log.warning("a component does not come to an end; its thread is left alone", thread=thread.name)

    def restart(self, name: str) -> None:
        """Start a process again as a new incarnation; one that runs is crashed first, and its thread has ended before."""
        process = self._process(name)
        self._check_running()
        self.call(lambda: self._end(process))
        super().restart(name)

    def stop_process(self, name: str) -> None:
        """Let a process clean up on its own thread, and end it; what is in its mailbox is not handled any more."""
        with self._lives:
            process = self._process(name)
            process.wanted = False
            actor = process.actor
            if actor is None:
                return
            process.inbox.order = "stop"
            process.inbox.put(Letter(None))
        self._join([actor.thread])
        with self._lives:
            if process.actor is actor:
                self._end(process)
                if actor.failure is not None:
                    self._record(process, actor.failure)

    def _began(self, process: Process) -> None:
        actor = process.actor
        actor.ended = lambda: self._ended(process, actor)
        actor._start_actor_loop()

    def _close_inbox(self, inbox: Any) -> None:
        if not inbox.order:
            inbox.order = "crash"
        inbox.put(Letter(None))
        thread = inbox.actor.thread
        if thread is not None and thread is not threading.current_thread():
            self._leaving.append(thread)

    def _ended(self, process: Process, actor: Any) -> None:
        """An actor's thread is at its end; on that thread."""
        inbox = actor.actor_inbox
        while not self._lives.acquire(timeout=FAILING_POLL_S):
            if inbox.order and actor.escaped is None:
                return  # who holds the lock has ended it, and may be waiting for this thread
        try:
            if not inbox.order:
                self._over(process, actor)
        finally:
            self._lives.release()
        if actor.escaped is not None and not self._stopped:
            self._cause = actor.escaped
            self.log.error("a handler raised what is no Exception; the system stops", component=process.name, exc_info=actor.escaped)
            self.stop()

    # -- delivery and timers ------------------------------------------------------------------------------------------------------

    def _deliver(self, to: Address, message: Message) -> None:
        inbox = self._directory.get(to)
        if inbox is None:
            super()._deliver(to, message)
            return
        inbox.put(Letter(message))
        waiting = inbox.waiting.qsize()
        if waiting > inbox.high_water:
            self._high_water(inbox, waiting)

    def route(self, port: ProcessPort | Edge, to: Address, message: Message) -> None:
        """Carry a message, past the links."""
        copies = 1
        if self._judged:
            with self._delayed:
                copies = self._judge(port, to, message)
        for _ in range(copies):
            self._deliver(to, message)

    def _arrive(self, to: Address, message: Message, key: LaneKey | None, due_s: float, _entry: Entry) -> None:
        self._deliver(to, message)
        with self._delayed:
            self._lanes.arrived(key, due_s)
            self._links_changed()

    def _push(self, due_s: float, action: Callable[[Entry], None]) -> Entry:
        with self._delayed:
            return self._push_delayed(due_s, action)

    def _push_delayed(self, due_s: float, action: Callable[[Entry], None]) -> Entry:
        entry = self._agenda.push(due_s, action)
        if self._timer_thread is None and not self._timers_end:
            self._timer_thread = threading.Thread(target=self._run_timers, name="callboard-timers", daemon=True)
            self._timer_thread.start()
        elif self._agenda.heap[0][2] is entry:
            self._delayed.notify()
        return entry

    def _run_timers(self) -> None:
        while True:
            with self._delayed:
                due_s = self._agenda.next_due_s()
                while not self._timers_end and (due_s is None or due_s > time.monotonic()):
                    self._delayed.wait(None if due_s is None else min(due_s - time.monotonic(), threading.TIMEOUT_MAX))
                    due_s = self._agenda.next_due_s()
                if self._timers_end:
                    return
                entry = self._agenda.pop_due(time.monotonic())
            if entry is not None:
                entry.action(entry)

    # -- outside ------------------------------------------------------------------------------------------------------------------

    def post(self, to: Address, message: Message) -> None:
        """Bring a message in from outside, past all links. Lost after `stop`."""
        if not self._stopped:
            self._deliver(to, message)

    def _inside(self, to: Address, request: Request) -> None:
        self.route(self._edge, to, request)

    def _is_inside(self) -> bool:
        return threading.current_thread() is self._timer_thread

    def stop(self) -> None:
        """Stop every process, the one that was started last first. No thread is left afterwards but the calling one."""
        with self._lives:
            first, self._stopped = not self._stopped, True
        if not first:
            self._closed.wait(PATIENCE_S)
            return
        try:
            self._stop_all()
        finally:
            with self._delayed:
                self._timers_end = True
                self._delayed.notify()
                timer_thread = self._timer_thread
            if timer_thread is not None:
                self._join([timer_thread])
            self._give_up()
            self._agenda.heap.clear()
            self._closed.set()
