"""The Ingress' program, as a process of its own, with more clients than it may have files, and with thousands that say nothing."""

from __future__ import annotations

import resource
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard.models.messages.ingress import IngressListening
from callboard.runtime.ingress.driver import IngressDriver
from tests.programs import in_ci

from .test_driver import LIMIT_S, Heard, Host, get, table, until
from .test_driver import address as address  # pytest finds fixtures by their names here
from .test_driver import endpoint as endpoint

FEW_FILES = 256
CLIENTS_OF_FEW_FILES = (FEW_FILES - 64) // 2
"""Half of the files that are left beside those of the program itself: each client may need one more for its endpoint."""
IDLE = 9000
ROOM = 20_000
"""Open files that so many clients need: two for each, and some to spare."""
ASKS_NOBODY = b"GET / HTTP/1.1\r\nHost: nobody.local\r\n\r\n"
ASKS = b"GET / HTTP/1.1\r\nHost: shop.local\r\n\r\n"


class Narrow(Host):
    """Starts the program with so many open files at most."""

    def __init__(self, folder: Path, files: int) -> None:
        super().__init__(folder)
        self._files = files

    def start_helper(self, name: str, module: str, arguments: list[str], callback: Callable[[Any], None]) -> None:
        if self.process is None or self.process.poll() is not None:
            command = ["prlimit", f"--nofile={self._files}:{self._files}", sys.executable, "-m", module, *arguments]
            with (self.state_dir / f"{name}.log").open("ab") as log:
                self.process = subprocess.Popen(command, stderr=log)
        callback(None)


@pytest.fixture
def files() -> Iterator[None]:
    """Room for all clients in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < ROOM:
        words = f"needs {ROOM} open files, and {hard} are allowed here (ulimit -Hn)"
        pytest.fail(words, pytrace=False) if in_ci() else pytest.skip(words)
    resource.setrlimit(resource.RLIMIT_NOFILE, (ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _served(host: Host, address: str, endpoint: tuple[str, int]) -> tuple[IngressDriver, IngressListening]:
    driver = IngressDriver(host, address)
    heard = Heard(driver)
    driver.tell(table(endpoint), ())
    where = heard.next(IngressListening)
    until(lambda: _answered(where), "an answer of the endpoint")
    return driver, where


def _answered(where: IngressListening) -> bool:
    try:
        return get(where) == (200, "from the endpoint")
    except OSError:
        return False


def _connect(where: IngressListening, number: int) -> socket.socket:
    """A client with an address of its own for every few thousand, as a loopback has ports for."""
    source = (f"127.0.{1 + number // 4000}.1", 0)
    return socket.create_connection((where.address, where.http), LIMIT_S, source)


def _hear(sock: socket.socket, wanted: bytes = b"from the endpoint") -> bytes:
    sock.settimeout(LIMIT_S)
    said = b""
    while wanted not in said:
        piece = sock.recv(4096)
        assert piece, f"it was closed after {said!r}"
        said += piece
    return said


def test_at_the_limit_of_open_files_accepting_pauses_with_one_line_and_goes_on(
    tmp_path: Path, address: str, endpoint: tuple[str, int]
) -> None:
    host = Narrow(tmp_path, FEW_FILES)
    driver, where = _served(host, address, endpoint)
    log = tmp_path / "ingress.log"
    clients = [_connect(where, 0) for _ in range(CLIENTS_OF_FEW_FILES + 20)]
    try:
        until(lambda: "accepting pauses" in log.read_text(), "a line in the log")
        for sock in clients:
            sock.sendall(ASKS)
        served, late = clients[:CLIENTS_OF_FEW_FILES], clients[CLIENTS_OF_FEW_FILES:]
        for sock in served:
            assert _hear(sock).startswith(b"HTTP/1.1 200")
        with selectors.DefaultSelector() as selector:
            for sock in late:
                selector.register(sock, selectors.EVENT_READ)
            assert selector.select(1.0) == [], "those beyond the limit wait"
        for sock in served[:30]:
            sock.close()
        for sock in late:
            assert _hear(sock).startswith(b"HTTP/1.1 200")
        assert log.read_text().count("\n") == 1, log.read_text()
    finally:
        for sock in clients:
            sock.close()
        driver.close()
        host.end()


def test_nine_thousand_idle_clients_harm_nobody(tmp_path: Path, address: str, endpoint: tuple[str, int], files: None) -> None:
    host = Narrow(tmp_path, ROOM)
    driver, where = _served(host, address, endpoint)
    crowd: list[socket.socket] = []
    try:
        for number in range(IDLE):
            crowd.append(_connect(where, number))
            crowd[-1].sendall(ASKS_NOBODY)  # who says nothing at all is closed much sooner
        for sock in crowd:
            _hear(sock, b"404 Not Found")
        asked_s = time.monotonic()
        for _ in range(20):
            assert get(where) == (200, "from the endpoint")
        print(f"20 requests beside {IDLE} idle connections: {time.monotonic() - asked_s:.2f} s")
        for sock in (crowd[0], crowd[IDLE // 2], crowd[-1]):
            sock.sendall(ASKS)
            assert b"HTTP/1.1 200" in _hear(sock)
        assert (tmp_path / "ingress.log").read_text() == ""
    finally:
        for sock in crowd:
            sock.close()
        driver.close()
        host.end()
