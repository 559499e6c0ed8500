"""Daemons that end with their test, and ways to wait for processes to be gone."""

from __future__ import annotations

import os
import queue
import select
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.launch import stop_durable
from callboard.runtime.process.protocol import ProcessMessage

WAIT_S = 30.0
MessageT = TypeVar("MessageT", bound=ProcessMessage)
ENV = {"PATH": os.environ.get("PATH", os.defpath)}


class Driver:
    """A daemon with the messages it sent."""

    def __init__(self, daemon: Callable[[Callable[[ProcessMessage], None]], ProcessDaemon]) -> None:
        self.said: queue.Queue[ProcessMessage] = queue.Queue()
        self.daemon = daemon(self.said.put)

    def next(self, kind: type[MessageT]) -> MessageT:
        """The next message, which must be of this kind."""
        message = self.said.get(timeout=WAIT_S)
        assert isinstance(message, kind), message
        return message

    def log(self, container_id: str) -> Path:
        return self.daemon.state_dir / "logs" / container_id

    def run(self, container_id: str, *argv: str, node: str = "node-1") -> int:
        """Ask for a container; its answer is the next message."""
        return self.daemon.start_container(container_id, node, argv, ENV, "/", self.log(container_id))

    def shell(self, container_id: str, script: str, node: str = "node-1") -> int:
        return self.run(container_id, "/bin/sh", "-c", script, node=node)


def wait_until_gone(pid: int) -> None:
    """Wait until a process, ours or not, has ended (a zombie has)."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    ended = poll.poll(WAIT_S * 1000)
    os.close(pidfd)
    assert ended, f"process {pid} still runs: {Path(f'/proc/{pid}/cmdline').read_bytes()!r}"


@pytest.fixture
def ephemeral() -> Iterator[Driver]:
    driver = Driver(lambda emit: ProcessDaemon.start(None, emit))
    yield driver
    driver.daemon.stop()
    assert not driver.daemon.state_dir.exists()


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder for a durable daemon, which is ended after the test."""
    folder = tmp_path / "processes"
    yield folder
    stop_durable(folder)
