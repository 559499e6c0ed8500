"""The service proxy with real connections: spreading, failover, table changes, half-close, large streams, refusals."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from callboard.models.messages.proxy import ListenFailed, Listening, ListenStopped, ServicePort

from .conftest import WAIT_S, Proxy, Server

MakeServer = Callable[[Callable[[socket.socket], None]], Server]
MakeAddress = Callable[[], str]


def says(name: str) -> Callable[[socket.socket], None]:
    """A server that tells its name at once and hangs up."""
    return lambda sock: sock.sendall(name.encode())


def echo(sock: socket.socket) -> None:
    while data := sock.recv(65536):
        sock.sendall(data)


def port_of(ip: str, *servers: Server, key: str = "default/web:http", port: int = 18080) -> ServicePort:
    return ServicePort(key, ip, port, "TCP", tuple(server.endpoint for server in servers))


def connect(ip: str, port: int = 18080) -> socket.socket:
    return socket.create_connection((ip, port), timeout=WAIT_S)


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while data := sock.recv(65536):
        parts.append(data)
    return b"".join(parts)


def ask(ip: str, port: int = 18080) -> str:
    with connect(ip, port) as sock:
        return read_all(sock).decode()


def test_connections_are_spread_round_robin(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    ip = address()
    proxy.serve(port_of(ip, *(server(says(name)) for name in "abc")))
    assert proxy.listening() == Listening("default/web:http", ip, 18080, ip, 18080)
    assert Counter(ask(ip) for _ in range(30)) == {"a": 10, "b": 10, "c": 10}
    (stats,) = proxy.driver.stats()
    assert (stats.accepted, stats.rejected) == (30, 0)
    assert [(e.connections, e.bytes_from_endpoint) for e in stats.endpoints] == [(10, 10)] * 3


def test_a_refusing_endpoint_is_replaced_before_the_client_sees_anything(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    ip, gone, alive = address(), server(says("gone")), server(says("alive"))
    proxy.serve(port_of(ip, gone, alive))
    gone.stop_listening()
    assert [ask(ip) for _ in range(6)] == ["alive"] * 6
    (stats,) = proxy.driver.stats()
    assert [e.failed_connects for e in stats.endpoints] == [3, 0]
    assert stats.rejected == 0


def test_an_endpoint_that_resets_before_any_byte_is_replaced_too(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    def reset(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    ip = address()
    proxy.serve(port_of(ip, server(reset), server(says("alive"))))
    assert [ask(ip) for _ in range(4)] == ["alive"] * 4
    (stats,) = proxy.driver.stats()
    assert sum(e.connections for e in stats.endpoints if e.failed_connects == 0) == 4


def test_when_no_endpoint_answers_the_client_is_reset_and_counted(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    ip, gone = address(), server(says("gone"))
    gone.stop_listening()
    proxy.serve(port_of(ip, gone), port_of(ip, key="default/empty:", port=18081))
    for port in (18080, 18081):
        with pytest.raises(ConnectionResetError), connect(ip, port) as sock:
            sock.recv(1)
    assert [stats.rejected for stats in proxy.driver.stats()] == [1, 1]


def test_a_table_change_leaves_established_connections_alone(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    ip, stays, goes, comes = address(), server(echo), server(echo), server(says("new"))
    proxy.serve(port_of(ip, stays, goes))
    with connect(ip) as first, connect(ip) as second:
        for sock in (first, second):
            sock.sendall(b"1")
            assert sock.recv(1) == b"1"
        proxy.serve(port_of(ip, comes))
        assert ask(ip) == "new"
        for sock in (first, second):
            sock.sendall(b"2")
            assert sock.recv(1) == b"2"
        proxy.serve()
        for sock in (first, second):
            sock.sendall(b"3")
            assert sock.recv(1) == b"3"
        with pytest.raises(ConnectionRefusedError):
            connect(ip)
    assert isinstance(proxy.said.get(timeout=WAIT_S), Listening)
    assert proxy.said.get(timeout=WAIT_S) == ListenStopped("default/web:http", ip, 18080)


def test_each_direction_ends_by_itself(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    def answer_after_the_end(sock: socket.socket) -> None:
        received = read_all(sock)
        sock.sendall(b"you said " + received)

    ip = address()
    proxy.serve(port_of(ip, server(answer_after_the_end)))
    with connect(ip) as sock:
        sock.sendall(b"hello")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"you said hello"


def test_large_streams_go_both_ways_at_once_unharmed(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    ip = address()
    proxy.serve(port_of(ip, server(echo)))
    sent = bytes(range(256)) * 4096 * 24  # 24 MiB
    with connect(ip) as sock:

        def send() -> None:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = read_all(sock)
        sender.join()
    assert hashlib.sha256(received).digest() == hashlib.sha256(sent).digest()


def test_a_reader_that_does_not_read_stops_the_sender(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    """The proxy buffers little: a server that never reads blocks the client instead of filling the proxy's memory."""
    release = threading.Event()
    ip = address()
    proxy.serve(port_of(ip, server(lambda sock: (release.wait(WAIT_S), None)[1])))
    with connect(ip) as sock:
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.sendall(bytes(200 * 1024 * 1024))
    (stats,) = proxy.driver.stats()
    release.set()
    assert 0 < stats.endpoints[0].bytes_to_endpoint < 50 * 1024 * 1024


def test_a_taken_port_is_reported_and_tried_again_with_the_next_table(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    ip, web = address(), server(says("web"))
    with socket.create_server((ip, 18080)):
        proxy.serve(port_of(ip, web))
        failed = proxy.said.get(timeout=WAIT_S)
        assert isinstance(failed, ListenFailed)
        assert failed.reason.startswith(f"default/web:http cannot be served at {ip}:18080: another program listens there; stop it")
    proxy.serve(port_of(ip, web))
    assert proxy.listening().actual_port == 18080
    assert ask(ip) == "web"


def test_sctp_and_foreign_addresses_are_refused_in_plain_words(proxy: Proxy, address: MakeAddress) -> None:
    dns = ServicePort("kube-system/dns:dns", address(), 18053, "SCTP", ())
    proxy.serve(dns, port_of("203.0.113.7"))
    reasons = [proxy.said.get(timeout=WAIT_S) for _ in range(2)]
    assert all(isinstance(reason, ListenFailed) for reason in reasons)
    assert "carries TCP and UDP only" in reasons[0].reason  # type: ignore[attr-defined]
    assert "has no such address" in reasons[1].reason  # type: ignore[attr-defined]
    proxy.serve(dns, port_of("203.0.113.7"))
    assert proxy.said.empty(), "the same reason is told once"


def test_stop_closes_established_connections(server: MakeServer, address: MakeAddress) -> None:
    proxy, ip = Proxy(), address()
    proxy.serve(port_of(ip, server(echo)))
    with connect(ip) as sock:
        sock.sendall(b"1")
        assert sock.recv(1) == b"1"
        proxy.driver.stop()
        assert sock.recv(1) == b""
    proxy.driver.stop()
    with pytest.raises(RuntimeError, match="is stopped"):
        proxy.driver.stats()
