"""What lasts and what doesn't, at every level that confines: after a restart of the runtime, a lost helper, a lost cell, kill -9 of all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callboard.models.messages.runtime import (
    ContainerExited,
    ContainerStarted,
    ListSandboxes,
    RuntimeRefused,
    SandboxesListed,
    SandboxRunning,
)
from callboard.runtime.isolation.levels import Level, chosen
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.protocol import ProcessMessage
from tests.e2e.levels import choice

from .conftest import wait_until_gone
from .levels import DNS, PodHere, container
from .test_volumes import EMPTY, mount
from .world import Node

MEMORY = {"name": "m", "emptyDir": {"medium": "Memory"}}
WAIT_S = 20.0
ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys, threading
from tests.runtime.process.levels import PodHere, container
from tests.runtime.process.test_lasting_at_levels import MEMORY, durable
from tests.runtime.process.test_volumes import mount
from callboard.runtime.isolation.levels import chosen
node = durable(chosen(sys.argv[1]), sys.argv[2])
ports = [{"containerPort": 80, "hostPort": 30998}] if node.place.level.network else []
web = container("web", mount("m", "/m"), command=("sh", "-c", sys.argv[3]), ports=ports)
pod = PodHere(node, {"volumes": [MEMORY], "containers": [web]}).up()
print(pod.name, pod.ip, pod.ids["web"], flush=True)
threading.Event().wait()
"""


@pytest.fixture(params=[name for name in choice.to_test() if name != "C0"])
def level(request: pytest.FixtureRequest) -> Level:
    if words := choice.why_not(request.param):
        text = f"this machine has no level {request.param}: {words}"
        pytest.fail(text, pytrace=False) if choice.is_obligatory(request.param) else pytest.skip(text)
    return chosen(request.param)


def made(level: Level, daemon: Callable[[Callable[[ProcessMessage], None]], ProcessDaemon]) -> Node:
    return Node(daemon, level=level, cluster_dns=DNS if level.network else "")


def durable(level: Level, state_dir: str | Path) -> Node:
    return made(level, lambda emit: ProcessDaemon.connect(state_dir, emit, level=level))


@pytest.fixture
def node(level: Level) -> Iterator[Node]:
    """A node whose daemon is started anew if it is lost."""
    running = made(level, lambda emit: ProcessDaemon.start(None, emit, revive=True, level=level))
    yield running
    running.close()
    running.daemon.stop()
    assert not running.daemon.state_dir.exists()


def addresses(node: Node) -> dict[str, str]:
    answer = node.ask(ListSandboxes)
    assert isinstance(answer, SandboxesListed)
    return {sandbox.pod_uid: sandbox.ip for sandbox in answer.sandboxes}


def started_in_time(pod: PodHere, attempt: int) -> None:
    """Start a container as a kubelet does, which tries again while the cell is being made anew."""
    deadline_s = time.monotonic() + WAIT_S
    while isinstance(answer := pod.start(attempt=attempt), RuntimeRefused):
        assert time.monotonic() < deadline_s, answer
        time.sleep(0.05)


def test_after_a_restart_of_the_runtime_pods_have_their_addresses_volumes_and_networks(node: Node) -> None:
    pod = PodHere(node, {"volumes": [MEMORY, EMPTY], "containers": [container("web", mount("m", "/m"), mount("data", "/d"))]}).up()
    pod.says("echo kept > /m/file; echo kept > /d/file")
    node.restart()
    assert addresses(node) == {pod.uid: pod.ip}
    assert pod.says("cat /m/file /d/file") == "kept\nkept"
    other = PodHere(node, {"containers": [container()]}).up()
    assert other.ip != pod.ip
    pod.kill()
    assert isinstance(pod.start(attempt=1), ContainerStarted)
    assert pod.says("cat /m/file /d/file") == "kept\nkept"
    if node.place.level.network:
        assert f" {pod.ip}/32" in pod.says("ip -o -4 addr show dev eth0")


def test_a_lost_helper_for_pods_files_costs_nothing_but_a_moment(node: Node) -> None:
    pod = PodHere(node, {"volumes": [MEMORY], "containers": [container("web", mount("m", "/m", subPath="deep"))]}).up()
    pod.says("echo kept > /m/file")
    for helper in _helpers(node, "callboard.runtime.process.podhelper"):
        os.kill(helper, signal.SIGKILL)
        wait_until_gone(helper)
    pod.kill()
    started_in_time(pod, 1)
    assert pod.says("cat /m/file") == "kept", "what was mounted belongs to the cell"


def test_a_lost_cell_takes_networks_and_memory_along_and_all_is_made_anew(node: Node) -> None:
    spec = {"volumes": [MEMORY, EMPTY], "containers": [container("web", mount("m", "/m"), mount("data", "/d", subPath="deep"))]}
    pod = PodHere(node, spec).up()
    pod.says("echo lost > /m/file; echo kept > /d/file")
    os.kill(node.daemon.hello.pid, signal.SIGKILL)
    exited = node.expect(ContainerExited)
    assert exited.reason == "ContainerStatusUnknown"
    started_in_time(pod, 1)
    assert addresses(node) == {pod.uid: pod.ip}
    assert pod.says("ls /m; cat /d/file") == "kept"
    if node.place.level.network:
        assert f" {pod.ip}/32" in pod.says("ip -o -4 addr show dev eth0")


def test_networks_of_pods_that_nobody_remembers_are_removed_by_the_next_runtime(node: Node) -> None:
    pod = PodHere(node, {"containers": [container()]})
    assert isinstance(pod.run(), SandboxRunning)
    node.crash()
    (note,) = (node.daemon.state_dir / "nodes" / node.name / "sandboxes" / "0").iterdir()
    note.unlink()
    node.restart()
    assert addresses(node) == {}
    assert not node.folder(pod.pod).exists()
    if node.network is not None:
        deadline_s = time.monotonic() + WAIT_S
        while node.network.state_now().pods:  # nobody is told of the removal of what nobody remembers
            assert time.monotonic() < deadline_s


def test_kill_9_of_the_whole_program_leaves_pods_with_their_addresses_and_exit_codes(level: Level, state_dir: Path) -> None:
    go = "echo kept > /m/file; until [ -e /m/go ]; do sleep 0.02; done; exit 7"
    command = [sys.executable, "-c", PROGRAM, level.name, str(state_dir), go]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as program:
        assert program.stdout is not None
        name, ip, identity = program.stdout.readline().split()
        os.kill(program.pid, signal.SIGKILL)
    node = durable(level, state_dir)
    try:
        pod = PodHere(node, {"containers": [container("web")]})
        assert addresses(node) == {f"uid-of-{name}": ip}
        pod.pod = type(pod.pod)(metadata=type(pod.pod.metadata)(name=name, namespace="default", uid=f"uid-of-{name}"), spec=pod.pod.spec)
        pod.ids["web"] = identity
        assert pod.says("cat /m/file") == "kept"
        if level.network:
            assert f" {ip}/32" in pod.says("ip -o -4 addr show dev eth0")
            assert _is_open(door := (f"127.{node.daemon.block}.1.1", 30998))
        pod.sh("touch /m/go")  # it may not come back: the container ends with that, and takes along what runs beside it
        assert node.expect(ContainerExited).exit_code == 7
        node.remove(pod.pod)
        assert addresses(node) == {}
        if level.network:
            assert not _is_open(door)
    finally:
        node.close()
        node.daemon.disconnect()


def _is_open(door: tuple[str, int]) -> bool:
    """Whether somebody takes connections there. Nobody listens in the pod, so they may be reset at once, also before `connect` is back."""
    try:
        socket.create_connection(door, 5).close()
    except ConnectionResetError:
        return True
    except ConnectionRefusedError:
        return False
    return True


def _helpers(node: Node, module: str) -> list[int]:
    """Process ids, as seen from here, of the daemon's children that run this module."""
    folder = str(node.daemon.state_dir)
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                words = (place / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if module.encode() in words and any(word.startswith(folder.encode()) for word in words):
                found.append(int(place.name))
    assert found, f"no process of {module} for {folder}"
    return found
