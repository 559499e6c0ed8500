"""Programs that come, ask much at once, read slowly, talk nonsense or vanish: none of it disturbs the cluster or the others."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callboard.models.errors import Conflict, NotFound, TooManyRequests, WaitTimeout
from callboard.models.messages import api
from callboard.runtime.errors import CallboardError, RealTimeOnly
from callboard.runtime.face.connection import Remote
from callboard.runtime.remote import serving
from callboard.runtime.remote.errors import LinkLost, NoCluster
from callboard.runtime.remote.server import RemoteServer
from callboard.runtime.remote.wire import ANSWER_LIMIT_BYTES, REQUEST_LIMIT_BYTES, FrameBuffer, frame, unpack
from tests.runtime.remote.conftest import WAIT_S, FakeHost, added, config, get, raw, until

pytestmark = pytest.mark.timeout(60)


# -- requests -----------------------------------------------------------------------------------------------------------------------


def test_answers_refusals_and_other_failures_come_back_as_what_they_are(remote: Remote, host: FakeHost) -> None:
    assert get(remote, "a") == "a"
    for failure in (NotFound("x is missing"), Conflict("too late"), RealTimeOnly("nothing to open")):
        host.failure = failure
        with pytest.raises(type(failure), match=str(failure)):
            get(remote, "a")
    host.failure = ZeroDivisionError("a fault")
    with pytest.raises(CallboardError, match="ZeroDivisionError: a fault"):
        get(remote, "a")


def test_a_slow_request_holds_nobody_up(remote: Remote, host: FakeHost) -> None:
    with ThreadPoolExecutor(8) as pool:
        slow = [pool.submit(get, remote, f"slow-{number}") for number in range(6)]
        until(lambda: host.asked.qsize() == 6)
        assert get(remote, "quick") == "quick"
        host.go.set()
        assert [one.result(WAIT_S) for one in slow] == [f"slow-{number}" for number in range(6)]


def test_hundreds_of_requests_from_many_threads_all_get_their_own_answers(remote: Remote) -> None:
    with ThreadPoolExecutor(50) as pool:
        names = [f"name-{number}" for number in range(400)]
        assert [*pool.map(lambda name: get(remote, name), names)] == names


def test_one_connection_can_t_have_more_than_so_many_requests_under_way(server: RemoteServer, host: FakeHost) -> None:
    request = api.GetObject(0, "", "configmaps", "default", "slow")
    with raw(server) as connection:
        for number in range(serving.IN_FLIGHT_LIMIT + 1):
            connection.sendall(frame(("ask", number, WAIT_S, request), REQUEST_LIMIT_BYTES))
        buffer = FrameBuffer(ANSWER_LIMIT_BYTES)
        bodies: list[bytes] = []
        while not bodies:
            bodies = buffer.feed(connection.recv(65536))
        word, number, answer = unpack(bodies[0])
        assert (word, number, answer.code) == ("answer", serving.IN_FLIGHT_LIMIT, TooManyRequests.code)
        assert host.asked.qsize() == serving.IN_FLIGHT_LIMIT


def test_a_long_list_comes_in_parts_and_whole(remote: Remote, host: FakeHost) -> None:
    host.objects = tuple(config(f"c-{number}") for number in range(2 * serving.PART_OBJECTS + 1))
    listed = remote.ask(api.ListObjects, WAIT_S, resource="configmaps")
    assert isinstance(listed, api.Listed)
    assert listed.objects == host.objects
    assert listed.revision == 7


def test_a_request_that_is_too_large_is_refused_on_this_side_and_the_link_lives_on(remote: Remote) -> None:
    with pytest.raises(CallboardError, match="too large to be sent"):
        remote.ask(api.CreateObject, WAIT_S, resource="configmaps", obj=config("a", x="y" * (REQUEST_LIMIT_BYTES + 1)))
    assert get(remote, "b") == "b"


def test_no_answer_at_all_is_told_after_the_time_out(remote: Remote, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callboard.runtime.remote.link.SLACK_S", 0.0)
    with pytest.raises(Exception, match=r"GetObject of configmaps slow got no answer from the cluster at .* within 0\.05 s"):
        get(remote, "slow", 0.05)


# -- streams ------------------------------------------------------------------------------------------------------------------------


def test_changes_arrive_in_order_and_the_watcher_ends_with_the_reader(remote: Remote, host: FakeHost) -> None:
    changes = remote.stream("configmaps", "default", "", None)
    tell = host.watching.get(timeout=WAIT_S)
    for number in range(300):
        tell(added(f"c-{number}"))
    assert [next(changes).obj.metadata.name for _ in range(300)] == [f"c-{number}" for number in range(300)]
    changes.close()  # type: ignore[attr-defined]
    assert host.closed.get(timeout=WAIT_S) == "configmaps"


def test_a_stream_ends_when_nothing_has_happened_for_so_long(remote: Remote, host: FakeHost) -> None:
    changes = remote.stream("configmaps", "default", "", 0.2)
    host.watching.get(timeout=WAIT_S)(added("a"))
    until(lambda: any(not replies.empty() for replies in remote.link._waiting.values()))  # it has arrived; now nothing more happens
    assert [event.key for event in changes] == ["configmaps/default/a"]
    assert host.closed.get(timeout=WAIT_S) == "configmaps"


def test_one_who_reads_slowly_keeps_nobody_waiting_and_the_cluster_s_memory_small(
    server: RemoteServer, host: FakeHost, remote: Remote
) -> None:
    with raw(server) as connection:
        connection.sendall(frame(("watch", 1, ("configmaps", "default", "", ""), 2), REQUEST_LIMIT_BYTES))
        tell = host.watching.get(timeout=WAIT_S)
        for revision in range(1, 3001):  # far more than credit, and than a socket holds
            tell(added(f"c-{revision % 10}", revision, text="x" * 1000))
        assert get(remote, "another") == "another"
        (held,) = [one for one in server._connections if one._streams]
        assert len(held._streams[1].backlog) <= 10
        connection.sendall(frame(("credit", 1, 10), REQUEST_LIMIT_BYTES))
        buffer = FrameBuffer(ANSWER_LIMIT_BYTES)
        newest: dict[str, int] = {}
        while len(newest) < 10 or min(newest.values()) <= 2990:
            for body in buffer.feed(connection.recv(65536)):
                _, _, events = unpack(body)
                newest |= {event.key: event.obj.metadata.resource_version for event in events}
        assert set(newest.values()) == set(range(2991, 3001))


def test_one_who_reads_nothing_at_all_is_no_hindrance_to_the_end_of_the_cluster(server: RemoteServer, host: FakeHost) -> None:
    host.objects = tuple(config(f"c-{number}", text="x" * 2000) for number in range(3000))
    with raw(server) as connection:
        connection.sendall(frame(("ask", 1, WAIT_S, api.ListObjects(0, "", "configmaps")), REQUEST_LIMIT_BYTES))
        until(lambda: host.asked.qsize() == 1)
        began_s = time.monotonic()
        server.stop()
        assert time.monotonic() - began_s < WAIT_S
        assert not os.path.exists(server.path)


def test_a_stream_that_is_dropped_unread_or_half_read_leaves_no_watcher(remote: Remote, host: FakeHost) -> None:
    remote.stream("unread", "", "", None)
    host.watching.get(timeout=WAIT_S)
    assert host.closed.get(timeout=WAIT_S) == "unread"
    changes = remote.stream("half-read", "", "", None)
    tell = host.watching.get(timeout=WAIT_S)
    for name in ("a", "b"):
        tell(added(name))
    assert next(changes).key == "configmaps/default/a"
    del changes
    assert host.closed.get(timeout=WAIT_S) == "half-read"


def test_a_stream_that_another_thread_closes_ends_for_its_reader(remote: Remote, host: FakeHost) -> None:
    changes = remote.stream("configmaps", "", "", None)
    host.watching.get(timeout=WAIT_S)(added("a"))
    next(changes)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, changes)
        changes.close()  # type: ignore[attr-defined]
        assert reading.result(WAIT_S) == []


# -- those who vanish or talk nonsense ------------------------------------------------------------------------------------------------


def test_a_program_that_vanishes_leaves_nothing_behind(server: RemoteServer, host: FakeHost) -> None:
    threads = threading.active_count()
    with raw(server) as connection:
        for number in range(3):
            connection.sendall(frame(("watch", number, (f"kind-{number}", "", "", ""), 4), REQUEST_LIMIT_BYTES))
        connection.sendall(frame(("ask", 9, WAIT_S, api.GetObject(0, "", "configmaps", "default", "slow")), REQUEST_LIMIT_BYTES))
        until(lambda: host.watching.qsize() == 3 and host.asked.qsize() == 1)
    assert {host.closed.get(timeout=WAIT_S) for _ in range(3)} == {"kind-0", "kind-1", "kind-2"}
    until(lambda: server.connections == 0)
    host.go.set()  # its answer has nowhere to go
    until(lambda: threading.active_count() <= threads)


NONSENSE = {
    "no frame": b"GET / HTTP/1.1\r\n\r\n",
    "a huge length": b"\xff\xff\xff\xff",
    "no msgpack": b"\x00\x00\x00\x01\xc1",
    "no array": frame({"a": 1}, 99),
    "an unknown word": frame(("shout", 1), 99),
    "no number": frame(("ask", "x", 1.0, None), 99),
    "no request": frame(("ask", 1, 1.0, "pods"), 99),
    "an answer as a request": frame(("ask", 1, 1.0, api.Refused(0, 404, "NotFound", "x")), 99),
    "a trusted write": frame(("ask", 1, 1.0, api.CreateObject(0, "", "pods", config("a"), trusted=True)), 999),
    "no time-out": frame(("ask", 1, "soon", api.ListObjects(0, "", "pods")), 999),
    "half a watch": frame(("watch", 1, ("pods",), 4), 99),
    "a request to nobody": frame(("carry", 1, 1.0, ("a",)), 99),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_who_talks_nonsense_is_hung_up_on_with_a_log_line_and_the_others_go_on(
    what: str, server: RemoteServer, remote: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    with raw(server) as connection:
        connection.sendall(NONSENSE[what])
        assert connection.recv(65536) == b""
    until(lambda: server.connections == 1)
    assert "does not speak our protocol" in capsys.readouterr().err
    assert get(remote, "another") == "another"


def test_one_who_does_not_greet_gets_no_answers(server: RemoteServer, host: FakeHost) -> None:
    with raw(server, greeted=False) as connection:
        connection.sendall(frame(("ask", 1, 1.0, api.ListObjects(0, "", "pods")), REQUEST_LIMIT_BYTES))
        told = b"".join(iter(lambda: connection.recv(65536), b""))
    assert unpack(told[4:])["name"] == "test"
    assert host.asked.qsize() == 0


def test_another_version_is_told_so(server: RemoteServer, monkeypatch: pytest.MonkeyPatch) -> None:
    old = frame({"callboard": 0}, 99)
    monkeypatch.setattr("callboard.runtime.remote.link.greeting", lambda: old)
    monkeypatch.setattr("callboard.runtime.remote.wire.PROTOCOL", 0)
    with pytest.raises(NoCluster, match="speaks version 1 of the link, this side version 0; use one version of Callboard on both"):
        Remote(Path(server.path))


def test_a_program_of_another_user_is_refused(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    server = RemoteServer(host, "theirs", owner=os.getuid() + 1)
    with pytest.raises(NoCluster, match="another user's"):
        Remote(Path(server.path))
    assert "a program of another user was refused" in capsys.readouterr().err
    assert server.connections == 0
    server.stop()


def test_so_many_connections_and_no_more(server: RemoteServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callboard.runtime.remote.server.CONNECTIONS_LIMIT", 2)
    with raw(server) as first, raw(server), raw(server, greeted=False) as third:
        assert third.recv(1) == b""
        first.close()
        until(lambda: server.connections == 1)
        with raw(server):
            assert server.connections == 2


# -- a cluster that ends --------------------------------------------------------------------------------------------------------------


def test_who_waits_hears_at_once_that_the_cluster_has_ended(server: RemoteServer, host: FakeHost, remote: Remote) -> None:
    changes = remote.stream("configmaps", "", "", None)
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(get, remote, "slow")
        watching = pool.submit(next, changes)
        until(lambda: host.asked.qsize() == 1 and host.watching.qsize() == 1)
        server.stop()
        for waiting in (asking, watching):
            with pytest.raises(LinkLost, match=r"the cluster at .*test\.sock has ended; what was under way may or may not"):
                waiting.result(WAIT_S)
    for _ in range(2):
        with pytest.raises(LinkLost, match="has ended"):
            get(remote, "a")
    assert host.closed.get(timeout=WAIT_S) == "configmaps"


def test_where_nobody_listens_a_sentence_says_what_to_do(runtime_folder: Path) -> None:
    with pytest.raises(NoCluster, match="no cluster listens at .*; start one with: callboard up"):
        Remote(runtime_folder / "x.sock")


def test_a_wait_over_the_link_says_what_was_last_seen(remote: Remote, host: FakeHost) -> None:
    from callboard.runtime.face.verbs import Verbs

    with pytest.raises(WaitTimeout, match="did not reach Deleted within 0.1 s; last seen: it exists"):
        Verbs(remote, "default").wait("configmap/a", "Deleted", timeout=0.1)
    assert host.closed.get(timeout=WAIT_S) == "configmaps"
    with contextlib.suppress(queue.Empty):
        host.closed.get_nowait()
