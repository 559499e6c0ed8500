"""The load generator: what counts as failed, what is tried again, and its pace."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from callboard.bench.load import Ask, Plan, Sender
from callboard.bench.steadyload import SteadyLoad, totals


class Answering(http.server.BaseHTTPRequestHandler):
    """Says 200 with its own name, or the status that the path names; /hang-up closes once without an answer."""

    protocol_version = "HTTP/1.1"
    hung_up: list[str] = []
    asked: list[tuple[str, str]] = []

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.command, self.path))
        if self.path == "/hang-up" and len(self.hung_up) < 1:
            self.hung_up.append(self.path)
            self.close_connection = True
            return
        self.send_response(int(self.path[1:]) if self.path[1:].isdigit() else 200)
        self.send_header("X-Pod", self.headers["Host"])
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Answering.hung_up.clear()
    Answering.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _plan(port: int, *asks: Ask, connects: int = 3, rate_per_s: float = 200) -> Plan:
    return Plan("127.0.0.1", port, "shop.example", asks, connections=2, rate_per_s=rate_per_s, timeout_s=5, connects=connects)


def test_an_answer_counts_with_who_gave_it_and_the_connection_is_kept(port: int) -> None:
    sender = Sender(_plan(port, Ask("/"), Ask("/404"), Ask("/503")))
    seen = [sender.send(number) for number in range(3)]
    assert [(one.status, one.failed, one.connects, one.pod) for one in seen] == [
        (200, False, 1, "shop.example"),
        (404, False, 0, "shop.example"),
        (503, True, 0, "shop.example"),
    ]


def test_a_connect_that_fails_is_tried_again_and_then_the_request_has_failed() -> None:
    with socket.socket() as taken:  # bound and not listening: connects are refused
        taken.bind(("127.0.0.1", 0))
        outcome = Sender(_plan(taken.getsockname()[1], Ask("/"), connects=3)).send(0)
    assert outcome.failed
    assert outcome.connects == 3
    assert "ConnectionRefusedError" in outcome.error


def test_a_kept_connection_that_was_closed_is_opened_anew_for_what_can_be_repeated_only(port: int) -> None:
    sender = Sender(_plan(port, Ask("/"), Ask("/hang-up"), Ask("/hang-up", "POST", "tea")))
    assert sender.send(0).status == 200
    assert [(one.status, one.connects) for one in [sender.send(1)]] == [(200, 1)]
    Answering.hung_up.clear()
    posted = sender.send(2)
    assert posted.failed
    assert Answering.asked.count(("POST", "/hang-up")) == 1, "a POST may have been carried out, so nobody repeats it"


def test_a_fresh_connection_that_is_closed_before_the_answer_is_a_failure(port: int) -> None:
    assert Sender(_plan(port, Ask("/hang-up"))).send(0).failed


def test_the_steady_load_sends_all_asks_until_it_ends(port: int) -> None:
    with SteadyLoad(_plan(port, Ask("/"), Ask("/500"))) as load:
        while len(load.outcomes()) < 20:
            threading.Event().wait(0.01)
    outcomes = load.outcomes()
    assert {one.status for one in outcomes} == {200, 500}
    assert totals(outcomes).failed == len(load.failures()) == sum(one.status == 500 for one in outcomes)
    assert load.answered_by() == {"shop.example": len(outcomes)}
    assert len(Answering.asked) == len(outcomes), "what was begun is finished and told"
