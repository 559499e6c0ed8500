"""The fabric and everything on it, as the kernel's namespaces, links and routes. Runs in the helper, on one thread, which is at home in the
fabric's namespace; see `plan.py` for the addresses.

A node's link `nK` hangs on the bridge; its other end is `eth0` in the node's namespace. A pod's link `vP` is in its node's namespace, its
other end is `eth0` in the pod's; there is no bridge of pods, so every packet of a pod is routed by its node and seen by the node's rules,
also between two pods of one node. Who a link belongs to is written beside it in the kernel (its alias) as the last step of making it, so a
helper that was killed leaves nothing that the next one can't tell whole from half-made (`adoption.py`).

Removing an interface takes the kernel some ten milliseconds however many go in one order. So what is removed is only disabled and renamed,
which frees its address and name at once, and `bury` removes all such together.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from functools import cache

from callboard.runtime.helpers.program import Refusal
from callboard.runtime.network import plan
from callboard.runtime.network.messages import NodeNetwork, PodNetwork
from callboard.runtime.network.netlink import Netlink, Order, neighbour, order, pair
from callboard.runtime.network.spaces import OWN, new_space, remove_space, set_kernel, settle, socket_in, visiting

DOOMED = 99
"""The group of interfaces that are to be removed."""
_LINK_SCOPE = 253
_NODE_KERNEL = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/conf/all/send_redirects": "0",  # pods could not use what they say, and they use up a pod's allowance of ICMP
    "ipv4/conf/default/send_redirects": "0",
    "ipv6/conf/default/disable_ipv6": "1",  # of links made from now on; ::1 stays
}
_POD_KERNEL = {
    "ipv4/ip_unprivileged_port_start": "0",  # as containerd has it for pods: port 80 needs no right
    "ipv6/conf/default/disable_ipv6": "1",
}


class NodeSpace:
    """A node's namespace: descriptors that hold it, and its pods by the names of their links. `link` is the index of its link on the
    bridge."""

    def __init__(self, node: str, index: int, space: int, netlink: Netlink, eth0: int, link: int) -> None:
        self.node = node
        self.index = index
        self.space = space
        self.netlink = netlink
        self.eth0 = eth0
        self.link = link
        self.apart: frozenset[str] | None = frozenset()
        """Addresses on the fabric that are cut off from it; None if that is not known. Set by `Cuts`."""
        self.pods: dict[str, PodSpace] = {}


class PodSpace:
    """A pod's namespace. `link` is the index of its link in the node's."""

    def __init__(self, uid: str, node: str, ip: str, space: int, link: int) -> None:
        self.uid = uid
        self.node = node
        self.ip = ip
        self.space = space
        self.link = link


class Fabric:
    """All namespaces of a cluster. For one thread, but for `socket_of`, which is for any that is at home in the fabric's namespace."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.home = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
        self.netlink = Netlink()
        self.nodes: dict[str, NodeSpace] = {}
        self.pods: dict[str, PodSpace] = {}
        self.bridge = 0
        self.isolated: frozenset[str] = frozenset()
        """Nodes whose links are to be down. Set by `Cuts`."""
        self._opening = threading.Lock()  # a descriptor of a namespace is not closed while another thread is about to use it
        self._graves: set[Netlink] = set()
        self._buried = 0

    def ensure_bridge(self) -> None:
        """The bridge, the edge's address and its routes. Raises OSError."""
        _set_all(_NODE_KERNEL)
        self.netlink.do(order("link", "add", errno.EEXIST, ifname=plan.BRIDGE, kind="bridge", address=plan.hardware(plan.EDGE_ADDRESS)))
        self.bridge = bridge = socket.if_nametoindex(plan.BRIDGE)
        lo = socket.if_nametoindex("lo")
        self.netlink.do(
            order("link", "set", index=lo, state="up"),
            order("addr", "add", errno.EEXIST, index=bridge, address=plan.EDGE_ADDRESS, prefixlen=plan.FABRIC_PREFIX),
            order("link", "set", index=bridge, state="up"),
            order("route", "replace", dst=plan.SERVICE_NETWORK, oif=bridge, scope=_LINK_SCOPE),
            _name_service(lo),
            *_peers(bridge, -1),
        )

    # -- nodes

    def ensure_node(self, node: str, index: int) -> NodeNetwork:
        """A node's namespace on the fabric. Raises `Refusal`, `BadPlan`, OSError."""
        there = self.nodes.get(node)
        if there is None:
            there = self.nodes[node] = self._make_node(node, index)
        elif there.index != index:
            raise Refusal(f'node "{node}" has the network {plan.pod_cidr(there.index)} already, of index {there.index} and not {index}')
        return self.told_node(there)

    def remove_node(self, node: str) -> None:
        """A node's cable goes first, then its pods' networks and its own. Raises OSError."""
        there = self.nodes.get(node)
        if there is None:
            return
        self._doom(self.netlink, there.link)
        for pod in list(there.pods.values()):
            self.remove_pod(pod.uid)
        del self.nodes[node]
        if there.netlink in self._graves:
            self._graves.discard(there.netlink)
            there.netlink.do(_burial())
        remove_space(self._path(plan.node_space(node)))
        there.netlink.close()
        with self._opening:
            os.close(there.space)

    def told_node(self, there: NodeSpace) -> NodeNetwork:
        """What is said of a node."""
        path = self._path(plan.node_space(there.node))
        return NodeNetwork(there.node, plan.node_address(there.index), plan.pod_cidr(there.index), path)

    def _make_node(self, node: str, index: int) -> NodeSpace:
        address, link, path = plan.node_address(index), plan.node_link(index), self._path(plan.node_space(node))
        for other in self.nodes.values():
            if other.index == index:
                raise Refusal(f'the address {address} that node "{node}" should have is that of node "{other.node}"')
        remove_space(path)
        self.netlink.do(_no_link(link))
        try:
            with new_space(path, self.home) as space:
                _set_all(_NODE_KERNEL)
                self.netlink.do(pair(link, _far_end(address), "eth0", plan.hardware(address), space))
                netlink, eth0 = Netlink(), socket.if_nametoindex("eth0")
                netlink.do(*_node_orders(index, eth0, socket.if_nametoindex("lo")))
                with visiting(self.home, space):
                    there = socket.if_nametoindex(link)
                    self.netlink.do(
                        order("link", "set", index=there, master=self.bridge),
                        order("link", "set", index=there, state=self.plug(node)),
                        order("link", "set", index=there, ifalias=node),
                    )
                    settle(link)
                    settle(plan.BRIDGE)
                settle("eth0")
        except OSError:
            self.netlink.do(_no_link(link))
            raise
        return NodeSpace(node, index, space, netlink, eth0, there)

    def plug(self, node: str) -> str:
        """The state that a node's link on the bridge should have."""
        return "down" if node in self.isolated else "up"

    def settle(self, there: NodeSpace) -> None:
        """Have a node's cable carry packets from now on, if it is plugged in. Raises OSError."""
        settle(plan.node_link(there.index))
        with visiting(there.space, self.home):
            settle("eth0")

    # -- pods

    def ensure_pod(self, uid: str, node: str, ip: str) -> PodNetwork:
        """A pod's namespace, linked to its node's. Raises `Refusal`, `BadPlan`, OSError."""
        there = self.pods.get(uid)
        if there is None:
            there = self._make_pod(uid, node, ip)
            self.pods[uid] = self.nodes[node].pods[plan.pod_link(ip)] = there
        elif (there.node, there.ip) != (node, ip):
            raise Refusal(f'pod {uid} has a network already, with {there.ip} on node "{there.node}" and not {ip} on "{node}"')
        return self.told_pod(there)

    def remove_pod(self, uid: str) -> None:
        """A pod's namespace and link go. Raises OSError."""
        there = self.pods.pop(uid, None)
        if there is None:
            return
        on = self.nodes[there.node]
        del on.pods[plan.pod_link(there.ip)]
        self._doom(on.netlink, there.link)
        with self._opening:
            os.close(there.space)
        remove_space(self._path(plan.pod_space(uid)))

    def told_pod(self, there: PodSpace) -> PodNetwork:
        """What is said of a pod."""
        return PodNetwork(there.uid, there.node, there.ip, self._path(plan.pod_space(there.uid)))

    def _make_pod(self, uid: str, node: str, ip: str) -> PodSpace:
        on = self.nodes.get(node)
        if on is None:
            raise Refusal(f'pod {uid} can have no network: there is none of its node "{node}"')
        link, path = plan.pod_link(plan.checked_pod_ip(ip, on.index)), self._path(plan.pod_space(uid))
        if link in on.pods:
            raise Refusal(f"the address {ip} that pod {uid} should have is that of pod {on.pods[link].uid}")
        remove_space(path)
        try:
            with new_space(path, self.home) as space:
                _set_all(_POD_KERNEL)
                on.netlink.do(pair(link, _far_end(ip), "eth0", plan.hardware(ip), space))
                _wire_pod(ip)
                with visiting(on.space, space):
                    there = socket.if_nametoindex(link)
                    on.netlink.do(
                        order("addr", "add", index=there, address=plan.GATEWAY, prefixlen=32, scope=_LINK_SCOPE),
                        order("link", "set", index=there, state="up"),
                        neighbour(there, ip, plan.hardware(ip)),
                        order("route", "add", dst=f"{ip}/32", oif=there, scope=_LINK_SCOPE, prefsrc=plan.node_address(on.index)),
                        order("link", "set", index=there, ifalias=uid),
                    )
                    settle(link)
                settle("eth0")
        except OSError:
            on.netlink.do(_no_link(link))
            raise
        return PodSpace(uid, node, ip, space, there)

    def socket_of(self, where: str, kind: int) -> socket.socket:
        """A new IPv4 socket of a namespace: `node/<name>`, `pod/<uid>`, `edge`. Raises `Refusal`, OSError."""
        sort, _, name = where.partition("/")
        if where == plan.EDGE:
            return socket.socket(socket.AF_INET, kind)
        with self._opening:
            there = self.nodes.get(name) if sort == "node" else self.pods.get(name) if sort == "pod" else None
            if there is None:
                raise Refusal(f'there is no network of "{where}"')
            return socket_in(there.space, self.home, kind)

    # -- removing

    @property
    def graves(self) -> bool:
        """Whether there is something to bury."""
        return bool(self._graves)

    def bury(self) -> None:
        """Remove the interfaces of what was removed. Raises OSError."""
        while self._graves:
            self._graves.pop().do(_burial())

    def _doom(self, netlink: Netlink, index: int) -> None:
        """Disable an interface and free its name; it may be gone already."""
        self._buried += 1
        netlink.do(
            order("link", "set", errno.ENODEV, index=index, state="down"),
            order("link", "set", errno.ENODEV, index=index, ifname=f"x{self._buried}", group=DOOMED),
        )
        self._graves.add(netlink)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)


def _set_all(values: dict[str, str]) -> None:
    for name, value in values.items():
        set_kernel(name, value)


def _far_end(address: str) -> str:
    """The hardware address of the other end of the link of who has this address."""
    return "02" + plan.hardware(address)[2:]


def _no_link(name: str) -> Order:
    return order("link", "del", errno.ENODEV, ifname=name)


def _burial() -> Order:
    return order("link", "del", errno.ENODEV, group=DOOMED)


def _name_service(lo: int) -> Order:
    """The cluster's name service may listen at its address here, without the address being any interface's."""
    return order("route", "replace", dst=f"{plan.CLUSTER_DNS}/32", oif=lo, type="local", table=255, scope=254)


def _peers(oif: int, but: int) -> list[Order]:
    """The ways to all nodes that there may ever be, and to their pods, so that no node has to be told of another one."""
    return [way for index, ways in enumerate(_ways(oif)) if index != but for way in ways]


@cache
def _ways(oif: int) -> list[tuple[Order, Order]]:
    """The way to each node and to its pods, by the nodes' indices. The same for all, as long as their interfaces have the same number."""
    nodes = [(plan.pod_cidr(index), plan.node_address(index)) for index in range(plan.NODES_LIMIT)]
    return [(order("route", "replace", dst=cidr, gateway=address, oif=oif), peer(oif, address)) for cidr, address in nodes]


def peer(oif: int, address: str) -> Order:
    """Where on the fabric this address is."""
    return neighbour(oif, address, plan.hardware(address))


def _node_orders(index: int, eth0: int, lo: int) -> list[Order]:
    return [
        order("link", "set", index=lo, state="up"),
        order("addr", "add", index=eth0, address=plan.node_address(index), prefixlen=plan.FABRIC_PREFIX),
        order("link", "set", index=eth0, state="up"),
        order("route", "add", dst="default", gateway=plan.EDGE_ADDRESS, oif=eth0),
        order(
            "route", "add", dst=plan.pod_cidr(index), type="unreachable"
        ),  # its pods' routes are longer; others are refused, not sent round
        _name_service(lo),
        *_peers(eth0, index),
        peer(eth0, plan.EDGE_ADDRESS),
    ]


def _wire_pod(ip: str) -> None:
    """The pod's end, by a thread that is inside."""
    eth0, netlink = socket.if_nametoindex("eth0"), Netlink()
    try:
        netlink.do(
            order("link", "set", index=socket.if_nametoindex("lo"), state="up"),
            order("addr", "add", index=eth0, address=ip, prefixlen=32),
            order("link", "set", index=eth0, state="up"),
            neighbour(eth0, plan.GATEWAY, _far_end(ip)),
            order("route", "add", dst=f"{plan.GATEWAY}/32", oif=eth0, scope=_LINK_SCOPE),
            order("route", "add", dst="default", gateway=plan.GATEWAY, oif=eth0),
        )
    finally:
        netlink.close()
