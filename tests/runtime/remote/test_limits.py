"""Where a connection, an answer or the machine can take no more: what is too much is refused, and all the rest goes on."""

from __future__ import annotations

import errno
import socket
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from callboard.models.base import FrozenMap
from callboard.models.errors import BadRequest, Conflict, TooManyRequests
from callboard.models.messages import api
from callboard.models.messages.base import Request
from callboard.runtime.errors import CallboardError
from callboard.runtime.face.connection import Remote
from callboard.runtime.remote import serving
from callboard.runtime.remote.server import RemoteServer
from callboard.runtime.remote.wire import ANSWER_LIMIT_BYTES, REQUEST_LIMIT_BYTES, FrameBuffer, frame
from tests.runtime.remote.conftest import WAIT_S, FakeHost, added, get, raw, until

pytestmark = pytest.mark.timeout(60)


def test_one_stream_too_many_is_refused_and_the_others_go_on(remote: Remote, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "STREAMS_LIMIT", 2)
    first = remote.stream("kind-0", "", "", None)
    tell = host.watching.get(timeout=WAIT_S)
    second = remote.stream("kind-1", "", "", None)
    host.watching.get(timeout=WAIT_S)
    with pytest.raises(TooManyRequests, match="more than 2 streams of one connection are open"):
        next(remote.stream("kind-2", "", "", None))
    tell(added("a"))
    assert next(first).key == "configmaps/default/a"
    del second
    assert host.closed.get(timeout=WAIT_S) == "kind-1"
    third = remote.stream("kind-3", "", "", None)
    host.watching.get(timeout=WAIT_S)(added("b"))
    assert next(third).key == "configmaps/default/b"


class Peak(deque[Any]):
    """Knows how long it has been at most."""

    most = 0

    def append(self, one: Any) -> None:
        super().append(one)
        self.most = max(self.most, len(self))


def test_one_who_asks_and_asks_and_takes_no_answer_is_not_read_from_any_more(server: RemoteServer, host: FakeHost) -> None:
    asks = 10_000
    slow = api.GetObject(0, "", "configmaps", "default", "slow")
    sent = b"".join(frame(("ask", number, WAIT_S, slow), REQUEST_LIMIT_BYTES) for number in range(asks))
    with raw(server) as connection:
        (held,) = server._connections
        held._outgoing = waiting = Peak()
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(connection.sendall, sent)
            until(lambda: waiting.most > serving.OUTGOING_LIMIT)
            buffer = FrameBuffer(ANSWER_LIMIT_BYTES)
            refused = 0
            while refused < asks - serving.IN_FLIGHT_LIMIT:  # nothing is lost for it
                refused += len(buffer.feed(connection.recv(4096)))
            sending.result(WAIT_S)
    assert waiting.most <= serving.OUTGOING_LIMIT + 1
    assert host.asked.qsize() == serving.IN_FLIGHT_LIMIT


def test_an_answer_that_is_too_deep_for_the_link_is_a_failure_and_the_next_one_comes(remote: Remote, host: FakeHost) -> None:
    deep: Any = None
    for _ in range(3000):
        deep = (deep,)
    host.failure = Conflict("deep", deep)
    with pytest.raises(CallboardError, match="the answer has no place on the link"):
        get(remote, "a", 1.0)
    host.failure = None
    assert get(remote, "b") == "b"


@pytest.mark.parametrize("request_type", [api.CreateObject, api.UpdateObject])
@pytest.mark.parametrize("obj", [5, None, FrozenMap({"metadata": 1}), ("a",), api.Got(0, None, 1)], ids=repr)
def test_what_is_no_object_is_refused_at_the_link(remote: Remote, host: FakeHost, request_type: type[Request], obj: Any) -> None:
    with pytest.raises(BadRequest, match=f"the object of {request_type.__name__} is no API object, but a "):
        remote.ask(request_type, WAIT_S, resource="configmaps", obj=obj)
    assert host.asked.qsize() == 0


@pytest.mark.parametrize("tree", [5, None, ("a",), "a: b"], ids=repr)
def test_what_is_no_document_is_refused_at_the_link(remote: Remote, host: FakeHost, tree: Any) -> None:
    with pytest.raises(BadRequest, match="the document of ApplyObject is no map, but a "):
        remote.ask(api.ApplyObject, WAIT_S, resource="configmaps", namespace="default", name="a", tree=tree)
    assert host.asked.qsize() == 0


# -- a machine that has nothing left --------------------------------------------------------------------------------------------------


class Failing:
    """A listening socket whose `accept` fails some times."""

    def __init__(self, real: socket.socket, times: int) -> None:
        self._real = real
        self.times = times

    def accept(self) -> Any:
        if self.times:
            self.times -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._real.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_who_can_t_be_let_in_now_is_let_in_later(server: RemoteServer, capsys: pytest.CaptureFixture[str]) -> None:
    server._socket = failing = Failing(server._socket, 3)  # type: ignore[assignment]
    with raw(server), raw(server):
        assert failing.times == 0
        assert server.connections == 2
    assert capsys.readouterr().err.count("somebody could not be let in; the link goes on") == 1


def test_where_no_thread_can_be_had_a_connection_is_hung_up_on_and_forgotten(server: RemoteServer, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def no_more(thread: threading.Thread) -> None:
        if thread.name == "callboard-link-reader":
            raise RuntimeError("can't start new thread")
        start(thread)

    threads = threading.active_count()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more)
        with raw(server, greeted=False) as connection:
            assert connection.recv(1) == b""
    until(lambda: server.connections == 0 and threading.active_count() == threads)
    with raw(server):
        assert server.connections == 1


def test_a_request_for_which_no_thread_can_be_had_is_refused(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def no_more(thread: threading.Thread) -> None:
        if thread.name == "callboard-link-request":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more)
        with pytest.raises(TooManyRequests, match="can't carry out more at a time: can't start new thread"):
            get(remote, "a")
    assert get(remote, "a") == "a"
