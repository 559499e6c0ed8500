"""The data plane of a node with a network of its own: Services are rules of the kernel there (nftables), and connections never come here.

One component per node, and one for the edge, where the outside comes in: it opens a door for whoever asks where a Service can be opened.
The rules are text made by `actors.proxy.nftables`; the network's helper hands it to the kernel. One transaction is under way at a
time, and the next one goes from what is in force to the newest table, however many tables came between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from callboard.actors.component import Component, Port, Timer, handles
from callboard.actors.proxy.nftables import NodePlace, changed_rules, departed, full_rules
from callboard.models.messages.base import Address, Message
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
from callboard.runtime.network import plan
from callboard.runtime.network.messages import NetworkFailed
from callboard.runtime.proxy.doors import Door, Doors
from callboard.runtime.proxy.locating import choose, name_of
from callboard.runtime.proxy.sockets import CannotListen

RETRY_S, RETRY_LIMIT_S = 0.1, 5.0
DOORS_AGAIN_S = 5.0
Post = Callable[[Address, Message], None]
Done = Callable[[Any], None]


class RuleNetwork(Protocol):
    """What a data plane needs of the driver of a cluster's network. `done` gets the answer or `NetworkFailed`, on another thread."""

    def ensure_node(self, node: str, index: int, done: Done) -> Any: ...

    def apply_rules(self, node: str, ruleset: str, done: Done) -> Any: ...

    def forget_flows(self, node: str, protocol: str, endpoints: tuple[tuple[str, int], ...], done: Done) -> Any: ...


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


class RulesSettled(Message, frozen=True, gc=False):
    """A transaction is over; `problem` says why it failed ("" if it didn't)."""

    number: int
    problem: str


class RetryRules(Message, frozen=True, gc=False):
    """Timer: try again to bring the rules up to date."""


class RetryDoors(Message, frozen=True, gc=False):
    """Timer: try again to open the doors that could not be opened."""


class NftDataPlane(Component):
    """Keeps the rules of one spot equal to the newest table. `proxy` is who sends tables; `post` brings messages in from another thread."""

    def __init__(self, port: Port, post: Post, proxy: Address, network: RuleNetwork, doors: Doors, spot: Spot) -> None:
        super().__init__(port)
        self.proxy = proxy
        self.spot = spot
        self._post = post
        self._network = network
        self._doors = doors
        self._applied: ProxyTable | None = None  # None: whatever is in force, it isn't known
        self._newest: ProxyTable | None = None
        self._under_way: tuple[int, ProxyTable] | None = None
        self._number = 0
        self._failures = 0
        self._retry: Timer | None = None
        self._doors_again: Timer | None = None
        self._refused: dict[str, str] = {}

    def on_start(self) -> None:
        """Ask for the table. What an earlier life has put in force stays until then."""
        self.port.send(self.proxy, DataPlaneStarted())

    def on_stop(self) -> None:
        """Close the doors of this node; its rules go with its network."""
        self._doors.keep(self._prefix(), {})

    @handles(ServeTable)
    def _serve(self, message: ServeTable) -> None:
        self._newest = message.table
        self._keep_doors()
        self._go_on()

    @handles(NetworkMadeAnew)
    def _made_anew(self, _fact: NetworkMadeAnew) -> None:
        self._applied = None
        if self._under_way is not None:
            self._under_way = None  # its answer may be of the network before
        self._go_on()

    # -- rules

    def _go_on(self) -> None:
        new = self._newest
        if new is None or self._under_way is not None or self._retry is not None or new == self._applied:
            return
        old, place = self._applied, self.spot.inside
        script = changed_rules(old, new, place) if old is not None else full_rules(new, place)
        self._number += 1
        number, me, node = self._number, self.port.me, self.spot.node
        self._under_way = (number, new)

        def settled(answer: Any) -> None:
            self._post(me, RulesSettled(number, _problem(answer)))

        def apply(answer: Any) -> None:
            if _problem(answer):
                settled(answer)
            else:
                self._network.apply_rules(node, script, settled)

        if not script:
            self.port.send(me, RulesSettled(number, ""))
        elif old is None and node:
            self._network.ensure_node(node, self.spot.index, apply)  # it may be the first that this node is heard of
        else:
            self._network.apply_rules(node, script, settled)

    @handles(RulesSettled)
    def _settled(self, fact: RulesSettled) -> None:
        if self._under_way is None or self._under_way[0] != fact.number:
            return
        table = self._under_way[1]
        self._under_way = None
        if fact.problem:
            self._applied = None
            self._failures += 1
            if self._failures == 1:
                self.port.log.warning(
                    "the rules of Services can't be brought up to date", place=self.spot.node or "edge", reason=fact.problem
                )
            delay_s = min(RETRY_S * 2 ** min(self._failures - 1, 16), RETRY_LIMIT_S)
            self._retry = self.port.after(delay_s, RetryRules())
            return
        gone = departed(self._applied, table) if self._applied is not None else ()
        if gone:
            self._network.forget_flows(self.spot.node, "UDP", gone, self._forgotten)
        self._applied, self._failures = table, 0
        self._go_on()

    def _forgotten(self, answer: Any) -> None:
        """On another thread: nothing waits for it, but a failure must not go unheard."""
        problem = _problem(answer)
        if problem:
            self.port.log.warning("flows to endpoints that are gone could not be forgotten", place=self.spot.node or "edge", reason=problem)

    @handles(RetryRules)
    def _try_again(self, _timer: RetryRules) -> None:
        self._retry = None
        self._go_on()

    # -- doors

    def _prefix(self) -> str:
        return f"nodeport/{self.spot.node}/" if self.spot.node else "service/"

    def _keep_doors(self) -> None:
        wanted: dict[str, Door] = {}
        for port in self._newest.services if self._newest is not None else ():
            if self.spot.node and port.node_port:
                key = f"{self._prefix()}{port.protocol}/{port.node_port}"
                to = (self.spot.inside.address, port.node_port)
                wanted[key] = Door(port.service_key, self.spot.outside, port.node_port, *to, port.protocol)
            elif not self.spot.node:
                wanted[self._key(port)] = self._door(port)
        if not self.spot.node:
            still = self._doors.under(self._prefix())
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
        services = self._newest.services if self._newest is not None else ()
        port, problem = choose(services, request)
        if port is None:
            return ServiceLocated(request.id, problem=problem)
        if request.port == str(port.node_port) and request.port not in (name_of(port), str(port.port)):
            return self._at_a_node(request, port)
        if self._applied is None:
            return ServiceLocated(request.id, problem="the rules of the edge are not in force yet")
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


def _problem(answer: Any) -> str:
    """Why something failed, "" if it didn't."""
    return answer.message if isinstance(answer, NetworkFailed) else ""
