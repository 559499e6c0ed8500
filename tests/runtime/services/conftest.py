"""Nodes with data planes, and pods that answer with their names."""

from __future__ import annotations

import itertools
import queue
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from callboard.actors.component import Component, Port, handles
from callboard.models.messages.base import Message
from callboard.models.messages.proxy import (
    DataPlaneStarted,
    ListenFailed,
    LocateService,
    ProxyTable,
    ServeTable,
    ServiceLocated,
    ServicePort,
)
from callboard.runtime.network.messages import NetworkFailed
from callboard.runtime.process.block import reserve
from callboard.runtime.proxy.cellplane import CellDataPlane
from callboard.runtime.proxy.dataplane import DriverSlot
from callboard.runtime.proxy.doors import Doors
from callboard.runtime.proxy.nftplane import NftDataPlane, RulesSettled
from callboard.runtime.proxy.spot import edge_spot, node_spot
from callboard.runtime.systems import RealTimeSystem
from tests.runtime.network.conftest import level, nodes, own_world, world
from tests.runtime.network.world import LIMIT_S, World, asked

__all__ = ["level", "nodes", "own_world", "world"]


class ProxyOfTest(Component):
    """Stands in for a service proxy: hears what the data plane tells it."""

    def __init__(self, port: Port, heard: queue.SimpleQueue[Message]) -> None:
        super().__init__(port)
        self.heard = heard

    @handles(DataPlaneStarted, ListenFailed)
    def _fact(self, fact: Message) -> None:
        self.heard.put(fact)


class Told(NftDataPlane):
    """A data plane that tells when a transaction is over."""

    settled: queue.SimpleQueue[RulesSettled]

    @handles(RulesSettled)
    def _settled(self, fact: RulesSettled) -> None:
        super()._settled(fact)
        self.settled.put(fact)


class Pod:
    """A pod of the test that answers each connection and each datagram with its name and the address it comes from."""

    def __init__(self, world: World, uid: str, address: str) -> None:
        self.address = address
        self.endpoint = (address, 8080)
        self.uid = uid
        self._listener = world.driver.socket_now(f"pod/{uid}", LIMIT_S)
        self._datagrams = world.driver.socket_now(f"pod/{uid}", LIMIT_S, "udp")
        self._listener.bind(("0.0.0.0", 8080))
        self._listener.listen(64)
        self._datagrams.bind(("0.0.0.0", 8080))
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._serve, self._answer)]
        for thread in self._threads:
            thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(f"{self.uid} {peer[0]}".encode())

    def _answer(self) -> None:
        while True:
            data, peer = self._datagrams.recvfrom(100)
            if data == b"end":
                return
            self._datagrams.sendto(f"{self.uid} {peer[0]}".encode(), peer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._datagrams.connect(("127.0.0.1", 8080))
        self._datagrams.send(b"end")
        for thread in self._threads:
            thread.join(LIMIT_S)
        self._listener.close()
        self._datagrams.close()


class Cell:
    """Two nodes and the edge, each with a data plane; pods on them."""

    def __init__(self, world: World, block: int, userspace: bool = False) -> None:
        self.world = world
        self.block = block
        self.system = RealTimeSystem(restart_s=0.05)
        self.heard: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.doors = Doors(world.driver)
        self.pods: list[Pod] = []
        self._own_ports = itertools.count(20_000)
        self.settled: dict[str, queue.SimpleQueue[RulesSettled]] = {}
        self.slots: dict[str, DriverSlot] = {}
        self.system.start("proxy", ProxyOfTest, self.heard)
        for name, spot in (("n0", node_spot("n0", 0, block)), ("n1", node_spot("n1", 1, block)), ("", edge_spot(block))):
            network = (self.system.post, "proxy", world.driver, self.doors, spot)
            if userspace:
                self.slots[name] = DriverSlot()
                self.system.start(f"dataplane/{name}", CellDataPlane, *network, self.slots[name])
            else:
                self.settled[name] = queue.SimpleQueue()
                self.system.start(f"dataplane/{name}", type("Plane", (Told,), {"settled": self.settled[name]}), *network)
            assert self.heard.get(timeout=LIMIT_S) == DataPlaneStarted()

    def pod(self, node: str, number: int) -> Pod:
        """One more pod with an address of its own on a node."""
        uid, address = f"{node}-p{number}", f"10.244.{int(node[1:]) + 1}.{10 + number}"
        answer = asked(self.world.driver.ensure_pod, uid, node, address)
        assert not isinstance(answer, NetworkFailed), answer
        self.pods.append(Pod(self.world, uid, address))
        return self.pods[-1]

    def serve(self, *services: ServicePort, **by_node: tuple[ServicePort, ...]) -> None:
        """Bring these tables in force at both nodes and the edge."""
        for name in self.slots:
            self.system.post(f"dataplane/{name}", ServeTable(ProxyTable(by_node.get(name, services))))
            self._await_proxy(name)
        for name, settled in self.settled.items():
            self.system.post(f"dataplane/{name}", ServeTable(ProxyTable(by_node.get(name, services))))
            fact = settled.get(timeout=LIMIT_S)
            assert not fact.problem, fact.problem

    def _await_proxy(self, name: str) -> None:
        """Wait until a userspace proxy has brought in force what its data plane was sent before."""
        slot = self.slots[name]
        self.world.until(lambda: slot.driver is not None)
        self.locate(name)  # its answer comes after all that came before
        assert slot.driver is not None
        slot.driver.sync(LIMIT_S)

    def ask(self, where: str, address: str, port: int = 80, kind: str = "tcp", timeout_s: float = LIMIT_S) -> str:
        """What answers, asked from inside a namespace. Raises OSError."""
        with self.world.driver.socket_now(where, LIMIT_S, kind) as sock:
            sock.settimeout(timeout_s)
            if kind == "udp":
                sock.bind(("", next(self._own_ports)))  # one that the kernel gave again would still have its flow, and its endpoint
            sock.connect((address, port))
            if kind == "udp":
                sock.send(b"?")
            return sock.recv(100).decode()

    def locate(self, name: str = "") -> ServiceLocated:
        """Where the outside can open the Service `web`, as a data plane tells it (only the edge's is asked in earnest)."""
        found = self.system.ask(f"dataplane/{name}", lambda number, me: LocateService(number, me, "default", "web"), LIMIT_S)
        assert isinstance(found, ServiceLocated)
        return found

    def close(self) -> None:
        self.system.stop()
        for slot in self.slots.values():
            slot.close()
        for pod in self.pods:
            pod.close()


@pytest.fixture
def userspace(world: World, nodes: Callable[[int], list[str]]) -> Iterator[Cell]:
    """Data planes that need no rules of the kernel."""
    nodes(2)
    block, lock = reserve(None)
    with lock:
        running = Cell(world, block, userspace=True)
        yield running
        running.close()


@pytest.fixture
def cell(world: World, nodes: Callable[[int], list[str]]) -> Iterator[Cell]:
    nodes(2)
    block, lock = reserve(None)
    with lock:
        running = Cell(world, block)
        yield running
        running.close()
