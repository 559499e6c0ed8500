"""The data plane of a node with a network of its own where the kernel has no rules for Services (nft is missing): the userspace proxy.

The proxy runs on a thread of this program, with sockets of the node's namespace that the network's helper hands out: it listens at the
Services' addresses and connects to endpoints there, so that cuts between nodes cut what goes by it. Endpoints see the node's address.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from callboard.actors.component import Port, Timer, handles
from callboard.models.messages.base import Address, Message
from callboard.models.messages.proxy import (
    ListenFailed,
    Listening,
    ListenStopped,
    NetworkMadeAnew,
    ProxyTable,
    ServicePort,
)
from callboard.runtime.helpers.link import HelperError
from callboard.runtime.network.messages import NetworkFailed
from callboard.runtime.proxy.dataplane import DriverSlot
from callboard.runtime.proxy.doors import Doors
from callboard.runtime.proxy.driver import ProxyDriver
from callboard.runtime.proxy.sockets import begin_listening
from callboard.runtime.proxy.spot import Post, Spot, SpotPlane

SOCKET_LIMIT_S = 5.0
RETRY_S = 0.5
KINDS = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}
Done = Callable[[Any], None]


class CellNetwork(Protocol):
    """What this data plane needs of the driver of a cluster's network."""

    def ensure_node(self, node: str, index: int, done: Done) -> Any: ...

    def answer_services(self, node: str, done: Done) -> Any: ...

    def socket_now(self, where: str, timeout_s: float, kind: str = "tcp") -> socket.socket: ...


class SpotReady(Message, frozen=True, gc=False):
    """The spot's network takes in what is sent to Services; or it can't be made to, and `problem` says why."""

    problem: str


class RetrySpot(Message, frozen=True, gc=False):
    """Timer: ask for the spot's network again."""


class CellDataPlane(SpotPlane):
    """The userspace proxy of one spot. Give the same `slot` to every life of it, and close it at the end of the cluster."""

    def __init__(self, port: Port, post: Post, proxy: Address, network: CellNetwork, doors: Doors, spot: Spot, slot: DriverSlot) -> None:
        super().__init__(port, post, proxy, doors, spot)
        self._network = network
        self._slot = slot
        self._driver: ProxyDriver | None = None
        self._asked = False
        self._retry: Timer | None = None

    def on_start(self) -> None:
        """Ask for the table, and for a network that takes in what is sent to Services."""
        self._slot.close()
        super().on_start()

    def on_stop(self) -> None:
        """Close all listeners, connections and doors."""
        super().on_stop()
        self._slot.close()

    def in_force(self) -> bool:
        """Whether the proxy runs."""
        return self._driver is not None

    def carry(self) -> None:
        """Hand the newest table to the proxy, once it runs."""
        if self.newest is None:
            return
        if self._driver is not None:
            self._driver.apply(with_node_ports(self.newest, self.spot))
        elif not self._asked:
            self._ask()

    def _ask(self) -> None:
        self._asked = True
        me, post, node = self.port.me, self._post, self.spot.node

        def ready(answer: Any) -> None:
            post(me, SpotReady(answer.message if isinstance(answer, NetworkFailed) else ""))

        def made(answer: Any) -> None:
            if isinstance(answer, NetworkFailed):
                ready(answer)
            else:
                self._network.answer_services(node, ready)

        if node:
            self._network.ensure_node(node, self.spot.index, made)
        else:
            self._network.answer_services(node, ready)

    @handles(SpotReady)
    def _ready(self, fact: SpotReady) -> None:
        if fact.problem:
            self.port.log.warning("Services can't be carried yet", place=self.spot.node or "edge", reason=fact.problem)
            self._retry = self.port.after(RETRY_S, RetrySpot())
            return
        me, post, where = self.port.me, self._post, f"node/{self.spot.node}" if self.spot.node else "edge"
        self._driver = ProxyDriver(lambda fact: post(me, fact), bind_in(self._network, where), sockets_in(self._network, where))
        self._slot.put(self._driver)
        self.carry()

    @handles(RetrySpot)
    def _try_again(self, _timer: RetrySpot) -> None:
        self._ask()

    @handles(NetworkMadeAnew)
    def _made_anew(self, _fact: NetworkMadeAnew) -> None:
        """Namespaces outlive their helper, and so do listeners in them: nothing to do."""

    @handles(ListenFailed)
    def _failed(self, fact: ListenFailed) -> None:
        self.port.send(self.proxy, fact)

    @handles(Listening, ListenStopped)
    def _listens(self, fact: Listening | ListenStopped) -> None:
        self.port.send(self.proxy, fact)


def with_node_ports(table: ProxyTable, spot: Spot) -> ProxyTable:
    """A node's table in which each NodePort is an entry of its own, at the node's address in the cluster's network."""
    entries: list[ServicePort] = []
    for port in table.services:
        entries.append(port)
        if spot.node and port.node_port:
            own = {"cluster_ip": spot.inside.address, "port": port.node_port, "endpoints": port.outside, "withheld": port.outside_withheld}
            entries.append(msgspec.structs.replace(port, **own, node_port=0, outside=(), node=spot.node))
    return ProxyTable(tuple(entries))


def sockets_in(network: CellNetwork, where: str) -> Callable[[int, int], socket.socket]:
    """Makes sockets inside a namespace, by family and type; what goes wrong is an OSError, as of any socket."""

    def make(_family: int, kind: int) -> socket.socket:
        try:
            return network.socket_now(where, SOCKET_LIMIT_S, KINDS[socket.SocketKind(kind)])
        except HelperError as problem:
            raise OSError(errno.ENETDOWN, str(problem)) from problem

    return make


def bind_in(network: CellNetwork, where: str) -> Callable[[str, int, str, str], socket.socket]:
    """Makes listening sockets inside a namespace."""
    make = sockets_in(network, where)

    def bind(address: str, port: int, service_key: str, protocol: str) -> socket.socket:
        kind = socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM
        return begin_listening(lambda: make(socket.AF_INET, kind), address, port, service_key, protocol)

    return bind
