"""What all actor systems have in common: processes on machines, their lives, the directory, supervision.

The three systems differ in who drains the mailboxes and what time is: `RealTimeSystem`, `SimulatedSystem`, `ThreadedSystem`.
"""

from __future__ import annotations

import random
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import structlog

from callboard.actors.component import Component, Timer
from callboard.models.messages.base import Address, Answer, Message, Request
from callboard.runtime.systems.errors import ComponentFailed
from callboard.runtime.systems.hooks import INBOX_LIMIT, Inbox, LoopHooks, envelope
from callboard.runtime.systems.links import Links
from callboard.runtime.systems.process import STABLE_S, Failure, Machine, Process, ProcessPort, ProcessStats, Recipe

OUTSIDE = "outside"
"""The machine on which the user's own program stands, as links see it."""
FAILURES_KEPT = 100


class System(ABC):
    """A world of processes. Not to be shared between threads but for `post`, `ask` and what a subclass says."""

    hooks: type[Any] = LoopHooks

    def __init__(self, *, restart_s: float = 1.0, restart_limit_s: float = 30.0) -> None:
        self.links = Links()
        self.failures: list[Failure] = []
        self.machines: dict[str, Machine] = {}
        self.log: Any = structlog.get_logger()
        self._restart_s = restart_s
        self._restart_limit_s = restart_limit_s
        self._processes: dict[str, Process] = {}
        self._directory: dict[Address, Inbox] = {}
        self._outlets: dict[Address, Callable[[Message], None]] = {}
        self._classes: dict[type[Component], type[Any]] = {}
        self._outlet_numbers = 0

    # -- what a system must have --------------------------------------------------------------------------------------------------

    @abstractmethod
    def now(self) -> float:
        """Seconds since the epoch by this system's clock."""

    @abstractmethod
    def post(self, to: Address, message: Message) -> None:
        """Bring a message in from outside."""

    @abstractmethod
    def ask(self, to: Address, build: Callable[[int, Address], Request], timeout_s: float) -> Any:
        """Send a request from outside and wait for its answer.

        Raises:
            WaitTimeout: none came in time.
            ComponentFailed: the receiver ended with an exception meanwhile.
            SystemStopped: the system does not run (any more).
        """

    @abstractmethod
    def route(self, port: ProcessPort, to: Address, message: Message) -> None:
        """Carry a message from a process to an address; lost if nobody is there."""

    @abstractmethod
    def schedule(self, port: ProcessPort, delay_s: float, message: Message, periodic: bool) -> Timer:
        """Deliver a message to a process's present incarnation later."""

    @abstractmethod
    def stop(self) -> None:
        """Stop every process in order, and the system."""

    @abstractmethod
    def _restart_later(self, process: Process, delay_s: float) -> None: ...

    @abstractmethod
    def _began(self, process: Process) -> None: ...

    def _random_of(self, process: Process) -> random.Random:
        return random.Random()

    def _failed_asks(self, process: Process, failure: ComponentFailed) -> None:
        """Tell whoever waits for an answer of this process."""

    # -- machines and processes ---------------------------------------------------------------------------------------------------

    def add_machine(self, name: str) -> Machine:
        """A machine of this name; the same one when it's there."""
        return self.machines.setdefault(name, Machine(name))

    def start(self, name: str, component: type[Component], *args: Any, machine: str = "control-plane", **kwargs: Any) -> None:
        """Start a process that runs `component(port, *args, **kwargs)`; a later restart makes it again in the same way."""
        if name in self._processes:
            raise ValueError(f"there is a process {name} already; restart it, or choose another name")
        process = Process(name, self.add_machine(machine), Recipe(component, args, kwargs))
        self._processes[name] = process
        self._begin(process)

    def _begin(self, process: Process) -> None:
        process.incarnation += 1
        process.wanted = True
        process.started_at_s = self.now()
        port = ProcessPort(self, process, self._random_of(process))
        recipe = process.recipe
        actor = self._class_of(recipe.component)(port, *recipe.args, **recipe.kwargs)
        actor.actor_urn = f"urn:callboard:{process.address}"
        inbox = actor.actor_inbox
        inbox.actor = actor
        process.actor, process.inbox, process.port = actor, inbox, port
        self._directory[process.name] = self._directory[process.address] = inbox
        self._began(process)

    def _class_of(self, component: type[Component]) -> type[Any]:
        found = self._classes.get(component)
        if found is None:
            found = self._classes[component] = type(component.__name__, (self.hooks, component), {})
        return found

    def _end(self, process: Process) -> None:
        """Take a process out of the world at once; nothing of it is handled any more."""
        if process.port is not None:
            process.port.alive = False
        if process.inbox is not None:
            process.high_water = max(process.high_water, process.inbox.high_water)
            process.inbox.messages.clear()
            process.inbox.ready = None
        if process.actor is not None:
            process.actor.actor_stopped.set()
        for address in (process.name, process.address):
            self._directory.pop(address, None)
        process.actor = process.inbox = process.port = None

    def crash(self, name: str) -> None:
        """End a process as a power cut would; it stays down until `restart`."""
        process = self._process(name)
        process.wanted = False
        self._end(process)

    def restart(self, name: str) -> None:
        """Start a process again as a new incarnation; one that runs is crashed first. Nothing happens while its machine is down."""
        process = self._process(name)
        if process.alive:
            self._end(process)
        if process.machine.alive:
            self._begin(process)
        else:
            process.wanted = True

    def stop_process(self, name: str) -> None:
        """Let a process clean up (`on_stop`) and end it; what is in its mailbox is not handled any more."""
        process = self._process(name)
        process.wanted = False
        actor = process.actor
        if actor is not None:
            actor._stop()
        self._end(process)

    def remove(self, name: str) -> None:
        """Stop a process and forget it."""
        self.stop_process(name)
        del self._processes[name]

    def crash_machine(self, name: str) -> None:
        """Cut the power of a machine: all its processes end, its disk stays."""
        machine = self._machine(name)
        machine.alive = False
        for process in self._on(machine):
            if process.alive or process.wanted:
                self._end(process)
                process.wanted = True

    def restart_machine(self, name: str) -> None:
        """Switch a machine on: what ran when it went down is started, each as a new incarnation."""
        machine = self._machine(name)
        machine.alive = True
        for process in self._on(machine):
            if process.wanted and not process.alive:
                self._begin(process)

    def _on(self, machine: Machine) -> list[Process]:
        return [process for process in self._processes.values() if process.machine is machine]

    def _process(self, name: str) -> Process:
        try:
            return self._processes[name]
        except KeyError:
            raise KeyError(f"there is no process {name}; there are {', '.join(self._processes)}") from None

    def _machine(self, name: str) -> Machine:
        try:
            return self.machines[name]
        except KeyError:
            raise KeyError(f"there is no machine {name}; there are {', '.join(self.machines)}") from None

    def alive(self, name: str) -> bool:
        """Whether a process runs."""
        return self._process(name).alive

    def incarnation(self, name: str) -> int:
        """How often a process has been started."""
        return self._process(name).incarnation

    def names(self) -> list[str]:
        """All processes, in the order of their first start."""
        return list(self._processes)

    def look(self, name: str) -> Any:
        """The actor of a process, to be read and never changed: for oracles of a simulation and for tests."""
        return self._process(name).actor

    def stats(self) -> tuple[ProcessStats, ...]:
        """Figures of every process."""
        return tuple(process.stats() for process in list(self._processes.values()))

    # -- failures -----------------------------------------------------------------------------------------------------------------

    def _fail(self, process: Process, failure: BaseException) -> None:
        """A component ended with an exception: record it, tell who waits, start it again after a pause."""
        text = "".join(traceback.format_exception(failure))
        self.failures.append(Failure(process.name, process.incarnation, self.now(), text))
        del self.failures[:-FAILURES_KEPT]
        self.log.error("component failed", component=process.name, incarnation=process.incarnation, exc_info=failure)
        if self.now() - process.started_at_s > STABLE_S:
            process.failures_in_a_row = 0
        delay_s = min(self._restart_s * 2 ** min(process.failures_in_a_row, 16), self._restart_limit_s)
        process.failures_in_a_row += 1
        self._end(process)
        process.wanted = True
        self._failed_asks(process, ComponentFailed(process.name, text))
        self._restart_later(process, delay_s)

    def _restart_if_wanted(self, process: Process) -> None:
        if process.wanted and not process.alive and process.machine.alive:
            self._begin(process)

    # -- delivery -----------------------------------------------------------------------------------------------------------------

    def outlet(self, receive: Callable[[Message], None]) -> Address:
        """An address outside; `receive` hears what is sent there, on the system's own thread, and must not block."""
        self._outlet_numbers += 1
        address = f"client/{self._outlet_numbers}"
        self._outlets[address] = receive
        return address

    def close_outlet(self, address: Address) -> None:
        """Nobody listens there any more."""
        self._outlets.pop(address, None)

    def _deliver(self, to: Address, message: Message) -> None:
        """Put a message where it belongs, now; lost if nobody is there."""
        inbox = self._directory.get(to)
        if inbox is not None:
            inbox.put(envelope(message))
            if len(inbox.messages) > INBOX_LIMIT:
                self._inbox_overflow(to, len(inbox.messages))
            return
        receive = self._outlets.get(to)
        if receive is not None:
            receive(message)

    def _inbox_overflow(self, to: Address, waiting: int) -> None:
        if waiting % INBOX_LIMIT == 1:
            self.log.warning("a mailbox is over its mark", component=to, waiting=waiting, mark=INBOX_LIMIT)

    def _ways(self, port: ProcessPort, to: Address, message: Message) -> list[float]:
        """What the links say to a message between processes: the delays of its copies."""
        target = to.partition("#")[0]
        process = self._processes.get(target)
        machine = process.machine.name if process is not None else OUTSIDE
        return self.links.judge(port.name, port.machine.name, target, machine, port.incarnation, message)


class Edge:
    """The user's own process: numbers its requests and remembers who waits. Used by the systems' `ask`."""

    def __init__(self) -> None:
        self.waiting: dict[int, tuple[Address, Callable[[Any], None]]] = {}
        self._numbers = 0

    def number(self) -> int:
        """A fresh number for a request."""
        self._numbers += 1
        return self._numbers

    def receive(self, message: Message) -> None:
        """An answer came in."""
        if isinstance(message, Answer):
            entry = self.waiting.pop(message.id, None)
        else:
            entry = self.waiting.pop(getattr(message, "id", -1), None)
        if entry is not None:
            entry[1](message)

    def fail(self, name: str, failure: BaseException) -> None:
        """Everybody who waits for this process hears of its failure."""
        for number in [number for number, (to, _) in self.waiting.items() if to.partition("#")[0] == name]:
            self.waiting.pop(number)[1](failure)
