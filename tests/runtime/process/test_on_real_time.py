"""The process container runtime on the system that clusters run on: crashes of its process and of its machine."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest

from callboard.actors.component import Component, Port, handles
from callboard.models.api import core
from callboard.models.messages.base import Answer, Message, Request
from callboard.models.messages.runtime import (
    ContainerExited,
    ContainerStarted,
    ListSandboxes,
    RunSandbox,
    RuntimeStarted,
    SandboxesListed,
    SandboxRunning,
    StartContainer,
)
from callboard.runtime.containers.process import ProcessRuntime
from callboard.runtime.containers.process_place import Place
from callboard.runtime.containers.process_state import abandon_node
from callboard.runtime.isolation.levels import C0
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.systems import RealTimeSystem

from .world import WAIT_S, make_pod

A = TypeVar("A", bound=Answer)


class KubeletOfTest(Component):
    """Hears what is pushed to a kubelet."""

    def __init__(self, port: Port, heard: queue.Queue[Message]) -> None:
        super().__init__(port)
        self.heard = heard

    @handles(ContainerExited, RuntimeStarted)
    def _hear(self, message: Message) -> None:
        self.heard.put(message)


class World:
    """A system with one node of real processes."""

    def __init__(self) -> None:
        self.system = RealTimeSystem()
        self.heard: queue.Queue[Message] = queue.Queue()
        self.daemon = ProcessDaemon.start(None, lambda message: self.system.post("runtime/node-1", message))
        self.system.start("kubelet/node-1", KubeletOfTest, self.heard, machine="node-1")
        arguments = (Place(self.daemon, C0), "node-1", 0, self.system.post)
        self.system.start("runtime/node-1", ProcessRuntime, *arguments, machine="node-1")
        assert self.heard.get(timeout=WAIT_S) == RuntimeStarted("node-1")

    def ask(self, answer: type[A], request: type[Request], **fields: Any) -> A:
        said = self.system.ask("runtime/node-1", lambda number, me: request(number, me, **fields), WAIT_S)
        assert isinstance(said, answer), said
        return said

    def run(self, pod: core.Pod, *command: str) -> ContainerStarted:
        self.ask(SandboxRunning, RunSandbox, pod=pod)
        container = core.Container(name="web", image="web:1", command=command)
        return self.ask(ContainerStarted, StartContainer, pod_uid=pod.metadata.uid, name="web", attempt=0, container=container, env=())


@pytest.fixture
def world() -> Iterator[World]:
    running = World()
    yield running
    running.system.stop()
    running.daemon.stop()
    assert running.system.failures == []


def test_a_crash_of_the_runtime_costs_no_container(world: World) -> None:
    started = world.run(make_pod("a"), "sleep", "1000")
    world.system.crash("runtime/node-1")
    world.system.restart("runtime/node-1")
    assert world.heard.get(timeout=WAIT_S) == RuntimeStarted("node-1")
    ((sandbox,),) = (world.ask(SandboxesListed, ListSandboxes).sandboxes,)
    assert [container.container_id for container in sandbox.containers] == [started.container_id]
    (record,) = world.daemon.list_now().containers
    assert record.running


def test_a_crash_of_the_machine_costs_all_of_them_and_nobody_is_told(world: World) -> None:
    pod = make_pod("a")
    world.run(pod, "sleep", "1000")
    world.system.crash_machine("node-1")
    world.daemon.kill_node("node-1")
    abandon_node(world.daemon.state_dir, "node-1")
    while any(record.running for record in world.daemon.list_now().containers):
        pass
    assert world.heard.empty()
    world.system.restart_machine("node-1")
    assert world.heard.get(timeout=WAIT_S) == RuntimeStarted("node-1")
    assert world.ask(SandboxesListed, ListSandboxes).sandboxes == ()
    world.run(pod, "true")
    exited = world.heard.get(timeout=WAIT_S)
    assert isinstance(exited, ContainerExited)
    assert exited.exit_code == 0
