"""The data plane as a component: tables in, real listeners, facts to the service proxy, and where a Service can be opened."""

from __future__ import annotations

import queue
import socket
from collections.abc import Callable, Iterator

import pytest

from callboard.actors.component import Component, Port, handles
from callboard.models.messages.base import Message
from callboard.models.messages.proxy import (
    DataPlaneStarted,
    ListenFailed,
    Listening,
    ListenStopped,
    LocateService,
    ProxyTable,
    ServeTable,
    ServiceLocated,
    ServicePort,
)
from callboard.runtime.proxy.dataplane import DriverSlot, UserspaceDataPlane
from callboard.runtime.systems import RealTimeSystem

from .conftest import WAIT_S, Server
from .test_proxy import MakeAddress, MakeServer, ask, port_of, says


class ProxyOfTest(Component):
    """Hears what a service proxy hears, and sends the table again when it is asked to."""

    def __init__(self, port: Port, heard: queue.Queue[Message], table: list[ProxyTable]) -> None:
        super().__init__(port)
        self.heard = heard
        self.table = table

    @handles(DataPlaneStarted, Listening, ListenFailed, ListenStopped)
    def _fact(self, fact: Message) -> None:
        self.heard.put(fact)
        if isinstance(fact, DataPlaneStarted) and self.table:
            self.port.send("dataplane", ServeTable(self.table[0]))


class World:
    """A system with a data plane."""

    def __init__(self) -> None:
        self.system = RealTimeSystem(restart_s=0.05)
        self.heard: queue.Queue[Message] = queue.Queue()
        self.table: list[ProxyTable] = []
        self.slot = DriverSlot()
        self.system.start("proxy", ProxyOfTest, self.heard, self.table)
        self.system.start("dataplane", UserspaceDataPlane, self.system.post, "proxy", self.slot)
        assert self.next() == DataPlaneStarted()

    def next(self) -> Message:
        return self.heard.get(timeout=WAIT_S)

    def serve(self, *services: ServicePort) -> None:
        self.table[:] = [ProxyTable(services)]
        self.system.post("dataplane", ServeTable(self.table[0]))

    def locate(self, service: str = "web", port: str = "") -> ServiceLocated:
        found = self.system.ask("dataplane", lambda number, me: LocateService(number, me, "default", service, port), WAIT_S)
        assert isinstance(found, ServiceLocated)
        return found

    def close(self) -> None:
        self.system.stop()
        self.slot.close()


@pytest.fixture
def world() -> Iterator[World]:
    running = World()
    yield running
    running.close()


def listens(ip: str, port: int = 18080) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ip, port)) == 0


def test_a_table_is_served_and_the_service_can_be_located(world: World, server: MakeServer, address: MakeAddress) -> None:
    ip = address()
    assert world.locate().problem == "it is not served (yet); only Services with an address of their own are"
    world.serve(port_of(ip, server(says("a"))))
    assert world.next() == Listening("default/web:http", ip, 18080, ip, 18080)
    assert ask(ip) == "a"
    for port in ("", "http", "18080"):
        found = world.locate(port=port)
        assert (found.address, found.port, found.problem) == (ip, 18080, "")
    assert world.locate(port="admin").problem == "it has no port admin; it has http (18080)"
    assert "not served" in world.locate("other").problem
    world.serve()
    assert world.next() == ListenStopped("default/web:http", ip, 18080)
    assert not listens(ip)


def test_a_taken_port_is_told_to_the_proxy_and_to_whoever_asks(world: World, address: MakeAddress) -> None:
    ip = address()
    with socket.create_server((ip, 18080)):
        world.serve(port_of(ip))
        failed = world.next()
        assert isinstance(failed, ListenFailed)
        assert "another program listens there" in failed.reason
        assert world.locate().problem == failed.reason
    world.serve(port_of(ip))
    assert isinstance(world.next(), Listening)
    assert world.locate().problem == ""


@pytest.mark.parametrize("end", ["crash", "restart", "stop"])
def test_a_new_life_serves_again_at_the_same_address(world: World, server: MakeServer, address: MakeAddress, end: str) -> None:
    ip = address()
    web: Server = server(says("a"))
    world.serve(port_of(ip, web))
    assert isinstance(world.next(), Listening)
    if end != "restart":
        lives: Callable[[str], None] = world.system.crash if end == "crash" else world.system.stop_process
        lives("dataplane")
        assert listens(ip) is (end == "crash"), "a crash leaves the connections as they are, as a node's rules outlive its proxy"
    world.system.restart("dataplane")
    assert world.next() == DataPlaneStarted()
    assert world.next() == Listening("default/web:http", ip, 18080, ip, 18080)
    assert ask(ip) == "a"
    assert world.locate().address == ip


def test_stopping_the_system_closes_everything(server: MakeServer, address: MakeAddress) -> None:
    world, ip = World(), address()
    world.serve(port_of(ip, server(says("a"))))
    assert isinstance(world.next(), Listening)
    world.system.stop()
    assert not listens(ip)
    world.slot.close()
