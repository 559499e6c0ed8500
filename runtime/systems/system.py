"""What all actor systems have in common: processes on machines, their lives, the directory, supervision.

The three systems differ in who drains the mailboxes and what time is: `RealTimeSystem`, `SimulatedSystem`, `ThreadedSystem`.
"""

from __future__ import annotations

import random
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Self, TypeVar

from callboard.actors.component import Timer
from callboard.models.messages.base import Address, Message, Request
from callboard.runtime.logs import Logger
from callboard.runtime.systems.edge import OUTSIDE, Edge
from callboard.runtime.systems.errors import ComponentFailed, SystemStopped
from callboard.runtime.systems.hooks import INBOX_LIMIT, Letter, LoopHooks
from callboard.runtime.systems.links import Links
from callboard.runtime.systems.process import STABLE_S, Failure, Machine, Process, ProcessPort, ProcessStats, Recipe

FAILURES_KEPT = 100
"""Failures that `System.failures` remembers; older ones are in the log only."""
CLASSES_LIMIT = 512
"""Classes of components kept for reuse."""
T = TypeVar("T")


@lru_cache(maxsize=CLASSES_LIMIT)
def _class_of(hooks: Any, component: Any) -> Any:
    """A component's class for one kind of system. It knows nothing of any one system, so all share it: to make one takes 100 us."""
    return type(component.__name__, (hooks, component), {"__module__": component.__module__})


class System(ABC):
    """A world of processes. Use it as a context manager, or call `stop` at the end.

    Which methods may be called from other threads than the one that made it is said by the subclasses; `post` and `ask` always may.
    """

    hooks: Any = LoopHooks
    port_class: type[ProcessPort] = ProcessPort

    def __init__(self, *, restart_s: float = 1.0, restart_limit_s: float = 30.0) -> None:
        """`restart_s` is the pause before a failed component is started again; it doubles up to `restart_limit_s`."""
        self.links = Links(self._links_changed)
        self.failures: list[Failure] = []
        self.machines: dict[str, Machine] = {}
        self.log: Any = Logger()
        self._restart_s = restart_s
        self._restart_limit_s = restart_limit_s
        self._processes: dict[str, Process] = {}
        self._removed: dict[str, int] = {}
        """Last incarnations of removed processes: a later process of the same name goes on counting."""
        self._directory: dict[Address, Any] = {}
        self._outlets: dict[Address, Callable[[Any], None]] = {}
        self._outlet_numbers = 0
        self._edge = Edge()
        self._outlets[self._edge.me] = self._edge.receive
        self._stopped = False
        self._cause: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- what a system must have --------------------------------------------------------------------------------------------------

    @abstractmethod
    def now(self) -> float:
        """Seconds since the epoch by this system's clock."""

    @abstractmethod
    def post(self, to: Address, message: Message) -> None:
        """Bring a message in from outside, past all links: for drivers and their own component. Lost after `stop`."""

    @abstractmethod
    def ask(self, to: Address, build: Callable[[int, Address], Request], timeout_s: float) -> Any:
        """Send a request from outside and wait for its answer.

        Raises:
            WaitTimeout: none came in time.
            ComponentFailed: the receiver ended with an exception meanwhile.
            SystemStopped: the system does not run (any more).
        """

    @abstractmethod
    def route(self, port: ProcessPort | Edge, to: Address, message: Message) -> None:
        """Carry a message from a process to an address; lost if nobody is there."""

    @abstractmethod
    def schedule(self, port: ProcessPort, delay_s: float, message: Message, periodic: bool) -> Timer:
        """Deliver a message to a process's present incarnation later."""

    @abstractmethod
    def stop(self) -> None:
        """Stop every process, the one that was started last first, and the system. A second call does nothing."""

    @abstractmethod
    def _restart_later(self, process: Process, delay_s: float, restart: Callable[[], None]) -> None:
        """Call `restart` after a pause."""

    @abstractmethod
    def _began(self, process: Process) -> None:
        """Run `on_start` of a process that has just been made, and let it have messages."""

    @abstractmethod
    def _links_changed(self) -> None:
        """The rules of the links have changed."""

    def call(self, work: Callable[[], T]) -> T:
        """Run something where the system's state may be changed, and wait for it. Use it to start many processes at one go."""
        return work()

    def still(self, work: Callable[[], T]) -> T:
        """Run something while no handler runs, and wait for it: for who looks at many components from outside."""
        return self.call(work)

    def logger(self, process: str) -> Any:
        """What a process says its log lines to."""
        return Logger(component=process)

    def _check_running(self) -> None:
        if self._stopped:
            raise SystemStopped("the cluster has been stopped; make a new one") from self._cause

    def _random_of(self, process: Process) -> random.Random:
        return random.Random()

    # -- machines and processes ---------------------------------------------------------------------------------------------------

    def add_machine(self, name: str) -> Machine:
        """A machine of this name; the same one when it's there."""
        machine = self.machines.get(name)
        if machine is None:
            machine = self.machines[name] = Machine(name)
        return machine

    def start(self, name: str, component: type[Any], *args: Any, machine: str = "control-plane", **kwargs: Any) -> None:
        """Start a process that runs `component(port, *args, **kwargs)`; a later restart makes it again in the same way."""
        if name in self._processes:
            raise ValueError(f"there is a process {name} already; restart it, or choose another name")
        self._check_running()
        process = Process(name, self.machines.setdefault(machine, Machine(machine)), Recipe(component, args, kwargs))
        process.incarnation = self._removed.get(name, 0)
        self._processes[name] = process
        if not process.machine.alive:
            return  # it is wanted, and starts with its machine
        try:
            self._make(process)
        except BaseException:
            self._end(process)
            del self._processes[name]
            raise
        self._began(process)

    def _begin(self, process: Process) -> None:
        """Start the next incarnation; a component that can't even be made has failed."""
        try:
            self._make(process)
        except Exception as failure:
            self._fail(process, failure)
        else:
            self._began(process)

    def _make(self, process: Process) -> None:
        process.incarnation += 1
        process.wanted = True
        process.started_at_s = self.now()
        process.port = port = self.port_class(self, process, self._random_of(process))
        recipe = process.recipe
        component: Any = recipe.component
        actor = _class_of(self.hooks, component)(port, *recipe.args, **recipe.kwargs)
        actor.actor_urn = actor.actor_ref.actor_urn = f"urn:callboard:{process.address}"
        inbox = actor.actor_inbox
        inbox.actor, inbox.process = actor, process
        process.actor, process.inbox = actor, inbox
        self._directory[process.name] = self._directory[process.address] = inbox

    def _end(self, process: Process) -> None:
        """Take a process out of the world at once; nothing of it is handled any more."""
        if process.port is not None:
            process.port.alive = False
        inbox = process.inbox
        if inbox is not None:
            process.high_water = max(process.high_water, inbox.high_water)
            self._close_inbox(inbox)
        if process.actor is not None:
            process.actor.actor_stopped.set()
        for address in (process.name, process.address):
            self._directory.pop(address, None)
        process.actor = process.inbox = process.port = None

    def _close_inbox(self, inbox: Any) -> None:
        inbox.ready = None
        inbox.messages.clear()

    def crash(self, name: str) -> None:
        """End a process as a power cut would; it stays down until `restart`."""
        self._check_running()
        process = self._process(name)
        process.wanted = False
        self._end(process)

    def restart(self, name: str) -> None:
        """Start a process again as a new incarnation; one that runs is crashed first. While its machine is down it has to wait."""
        self._check_running()
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
            if actor.failure is not None:
                self._record(process, actor.failure)
            if actor.escaped is not None:
                raise actor.escaped

    def remove(self, name: str) -> None:
        """Stop a process and forget it."""
        self.stop_process(name)
        self._removed[name] = self._processes.pop(name).incarnation

    def crash_machine(self, name: str) -> None:
        """Cut the power of a machine: all its processes end, its disk stays. What lies there and has `lose_power` hears of it."""
        self._check_running()
        machine = self._machine(name)
        machine.alive = False
        for process in self._on(machine):
            if process.alive:  # one that waits for its restart after a failure goes on waiting, for the machine too
                self._end(process)
        for held in machine.disk.values():
            if hasattr(held, "lose_power"):  # what a crash makes of unsynced bytes is the disk's own affair
                held.lose_power()

    def restart_machine(self, name: str) -> None:
        """Switch a machine on: what ran when it went down is started, each as a new incarnation."""
        self._check_running()
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

    @property
    def handled(self) -> int:
        """Messages handled by all processes so far."""
        return sum(process.handled for process in list(self._processes.values()))

    def names(self) -> list[str]:
        """All processes, in the order of their first start."""
        return list(self._processes)

    def look(self, name: str) -> Any:
        """The actor of a process, to be read and never changed: for oracles of a simulation and for tests."""
        return self._process(name).actor

    def stats(self) -> tuple[ProcessStats, ...]:
        """Figures of every process."""
        return tuple(process.stats() for process in list(self._processes.values()))

    def _ended(self, process: Process, actor: Any) -> None:
        """An actor has ended in its turn; what no supervisor may keep goes on to whoever drives the system."""
        self._over(process, actor)
        if actor.escaped is not None:
            raise actor.escaped

    def _over(self, process: Process, actor: Any) -> None:
        """An actor has ended: by an exception, of its own will, or because somebody crashed it meanwhile (then it is no longer current)."""
        if process.actor is not actor:
            return
        if actor.failure is not None:
            self._fail(process, actor.failure)
        else:
            process.wanted = False
            self._end(process)

    # -- failures -----------------------------------------------------------------------------------------------------------------

    def _fail(self, process: Process, failure: BaseException) -> None:
        """A component ended with an exception: record it, tell who waits, start it again after a pause."""
        text = self._record(process, failure)
        if self.now() - process.started_at_s > STABLE_S:
            process.failures_in_a_row = 0
        delay_s = min(self._restart_s * 2 ** min(process.failures_in_a_row, 16), self._restart_limit_s)
        process.failures_in_a_row += 1
        self._end(process)
        process.wanted = True
        self._edge.fail(process.name, lambda: ComponentFailed(process.name, text))
        self._restart_later(process, delay_s, partial(self._restart_if_wanted, process, process.incarnation))

    def mishap(self, port: ProcessPort, problem: Exception) -> None:
        """A component has spoilt one request and goes on."""
        self._record(self._process(port.name), problem)

    def _record(self, process: Process, failure: BaseException, *, log: bool = True) -> str:
        text = "".join(traceback.format_exception(failure))
        self.failures.append(Failure(process.name, process.incarnation, self.now(), text))
        del self.failures[:-FAILURES_KEPT]
        if log:
            self.log.error("component failed", component=process.name, incarnation=process.incarnation, exc_info=failure)
        return text

    def _restart_if_wanted(self, process: Process, failed: int) -> None:
        """The pause after the failure of incarnation `failed` is over."""
        if process.incarnation != failed:
            return  # somebody was faster
        forgotten = self._processes.get(process.name) is not process
        if process.wanted and not process.alive and process.machine.alive and not forgotten and not self._stopped:
            self._begin(process)

    def _stop_all(self) -> None:
        for process in reversed(list(self._processes.values())):
            self.stop_process(process.name)

    # -- delivery -----------------------------------------------------------------------------------------------------------------

    def outlet(self, receive: Callable[[Any], None], name: str = "") -> Address:
        """An address outside; `receive` hears what is sent there, on the system's own thread, and must not block."""
        if not name:
            self._outlet_numbers += 1
            name = f"{self._edge.name}/{self._outlet_numbers}"
        if name in self._outlets or name in self._processes:
            raise ValueError(f"somebody listens at {name} already; close that outlet, or choose another name")
        self._outlets[name] = receive
        return name

    def close_outlet(self, address: Address) -> None:
        """Nobody listens there any more."""
        self._outlets.pop(address, None)

    def _deliver(self, to: Address, message: Message) -> None:
        """Put a message where it belongs, now; lost if nobody is there."""
        inbox = self._directory.get(to)
        if inbox is not None:
            inbox.put(Letter(message))
            return
        receive = self._outlets.get(to)
        if receive is not None:
            try:
                receive(message)
            except Exception as failure:  # it's a mistake of the listener, not of the component that has just sent something
                self.log.error("an outlet failed", outlet=to, message=type(message).__name__, exc_info=failure)

    def _high_water(self, inbox: Any, waiting: int) -> None:
        """More messages than ever wait in a mailbox."""
        if waiting > INBOX_LIMIT >= inbox.high_water:
            self.log.warning("a mailbox is over its mark", component=inbox.process.name, waiting=waiting, mark=INBOX_LIMIT)
        inbox.high_water = waiting

    def _ways(self, port: ProcessPort | Edge, target: str, message: Message) -> list[float]:
        """What the links say to a message between processes: the delays in seconds of its copies."""
        process = self._processes.get(target)
        machine = process.machine.name if process is not None else OUTSIDE
        return self.links.judge(port.name, port.machine.name, target, machine, port.incarnation, message)
