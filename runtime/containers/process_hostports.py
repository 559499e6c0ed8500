"""Ports of pods at the address of their node (hostPort), where nodes have networks of their own: levels A and B.

Inside the cluster rules of nftables lead from the node's address to the pod's, in a table of their own; from outside a door at the node's
address on the host's loopback does. The rule set is that of all the node's pods, so it is written anew with every change. Source:
containerd's portmap plugin (plugins/meta/portmap), which does the same with rules of the node's own network.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

import msgspec

from callboard.models.api import core
from callboard.models.messages.base import Message
from callboard.runtime.helpers.link import HelperError
from callboard.runtime.isolation.levels import Level
from callboard.runtime.network import plan
from callboard.runtime.network.driver import NetworkDriver
from callboard.runtime.network.messages import NetworkFailed
from callboard.runtime.proxy.doors import Door, Doors

TABLE = "ip callboard-hostports"
ANY_ADDRESS = ("", "0.0.0.0")
LIMIT_S = 10.0


class HostPort(msgspec.Struct, frozen=True, gc=False):
    """One port of a pod at its node's address."""

    uid: str
    protocol: str
    host_port: int
    ip: str
    port: int


class HostPortsKept(Message, frozen=True, gc=False):
    """The node's host ports are those that were asked for, or `problem` says why not. `uid`: the pod that waits for it, if any."""

    uid: str
    problem: str = ""


class HostPortsAdopted(Message, frozen=True, gc=False):
    """The node's host ports are those of the pods that its runtime has found, or `problem` says why not."""

    problem: str = ""


def host_ports_of(pod: core.Pod, ip: str) -> tuple[HostPort, ...]:
    """The host ports of a pod with this address; a pod on its node's network has none but those it listens on itself."""
    spec = pod.spec or core.PodSpec()
    if spec.host_network:
        return ()
    return tuple(
        HostPort(pod.metadata.uid, port.protocol or "TCP", port.host_port, ip, port.container_port or 0)
        for container in (*spec.init_containers, *spec.containers)
        for port in container.ports
        if port.host_port
    )


def refused(pod: core.Pod, level: Level, node_address: str) -> str:
    """Why a pod can't have its host ports here; "" if it can."""
    spec = pod.spec or core.PodSpec()
    asked = [port for container in spec.containers for port in container.ports if port.host_port and not spec.host_network]
    if not asked:
        return ""
    if not level.network:
        return (
            f"hostPort {asked[0].host_port} is not possible at isolation level {level.name}: pods have loopback addresses of their own, on "
            "which their ports are reached from outside too, so leave it out; levels A and B can"
        )
    if not level.rules:
        return f"hostPort {asked[0].host_port} is not possible here: it takes nftables (`callboard doctor` says why there is none)"
    for port in asked:
        if port.host_ip not in (*ANY_ADDRESS, node_address):
            return f"hostPort {port.host_port}: hostIP {port.host_ip} is no address of the node, which has {node_address}; leave it out"
    return ""


def rules_of(ports: Iterable[HostPort], node_address: str) -> str:
    """The whole rule set of a node's host ports, which replaces the one before in one transaction."""
    ordered = sorted(ports, key=lambda port: (port.protocol, port.host_port))
    lines = [f"table {TABLE}", f"delete table {TABLE}"]
    if not ordered:
        return "\n".join(lines) + "\n"
    lines += [f"table {TABLE} {{", "  chain ports {"]
    for port in ordered:
        lines.append(f"    ip daddr {node_address} {port.protocol.lower()} dport {port.host_port} dnat to {port.ip}:{port.port}")
    lines += [
        "  }",
        "  chain arriving { type nat hook prerouting priority dstnat; jump ports; }",
        "  chain own { type nat hook output priority -100; jump ports; }",
        "  chain leaving { type nat hook postrouting priority srcnat;",
        *(f"    ct status dnat ip saddr {ip} ip daddr {ip} masquerade" for ip in sorted({port.ip for port in ordered})),
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"


class HostPorts:
    """The host ports of a cluster's pods, by node and pod. Methods block, so they are called on workers' threads; what is asked for by a
    runtime that has crashed meanwhile concerns its own pod only, so it does no harm when it comes late."""

    def __init__(self, network: NetworkDriver, block: int) -> None:
        self._network = network
        self._block = block
        self._doors = Doors(network)
        self._lock = threading.Lock()
        self._ports: dict[str, dict[str, tuple[HostPort, ...]]] = {}

    def set_pod(self, node: str, index: int, uid: str, ports: tuple[HostPort, ...]) -> HostPortsKept:
        """A pod shall have these ports, or none any more."""
        with self._lock:
            of_node = self._ports.setdefault(node, {})
            of_node.pop(uid, None)
            if ports:
                of_node[uid] = ports
            return HostPortsKept(uid, self._apply(node, index, uid))

    def adopt(self, node: str, index: int, ports: Iterable[HostPort]) -> HostPortsAdopted:
        """A node shall have these ports and no others, whoever asked for them: its runtime has started. Doors that a former program has
        left are closed first."""
        with self._lock:
            of_node: dict[str, tuple[HostPort, ...]] = {}
            for port in ports:
                of_node[port.uid] = (*of_node.get(port.uid, ()), port)
            known = self._ports.get(node, {})
            self._ports[node] = of_node
            try:
                left = self._close_strangers(node)
            except HelperError as problem:
                return HostPortsAdopted(str(problem))
            return HostPortsAdopted(self._apply(node, index, "") if known or of_node or left else "")

    def renew(self, node: str, index: int) -> HostPortsKept:
        """Make doors and rules of a node anew: its network may be a new one."""
        with self._lock:
            return HostPortsKept("", self._apply(node, index, "") if self._ports.get(node) else "")

    def _apply(self, node: str, index: int, uid: str) -> str:
        """Let doors and rules be what is wanted; "" or why the pod's own can't be. A pod whose door is taken has no ports at all."""
        ports = [port for of_pod in self._ports.get(node, {}).values() for port in of_pod]
        prefix, outside = prefix_of(node), f"127.{self._block}.{index + 1}.1"
        wanted = {
            f"{prefix}{port.uid}/{port.protocol}/{port.host_port}": Door(
                f"hostPort of pod {port.uid}", outside, port.host_port, port.ip, port.port, port.protocol, node
            )
            for port in ports
        }
        failed = self._doors.keep(prefix, wanted)
        own = "; ".join(str(problem) for key, problem in failed.items() if key.startswith(f"{prefix}{uid}/"))
        return own or self._applied(node, rules_of(ports, plan.node_address(index)))

    def _applied(self, node: str, rules: str) -> str:
        """Give a rule set to the node's kernel; "" or why it didn't take it."""
        done: Future[object] = Future()
        self._network.apply_rules(node, rules, done.set_result)
        try:
            answer = done.result(LIMIT_S)
        except FutureTimeoutError:
            return f"the network helper did not apply the rules of host ports within {LIMIT_S:g} s"
        return answer.message if isinstance(answer, NetworkFailed) else ""

    def _close_strangers(self, node: str) -> bool:
        """Close the doors that are not ours; whether there were any. Raises `HelperError`."""
        known = self._doors.under(prefix_of(node))
        strange = [one.key for one in self._network.state_now().outside if one.key.startswith(prefix_of(node)) and one.key not in known]
        for key in strange:
            done: Future[object] = Future()
            self._network.close_outside(key, done.set_result)
            try:
                done.result(LIMIT_S)
            except FutureTimeoutError:
                raise HelperError(f"the network helper did not close {key} within {LIMIT_S:g} s") from None
        return bool(strange)


def prefix_of(node: str) -> str:
    """How the keys of a node's doors begin."""
    return f"hostport/{node}/"
