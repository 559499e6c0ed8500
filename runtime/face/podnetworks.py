"""The network that a cluster's real pods live in: loopback addresses (levels C1 and C0), or namespaces of nodes and pods (A and B).

Each holds what outlives its components: drivers, listeners, doors. Made and closed by `Processes`.
"""

from __future__ import annotations

import threading
from typing import Protocol

from callboard.models.messages.base import Message
from callboard.models.messages.dns import DNS
from callboard.models.messages.proxy import NetworkMadeAnew
from callboard.runtime.containers.process_addresses import NODES_LIMIT
from callboard.runtime.containers.process_place import HostsKeeper
from callboard.runtime.dns.component import NamesServer
from callboard.runtime.dns.driver import DnsDriver
from callboard.runtime.dns.hostsbook import HostsBook
from callboard.runtime.face.assembly import CONTROL_PLANE, DATA_PLANE, Part
from callboard.runtime.face.nodespec import NodeSpec
from callboard.runtime.helpers.link import HelperError
from callboard.runtime.logs import Logger
from callboard.runtime.network import plan
from callboard.runtime.network.driver import NetworkDriver
from callboard.runtime.network.messages import NetworkFailed, NodeGone, NodeNetwork
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.proxy.cellplane import CellDataPlane
from callboard.runtime.proxy.dataplane import DriverSlot, UserspaceDataPlane
from callboard.runtime.proxy.doors import Doors
from callboard.runtime.proxy.nftplane import NftDataPlane
from callboard.runtime.proxy.spot import DoorsKnown, Spot, doors_of, edge_spot, node_spot
from callboard.runtime.systems import System

NAMES_SERVER = "nameserver"
DOORS_AGAIN_S = 1.0
_log = Logger(component="network")


class PodNetwork(Protocol):
    """What a cluster of real processes needs of the network that its pods live in."""

    @property
    def nodes_limit(self) -> int:
        """For so many nodes there are addresses."""

    @property
    def per_node(self) -> bool:
        """Whether each node has a network of its own, and so a service proxy of its own."""

    @property
    def service_cidr(self) -> str:
        """Where ClusterIPs come from."""

    @property
    def cluster_dns(self) -> str:
        """The address of the cluster's name service; "" where it has none that answers packets."""

    @property
    def names_server(self) -> str:
        """The component that makes names known inside pods; "" where none does."""

    @property
    def driver(self) -> NetworkDriver | None:
        """Who makes namespaces; None where pods have loopback addresses."""

    @property
    def hosts(self) -> HostsKeeper | None:
        """Who keeps the names of Services in pods' hosts files, where that is how they are known."""

    def start(self, system: System) -> None:
        """Start the components that the cluster has once."""

    def parts(self, system: System, index: int, spec: NodeSpec) -> tuple[Part, ...]:
        """The components that a node has."""

    def lost(self, node: str) -> None:
        """A node has lost its power."""

    def removed(self, node: str) -> None:
        """A node that was lost comes back no more."""

    def cut(self, node: str, peers: tuple[str, ...]) -> None:
        """Cut a node's traffic: see `Wires`."""

    def heal(self, node: str, peers: tuple[str, ...]) -> None:
        """Take such cuts back."""

    def close(self) -> None:
        """Let go of everything."""


class Loopback:
    """One network for all, the host's own loopback: one proxy that listens for all Services. Cuts between nodes are those of their
    components; their pods' traffic goes on."""

    nodes_limit = NODES_LIMIT
    per_node = False
    cluster_dns = ""
    driver = None

    def __init__(self, daemon: ProcessDaemon, keeps_hosts: bool) -> None:
        self.service_cidr = f"127.{daemon.block}.128.0/17"
        self._book = HostsBook() if keeps_hosts else None
        self.hosts: HostsKeeper | None = self._book
        self.names_server = NAMES_SERVER if keeps_hosts else ""
        self._slot = DriverSlot()

    def start(self, system: System) -> None:
        """Start the data plane, and what keeps hosts files up to date."""
        system.start(DATA_PLANE, UserspaceDataPlane, system.post, "proxy", self._slot, machine=CONTROL_PLANE)
        if self._book is not None:
            system.start(NAMES_SERVER, NamesServer, DNS, self._book, machine=CONTROL_PLANE)

    def parts(self, system: System, index: int, spec: NodeSpec) -> tuple[Part, ...]:
        """Nothing more than every node has."""
        return ()

    def lost(self, node: str) -> None:
        """Its network is everybody's."""

    def removed(self, node: str) -> None:
        """Nothing was its own."""

    def cut(self, node: str, peers: tuple[str, ...]) -> None:
        """Loopback can't be cut."""

    def heal(self, node: str, peers: tuple[str, ...]) -> None:
        """Nothing was cut."""

    def close(self) -> None:
        """Stop listening."""
        self._slot.close()
        if self._book is not None:
            self._book.close()


class Namespaces:
    """A namespace for each node and pod, joined by a fabric; Services on every node by the kernel's rules, or where it has none (`rules`
    False) by a userspace proxy in the node's namespace; a name service on every node."""

    nodes_limit = plan.NODES_LIMIT
    per_node = True
    service_cidr = plan.SERVICE_NETWORK
    cluster_dns = plan.CLUSTER_DNS
    names_server = NAMES_SERVER
    hosts = None

    def __init__(self, daemon: ProcessDaemon, rules: bool = True) -> None:
        self._block = daemon.block
        self._rules = rules
        self._slots: dict[str, DriverSlot] = {}
        self._closed = threading.Event()
        self._system: System | None = None
        self._names = DnsDriver(daemon, plan.CLUSTER_DNS)
        self.driver: NetworkDriver = NetworkDriver(daemon, self._heard)
        self.driver.on_nodes(self._node_changed)
        self._doors = Doors(self.driver, unknown=True)

    def start(self, system: System) -> None:
        """Start the edge's data plane, where the outside comes in, and what tells the name service's helper."""
        self._system = system
        edge = self._plane(system, DATA_PLANE, "proxy", edge_spot(self._block))
        system.start(edge.name, edge.component, *edge.arguments, machine=CONTROL_PLANE)
        threading.Thread(target=self._find_doors, args=(system,), name="callboard-doors", daemon=True).start()
        system.start(NAMES_SERVER, NamesServer, DNS, self._names, machine=CONTROL_PLANE)

    def _find_doors(self, system: System) -> None:
        """On a thread of its own: ask the helper, which may have lived on after an earlier program, which doors are open."""
        while not self._closed.is_set():
            try:
                outside = self.driver.state_now().outside
            except HelperError as problem:
                if self._closed.is_set():
                    return
                _log.warning("it is not known yet which doors are open", reason=str(problem))
                self._closed.wait(DOORS_AGAIN_S)
                continue
            self._doors.adopt({one.key: (one.host_address, one.host_port) for one in outside})
            self._tell_planes(system, DoorsKnown())
            return

    def parts(self, system: System, index: int, spec: NodeSpec) -> tuple[Part, ...]:
        """A data plane."""
        spot = node_spot(spec.name, index, self._block)
        return (self._plane(system, f"{DATA_PLANE}/{spec.name}", f"proxy/{spec.name}", spot),)

    def _plane(self, system: System, name: str, proxy: str, spot: Spot) -> Part:
        arguments = (system.post, proxy, self.driver, self._doors, spot)
        if self._rules:
            return Part(name, NftDataPlane, arguments)
        slot = self._slots.setdefault(spot.node, DriverSlot())
        return Part(name, CellDataPlane, (*arguments, slot))

    def lost(self, node: str) -> None:
        """Its namespaces go, and those of its pods."""
        if node in self._slots:
            self._slots[node].close()
        self.driver.crash_node(node, lambda answer: _told(answer, f"the network of {node} can't be removed"))

    def removed(self, node: str) -> None:
        """Its doors close, its cuts are forgotten."""
        self._doors.keep(doors_of(node), {})
        self._slots.pop(node, None)
        self.driver.remove_node(node, lambda answer: _told(answer, f"the network of {node} can't be removed"))

    def cut(self, node: str, peers: tuple[str, ...]) -> None:
        """Cut real traffic."""
        self.driver.cut(node, peers, lambda answer: _told(answer, f"{node} can't be cut off"))

    def heal(self, node: str, peers: tuple[str, ...]) -> None:
        """Let it flow again."""
        self.driver.heal(node, peers, lambda answer: _told(answer, f"{node} can't be connected again"))

    def close(self) -> None:
        """Let go of the helpers; they end with the process daemon."""
        self._closed.set()
        for slot in self._slots.values():
            slot.close()
        self._names.close()
        self.driver.close()

    def _node_changed(self, change: NodeNetwork | NodeGone) -> None:
        if isinstance(change, NodeGone):
            self._names.leave_node(change.node)
        else:
            self._names.serve_node(change.node, change.netns)

    def _heard(self, _again: Message) -> None:
        """The network's helper was lost and is there again: every data plane has to say its rules anew."""
        if self._system is not None:
            self._tell_planes(self._system, NetworkMadeAnew())

    def _tell_planes(self, system: System, fact: Message) -> None:
        for name in [name for name in system.names() if name.partition("/")[0] == DATA_PLANE]:
            system.post(name, fact)


def _told(answer: object, what: str) -> None:
    if isinstance(answer, NetworkFailed):
        _log.error(what, reason=answer.message)
