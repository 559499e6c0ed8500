"""Cuts between nodes, as their kernels hold them. Runs in the helper, on the fabric's thread.

A node that is cut off from everything has its link on the bridge disabled, as an unplugged cable. Two that are cut from each other look for
each other at a hardware address that is nobody's: whatever goes there, of the node itself or of its pods, of connections old and new, is
lost without a word, and nobody else's traffic is touched.
"""

from __future__ import annotations

from callboard.runtime.network import plan
from callboard.runtime.network.fabric import Fabric, peer
from callboard.runtime.network.netlink import Netlink, neighbour, order

NOWHERE = "02:ca:11:00:00:00"
"""A hardware address that nobody has."""


class Cuts:
    """What is cut, in the kernels of a fabric."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._pairs: frozenset[frozenset[str]] = frozenset()
        self._edge: frozenset[str] | None = None  # what the edge is cut off from; not known before the first time

    def set(self, isolated: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> None:
        """Have these cuts and no others. Raises OSError."""
        fabric = self._fabric
        plugged = [there for node, there in fabric.nodes.items() if there.apart is None or (node in isolated) != (node in fabric.isolated)]
        fabric.isolated = frozenset(isolated)
        self._pairs = frozenset(frozenset(pair) for pair in pairs)
        fabric.netlink.do(*(order("link", "set", index=there.link, state=fabric.plug(there.node)) for there in plugged))
        for there in plugged:
            fabric.settle(there)
        self.apply()

    def apply(self) -> None:
        """Bring all nodes to what is cut: after a change of it, or of the nodes. Raises OSError."""
        fabric = self._fabric
        indices = {node: there.index for node, there in fabric.nodes.items()}
        wanted = plan.apart(plan.EDGE, self._pairs, indices)
        _part(fabric.netlink, fabric.bridge, plan.EDGE_ADDRESS, self._edge, wanted)
        self._edge = wanted
        for node, there in fabric.nodes.items():
            wanted = plan.apart(node, self._pairs, indices)
            _part(there.netlink, there.eth0, plan.node_address(there.index), there.apart, wanted)
            there.apart = wanted


def _part(netlink: Netlink, index: int, own: str, now: frozenset[str] | None, wanted: frozenset[str]) -> None:
    """Lose what goes to the addresses that are wanted, and no more what goes to those that are lost now (None: that is not known)."""
    if now is None:
        lost, found = wanted, plan.fabric_addresses() - wanted - {own}
    else:
        lost, found = wanted - now, now - wanted
    netlink.do(*(neighbour(index, address, NOWHERE) for address in sorted(lost)), *(peer(index, address) for address in sorted(found)))
