"""Probes of real containers: HTTP as Kubernetes judges it, connections, time limits that hold for the whole."""

from __future__ import annotations

import http.server
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.models.api import core
from callboard.models.messages.runtime import ProbeContainer, Probed
from callboard.runtime.containers.process_probes import Outcome, run_probe
from callboard.runtime.process.block import reserve
from callboard.runtime.process.client import ProcessDaemon

from .world import Node, make_pod


class Page(http.server.BaseHTTPRequestHandler):
    """`/200` answers with that status, `/to/...` leads elsewhere, `/headers` shows what came, `/drip` never ends its headers."""

    def do_GET(self) -> None:
        kind, _, rest = self.path.strip("/").partition("/")
        if kind == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                self.wfile.write(b"X: 1\r\n")
                time.sleep(0.05)
        body = str(self.headers).encode() if kind == "headers" else b"page"
        self.send_response(int(kind) if kind.isdigit() else 302 if kind == "to" else 200)
        if kind == "to":
            self.send_header("Location", rest if "." in rest else f"/{rest}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Quiet(socketserver.ThreadingTCPServer):
    """A server whose clients may go away as they like."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A probe has hung up."""


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, int]]:
    block, lock = reserve(None)
    with lock, Quiet((f"127.{block}.7.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address  # type: ignore[misc]
        server.shutdown()


def get(place: tuple[str, int], path: str, timeout_s: float = 5.0, **fields: object) -> Outcome:
    probe = core.Probe(http_get=core.HTTPGetAction(path=path, **fields))  # type: ignore[arg-type]
    return run_probe(probe, place[0], place[1], timeout_s)


@pytest.mark.parametrize(("status", "ok"), [(200, True), (204, True), (304, True), (399, True), (400, False), (404, False), (500, False)])
def test_a_status_from_200_to_399_is_success(place: tuple[str, int], status: int, ok: bool) -> None:
    outcome = get(place, f"/{status}")
    assert outcome.ok is ok
    assert ok or outcome.message == f"HTTP probe failed with statuscode: {status}"


def test_redirects_are_followed_on_the_same_host_only(place: tuple[str, int]) -> None:
    assert get(place, "/to/200").ok
    assert not get(place, "/to/500").ok
    assert get(place, "/to/http://elsewhere.invalid/500").ok
    assert get(place, "/to/to/to/200").ok


def test_an_endless_redirect_is_given_up(place: tuple[str, int]) -> None:
    loop = "/" + "to/" * 30
    assert get(place, loop).message == "stopped after 10 redirects"


def test_headers_of_the_probe_are_sent(place: tuple[str, int]) -> None:
    said = get(
        place, "headers", http_headers=(core.HTTPHeader(name="host", value="shop.local"), core.HTTPHeader(name="X-Me", value="1"))
    ).message
    assert "Host: shop.local" in said
    assert "X-Me: 1" in said
    assert "User-Agent: kube-probe/1.36" in said
    assert f"Host: {place[0]}:{place[1]}" in get(place, "headers").message


def test_the_time_limit_holds_for_a_server_that_answers_in_drops(place: tuple[str, int]) -> None:
    began_s = time.monotonic()
    outcome = get(place, "/drip", timeout_s=0.5)
    assert outcome == Outcome(False, "context deadline exceeded: no answer within 0.5 s")
    assert time.monotonic() - began_s < 5


def test_https_to_a_server_that_speaks_http_fails_with_a_reason(place: tuple[str, int]) -> None:
    outcome = get(place, "/200", scheme="HTTPS")
    assert not outcome.ok
    assert outcome.message


def test_a_connection_is_all_that_a_tcp_probe_wants(place: tuple[str, int]) -> None:
    probe = core.Probe(tcp_socket=core.TCPSocketAction())
    assert run_probe(probe, *place, 5.0) == Outcome(True, "")
    with socket.create_server((place[0], 0)) as closed:
        free = closed.getsockname()[1]
    refused = run_probe(probe, place[0], free, 5.0)
    assert not refused.ok
    assert "refused" in refused.message


def test_a_runtime_probes_what_runs_with_its_environment_even_after_a_restart(state_dir: Path) -> None:
    node = Node(lambda emit: ProcessDaemon.connect(state_dir, emit))
    try:
        pod = make_pod("a")
        ip = node.run(pod).ip
        started = node.started(pod, "sleep", "1000", env={"GREETING": "hi"})
        probe = core.Probe(exec=core.ExecAction(command=("sh", "-c", 'echo "$GREETING $POD_IP"')))
        fields = {"pod_uid": pod.metadata.uid, "container_id": started.container_id, "name": "web", "ip": ip}
        for _ in range(2):
            said = node.ask(ProbeContainer, **fields, probe=probe, port=0, timeout_s=5.0)
            assert isinstance(said, Probed)
            assert (said.ok, said.message) == (True, f"hi {ip}\n")
            node.restart()
        gone = node.ask(ProbeContainer, **{**fields, "container_id": "other"}, probe=probe, port=0, timeout_s=5.0)
        assert isinstance(gone, Probed)
        assert (gone.ok, gone.message) == (False, "container web does not run")
    finally:
        node.close()
        node.daemon.disconnect()
