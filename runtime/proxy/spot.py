"""The data plane of one spot of a cluster's network: a node, or the edge where the outside comes in.

How connections to Services are carried there is up to the subclasses; here are its doors to the host, and the answer to whoever asks where
a Service can be opened.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from callboard.actors.component import Component, Port, Timer, handles
from callboard.actors.proxy.nftables import NodePlace
from callboard.models.messages.base import Address, Message
from callboard.models.messages.proxy import (
    DataPlaneStarted,
    ListenFailed,
    LocateService,
    ProxyTable,
    ServeTable,
    ServiceLocated,
    ServicePort,
)
from callboard.runtime.network import plan
from callboard.runtime.proxy.doors import Door, Doors
from callboard.runtime.proxy.locating import choose, name_of
from callboard.runtime.proxy.sockets import CannotListen

DOORS_AGAIN_S = 5.0
Post = Callable[[Address, Message], None]


class Spot(msgspec.Struct, frozen=True):
    """Which node a data plane is of, and its addresses: `inside` in the cluster's network, `outside` on the host's loopback.

    The edge is the spot without a name; its `outside` is the block of the cluster, `127.B`."""

    node: str
    index: int
    inside: NodePlace
    outside: str


def node_spot(node: str, index: int, block: int) -> Spot:
    """The spot of the node with this index (from 0) in the cluster that has the block 127.`block`. Raises `BadPlan`."""
    place = NodePlace(plan.node_address(index), plan.pod_cidr(index), plan.POD_NETWORK, plan.SERVICE_NETWORK)
    return Spot(node, index, place, f"127.{block}.{index + 1}.1")


def edge_spot(block: int) -> Spot:
    """The spot of the edge."""
    return Spot("", -1, NodePlace(plan.EDGE_ADDRESS, "", plan.POD_NETWORK, plan.SERVICE_NETWORK), f"127.{block}")


def doors_of(node: str) -> str:
    """What the keys of a node's doors begin with; "" is the edge."""
    return f"nodeport/{node}/" if node else "service/"


class RetryDoors(Message, frozen=True, gc=False):
    """Timer: try again to open the doors that could not be opened."""


class DoorsKnown(Message, frozen=True, gc=False):
    """It is known now what an earlier program had opened: doors may be opened."""


class SpotPlane(Component):
    """A data plane of one spot. `proxy` is who sends tables; `post` brings messages in from another thread."""

    def __init__(self, port: Port, post: Post, proxy: Address, doors: Doors, spot: Spot) -> None:
        super().__init__(port)
        self.proxy = proxy
        self.spot = spot
        self.newest: ProxyTable | None = None
        self._post = post
        self._doors = doors
        self._doors_again: Timer | None = None
        self._refused: dict[str, str] = {}

    def on_start(self) -> None:
        """Ask for the table. What an earlier life has put in force stays until then."""
        self.port.send(self.proxy, DataPlaneStarted())

    def on_stop(self) -> None:
        """Close the doors of this spot."""
        self._doors.keep(self._prefix(), {})

    def carry(self) -> None:
        """Bring in force what `newest` says."""
        raise NotImplementedError

    def in_force(self) -> bool:
        """Whether some table is in force."""
        raise NotImplementedError

    @handles(ServeTable)
    def _serve(self, message: ServeTable) -> None:
        self.newest = message.table
        self._keep_doors()
        self.carry()

    def _prefix(self) -> str:
        return doors_of(self.spot.node)

    @handles(DoorsKnown)
    def _doors_known(self, _fact: DoorsKnown) -> None:
        self._keep_doors()

    def _keep_doors(self) -> None:
        if self.newest is None or not self._doors.known:
            return
        wanted: dict[str, Door] = {}
        for port in self.newest.services:
            if self.spot.node and port.node_port:
                key = f"{self._prefix()}{port.protocol}/{port.node_port}"
                to = (self.spot.inside.address, port.node_port)
                wanted[key] = Door(port.service_key, self.spot.outside, port.node_port, *to, port.protocol)
            elif not self.spot.node:
                wanted[self._key(port)] = self._door(port)
        if not self.spot.node:
            still = self._doors.keys(self._prefix())
            wanted = {key: door for key, door in wanted.items() if key in still}  # doors to Services are opened when somebody asks
        failed = self._doors.keep(self._prefix(), wanted)
        self._tell(wanted, failed)
        if failed and self._doors_again is None:
            self._doors_again = self.port.after(DOORS_AGAIN_S, RetryDoors())

    def _tell(self, wanted: dict[str, Door], failed: dict[str, CannotListen]) -> None:
        for key, problem in failed.items():
            if self._refused.get(key) != str(problem):
                door = wanted[key]
                self.port.send(self.proxy, ListenFailed(door.service_key, door.address, door.port, str(problem), door.protocol))
        self._refused = {key: str(problem) for key, problem in failed.items()}

    @handles(RetryDoors)
    def _doors_once_more(self, _timer: RetryDoors) -> None:
        self._doors_again = None
        self._keep_doors()

    def _key(self, port: ServicePort) -> str:
        return f"service/{port.service_key}/{port.protocol}"

    def _door(self, port: ServicePort) -> Door:
        """A door to a Service's own address: at an address of the upper half of the cluster's block, and at the same port if it is free."""
        third, fourth = port.cluster_ip.split(".")[2:]
        address = f"{self.spot.outside}.{128 + int(third) % 127}.{fourth}"
        return Door(port.service_key, address, port.port, port.cluster_ip, port.port, port.protocol, any_port=True)

    @handles(LocateService)
    def _locate(self, request: LocateService) -> None:
        self.port.send(request.reply_to, self._located(request))

    def _located(self, request: LocateService) -> ServiceLocated:
        services = self.newest.services if self.newest is not None else ()
        port, problem = choose(services, request)
        if port is None:
            return ServiceLocated(request.id, problem=problem)
        if request.port == str(port.node_port) and request.port not in (name_of(port), str(port.port)):
            return self._at_a_node(request, port)
        if not self.in_force() or not self._doors.known:
            return ServiceLocated(request.id, problem="the edge does not carry its connections yet")
        if self.spot.node:
            return ServiceLocated(request.id, problem="a node has no doors to Services; ask the edge")
        try:
            opened = self._doors.open(self._key(port), self._door(port))
        except CannotListen as failure:
            return ServiceLocated(request.id, problem=str(failure))
        if opened.reason and self._refused.get(self._key(port)) != opened.reason:
            self._refused[self._key(port)] = opened.reason
            self.port.send(self.proxy, ListenFailed(port.service_key, opened.door.address, port.port, opened.reason, port.protocol))
        return ServiceLocated(request.id, opened.door.address, opened.port)

    def _at_a_node(self, request: LocateService, port: ServicePort) -> ServiceLocated:
        ending = f"/{port.protocol}/{port.node_port}"
        for key, opened in sorted(self._doors.under("nodeport/").items()):
            if key.endswith(ending):
                return ServiceLocated(request.id, opened.door.address, opened.port)
        return ServiceLocated(request.id, problem="no node listens there yet")
