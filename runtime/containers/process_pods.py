"""The sandboxes and containers of one node as its process container runtime holds them in memory."""

from __future__ import annotations

from typing import Any, Literal

from callboard.actors.component import Timer
from callboard.models.api import core
from callboard.models.messages.runtime import (
    ContainerExited,
    ContainerStarted,
    ContainerState,
    RemoveSandbox,
    RunSandbox,
    SandboxState,
    StartContainer,
)
from callboard.runtime.containers.process_hostports import HostPort, host_ports_of
from callboard.runtime.containers.process_launch import Launch
from callboard.runtime.containers.process_state import Adopted, ContainerNote, SandboxNote, container_id


class Container:
    """The newest attempt of one container. `waiting` are those who asked for its start and have no answer yet."""

    def __init__(self, uid: str, name: str, attempt: int, spec: Any = None) -> None:
        self.uid = uid
        self.name = name
        self.attempt = attempt
        self.id = container_id(uid, name, attempt)
        self.spec = spec
        self.state: Literal["preparing", "starting", "running", "exited"] = "preparing"
        self.launch: Launch | None = None
        self.started_at_s = 0.0
        self.exited: ContainerExited | None = None
        self.kill_at_s = 0.0
        self.timer: Timer | None = None
        self.waiting: list[StartContainer] = []

    def ended(self, how: ContainerExited) -> None:
        """It has ended."""
        self.state = "exited"
        self.exited = how
        self.cancel_timer()

    def cancel_timer(self) -> None:
        """Nobody needs to kill it any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def started(self, request_id: int) -> ContainerStarted:
        """The answer to a request for its start."""
        return ContainerStarted(request_id, self.uid, self.name, self.id, self.started_at_s)

    def reported(self) -> ContainerState:
        """It as a kubelet sees it."""
        running = self.state == "running"
        return ContainerState(self.name, self.attempt, self.id, self.started_at_s, running, self.exited)


class Sandbox:
    """One pod here. `made` once its folder is written, or could not be (`failed`); `dropping` while its folder is being removed."""

    def __init__(self, pod: core.Pod, ip: str) -> None:
        self.pod = pod
        self.uid = pod.metadata.uid
        self.ip = ip
        self.made = False
        self.failed = False
        self.dropping = False
        self.containers: dict[str, Container] = {}
        self.waiting: list[RunSandbox] = []
        self.removals: list[RemoveSandbox] = []

    @classmethod
    def of(cls, adopted: Adopted) -> Sandbox:
        """A sandbox that was found again."""
        note = adopted.note
        sandbox = cls(note.pod, note.ip)
        sandbox.uid = note.uid
        sandbox.made = True
        for found in adopted.containers:
            container = Container(note.uid, found.note.name, found.note.attempt)
            container.state = "running" if found.exited is None else "exited"
            container.started_at_s, container.exited, container.kill_at_s = found.started_at_s, found.exited, found.note.kill_at_s
            sandbox.containers[container.name] = container
        return sandbox

    def note(self) -> SandboxNote:
        """What is to be stored of it. Containers that have not started yet are not in it."""
        containers = tuple(
            ContainerNote(c.name, c.attempt, c.kill_at_s) for c in self.containers.values() if c.state in ("running", "exited")
        )
        return SandboxNote(self.uid, self.ip, self.pod, containers)

    def by_id(self, identity: str) -> Container | None:
        """The container with this id, if it is the newest attempt."""
        return next((container for container in self.containers.values() if container.id == identity), None)

    @property
    def on_host(self) -> bool:
        """Whether the pod has its node's network."""
        return self.pod.spec is not None and bool(self.pod.spec.host_network)

    @property
    def host_ports(self) -> tuple[HostPort, ...]:
        """Its ports at the node's address."""
        return host_ports_of(self.pod, self.ip)

    def usable(self) -> bool:
        """Whether containers may be started in it."""
        return self.made and not self.failed and not self.removals

    def at_rest(self) -> bool:
        """Whether nothing runs in it and nothing is about to."""
        return self.made and all(container.state == "exited" for container in self.containers.values())

    def reported(self, host_ip: str) -> SandboxState:
        """It as a kubelet sees it."""
        meta = self.pod.metadata
        containers = tuple(c.reported() for c in self.containers.values() if c.state in ("running", "exited"))
        return SandboxState(self.uid, meta.namespace, meta.name, self.ip, host_ip, containers)
