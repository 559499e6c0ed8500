"""Addresses of nodes and pods: which belong to a node, which are in use. Used by the process container runtime.

Where pods have networks of their own, the plan is `runtime/network/plan.py`. Else they have loopback addresses: node k has 127.B.(4k).0 to
127.B.(4k+3).255 of its cluster's block B: itself at 127.B.(4k).1, its pods at the others. The upper half of the block belongs to Services,
so there is room for 32 nodes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from callboard.runtime.network import plan

NODES_LIMIT = 32


class NoAddressLeft(Exception):
    """Every address of the node belongs to a pod; the text says how many there are."""


def node_address(block: int, index: int) -> str:
    """The address of the node with this index (from 0) itself. Raises ValueError where a block has no room for it."""
    if not 0 <= index < NODES_LIMIT:
        raise ValueError(f"node number {index + 1} has no addresses: a cluster with real processes has at most {NODES_LIMIT} nodes")
    return f"127.{block}.{4 * index}.1"


class AddressPool:
    """The pods' addresses of one node, which itself has `host`. What is released is given out again last, so that a late connection doesn't
    meet another pod."""

    def __init__(self, host: str, addresses: Iterable[str]) -> None:
        self.host = host
        self._free = deque(addresses)
        self._size = len(self._free)

    def take(self) -> str:
        """An address that no pod has. Raises `NoAddressLeft`."""
        if not self._free:
            raise NoAddressLeft(f"all {self._size} pod addresses of the node at {self.host} are in use; delete pods, or add a node")
        return self._free.popleft()

    def claim(self, addresses: Iterable[str]) -> None:
        """Take these: pods that are found again have them."""
        taken = {*addresses}
        self._free = deque(address for address in self._free if address not in taken)

    def release(self, address: str) -> None:
        """Nobody has this one any more; the node's own is never given out."""
        if address != self.host:
            self._free.append(address)


def loopback_pool(block: int, index: int) -> AddressPool:
    """The addresses of a node and its pods on loopback. Raises ValueError where a block has no room for it."""
    host = node_address(block, index)
    pods = (f"127.{block}.{third}.{fourth}" for third in range(4 * index, 4 * index + 4) for fourth in range(1, 255))
    return AddressPool(host, (address for address in pods if address != host))


def cell_pool(index: int) -> AddressPool:
    """The addresses of a node on the fabric and of its pods. Raises ValueError where the plan has no room for it."""
    return AddressPool(plan.node_address(index), plan.pod_addresses(index))
