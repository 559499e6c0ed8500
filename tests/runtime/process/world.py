"""A node with real processes and nothing else of a cluster: a runtime, its daemon, and a test in the place of its kubelet."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog

from callboard.models.api import core, meta
from callboard.models.base import FrozenMap
from callboard.models.messages.base import Address, Message, Request
from callboard.models.messages.runtime import (
    ContainerStarted,
    RemoveSandbox,
    RunSandbox,
    SandboxRemoved,
    SandboxRunning,
    StartContainer,
)
from callboard.runtime.containers.process import ProcessRuntime
from callboard.runtime.containers.process_place import Place
from callboard.runtime.isolation.levels import C0, Level
from callboard.runtime.network.driver import NetworkDriver
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.protocol import ProcessMessage
from callboard.runtime.systems.hooks import LoopHooks

WAIT_S = 20.0
ME = "kubelet/node-1#1"
M = TypeVar("M", bound=Message)
_numbers = itertools.count(1)


class TimerOfTest:
    """A timer that a test may count on."""

    def __init__(self, delay_s: float, fire: Callable[[], None]) -> None:
        self._timer = threading.Timer(delay_s, fire)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()


class PortOfTest:
    """A port on real time: what the component sends to others lands in `said`."""

    def __init__(self, name: str, post: Callable[[Address, Message], None], said: queue.Queue[Message]) -> None:
        self.name = name
        self.me = f"{name}#{next(_numbers)}"
        self.log: Any = structlog.get_logger().bind(component=name)
        self._post = post
        self._said = said

    def send(self, to: Address, message: Message) -> None:
        if to.partition("#")[0] == self.name:
            self._post(to, message)
        else:
            self._said.put(message)

    def after(self, delay_s: float, message: Message, *, periodic: bool = False) -> TimerOfTest:
        return TimerOfTest(delay_s, lambda: self._post(self.me, message))

    def now(self) -> float:
        return time.time()

    def random(self) -> float:
        return 0.5

    def new_id(self) -> str:
        return f"uid-{next(_numbers)}"


class Node:
    """A runtime on a thread of its own, which may be started again; a failure of it fails the test."""

    def __init__(
        self,
        daemon: Callable[[Callable[[ProcessMessage], None]], ProcessDaemon],
        name: str = "node-1",
        index: int = 0,
        *,
        level: Level = C0,
        cluster_dns: str = "",
    ) -> None:
        self.name = name
        self.index = index
        self.said: queue.Queue[Message] = queue.Queue()
        self._inbox: queue.Queue[tuple[Address, Message] | None] = queue.Queue()
        self.daemon = daemon(lambda message: self.post(f"runtime/{name}", message))
        self.failure: BaseException | None = None
        self.network = NetworkDriver(self.daemon, lambda _message: None) if level.network else None
        self.place = Place(self.daemon, level, self.network, cluster_dns=cluster_dns)
        self._begin()

    def post(self, to: Address, message: Message) -> None:
        self._inbox.put((to, message))

    def _begin(self) -> None:
        self.port = PortOfTest(f"runtime/{self.name}", self.post, self.said)
        hooked = type("Runtime", (LoopHooks, ProcessRuntime), {})
        self.runtime = hooked(self.port, self.place, self.name, self.index, self.post)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.runtime.on_start()
            while (entry := self._inbox.get()) is not None:
                to, message = entry
                if to in (self.port.name, self.port.me):
                    self.runtime.on_receive(message)
        except BaseException as failure:
            self.failure = failure

    def crash(self) -> None:
        """End the runtime's process; its containers go on, and nobody hears what they say."""
        if self._thread.is_alive():
            self._inbox.put(None)
            self._thread.join(WAIT_S)
        if self.failure is not None:
            raise self.failure

    def restart(self) -> None:
        """A new incarnation of the runtime, which knows nothing but what it finds."""
        self.crash()
        with contextlib.suppress(queue.Empty):
            while True:
                self._inbox.get_nowait()
        self._begin()

    def close(self) -> None:
        self.crash()
        self.runtime.on_stop()
        self.place.close()
        if self.network is not None:
            self.network.close()

    # What a kubelet does

    def ask(self, request: type[Request], **fields: Any) -> Message:
        """Send a request and give its answer; what the runtime pushes meanwhile stays in line behind it."""
        number = next(_numbers)
        self.post(self.port.name, request(number, ME, **fields))
        return self.next(lambda message: getattr(message, "id", None) == number)

    def expect(self, kind: type[M]) -> M:
        """The next message of this kind."""
        found = self.next(lambda message: isinstance(message, kind))
        assert isinstance(found, kind)
        return found

    def next(self, wanted: Callable[[Message], bool]) -> Message:
        passed: list[Message] = []
        deadline_s = time.monotonic() + WAIT_S
        try:
            while True:
                try:
                    message = self.said.get(timeout=min(1.0, max(0.01, deadline_s - time.monotonic())))
                except queue.Empty:
                    if self.failure is not None:
                        raise self.failure from None
                    assert time.monotonic() < deadline_s, f"not said; there was {passed}"
                    continue
                if wanted(message):
                    return message
                passed.append(message)
        finally:
            for message in passed:
                self.said.put(message)

    def run(self, pod: core.Pod, *configs: tuple[str, Any]) -> SandboxRunning:
        answer = self.ask(RunSandbox, pod=pod, configs=configs)
        assert isinstance(answer, SandboxRunning), answer
        return answer

    def start(self, pod: core.Pod, *command: str, attempt: int = 0, env: dict[str, str] | None = None, **fields: Any) -> Message:
        container = core.Container(name="web", image="web:1", command=command, **fields)
        resolved = tuple((env or {}).items())
        return self.ask(StartContainer, pod_uid=pod.metadata.uid, name="web", attempt=attempt, container=container, env=resolved)

    def started(self, pod: core.Pod, *command: str, attempt: int = 0, **fields: Any) -> ContainerStarted:
        answer = self.start(pod, *command, attempt=attempt, **fields)
        assert isinstance(answer, ContainerStarted), answer
        return answer

    def remove(self, pod: core.Pod) -> None:
        answer = self.ask(RemoveSandbox, pod_uid=pod.metadata.uid)
        assert isinstance(answer, SandboxRemoved), answer

    def folder(self, pod: core.Pod) -> Path:
        return self.daemon.state_dir / "nodes" / self.name / "pods" / pod.metadata.uid

    def log(self, pod: core.Pod, attempt: int = 0) -> str:
        return (self.folder(pod) / "logs" / "web" / f"{attempt}.log").read_text()


def make_pod(name: str, **spec: Any) -> core.Pod:
    """A pod with one container, `web`."""
    containers = spec.pop("containers", None) or (core.Container(name="web", image="web:1"),)
    metadata = meta.ObjectMeta(name=name, namespace="default", uid=f"uid-of-{name}", labels=FrozenMap(), resource_version=1)
    return core.Pod(metadata=metadata, spec=core.PodSpec(containers=containers, **spec))
