"""Requests as fast as they are answered: what wrk prints is read, and our own program stands in for it."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from callboard.bench.hammer import HammerFailed, hammer, here, read

WRK = """Running 2s test @ http://127.0.0.1:8080/
  1 threads and 16 connections
  123456 requests in 2.00s, 1.50MB read
Requests/sec:  61728.00
"""


class Hello(BaseHTTPRequestHandler):
    """Says hello, on kept connections too; counts connections and remembers the Host header."""

    protocol_version = "HTTP/1.1"
    connections: list[object] = []
    hosts: set[str] = set()

    def setup(self) -> None:
        super().setup()
        self.connections.append(self.client_address)

    def do_GET(self) -> None:
        self.hosts.add(self.headers["Host"])
        self.send_response(200 if self.path == "/hello" else 404)
        self.send_header("Content-Length", "5")
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Hello.connections.clear()
    Hello.hosts.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hello"
        server.shutdown()
        thread.join()


def test_what_wrk_prints_is_read_and_failed_requests_are_no_figure() -> None:
    assert read(WRK).requests_per_s == 61_728
    assert read(WRK).bytes_per_s == 1.5 * (1 << 20) / 2
    for more in ("  Socket errors: connect 0, read 1, write 0, timeout 0\n", "  Non-2xx or 3xx responses: 4\n"):
        with pytest.raises(HammerFailed):
            read(WRK + more)
    with pytest.raises(HammerFailed, match="unable to connect"):
        read("unable to connect to 127.0.0.1:1 Connection refused")


@pytest.mark.parametrize("program", ["ours", pytest.param("wrk", marks=pytest.mark.needs("wrk"))])
def test_either_program_keeps_connections_or_opens_new_ones(program: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if program == "ours":
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    rate = hammer(here, url, 1, connections=2, host="shop.example")
    assert rate.requests_per_s > 0
    assert rate.bytes_per_s >= 5 * rate.requests_per_s * 0.9
    assert Hello.hosts == {"shop.example"}
    kept = len(Hello.connections)
    assert kept <= 4
    hammer(here, url, 1, connections=2, close=True)
    assert len(Hello.connections) > kept + 4


@pytest.mark.parametrize("program", ["ours", pytest.param("wrk", marks=pytest.mark.needs("wrk"))])
def test_requests_that_fail_are_no_figure(program: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if program == "ours":
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(HammerFailed):
        hammer(here, url + "/not-there", 1, connections=1)
    with socket.socket() as taken:  # bound and not listening
        taken.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with pytest.raises(HammerFailed):
            hammer(here, refused, 1, connections=1)
