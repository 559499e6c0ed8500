"""What a process container runtime finds again: after a crash of its own, of the whole program, of its node, of the daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from callboard.models.messages.runtime import (
    ContainerExited,
    ContainerStarted,
    ContainerStopping,
    ListSandboxes,
    SandboxesListed,
    SandboxState,
    StopContainer,
)
from callboard.runtime.containers.process_state import (
    SandboxNote,
    abandon_node,
    container_id,
    home_of,
    load_notes,
    parse_container_id,
    store_note,
)
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.protocol import Started

from .conftest import wait_until_gone
from .test_daemon import wait_for_lines
from .world import Node, make_pod

PROGRAM = """
import sys, threading
from pathlib import Path
from tests.runtime.process.world import Node, make_pod
from callboard.runtime.process.client import ProcessDaemon
node = Node(lambda emit: ProcessDaemon.connect(sys.argv[1], emit))
for name, command in (("long", "exec sleep 1000"), ("short", f"while [ ! -e {sys.argv[1]}/go ]; do sleep 0.01; done; exit 4")):
    pod = make_pod(name)
    ip = node.run(pod).ip
    print(ip, node.started(pod, "sh", "-c", command).container_id, flush=True)
node.run(make_pod("idle"))
print("idle", flush=True)
threading.Event().wait()
"""
ROOT = Path(__file__).resolve().parents[3]


def durable(state_dir: Path) -> Node:
    return Node(lambda emit: ProcessDaemon.connect(state_dir, emit))


def listed(node: Node) -> dict[str, SandboxState]:
    answer = node.ask(ListSandboxes)
    assert isinstance(answer, SandboxesListed)
    return {sandbox.pod_name: sandbox for sandbox in answer.sandboxes}


@pytest.fixture
def node(state_dir: Path) -> Iterator[Node]:
    running = durable(state_dir)
    yield running
    running.close()
    running.daemon.disconnect()


def test_container_ids_tell_whose_they_are() -> None:
    assert parse_container_id(container_id("u-1", "web", 12)) == ("u-1", "web", 12)
    for text in ("", "docker://u/web/1", "process://u/web", "process://u/web/x", "process:///web/1"):
        assert parse_container_id(text) is None


def test_a_runtime_that_restarts_finds_running_and_ended_containers(node: Node) -> None:
    long, short = make_pod("long"), make_pod("short")
    ips = {pod.metadata.name: node.run(pod).ip for pod in (long, short)}
    started = node.started(long, "sleep", "1000", env={"A": "b"})
    node.started(short, "sh", "-c", f"while [ ! -e {node.daemon.state_dir}/go ]; do sleep 0.01; done; exit 4")
    node.crash()
    (node.daemon.state_dir / "go").touch()
    while any(record.running for record in node.daemon.list_now().containers if "short" in record.container_id):
        pass
    node.restart()
    found = listed(node)
    assert {name: sandbox.ip for name, sandbox in found.items()} == ips
    (alive,) = found["long"].containers
    assert (alive.container_id, alive.attempt, alive.exited, alive.ready) == (started.container_id, 0, None, True)
    assert alive.started_at_s == started.started_at_s
    (ended,) = found["short"].containers
    assert ended.exited is not None
    assert (ended.exited.exit_code, ended.exited.reason) == (4, "Error")
    assert node.run(make_pod("new")).ip not in ips.values()
    answer = node.ask(StopContainer, pod_uid="uid-of-long", container_id=started.container_id, grace_s=0.0)
    assert isinstance(answer, ContainerStopping)
    assert node.next(lambda m: isinstance(m, ContainerExited) and m.name == "web" and m.pod_uid == "uid-of-long")


def test_a_grace_that_was_running_goes_on_after_a_restart(node: Node) -> None:
    pod = make_pod("a")
    node.run(pod)
    started = node.started(pod, "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.01; done")
    wait_for_lines(node.folder(pod) / "logs" / "web" / "0.log", 1)
    node.port.after = lambda *_args, **_kwargs: Mock()  # type: ignore[method-assign]  # this life will never see the end of the grace
    node.ask(StopContainer, pod_uid=pod.metadata.uid, container_id=started.container_id, grace_s=0.5)
    listed(node)
    node.restart()
    assert node.expect(ContainerExited).signal == signal.SIGKILL


def test_kill_9_of_the_whole_program_leaves_containers_that_a_new_one_finds(state_dir: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(state_dir)]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert program.stdout is not None
    (long_ip, long_id), (short_ip, short_id) = (program.stdout.readline().split() for _ in range(2))
    assert program.stdout.readline() == "idle\n"
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    program.stdout.close()
    node = durable(state_dir)
    try:
        listed(node)  # answered once the runtime has found again what runs: what ends from now on is told
        (state_dir / "go").touch()
        assert node.expect(ContainerExited).exit_code == 4
        found = listed(node)
        assert {name: sandbox.ip for name, sandbox in found.items() if name != "idle"} == {"long": long_ip, "short": short_ip}
        assert [c.container_id for name in ("long", "short") for c in found[name].containers] == [long_id, short_id]
        assert found["idle"].containers == ()
        assert node.run(make_pod("long")).ip == long_ip, "the same sandbox, not another"
        again = node.started(make_pod("long"), "sh", "-c", "exec sleep 1000")
        assert again.container_id == long_id
        pids = [record.pid for record in node.daemon.list_now().containers if record.running]
        assert len(pids) == 1
        node.remove(make_pod("long"))
        wait_until_gone(pids[0])
    finally:
        node.close()
        node.daemon.disconnect()


def test_after_a_crash_of_its_node_a_runtime_is_empty_and_the_folders_are_gone(node: Node) -> None:
    pod, other = make_pod("a"), make_pod("b")
    for one in (pod, other):
        node.run(one)
        node.started(one, "sleep", "1000")
    node.crash()
    node.daemon.kill_node(node.name)
    abandon_node(node.daemon.state_dir, node.name)
    node.restart()
    assert listed(node) == {}
    assert not node.folder(pod).exists()
    node.run(pod)
    assert isinstance(node.start(pod, "true"), ContainerStarted), "the first attempt again, under the same id"


def test_what_a_runtime_writes_after_the_power_cut_is_not_found(tmp_path: Path) -> None:
    """A worker of the runtime that has crashed may still be writing when the node is forgotten."""
    before = home_of(tmp_path, "node-1")
    note = SandboxNote("uid-of-a", "127.64.0.2", make_pod("a"))
    store_note(before, note)
    assert load_notes(home_of(tmp_path, "node-1")) == (note,)
    abandon_node(tmp_path, "node-1")
    store_note(before, note)
    assert load_notes(home_of(tmp_path, "node-1")) == ()
    assert not before.notes.exists()


def test_containers_whose_daemon_is_gone_are_told_as_ended(node: Node, state_dir: Path) -> None:
    pod = make_pod("a")
    ip = node.run(pod).ip
    node.started(pod, "sleep", "1000", attempt=3)
    node.close()
    os.kill(node.daemon.hello.pid, signal.SIGKILL)
    node.daemon.disconnect()
    wait_until_gone(node.daemon.hello.pid)
    again = durable(state_dir)
    try:
        sandbox = listed(again)["a"]
        assert sandbox.ip == ip
        (container,) = sandbox.containers
        assert container.attempt == 3
        assert container.exited is not None
        assert (container.exited.exit_code, container.exited.reason) == (137, "ContainerStatusUnknown")
        assert isinstance(again.start(pod, "true", attempt=4), ContainerStarted)
    finally:
        again.close()
        again.daemon.disconnect()


def test_a_container_without_a_sandbox_is_killed_and_forgotten(node: Node) -> None:
    listed(node)  # its first look is over: what is started now is a stranger to the next one
    stranger = container_id("nobody", "web", 0)
    command, env = ["sleep", "1000"], {"PATH": os.defpath}
    node.daemon.ask(Started, node.daemon.start_container, stranger, node.name, command, env, "/", node.daemon.state_dir / "log")
    (record,) = node.daemon.list_now().containers
    node.restart()
    assert listed(node) == {}
    wait_until_gone(record.pid)
    assert node.daemon.list_now().containers == ()


def test_a_damaged_note_costs_its_own_pod_only(node: Node) -> None:
    for name in ("a", "b"):
        node.run(make_pod(name))
    node.crash()
    (node.daemon.state_dir / "nodes" / node.name / "sandboxes" / "0" / "uid-of-a.json").write_bytes(b"{half")
    node.restart()
    assert [*listed(node)] == ["b"]
    assert not node.folder(make_pod("a")).exists()
