"""Endpoints come and go while connections do: none goes to an endpoint that was not in the proxy's table when it was accepted."""

from __future__ import annotations

import random
import socket
import threading
import time
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.messages.proxy import Endpoint, ServicePort
from callboard.runtime.proxy.picker import Affinities, Picker

from .conftest import WAIT_S, Proxy
from .test_proxy import MakeAddress, MakeServer, connect, port_of, read_all, says

CONNECTIONS, CHANGES, CLIENTS = 10_000, 100, 4


class History:
    """Which tables were in force at which time, as seen from outside: from the moment one was handed over until the next was in force."""

    def __init__(self) -> None:
        self.handed_over_s: list[float] = []
        self.replaced_s: list[float] = []
        self.tables: list[frozenset[str]] = []

    def possible(self, began_s: float, ended_s: float) -> set[str]:
        """The names that may have been in the table at some time in between."""
        first = bisect_right(self.replaced_s, began_s)  # those replaced before can't have been in force
        last = bisect_right(self.handed_over_s, ended_s)
        return {name for table in self.tables[first:last] for name in table}


def test_no_connection_of_ten_thousand_goes_to_an_endpoint_that_was_not_in_the_table(
    proxy: Proxy, server: MakeServer, address: MakeAddress
) -> None:
    names = "abcdefgh"
    servers = {name: server(says(name)) for name in names}
    ip, history, chance = address(), History(), random.Random(7)
    seen: list[tuple[str, float, float]] = []
    left = threading.Semaphore(CONNECTIONS)
    lags_s: list[float] = []

    def change() -> None:
        chosen = chance.sample(names, chance.randint(1, len(names)))
        history.tables.append(frozenset(chosen))
        history.handed_over_s.append(time.monotonic())
        proxy.serve(port_of(ip, *(servers[name] for name in chosen)))
        now_s = time.monotonic()
        lags_s.append(now_s - history.handed_over_s[-1])
        if len(history.tables) > 1:
            history.replaced_s.append(now_s)

    def run() -> None:
        while left.acquire(blocking=False):
            began_s = time.monotonic()
            with connect(ip) as sock:
                name = read_all(sock).decode()
            seen.append((name, began_s, time.monotonic()))

    change()
    clients = [threading.Thread(target=run) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    while any(client.is_alive() for client in clients):
        if len(history.tables) <= CHANGES * (len(seen) + 1) // CONNECTIONS:
            change()
        else:
            time.sleep(0.001)
    for client in clients:
        client.join()
    while len(history.tables) <= CHANGES:
        change()
    wrong = [one for one in seen if one[0] not in history.possible(*one[1:])]
    assert not wrong, wrong[:10]
    assert len(seen) == CONNECTIONS
    print(f"a table is in force after {1e3 * sum(lags_s) / len(lags_s):.1f} ms, at the worst {1e3 * max(lags_s):.1f} ms")


def test_an_endpoint_that_has_left_gets_no_connection_however_soon_it_comes(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    ip, left, right = address(), server(says("left")), server(says("right"))
    for turn in range(100):
        stays, name = ((left, "left"), (right, "right"))[turn % 2]
        proxy.serve(port_of(ip, stays))
        with connect(ip) as sock:
            assert read_all(sock).decode() == name


def test_a_connection_that_waits_goes_to_no_endpoint_that_came_after_it(proxy: Proxy, server: MakeServer, address: MakeAddress) -> None:
    """The only endpoint of its time doesn't answer, and by the time that is clear another one is in the table: it is not its."""
    ip, late = address(), server(says("late"))
    with socket.create_server((address(), 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        silent = full.getsockname()
        proxy.serve(ServicePort("default/web:http", ip, 18080, "TCP", (silent,)))
        with connect(ip) as waits:
            while not proxy.driver.stats()[0].accepted:
                pass
            proxy.serve(port_of(ip, late))
            waits.settimeout(WAIT_S)
            with pytest.raises(ConnectionResetError):
                waits.recv(100)
        with connect(ip) as comes:
            assert read_all(comes) == b"late"


PLACES: list[Endpoint] = [("10.0.0.1", 80), ("10.0.0.2", 80), ("10.0.0.3", 80), ("10.0.0.4", 80)]
tables = st.lists(st.sampled_from(PLACES), unique=True, max_size=4).map(tuple)
steps = st.lists(st.one_of(tables, st.sampled_from(["x", "y", "z"])), max_size=40)


@given(steps, st.sampled_from([0, 60]))
def test_candidates_are_those_of_the_table_of_the_moment_each_once(history: list[object], affinity_s: int) -> None:
    service = ServicePort("default/web", "10.96.0.1", 80, "TCP", (), affinity_s)
    affinities = Affinities()
    picker = Picker(service, affinities)
    for now_s, step in enumerate(history):
        if isinstance(step, tuple):
            service = ServicePort("default/web", "10.96.0.1", 80, "TCP", step, affinity_s)
            picker.update(service)
            affinities.keep((service,), float(now_s))
        else:
            assert isinstance(step, str)
            found = picker.candidates(step, float(now_s))
            assert sorted(found) == sorted(service.endpoints)
            if found:
                assert picker.still(found[0])
                picker.connected(step, found[0], float(now_s))
                if affinity_s:
                    assert picker.candidates(step, float(now_s))[0] == found[0]


@given(st.integers(1, 7), st.integers(0, 100))
def test_turns_differ_by_one_at_most_while_endpoints_stay(count: int, connections: int) -> None:
    endpoints = tuple((f"10.0.0.{number}", 80) for number in range(count))
    picker = Picker(ServicePort("default/web", "10.96.0.1", 80, "TCP", endpoints), Affinities())
    got = dict.fromkeys(endpoints, 0)
    for number in range(connections):
        got[picker.candidates(f"client-{number}", 0.0)[0]] += 1
    assert max(got.values()) - min(got.values()) <= 1
