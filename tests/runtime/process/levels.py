"""A node of real processes at each level that this machine allows, and pods in it: what tests of several modules share."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from callboard.models.api import core
from callboard.models.base import decode_hook
from callboard.models.messages.runtime import (
    CommandDone,
    ContainerExited,
    ContainerStarted,
    RunCommand,
    RunSandbox,
    RuntimeRefused,
    SandboxRunning,
    StartContainer,
    StopContainer,
)
from callboard.runtime.isolation.levels import Level
from callboard.runtime.process.client import ProcessDaemon

from .world import Node

_numbers = itertools.count(1)
FOREVER = ("sleep", "1000")
DNS = "10.96.0.10"


def node_at(level: Level) -> Node:
    """A node with a daemon of its own."""
    return Node(lambda emit: ProcessDaemon.start(None, emit, level=level), level=level, cluster_dns=DNS if level.network else "")


class PodHere:
    """A pod of the node, by its spec as people write it."""

    def __init__(self, node: Node, spec: dict[str, Any], **configs: Any) -> None:
        self.node = node
        self.name = f"pod-{next(_numbers)}"
        metadata = {"name": self.name, "namespace": "default", "uid": f"uid-of-{self.name}"}
        self.pod = msgspec.convert({"metadata": metadata, "spec": spec}, core.Pod, dec_hook=decode_hook)
        self.configs = tuple((key.replace("__", "/"), value) for key, value in configs.items())
        self.ids: dict[str, str] = {}
        self.ip = ""

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid

    def run(self) -> SandboxRunning | RuntimeRefused:
        answer = self.node.ask(RunSandbox, pod=self.pod, configs=self.configs)
        assert isinstance(answer, SandboxRunning | RuntimeRefused)
        if isinstance(answer, SandboxRunning):
            self.ip = answer.ip
        return answer

    def up(self) -> PodHere:
        """The sandbox and all containers, which must start."""
        assert isinstance(ran := self.run(), SandboxRunning), ran
        assert self.pod.spec is not None
        for container in self.pod.spec.containers:
            started = self.start(container.name)
            assert isinstance(started, ContainerStarted), started
        return self

    def start(self, name: str = "web", attempt: int = 0, **env: str) -> ContainerStarted | RuntimeRefused:
        assert self.pod.spec is not None
        (container,) = (one for one in self.pod.spec.containers if one.name == name)
        answer = self.node.ask(StartContainer, pod_uid=self.uid, name=name, attempt=attempt, container=container, env=tuple(env.items()))
        assert isinstance(answer, ContainerStarted | RuntimeRefused)
        if isinstance(answer, ContainerStarted):
            self.ids[name] = answer.container_id
        return answer

    def kill(self, name: str = "web") -> None:
        """End a container at once, and wait until nothing of it is left."""
        identity = self.ids[name]
        self.node.ask(StopContainer, pod_uid=self.uid, container_id=identity, grace_s=0.0)
        self.node.next(lambda message: isinstance(message, ContainerExited) and message.container_id == identity)

    def sh(self, script: str, name: str = "web") -> CommandDone:
        """What a shell says beside a container."""
        fields = {"pod_uid": self.uid, "container_id": self.ids[name], "name": name, "timeout_s": 20.0}
        done = self.node.ask(RunCommand, command=("sh", "-c", script), **fields)
        assert isinstance(done, CommandDone)
        assert not done.problem, done.problem
        return done

    def says(self, script: str, name: str = "web") -> str:
        """Its output, without the last line's end; it must succeed."""
        done = self.sh(script, name)
        assert done.exit_code == 0, done
        return done.stdout.decode().rstrip("\n")


def container(name: str = "web", *mounts: dict[str, Any], command: tuple[str, ...] = FOREVER, **more: Any) -> dict[str, Any]:
    """A container as people write it."""
    return {"name": name, "image": "some", "command": list(command), "volumeMounts": list(mounts), **more}
