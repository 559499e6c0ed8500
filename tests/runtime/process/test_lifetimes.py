"""Who outlives whom: a killed main program with an ephemeral and with a durable daemon, reconnecting, `down`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from callboard.runtime.process.block import lock_address
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.launch import connect, stop_durable
from callboard.runtime.process.protocol import Exited, NodeKilled, ProcessDaemonError, Started

from .conftest import Driver, wait_until_gone

MAIN_PROGRAM = """
import os, queue, sys, time
from callboard.runtime.process.client import ProcessDaemon
said = queue.Queue()
daemon = ProcessDaemon.start(sys.argv[1] or None, said.put)
env = {"PATH": os.environ["PATH"]}
daemon.start_container("long", "node-1", ["sh", "-c", "setsid sleep 1000 & echo $!; exec sleep 1000"], env, "/", daemon.state_dir / "long")
daemon.start_container("short", "node-1", ["sh", "-c", "exit 4"], env, "/", daemon.state_dir / "short")
pids = [said.get().pid for _ in range(3)]
holder = os.fork() if sys.argv[2] == "fork" else 0  # a child that keeps every descriptor of ours open
if sys.argv[2] == "fork" and holder == 0:
    time.sleep(1000)
while not (daemon.state_dir / "long").read_text().endswith("\\n"):
    pass
print(daemon.hello.pid, pids[0], (daemon.state_dir / "long").read_text().strip(), holder, daemon.state_dir, flush=True)
sys.stdin.read()
"""


class Main:
    """A main program in a process of its own, with what it has started."""

    def __init__(self, state_dir: Path | None, how: str = "plain") -> None:
        command = [sys.executable, "-c", MAIN_PROGRAM, str(state_dir or ""), how]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        daemon, container, grandchild, holder, folder = self.process.stdout.readline().split()
        self.daemon, self.container, self.grandchild, self.holder = int(daemon), int(container), int(grandchild), int(holder)
        self.folder = Path(folder)

    def end(self, signum: int = signal.SIGKILL) -> None:
        self.process.send_signal(signum)
        self.close()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.mark.parametrize("how", ["plain", "fork"])
def test_kill_9_of_the_main_program_leaves_no_process_and_no_folder(how: str) -> None:
    main = Main(None, how)
    assert main.folder.exists()
    main.end()
    try:
        for pid in (main.daemon, main.container, main.grandchild):
            wait_until_gone(pid)
        assert not main.folder.exists()
    finally:
        if main.holder:
            os.kill(main.holder, signal.SIGKILL)


def test_a_main_program_that_just_returns_leaves_nothing_either() -> None:
    main = Main(None)
    main.close()
    for pid in (main.daemon, main.container, main.grandchild):
        wait_until_gone(pid)
    assert not main.folder.exists()


def test_sigterm_to_the_daemon_ends_everything() -> None:
    main = Main(None)
    os.kill(main.daemon, signal.SIGTERM)
    for pid in (main.container, main.grandchild):
        wait_until_gone(pid)
    main.close()
    wait_until_gone(main.daemon)
    assert not main.folder.exists()


def test_a_durable_daemon_survives_and_tells_the_next_main_program_what_runs_and_what_ended(state_dir: Path) -> None:
    main = Main(state_dir)
    main.end()
    driver = Driver(lambda emit: ProcessDaemon.connect(state_dir, emit))
    assert driver.daemon.hello.pid == main.daemon
    found = {record.container_id: record for record in driver.daemon.list_now().containers}
    assert (found["long"].running, found["long"].pid) == (True, main.container)
    assert (found["short"].running, found["short"].exit_code) == (False, 4)
    driver.daemon.kill_node("node-1")
    driver.next(NodeKilled)
    assert driver.next(Exited).container_id == "long"
    driver.daemon.disconnect()
    stopped = stop_durable(state_dir)
    assert (stopped.found, stopped.pid, stopped.containers) == (True, main.daemon, ())


def test_down_says_what_it_stopped_and_leaves_nothing_running(state_dir: Path) -> None:
    main = Main(state_dir)
    main.end()
    stopped = stop_durable(state_dir)
    assert [record.container_id for record in stopped.containers] == ["long"]
    for pid in (main.daemon, main.container, main.grandchild):
        wait_until_gone(pid)
    assert not (state_dir / "daemon.sock").exists()
    assert not (state_dir / "daemon.pid").exists()
    assert connect(state_dir, 5.0) is None
    assert not stop_durable(state_dir).found


def test_nothing_running_is_no_error(tmp_path: Path) -> None:
    assert not stop_durable(tmp_path).found
    assert not stop_durable(tmp_path / "nowhere").found


def test_a_second_daemon_on_the_same_folder_is_refused(state_dir: Path) -> None:
    driver = Driver(lambda emit: ProcessDaemon.connect(state_dir, emit))
    with pytest.raises(ProcessDaemonError, match="another process daemon uses this folder"):
        ProcessDaemon.start(state_dir, driver.said.put)
    second = Driver(lambda emit: ProcessDaemon.connect(state_dir, emit))
    assert second.daemon.hello == driver.daemon.hello
    driver.daemon.disconnect()
    second.daemon.stop()


def test_a_killed_durable_daemon_is_replaced_by_one_with_the_same_block(state_dir: Path) -> None:
    main = Main(state_dir)
    main.end()
    os.kill(main.daemon, signal.SIGKILL)
    wait_until_gone(main.daemon)
    wait_until_gone(main.container)
    assert Path(f"/proc/{main.grandchild}").exists(), "nobody has cleared up yet"
    driver = Driver(lambda emit: ProcessDaemon.connect(state_dir, emit))
    wait_until_gone(main.grandchild)
    assert driver.daemon.list_now().containers == ()
    block = driver.daemon.block
    driver.daemon.stop()
    with (
        socket.create_server(lock_address(block)),
        pytest.raises(ProcessDaemonError, match=f"127.{block}.0.0/16 cannot be reserved"),
    ):
        ProcessDaemon.connect(state_dir, driver.said.put)
    again = Driver(lambda emit: ProcessDaemon.connect(state_dir, emit))
    assert again.daemon.block == block
    again.daemon.stop()


def test_a_state_folder_may_have_a_long_path(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("path" * 20)
    driver = Driver(lambda emit: ProcessDaemon.connect(folder, emit))
    driver.run("c1", "sleep", "1000")
    driver.next(Started)
    driver.daemon.disconnect()
    assert [record.container_id for record in stop_durable(folder).containers] == ["c1"]


def test_a_state_folder_that_cannot_be_made_is_told_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProcessDaemonError, match="Not a directory"):
        ProcessDaemon.connect(tmp_path / "file" / "state", lambda message: None)


def test_the_daemon_loads_no_more_than_it_needs(state_dir: Path) -> None:
    """Its start-up is part of every cluster's: none of the package's heavy dependencies may creep in."""
    driver = Driver(lambda emit: ProcessDaemon.connect(state_dir, emit))
    mapped = Path(f"/proc/{driver.daemon.hello.pid}/maps").read_text()
    driver.daemon.stop()
    assert "msgpack" in mapped
    assert not [name for name in ("msgspec", "numpy", "yaml", "psutil", "_ssl", "_asyncio") if name in mapped]
