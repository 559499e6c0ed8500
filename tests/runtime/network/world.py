"""A cell with the network helper in it, and a driver outside: what the tests of the network stand on."""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack
import psutil

from callboard.models.messages.base import Message
from callboard.runtime.helpers.link import HelperError
from callboard.runtime.network.driver import NetworkDriver
from callboard.runtime.network.messages import NetworkState
from callboard.runtime.process import boot
from tests.programs import SYSTEM_PATH

PREFIXES = {
    "A": ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--mount-proc"),
    "B": ("unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")
    + ("--mount-proc",),
}
LIMIT_S = 30.0
HELPER_MODULE = "callboard.runtime.network.helper"


def _env() -> dict[str, str]:
    """An environment in which the programs for administrators are found, also by an ordinary user."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PATH}"}


def refused(level: str) -> str:
    """Why this machine has no such cells; "" if it has."""
    if shutil.which("unshare") is None:
        return "needs unshare: apt-get install util-linux"
    words = [*PREFIXES[level], "sh", "-c", "ip link add v0 type veth peer name v1 && ip link add b0 type bridge"]
    tried = subprocess.run(words, capture_output=True, timeout=LIMIT_S, env=_env())
    return "" if tried.returncode == 0 else f"no cell of level {level} here: {tried.stderr.decode().strip()}"


class World:
    """One cell. `driver` is the first driver; more can be made with `connect`."""

    def __init__(self, folder: Path, level: str) -> None:
        self._level = level
        self.state_dir = folder
        self.netns_folder = folder / "netns"
        self.told: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.helper_pids: list[int] = []
        site = str(Path(msgpack.__file__).parents[1])
        helper = [sys.executable, "-I", "-S", boot.__file__, site, HELPER_MODULE, str(folder), str(self.netns_folder)]
        cell = [*PREFIXES[level], sys.executable, str(Path(__file__).with_name("cell.py")), str(folder / "network.log"), *helper]
        self._cell = subprocess.Popen(cell, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._drivers: list[NetworkDriver] = []
        self.driver = self.connect()

    def start_helper(self, name: str, module: str, arguments: list[str], callback: Callable[[Any], None]) -> int:
        assert self._cell.stdin is not None
        assert self._cell.stdout is not None
        self._cell.stdin.write(b"start\n")
        self._cell.stdin.flush()
        self.helper_pids.append(int(self._cell.stdout.readline()))
        callback(SimpleNamespace(name=name, pid=self.helper_pids[-1]))
        return 0

    def connect(self) -> NetworkDriver:
        """One more main program's driver."""
        self._drivers.append(NetworkDriver(self, self.told.put))
        return self._drivers[-1]

    def helper_process(self) -> psutil.Process:
        """The helper's process as it is seen from outside."""
        found: list[psutil.Process] = []

        def there() -> bool:
            cells = psutil.Process(self._cell.pid).children()
            found[:] = [child for cell in cells for child in cell.children() if child.status() != psutil.STATUS_ZOMBIE]
            return bool(found)

        self.until(there)
        return found[-1]

    def kill_helper(self) -> None:
        process = self.helper_process()
        process.kill()
        process.wait(LIMIT_S)

    def run_in(self, space: str, *command: str) -> str:
        """What a command prints in a namespace of the cell, "" for the fabric's."""
        first = psutil.Process(self._cell.pid).children()[0].pid
        as_whom = ["--user", "--preserve-credentials"] if self._level == "B" else []
        enter = ["nsenter", "--target", str(first), *as_whom, "--mount", "--pid", "--net"]
        into = ["nsenter", f"--net={self.netns_folder / space}"] if space else []
        return subprocess.run([*enter, *into, *command], capture_output=True, text=True, check=True, env=_env()).stdout

    def links(self, space: str = "") -> list[str]:
        """The names of the interfaces in a namespace of the cell, "" for the fabric's."""
        listed = self.run_in(space, "ip", "-o", "link")
        return [line.split(":")[1].strip().partition("@")[0] for line in listed.splitlines()]

    def spaces(self) -> list[str]:
        """The files at which namespaces are bound."""
        return sorted(self.run_in("", "ls", str(self.netns_folder)).split())

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until this is so."""
        deadline_s = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline_s, "it did not come about"
            time.sleep(0.02)

    def end(self) -> None:
        for driver in self._drivers:
            driver.close()
        assert self._cell.stdin is not None
        assert self._cell.stdout is not None
        self._cell.stdin.close()
        self._cell.wait(LIMIT_S)
        self._cell.stdout.close()


def asked(method: Callable[..., None], *arguments: Any, **named: Any) -> Any:
    """Call a method of the driver and wait for what `done` hears."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    method(*arguments, done=answers.put, **named)
    return answers.get(timeout=LIMIT_S)


def state_of(driver: NetworkDriver) -> NetworkState:
    """What is there, asked until there is an answer: a helper that ends may take some more questions along."""
    deadline_s = time.monotonic() + LIMIT_S
    while True:
        try:
            return driver.state_now(LIMIT_S)
        except HelperError:
            if time.monotonic() > deadline_s:
                raise


class Server:
    """A listening socket inside a namespace, served by the test."""

    def __init__(self, driver: NetworkDriver, where: str, address: str, port: int) -> None:
        self.socket = driver.socket_now(where, LIMIT_S)
        self.socket.settimeout(LIMIT_S)
        self.socket.bind((address, port))
        self.socket.listen()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def accept(self) -> socket.socket:
        connection, _ = self.socket.accept()
        connection.settimeout(LIMIT_S)
        return connection


def connected(driver: NetworkDriver, where: str, address: str, port: int, timeout_s: float = LIMIT_S) -> socket.socket:
    """A connection made from inside a namespace. Raises OSError."""
    sock = driver.socket_now(where, LIMIT_S)
    sock.settimeout(timeout_s)
    try:
        sock.connect((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def talk(one: socket.socket, other: socket.socket) -> None:
    """A byte goes each way over this connection."""
    one.sendall(b"?")
    assert other.recv(1) == b"?"
    other.sendall(b"!")
    assert one.recv(1) == b"!"
