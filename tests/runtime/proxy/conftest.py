"""Addresses that no other test run uses, small servers, and a proxy that tells what it reports."""

from __future__ import annotations

import itertools
import queue
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from callboard.models.messages.base import Message
from callboard.models.messages.proxy import Listening, ProxyTable, ServicePort
from callboard.runtime.process.block import reserve
from callboard.runtime.proxy.driver import ProxyDriver

WAIT_S = 20.0


class Proxy:
    """A proxy with the messages it emitted."""

    def __init__(self) -> None:
        self.said: queue.Queue[Message] = queue.Queue()
        self.driver = ProxyDriver(self.said.put)

    def serve(self, *services: ServicePort) -> None:
        self.driver.apply(ProxyTable(services))
        self.driver.sync(WAIT_S)

    def listening(self) -> Listening:
        message = self.said.get(timeout=WAIT_S)
        assert isinstance(message, Listening), message
        return message


class Server:
    """Listens on an address of its own and runs `talk` on a thread for each connection."""

    def __init__(self, address: str, talk: Callable[[socket.socket], None]) -> None:
        self._talk = talk
        self._listener = socket.create_server((address, 0))
        self._open: list[socket.socket] = []
        self.endpoint: tuple[str, int] = self._listener.getsockname()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                self._talk(sock)
            except OSError:
                return

    def stop_listening(self) -> None:
        """Refuse new connections; `shutdown` wakes the accepting thread, which `close` alone would not."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def close(self) -> None:
        if self._listener.fileno() >= 0:
            self.stop_listening()
        for sock in self._open:
            sock.close()


@pytest.fixture
def address() -> Iterator[Callable[[], str]]:
    """A function that gives addresses inside a block reserved for this test."""
    block, lock = reserve(None)
    numbers = itertools.count(1)
    with lock:
        yield lambda: f"127.{block}.7.{next(numbers)}"


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    running = Proxy()
    yield running
    running.driver.stop()


@pytest.fixture
def server(address: Callable[[], str]) -> Iterator[Callable[[Callable[[socket.socket], None]], Server]]:
    servers: list[Server] = []

    def make(talk: Callable[[socket.socket], None]) -> Server:
        servers.append(Server(address(), talk))
        return servers[-1]

    yield make
    for one in servers:
        one.close()
