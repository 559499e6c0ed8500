"""Clients that keep their endpoint, at the Service's address and at the nodes' ports."""

from __future__ import annotations

import socket
from collections import Counter

import pytest

from callboard.actors.proxy import affinity
from callboard.actors.proxy.affinity import Affinity, order
from callboard.models.messages.proxy import ServicePort

from .conftest import WAIT_S, Proxy, Server
from .test_proxy import MakeAddress, MakeServer, read_all, says


def port(ip: str, *servers: Server, affinity_s: int = 60, node: str = "", number: int = 18080) -> ServicePort:
    return ServicePort("default/web:http", ip, number, "TCP", tuple(server.endpoint for server in servers), affinity_s, node=node)


def ask(ip: str, own: str, number: int = 18080) -> str:
    with socket.create_connection((ip, number), WAIT_S, source_address=(own, 0)) as sock:
        return read_all(sock).decode()


def test_a_client_keeps_its_endpoint_and_clients_are_spread(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    ip, node = address(), address()
    servers = [server(says(name)) for name in "abc"]
    proxy.serve(port(ip, *servers), port(node, *servers, node="node-1", number=30080))
    clients = [address() for _ in range(6)]
    kept = {client: {ask(ip, client) for _ in range(4)} | {ask(node, client, 30080)} for client in clients}
    assert all(len(names) == 1 for names in kept.values()), "at the node's port too"
    assert Counter(name for (name,) in kept.values()) == {"a": 2, "b": 2, "c": 2}


def test_a_client_whose_endpoint_refuses_or_leaves_keeps_another_one(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    ip, client = address(), address()
    servers = {name: server(says(name)) for name in "abc"}
    proxy.serve(port(ip, *servers.values()))
    first = ask(ip, client)
    servers[first].stop_listening()
    (second,) = {ask(ip, client) for _ in range(4)}
    assert second != first
    left = [one for name, one in servers.items() if name not in (first, second)]
    proxy.serve(port(ip, *left))
    (third,) = {ask(ip, client) for _ in range(4)}
    assert third not in (first, second)


def test_the_time_out_counts_from_the_last_connection() -> None:
    kept: Affinity[str] = Affinity()
    kept.connected("client", "a", 100.0)
    assert kept.kept("client", ("a", "b"), 10.0, 109.9) == "a"
    kept.connected("client", "a", 109.9)
    assert kept.kept("client", ("a", "b"), 10.0, 119.8) == "a"
    assert kept.kept("client", ("a", "b"), 10.0, 119.9) is None
    assert kept.kept("client", ("b",), 10.0, 110.0) is None, "it isn't there any more"
    assert kept.kept("client", ("a",), 10.0, 50.0) is None, "the clock was set back"
    kept.forget(10.0, 119.9)
    assert len(kept) == 0


def test_clients_beyond_the_limit_push_out_those_away_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity, "CLIENTS_LIMIT", 2)
    kept: Affinity[str] = Affinity()
    for client in ("x", "y", "x", "z"):
        kept.connected(client, "a", 1.0)
    assert [kept.kept(client, ("a",), 10.0, 2.0) for client in "xyz"] == ["a", None, "a"]


def test_the_kept_endpoint_is_tried_first_and_then_those_whose_turn_it_is() -> None:
    assert order("c", ("a", "b", "c"), 1) == ["c", "b", "a"]
    assert order(None, ("a", "b", "c"), 5) == ["c", "a", "b"]
    assert order(None, (), 5) == []
