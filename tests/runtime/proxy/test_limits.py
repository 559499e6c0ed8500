"""The service proxy under strain: the limit of open files, thousands of idle connections, clients that are slow, stuck or half closed."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.programs import in_ci

from .conftest import WAIT_S, Proxy
from .test_proxy import MakeAddress, MakeServer, ask, connect, echo, port_of, says

IDLE = 9000
ROOM = 20_000
"""Open files that a proxy of so many connections needs: two for each, and some to spare."""
Start = Callable[..., "Program"]


class Program:
    """A program of these tests, which ends with its input."""

    def __init__(self, name: str, *arguments: Any) -> None:
        command = [sys.executable, str(Path(__file__).with_name(name)), *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.first = self.line()

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            assert self.process.stderr is not None
            raise AssertionError(self.process.stderr.read())
        return line

    def stats(self) -> Any:
        """The counters of a proxy."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.line())

    def end(self) -> str:
        """End it; returns what it complained of."""
        _, complaints = self.process.communicate(timeout=WAIT_S)
        return complaints


@pytest.fixture
def start() -> Iterator[Start]:
    programs: list[Program] = []

    def run(name: str, *arguments: Any) -> Program:
        programs.append(Program(name, *arguments))
        return programs[-1]

    yield run
    for program in programs:
        if program.process.returncode is None:
            program.end()


def test_at_the_limit_of_open_files_accepting_pauses_with_one_line_and_goes_on(start: Start, address: MakeAddress) -> None:
    ip, home = address(), address()
    server = start("crowd.py", home)
    proxy = start("alone.py", ip, 18080, home, server.first, 256)
    waiting = [connect(ip) for _ in range(400)]  # the kernel takes them all in; the proxy has no room for so many
    served: list[socket.socket] = []
    for client in waiting:
        client.sendall(b"x")
    while waiting:
        client = waiting.pop(0)
        assert client.recv(1) == b"x", "whoever waited is served once others have ended"
        served.append(client)
        if len(served) > 20:
            served.pop(0).close()
    stats = proxy.stats()
    for client in served:
        client.close()
    assert (stats["accepted"], stats["rejected"]) == (400, 0)
    assert stats["endpoints"][0]["failed_connects"] == 0
    complaints = proxy.end().splitlines()
    assert len(complaints) == 1, complaints
    assert "accepting pauses at the limit of open files" in complaints[0]
    assert "ulimit -n" in complaints[0]


def test_nine_thousand_idle_connections_stand_and_others_are_served(start: Start, address: MakeAddress) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < ROOM:
        words = f"needs {ROOM} open files per process: raise the limit with `ulimit -Hn`"
        pytest.fail(words) if in_ci() else pytest.skip(words)
    ip, home = address(), address()
    server = start("crowd.py", home)
    proxy = start("alone.py", ip, 18080, home, server.first, ROOM)
    before = psutil.Process(proxy.process.pid).memory_info().rss
    crowd = start("crowd.py", ip, 18080, IDLE)
    assert crowd.first == "connected"
    stats = proxy.stats()
    assert (stats["accepted"], stats["rejected"], stats["endpoints"][0]["active"]) == (IDLE, 0, IDLE)
    with connect(ip) as one_more:
        one_more.sendall(b"y")
        assert one_more.recv(1) == b"y"
    grown = psutil.Process(proxy.process.pid).memory_info().rss - before
    assert grown / IDLE < 16_384, f"{grown / IDLE:.0f} bytes for each idle connection"
    crowd.end()
    while proxy.stats()["endpoints"][0]["active"]:
        pass
    assert not proxy.end()


def test_a_client_that_never_reads_or_never_ends_holds_up_nobody_else(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    def pour(sock: socket.socket) -> None:
        while True:
            sock.sendall(bytes(1 << 20))

    ip, other = address(), address()
    proxy.serve(port_of(ip, server(pour)), port_of(other, server(says("quick")), key="default/other:http"))
    stuck = [connect(ip) for _ in range(5)]
    assert [ask(other) for _ in range(20)] == ["quick"] * 20
    for sock in stuck:
        sock.close()


def test_a_client_that_reads_slowly_gets_all_of_it(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    body = bytes(range(256)) * 4096 * 8  # 8 MiB
    ip = address()
    proxy.serve(port_of(ip, server(lambda sock: sock.sendall(body))))
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(WAIT_S)
        sock.connect((ip, 18080))
        got = bytearray()
        while data := sock.recv(3000):
            got += data
    assert bytes(got) == body


def test_a_client_that_has_said_all_is_kept_until_the_endpoint_has(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    release = threading.Event()

    def later(sock: socket.socket) -> None:
        assert sock.recv(100) == b"question"
        assert sock.recv(100) == b""
        release.wait(WAIT_S)
        sock.sendall(b"answer")

    ip = address()
    proxy.serve(port_of(ip, server(later)))
    with connect(ip) as sock:
        sock.sendall(b"question")
        sock.shutdown(socket.SHUT_WR)
        while not proxy.driver.stats()[0].endpoints[0].bytes_to_endpoint:
            pass
        proxy.serve()  # the Service is gone; the connection isn't
        release.set()
        assert sock.recv(100) == b"answer"
        assert sock.recv(100) == b""


def test_a_client_that_breaks_off_takes_its_endpoints_connection_along(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    ended = threading.Event()

    def notice(sock: socket.socket) -> None:
        sock.sendall(b"hello")
        try:
            while sock.recv(100):
                pass
        except ConnectionResetError:
            ended.set()

    ip = address()
    proxy.serve(port_of(ip, server(notice)))
    sock = connect(ip)
    assert sock.recv(5) == b"hello"
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    assert ended.wait(WAIT_S)


def test_connections_that_stand_while_a_thousand_come_and_go_are_untouched(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    ip = address()
    proxy.serve(port_of(ip, server(echo), server(echo)))
    with connect(ip) as first, connect(ip) as second:
        for _ in range(1000):
            connect(ip).close()
        for sock in (first, second):
            sock.sendall(b"1")
            assert sock.recv(1) == b"1"
