"""The service proxy and UDP: one endpoint for each client, answers that find back, endpoints that refuse or leave."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from callboard.models.messages.proxy import Listening, ServicePort
from callboard.runtime.proxy import datagrams

from .conftest import WAIT_S, Proxy
from .test_proxy import MakeAddress

MakeEcho = Callable[[str], "Echo"]


class Echo:
    """Answers each datagram with its name, a colon, and what it was told."""

    def __init__(self, name: str, address: str) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.endpoint: tuple[str, int] = self.sock.getsockname()
        self.name = name
        self.heard = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            data, peer = self.sock.recvfrom(70_000)
            if data == b"end":
                return
            self.heard += 1
            self.sock.sendto(self.name.encode() + b":" + data, peer)

    def close(self) -> None:
        if self.sock.fileno() < 0:
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ender:
            ender.sendto(b"end", self.endpoint)
        self._thread.join(WAIT_S)
        self.sock.close()


@pytest.fixture
def echo(address: MakeAddress) -> Iterator[MakeEcho]:
    made: list[Echo] = []

    def make(name: str) -> Echo:
        made.append(Echo(name, address()))
        return made[-1]

    yield make
    for one in made:
        one.close()


def dns(ip: str, *echoes: Echo, affinity_s: int = 0) -> ServicePort:
    return ServicePort("default/dns:dns", ip, 18053, "UDP", tuple(one.endpoint for one in echoes), affinity_s)


class Client:
    """A client with a socket of its own, so with a flow of its own."""

    def __init__(self, ip: str, own: str = "127.0.0.1") -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((own, 0))
        self.sock.settimeout(WAIT_S)
        self.sock.connect((ip, 18053))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def ask(self, words: bytes = b"?") -> str:
        self.sock.send(words)
        return self.sock.recv(70_000).decode()


def test_each_client_has_an_endpoint_and_clients_go_round(proxy: Proxy, echo: MakeEcho, address: MakeAddress) -> None:
    ip = address()
    proxy.serve(dns(ip, echo("a"), echo("b"), echo("c")))
    assert proxy.listening() == Listening("default/dns:dns", ip, 18053, ip, 18053, "UDP")
    found: list[str] = []
    with ExitStack() as stack:
        for client in [stack.enter_context(Client(ip)) for _ in range(9)]:  # all at once, so that none gets the port of another
            (one,) = {client.ask() for _ in range(3)}
            found.append(one)
    assert Counter(found) == {"a:?": 3, "b:?": 3, "c:?": 3}
    (stats,) = proxy.driver.stats()
    assert (stats.protocol, stats.accepted, stats.rejected) == ("UDP", 9, 0)


def test_tcp_and_udp_share_an_address_and_a_port(proxy: Proxy, echo: MakeEcho, address: MakeAddress) -> None:
    ip = address()
    with socket.create_server((address(), 0)) as server:
        tcp = ServicePort("default/dns:dns-tcp", ip, 18053, "TCP", (server.getsockname(),))
        proxy.serve(dns(ip, echo("a")), tcp)
        with Client(ip) as client, socket.create_connection((ip, 18053), WAIT_S):
            assert client.ask() == "a:?"
            server.settimeout(WAIT_S)
            server.accept()[0].close()


def test_the_largest_datagram_goes_both_ways(proxy: Proxy, echo: MakeEcho, address: MakeAddress) -> None:
    ip = address()
    proxy.serve(dns(ip, echo("a")))
    words = b"x" * 60_000
    with Client(ip) as client:
        assert client.ask(words) == f"a:{words.decode()}"


def test_an_endpoint_that_refuses_is_replaced_and_the_datagram_sent_again(proxy: Proxy, echo: MakeEcho, address: MakeAddress) -> None:
    ip, gone, alive = address(), echo("gone"), echo("alive")
    proxy.serve(dns(ip, gone, alive))
    gone.close()
    for _ in range(4):
        with Client(ip) as client:
            assert client.ask() == "alive:?"


def test_a_flow_leaves_an_endpoint_that_leaves_the_table(proxy: Proxy, echo: MakeEcho, address: MakeAddress) -> None:
    ip, first, second = address(), echo("first"), echo("second")
    proxy.serve(dns(ip, first))
    with Client(ip) as client:
        assert client.ask() == "first:?"
        proxy.serve(dns(ip, second))
        assert client.ask() == "second:?"
        proxy.serve(dns(ip))
        client.sock.send(b"lost")
        proxy.driver.sync(WAIT_S)
        proxy.serve(dns(ip, first))
        assert client.ask() == "first:?"
    assert first.heard == 2, "what came while there was no endpoint is lost"


def test_a_client_keeps_its_endpoint_over_sockets_of_its_address(proxy: Proxy, echo: MakeEcho, address: MakeAddress) -> None:
    ip = address()
    proxy.serve(dns(ip, echo("a"), echo("b"), affinity_s=60))
    kept: dict[str, set[str]] = {}
    for own in (address(), address()):
        for _ in range(3):
            with Client(ip, own) as client:
                kept.setdefault(own, set()).add(client.ask())
    assert sorted(map(sorted, kept.values())) == [["a:?"], ["b:?"]]


def test_beyond_the_limit_the_flow_that_was_silent_longest_ends(
    proxy: Proxy, echo: MakeEcho, address: MakeAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagrams, "FLOWS_LIMIT", 2)
    ip = address()
    proxy.serve(dns(ip, echo("a")))
    with Client(ip) as one, Client(ip) as two, Client(ip) as three:
        for client in (one, two, one, three, two):
            assert client.ask() == "a:?"
    (stats,) = proxy.driver.stats()
    assert stats.accepted == 4, "the second came anew"
    assert stats.endpoints[0].active == 2
