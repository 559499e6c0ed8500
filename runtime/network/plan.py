"""The plan of addresses of a cluster whose pods have network namespaces: pure functions, used on both sides of the helper's socket.

Nodes are numbered from 0 by their index; their third or fourth byte is index + 1. All these addresses lie in namespaces of the cluster's
own, so two clusters have the same ones and never meet. The pod network and the Services' network are those of kubeadm's and flannel's
examples: 10.244.0.0/16 and 10.96.0.0/16.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

EDGE = "edge"
"""What the fabric's own namespace is called where a node's name could stand: who reaches pods from there comes from outside the nodes."""
EDGE_ADDRESS = "172.31.0.254"
FABRIC_NETWORK = "172.31.0.0/24"
FABRIC_PREFIX = 24
BRIDGE = "fab0"
POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
CLUSTER_DNS = "10.96.0.10"
GATEWAY = "169.254.1.1"
"""The next hop of every pod: the node's end of its own veth pair, the same address on each."""
NODES_LIMIT = 253
"""172.31.0.1 to 172.31.0.253; .254 is the edge."""
NAME_LIMIT_BYTES = 240
"""A namespace is bound at a file, and a file's name may have 255 bytes."""


class BadPlan(ValueError):
    """Such a node or address has no place in the plan; the text says why."""


def node_address(index: int) -> str:
    """A node's address on the fabric. Raises `BadPlan`.

    >>> node_address(0)
    '172.31.0.1'
    """
    return f"172.31.0.{_number(index)}"


def fabric_addresses() -> frozenset[str]:
    """All addresses that may be on the fabric: of nodes and of the edge."""
    return frozenset(node_address(index) for index in range(NODES_LIMIT)) | {EDGE_ADDRESS}


def pod_cidr(index: int) -> str:
    """The network of a node's pods. Raises `BadPlan`.

    >>> pod_cidr(1)
    '10.244.2.0/24'
    """
    return f"10.244.{_number(index)}.0/24"


def pod_addresses(index: int) -> list[str]:
    """All addresses that a node may give to pods, in order: .2 to .254. Raises `BadPlan`."""
    number = _number(index)
    return [f"10.244.{number}.{last}" for last in range(2, 255)]


def index_of_address(address: str) -> int:
    """The index of the node that has this address on the fabric. Raises `BadPlan`."""
    return _index(address, "172.31.0.", 3)


def index_of_pod(ip: str) -> int:
    """The index of the node whose pods have such addresses. Raises `BadPlan`.

    >>> index_of_pod("10.244.2.9")
    1
    """
    return _index(ip, "10.244.", 2)


def node_link(index: int) -> str:
    """The name of the fabric's end of a node's link."""
    return f"n{_number(index)}"


def pod_link(ip: str) -> str:
    """The name of the node's end of a pod's link."""
    return f"v{ip.rpartition('.')[2]}"


def pod_ip(index: int, link: str) -> str:
    """The address of the pod behind a link of a node: `pod_link` backwards."""
    return f"10.244.{_number(index)}.{link.removeprefix('v')}"


def hardware(address: str) -> str:
    """The hardware address of who has this address, as the CNI plugins make it: the same whenever a node or pod is made anew, so that its
    peers need not learn another.

    >>> hardware("10.244.1.2")
    '0a:58:0a:f4:01:02'
    """
    return "0a:58:" + ipaddress.IPv4Address(address).packed.hex(":")


def node_space(node: str) -> str:
    """The file name at which a node's namespace is bound. Raises `BadPlan`."""
    return _space("node", node)


def pod_space(uid: str) -> str:
    """The file name at which a pod's namespace is bound. Raises `BadPlan`."""
    return _space("pod", uid)


def checked_pod_ip(ip: str, index: int) -> str:
    """This address, if the node of this index may give it to a pod. Raises `BadPlan`."""
    try:
        inside = ipaddress.IPv4Address(ip) in ipaddress.IPv4Network(pod_cidr(index))
    except ValueError:
        inside = False
    if not inside or not 2 <= int(ip.rpartition(".")[2]) <= 254:
        raise BadPlan(f"{ip} is no address for a pod of a node whose pods are in {pod_cidr(index)}: .2 to .254")
    return ip


def apart(node: str, pairs: Iterable[frozenset[str]], indices: Mapping[str, int]) -> frozenset[str]:
    """The addresses on the fabric with which a node (or the edge) exchanges nothing, as these pairs are cut. Peers that have no network
    yet are left out.

    >>> sorted(apart("a", [frozenset({"a", "b"}), frozenset({"edge", "a"}), frozenset({"b", "c"})], {"a": 0, "b": 1, "c": 2}))
    ['172.31.0.2', '172.31.0.254']
    """
    peers = {peer for pair in pairs if node in pair for peer in pair if peer != node}
    return frozenset(EDGE_ADDRESS if peer == EDGE else node_address(indices[peer]) for peer in peers if peer == EDGE or peer in indices)


def _number(index: int) -> int:
    if not 0 <= index < NODES_LIMIT:
        raise BadPlan(f"there is no address for a node of index {index}: a cluster with a network has at most {NODES_LIMIT} nodes")
    return index + 1


def _index(address: str, prefix: str, byte: int) -> int:
    try:
        if address.startswith(prefix):
            return _number(int(address.split(".")[byte]) - 1) - 1
    except (ValueError, IndexError):
        pass
    raise BadPlan(f"{address} is no address of this plan: it should begin with {prefix}")


def _space(kind: str, name: str) -> str:
    if not name or "/" in name or "\0" in name or len(name.encode()) > NAME_LIMIT_BYTES:
        raise BadPlan(f'"{name[:60]}" can be no name of a {kind}: it is empty, longer than {NAME_LIMIT_BYTES} bytes, or has a "/"')
    return f"{kind}-{name}"
