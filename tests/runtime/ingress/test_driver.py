"""The Ingress' driver and the program that serves, as a process of its own: started with the first Ingress, lost, taken over, refused."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard.models.ingress import Backends, HostRoutes, IngressTable, PathRoute
from callboard.models.messages.base import Message
from callboard.models.messages.ingress import Certificate, CertificatesRefused, IngressListening
from callboard.runtime.ingress.driver import IngressDriver

LIMIT_S = 30.0
WEB = "default/web:80"
HOST = "shop.local"


class Host:
    """Plays the process daemon: starts the helper where none runs."""

    def __init__(self, folder: Path) -> None:
        self.state_dir = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start_helper(self, name: str, module: str, arguments: list[str], callback: Callable[[Any], None]) -> None:
        if self.process is None or self.process.poll() is not None:
            with (self.state_dir / f"{name}.log").open("ab") as log:
                self.process = subprocess.Popen([sys.executable, "-m", module, *arguments], stderr=log)
        callback(None)

    def kill(self) -> None:
        """The helper is lost."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Let it end by itself."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(LIMIT_S)


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"from the endpoint"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Tests need no access log."""


class ManyAtOnce(http.server.ThreadingHTTPServer):
    request_queue_size = 512


@pytest.fixture
def endpoint() -> Iterator[tuple[str, int]]:
    server = ManyAtOnce(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "127.0.0.1", server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    yield host
    host.end()


@pytest.fixture
def address() -> str:
    """An address of the loopback that no other run of the tests uses at this moment."""
    pid = os.getpid()
    return f"127.{40 + pid % 20}.{pid // 20 % 250}.{1 + time.monotonic_ns() // 1000 % 250}"


class Heard:
    """What the driver says."""

    def __init__(self, driver: IngressDriver) -> None:
        self._said: queue.SimpleQueue[Message] = queue.SimpleQueue()
        driver.hear(self._said.put)

    def next(self, kind: type[Any]) -> Any:
        """The next message of this kind."""
        while True:
            message = self._said.get(timeout=LIMIT_S)
            if isinstance(message, kind):
                return message


def table(*endpoints: tuple[str, int]) -> IngressTable:
    return IngressTable((HostRoutes(HOST, (PathRoute("", False, WEB),)),), "", (Backends(WEB, endpoints),))


def get(where: IngressListening, host: str = HOST) -> tuple[int, str]:
    """Status and text of one request on a connection of its own."""
    with contextlib.closing(http.client.HTTPConnection(where.address, where.http, timeout=LIMIT_S)) as connection:
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def until(wanted: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not wanted():
        assert time.monotonic() < deadline_s, f"not within {LIMIT_S:g} s: {what}"
        time.sleep(0.01)


def answers(where: IngressListening) -> bool:
    """Whether a request is answered by the endpoint at last; refused connections are those of a server that comes up."""
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        return get(where) == (200, "from the endpoint")
    return False


def test_nothing_is_started_before_the_first_ingress(host: Host, address: str, endpoint: tuple[str, int]) -> None:
    driver = IngressDriver(host, address)
    heard = Heard(driver)
    try:
        driver.tell(IngressTable(), ())
        assert host.process is None
        driver.tell(table(endpoint), ())
        where = heard.next(IngressListening)
        assert where.address == address
        assert get(where) == (200, "from the endpoint")
        assert get(where, "other.local")[0] == 404
        driver.tell(table(), ())
        until(lambda: get(where)[0] == 503, "the endpoint is gone")
    finally:
        driver.close()


def test_a_helper_that_was_killed_is_started_again_at_the_same_ports_and_told_all(
    host: Host, address: str, endpoint: tuple[str, int]
) -> None:
    driver = IngressDriver(host, address)
    heard = Heard(driver)
    try:
        driver.tell(table(endpoint), ())
        where = heard.next(IngressListening)
        until(lambda: answers(where), "the first answer")
        host.kill()
        until(lambda: answers(where), "an answer of the next helper")
    finally:
        driver.close()


def test_a_new_main_program_takes_a_helper_over_that_went_on_serving(host: Host, address: str, endpoint: tuple[str, int]) -> None:
    first = IngressDriver(host, address)
    first.tell(table(endpoint), ())
    where = Heard(first).next(IngressListening)
    until(lambda: answers(where), "the first answer")
    assert host.process is not None
    pid = host.process.pid
    first.close()
    assert get(where) == (200, "from the endpoint")  # nobody tells it anything now
    second = IngressDriver(host, address)
    try:
        second.tell(table(), ())
        assert Heard(second).next(IngressListening) == where
        until(lambda: get(where)[0] == 503, "what the new program says")
        assert host.process.pid == pid
    finally:
        second.close()


def test_a_port_that_is_taken_is_told_and_another_one_of_the_address_serves(host: Host, address: str, endpoint: tuple[str, int]) -> None:
    with contextlib.ExitStack() as taken:
        if os.geteuid() == 0:  # anybody else is refused this port anyway
            sock = taken.enter_context(socket.socket())
            sock.bind((address, 80))
            sock.listen()
        driver = IngressDriver(host, address)
        heard = Heard(driver)
        try:
            driver.tell(table(endpoint), ())
            where = heard.next(IngressListening)
            assert where.http not in (0, 80)
            assert any("80" in words for words in where.problems)
            until(lambda: answers(where), "an answer at the other port")
        finally:
            driver.close()


def test_certificates_that_cannot_be_used_are_told_by_their_secrets_and_never_shown(
    host: Host, address: str, endpoint: tuple[str, int]
) -> None:
    driver = IngressDriver(host, address)
    heard = Heard(driver)
    try:
        canary = b"-----BEGIN CERTIFICATE-----\nY2FuYXJ5LW9mLXRoZS1zZWNyZXQ=\n-----END CERTIFICATE-----\n"
        driver.tell(table(endpoint), (Certificate("default/cert", (HOST,), canary, canary),))
        ((secret, words),) = heard.next(CertificatesRefused).problems
        assert secret == "default/cert"
        assert words
        assert "canary" not in words
        assert "Y2FuYXJ5" not in words
        until(lambda: "canary" not in (host.state_dir / "ingress.log").read_text(), "a log without it")
    finally:
        driver.close()
