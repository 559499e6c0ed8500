"""The network in the cell of a real process daemon, with a real container in a pod's namespace."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from callboard.runtime.isolation.levels import chosen
from callboard.runtime.network.driver import HELPER, MODULE, NetworkDriver
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.confinement import Confinement
from callboard.runtime.process.protocol import Started
from tests.runtime.network.world import LIMIT_S, asked, connected, state_of

SERVE = """
import socket
with socket.create_server(("0.0.0.0", 80)) as server:
    while True:
        with server.accept()[0] as client:
            client.sendall(client.getpeername()[0].encode())
"""


@pytest.fixture
def daemon(level: str) -> Iterator[ProcessDaemon]:
    daemon = ProcessDaemon.start(None, lambda _message: None, level=chosen(level))
    yield daemon
    daemon.stop()


@pytest.fixture
def driver(daemon: ProcessDaemon) -> Iterator[NetworkDriver]:
    driver = NetworkDriver(daemon, lambda _message: None)
    yield driver
    driver.close()


@pytest.mark.needs("bwrap")
def test_a_container_serves_in_its_pods_network(daemon: ProcessDaemon, driver: NetworkDriver, tmp_path: Path) -> None:
    asked(driver.ensure_node, "n0", 0)
    asked(driver.ensure_node, "n1", 1)
    pod = asked(driver.ensure_pod, "web", "n0", "10.244.1.2")
    argv, env = ["/usr/bin/python3", "-c", SERVE], {"PATH": "/usr/bin"}
    log = daemon.state_dir / "web.log"
    confinement = Confinement(netns=pod.netns, hostname="web")
    started: queue.SimpleQueue[Any] = queue.SimpleQueue()
    daemon.start_container("web", "n0", argv, env, "/", log, started.put, confinement=confinement)
    assert isinstance(started.get(timeout=LIMIT_S), Started)
    seen = b""
    while not seen:  # the program begins to listen some time after its container has started
        try:
            with connected(driver, "node/n1", "10.244.1.2", 80) as client:
                seen = client.recv(100)
        except ConnectionRefusedError:
            continue
    assert seen == b"172.31.0.2", log.read_text()


def test_the_daemon_starts_a_lost_helper_again_and_all_is_as_before(daemon: ProcessDaemon, driver: NetworkDriver) -> None:
    asked(driver.ensure_node, "n0", 0)
    asked(driver.ensure_pod, "web", "n0", "10.244.1.2")
    before = state_of(driver)
    pids: queue.SimpleQueue[Any] = queue.SimpleQueue()
    again: queue.SimpleQueue[str] = queue.SimpleQueue()
    driver.on_again(lambda: again.put("again"))
    children = psutil.Process(os.getpid()).children(recursive=True)
    (helper,) = [child for child in children if MODULE in child.cmdline()]
    helper.send_signal(signal.SIGKILL)
    again.get(timeout=LIMIT_S)
    assert state_of(driver) == before
    daemon.start_helper(HELPER, "never.started", [], pids.put)
    assert pids.get(timeout=LIMIT_S).name == HELPER
