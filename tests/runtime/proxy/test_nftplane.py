"""The data plane of a node with a network of its own: one transaction at a time, from what is in force to the newest table; and doors."""

from __future__ import annotations

import queue
import socket
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from callboard.actors.component import Component, Port, handles
from callboard.actors.proxy.nftables import changed_rules, full_rules
from callboard.models.messages.base import Message
from callboard.models.messages.proxy import (
    DataPlaneStarted,
    ListenFailed,
    LocateService,
    NetworkMadeAnew,
    ProxyTable,
    ServeTable,
    ServiceLocated,
    ServicePort,
)
from callboard.runtime.network.messages import FlowsForgotten, NetworkFailed, NodeNetwork, RulesApplied
from callboard.runtime.process.block import reserve
from callboard.runtime.proxy.doors import Doors
from callboard.runtime.proxy.nftplane import NftDataPlane
from callboard.runtime.proxy.spot import DoorsKnown, Spot, edge_spot, node_spot
from callboard.runtime.systems import RealTimeSystem, System, ThreadedSystem

from .conftest import WAIT_S

A, B = ("10.244.1.10", 8080), ("10.244.2.11", 8080)


def web(*endpoints: tuple[str, int], **more: Any) -> ServicePort:
    return msgspec.structs.replace(ServicePort("default/web:http", "10.96.0.1", 18080, "TCP", endpoints), **more)


class NetworkOfTest:
    """Remembers what it was asked for; the test answers transactions by hand."""

    def __init__(self) -> None:
        self.asked: queue.Queue[tuple[str, Callable[[Any], None]]] = queue.Queue()
        self.ensured: list[tuple[str, int]] = []
        self.forgotten: queue.Queue[tuple[str, str, tuple[tuple[str, int], ...]]] = queue.Queue()
        self.listening: dict[str, tuple[socket.socket | None, str, str, int, str]] = {}
        self.closed: queue.Queue[str] = queue.Queue()

    def ensure_node(self, node: str, index: int, done: Callable[[Any], None]) -> None:
        self.ensured.append((node, index))
        done(NodeNetwork(node, "172.31.0.1", "10.244.1.0/24", "/netns"))

    def apply_rules(self, node: str, ruleset: str, done: Callable[[Any], None]) -> None:
        self.asked.put((ruleset, done))

    def forget_flows(self, node: str, protocol: str, endpoints: tuple[tuple[str, int], ...], done: Callable[[Any], None]) -> None:
        self.forgotten.put((node, protocol, endpoints))
        done(FlowsForgotten(node, len(endpoints)))

    def listen_outside(self, key: str, sock: socket.socket | None, node: str, address: str, port: int, protocol: str = "TCP") -> None:
        self.listening[key] = (sock.dup() if sock is not None else None, node, address, port, protocol)

    def close_outside(self, key: str) -> None:
        self.closed.put(key)
        sock = self.listening.pop(key, (None,))[0]
        if sock is not None:
            sock.close()

    def applies(self, problem: str = "") -> str:
        """Answer the next transaction; its text."""
        script, done = self.asked.get(timeout=WAIT_S)
        done(NetworkFailed(problem) if problem else RulesApplied("node-1", 0.01))
        return script


class ProxyOfTest(Component):
    """Hears what a service proxy hears."""

    def __init__(self, port: Port, heard: queue.Queue[Message]) -> None:
        super().__init__(port)
        self.heard = heard

    @handles(DataPlaneStarted, ListenFailed)
    def _fact(self, fact: Message) -> None:
        self.heard.put(fact)


class World:
    """A system with the data plane of one spot."""

    def __init__(self, system: System, spot: Spot, unknown: bool = False) -> None:
        self.system = system
        self.spot = spot
        self.network = NetworkOfTest()
        self.heard: queue.Queue[Message] = queue.Queue()
        self.doors = Doors(self.network, unknown=unknown)
        system.start("proxy/node-1", ProxyOfTest, self.heard)
        system.start("dataplane/node-1", NftDataPlane, system.post, "proxy/node-1", self.network, self.doors, spot)
        assert self.heard.get(timeout=WAIT_S) == DataPlaneStarted()

    def serve(self, *services: ServicePort) -> None:
        self.system.post("dataplane/node-1", ServeTable(ProxyTable(services)))

    def locate(self, port: str = "") -> ServiceLocated:
        found = self.system.ask("dataplane/node-1", lambda number, me: LocateService(number, me, "default", "web", port), WAIT_S)
        assert isinstance(found, ServiceLocated)
        return found

    def full(self, *services: ServicePort) -> str:
        return full_rules(ProxyTable(services), self.spot.inside)

    def change(self, old: ServicePort, new: ServicePort) -> str:
        return changed_rules(ProxyTable((old,)), ProxyTable((new,)), self.spot.inside)


@pytest.fixture
def block() -> Iterator[int]:
    number, lock = reserve(None)
    with lock:
        yield number


@pytest.fixture(params=[RealTimeSystem, ThreadedSystem], ids=["realtime", "threaded"])
def world(request: pytest.FixtureRequest, block: int) -> Iterator[World]:
    running = World(request.param(restart_s=0.05), node_spot("node-1", 0, block))
    yield running
    running.system.stop()
    assert not running.network.listening, "a data plane that ends closes its doors"


@pytest.fixture
def edge(block: int) -> Iterator[World]:
    running = World(RealTimeSystem(restart_s=0.05), edge_spot(block))
    yield running
    running.system.stop()


def test_the_first_table_is_a_whole_rule_set_and_the_next_only_what_changes(world: World) -> None:
    world.serve(web(A))
    assert world.network.applies() == world.full(web(A))
    assert world.network.ensured == [("node-1", 0)], "it may be the first that this node is heard of"
    world.serve(web(A, B))
    assert world.network.applies() == world.change(web(A), web(A, B))


def test_tables_that_come_while_a_transaction_is_under_way_are_one_change(world: World) -> None:
    world.serve(web(A))
    _script, done = world.network.asked.get(timeout=WAIT_S)
    world.serve(web())
    world.serve(web(A, B))
    assert world.locate().problem == "the edge does not carry its connections yet", "both tables have been taken in"
    assert world.network.asked.empty()
    done(RulesApplied("node-1", 0.01))
    assert world.network.applies() == world.change(web(A), web(A, B))


def test_after_a_failure_the_whole_rule_set_comes_again(world: World) -> None:
    world.serve(web(A))
    world.network.applies()
    world.serve(web(A, B))
    assert world.network.applies("nft said no") == world.change(web(A), web(A, B))
    assert world.network.applies() == world.full(web(A, B))


def test_a_network_that_was_made_anew_gets_the_whole_rule_set(world: World) -> None:
    world.serve(web(A))
    world.network.applies()
    world.system.post("dataplane/node-1", NetworkMadeAnew())
    assert world.network.applies() == world.full(web(A))


def test_a_new_life_puts_the_whole_rule_set_in_force(world: World) -> None:
    world.serve(web(A))
    world.network.applies()
    world.system.crash("dataplane/node-1")
    world.system.restart("dataplane/node-1")
    assert world.heard.get(timeout=WAIT_S) == DataPlaneStarted()
    world.serve(web(A))
    assert world.network.applies() == world.full(web(A))


def test_flows_of_udp_to_endpoints_that_are_gone_are_forgotten_once_the_rules_are_in_force(world: World) -> None:
    world.serve(web(A, B, protocol="UDP"))
    world.network.applies()
    world.serve(web(B, protocol="UDP"))
    _script, done = world.network.asked.get(timeout=WAIT_S)
    assert world.network.forgotten.empty(), "a datagram now would take the old way again"
    done(RulesApplied("node-1", 0.01))
    assert world.network.forgotten.get(timeout=WAIT_S) == ("node-1", "UDP", (A,))


def test_a_node_port_is_a_door_on_the_nodes_outside_address(world: World, block: int) -> None:
    served = web(A, node_port=30080, outside=(A,))
    world.serve(served)
    world.network.applies()
    ((_key, (sock, *to)),) = world.network.listening.items()
    assert sock is not None
    assert sock.getsockname() == (f"127.{block}.1.1", 30080)
    assert to == ["", "172.31.0.1", 30080, "TCP"], "from the edge, as whatever comes from outside"
    world.serve(web(A))
    world.network.applies()
    assert not world.network.listening


def test_a_node_port_that_somebody_else_has_is_told_and_tried_again(world: World, block: int) -> None:
    with socket.create_server((f"127.{block}.1.1", 30080)):
        world.serve(web(A, node_port=30080, outside=(A,)))
        failed = world.heard.get(timeout=WAIT_S)
        assert isinstance(failed, ListenFailed)
        assert (failed.service_key, failed.port) == ("default/web:http", 30080)
        assert "another program listens there" in failed.reason
        world.network.applies()
    world.serve(web(B, node_port=30080, outside=(B,)))
    world.network.applies()
    assert len(world.network.listening) == 1


def test_whoever_asks_the_edge_gets_a_door_to_the_services_address(edge: World, block: int) -> None:
    assert "not served" in edge.locate().problem
    edge.serve(web(A))
    assert edge.network.asked.get(timeout=WAIT_S)[0] == edge.full(web(A))
    assert edge.locate().problem == "the edge does not carry its connections yet"


def test_a_door_is_opened_once_and_closed_with_its_service(edge: World, block: int) -> None:
    edge.serve(web(A))
    edge.network.applies()
    found = edge.locate("http")
    while found.problem:  # the answer of the transaction is still on its way
        found = edge.locate("http")
    assert (found.address, found.port) == (f"127.{block}.128.1", 18080)
    again = edge.locate("18080")
    assert (again.address, again.port) == (found.address, found.port)
    ((_sock, *to),) = edge.network.listening.values()
    assert to == ["", "10.96.0.1", 18080, "TCP"]
    assert edge.locate("admin").problem == "it has no port admin; it has http (18080)"
    edge.serve()
    edge.network.applies()
    assert not edge.network.listening


def test_where_the_port_is_taken_another_one_of_the_address_is_opened_and_told(edge: World, block: int) -> None:
    edge.serve(web(A))
    edge.network.applies()
    with socket.create_server((f"127.{block}.128.1", 18080)):
        found = edge.locate()
        while found.problem:
            found = edge.locate()
        assert (found.address, found.port != 18080) == (f"127.{block}.128.1", True)
        failed = edge.heard.get(timeout=WAIT_S)
        assert isinstance(failed, ListenFailed)
        assert "another program listens there" in failed.reason


def test_doors_that_an_earlier_program_left_open_are_used_on_or_closed(block: int) -> None:
    """Their sockets are held by the network's helper, which has outlived that program: nobody could listen there anew."""
    world = World(RealTimeSystem(restart_s=0.05), node_spot("node-1", 0, block), unknown=True)
    with socket.create_server((f"127.{block}.1.1", 30080)):
        world.serve(web(A, node_port=30080, outside=(A,)))
        world.network.applies()
        assert not world.network.listening, "nothing is opened before it is known what is open"
        key, other, foreign = "nodeport/node-1/TCP/30080", "nodeport/node-1/TCP/30099", "hostport/node-1/x"
        world.doors.adopt({one: (f"127.{block}.1.1", int(one[-5:])) for one in (key, other)} | {foreign: ("127.0.0.1", 1)})
        world.system.post("dataplane/node-1", DoorsKnown())
        assert world.network.closed.get(timeout=WAIT_S) == other
        world.locate()  # it has gone on by now
        assert world.network.listening == {key: (None, "", "172.31.0.1", 30080, "TCP")}
        assert world.heard.empty(), "nothing was refused"
        world.system.stop()
        assert world.network.closed.get(timeout=WAIT_S) == key
    assert world.network.closed.empty(), "what isn't a data plane's is left alone"


def test_a_door_to_a_service_that_was_left_open_leads_there_again(block: int) -> None:
    world = World(RealTimeSystem(restart_s=0.05), edge_spot(block), unknown=True)
    world.doors.adopt(
        {"service/default/web:http/TCP": (f"127.{block}.128.1", 4711), "service/default/gone/TCP": (f"127.{block}.128.2", 80)}
    )
    world.serve(web(A))
    world.network.applies()
    assert world.network.closed.get(timeout=WAIT_S) == "service/default/gone/TCP"
    found = world.locate()
    while found.problem:
        found = world.locate()
    assert (found.address, found.port) == (f"127.{block}.128.1", 4711), "whoever knows the address can go on"
    world.system.stop()
