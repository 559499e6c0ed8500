"""Ports of pods at the address of their node (hostPort), where nodes have networks of their own: levels A and B.

Inside the cluster rules of nftables lead from the node's address to the pod's, in a table of their own; from outside a door at the node's
address on the host's loopback does. The rule set is that of all the node's pods, so it is written anew with every change. Source:
containerd's portmap plugin (plugins/meta/portmap), which does the same with rules of the node's own network.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

import msgspec

from callboard.models.api import core
from callboard.models.messages.base import Message
from callboard.runtime.containers.process_place import Place
from callboard.runtime.helpers.link import HelperError
from callboard.runtime.network import plan
from callboard.runtime.network.driver import NetworkDriver
from callboard.runtime.network.messages import NetworkFailed
from callboard.runtime.proxy.doors import Door

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


def refused(pod: core.Pod, place: Place, node_address: str) -> str:
    """Why a pod can't have its host ports here; "" if it can."""
    spec = pod.spec or core.PodSpec()
    asked = [port for container in spec.containers for port in container.ports if port.host_port and not spec.host_network]
    if not asked:
        return ""
    level = place.level
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


def keep_host_ports(place: Place, node: str, index: int, ports: tuple[HostPort, ...], uid: str) -> HostPortsKept:
    """Let a node have exactly these host ports. Blocks; called on a worker's thread. `uid` is that of the pod which waits
    for it, "" for none."""
    network, doors = place.network, place.doors
    assert network is not None
    assert doors is not None
    prefix, outside = prefix_of(node), f"127.{place.daemon.block}.{index + 1}.1"
    wanted = {
        f"{prefix}{port.uid}/{port.protocol}/{port.host_port}": Door(
            f"hostPort of pod {port.uid}", outside, port.host_port, port.ip, port.port, port.protocol, node
        )
        for port in ports
    }
    failed = {key: str(problem) for key, problem in doors.keep(prefix, wanted).items() if key.startswith(f"{prefix}{uid}/")}
    problem = "; ".join(failed.values()) or _applied(network, node, rules_of(ports, plan.node_address(index)))
    return HostPortsKept(uid, problem)


def close_strangers(place: Place, node: str) -> None:
    """Close the doors of a former program's pods on this node: those that are still there open theirs anew. Raises `HelperError`."""
    assert place.network is not None
    assert place.doors is not None
    known = place.doors.under(prefix_of(node))
    for listener in place.network.state_now().outside:
        if listener.key.startswith(prefix_of(node)) and listener.key not in known:
            done: Future[object] = Future()
            place.network.close_outside(listener.key, done.set_result)
            try:
                done.result(LIMIT_S)
            except FutureTimeoutError:
                raise HelperError(f"the network helper did not close {listener.key} within {LIMIT_S:g} s") from None


def prefix_of(node: str) -> str:
    """How the keys of a node's doors begin."""
    return f"hostport/{node}/"


def _applied(network: NetworkDriver, node: str, rules: str) -> str:
    """Give a rule set to the node's kernel; "" or why it didn't take it."""
    done: Future[object] = Future()
    network.apply_rules(node, rules, done.set_result)
    try:
        answer = done.result(LIMIT_S)
    except FutureTimeoutError:
        return f"the network helper did not apply the rules of host ports within {LIMIT_S:g} s"
    return answer.message if isinstance(answer, NetworkFailed) else ""
