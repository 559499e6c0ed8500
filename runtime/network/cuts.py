"""Cuts between nodes, as their kernels hold them. Runs in the helper, on the fabric's thread.

A node that is cut off from everything has its link on the bridge disabled, as an unplugged cable. Two that are cut from each other have,
each, a neighbour entry of the other that points nowhere: whatever goes there, of the node itself or of its pods, of connections old and
new, is lost without a word, and nobody else's traffic is touched.
"""

from __future__ import annotations

import errno

from callboard.runtime.network import plan
from callboard.runtime.network.fabric import Fabric
from callboard.runtime.network.netlink import Netlink, neighbour, order

NOWHERE = "02:ca:11:00:00:00"
"""A hardware address that nobody has."""


class Cuts:
    """What is cut, in the kernels of a fabric."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._pairs: frozenset[frozenset[str]] = frozenset()
        self._whole = False  # whether the kernels are known to have no cuts at all

    def set(self, isolated: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> None:
        """Have these cuts and no others. Raises OSError."""
        self._fabric.isolated = frozenset(isolated)
        self._pairs = frozenset(frozenset(pair) for pair in pairs)
        self.apply()

    def apply(self) -> None:
        """Bring all kernels to what is cut: after a change of it, or of the nodes. Raises OSError."""
        if self._whole and not self._fabric.isolated and not self._pairs:
            return
        indices = {node: there.index for node, there in self._fabric.nodes.items()}
        _part(self._fabric.netlink, self._fabric.bridge, plan.apart(plan.EDGE, self._pairs, indices))
        for node, there in self._fabric.nodes.items():
            self._fabric.netlink.do(order("link", "set", index=there.link, state="down" if node in self._fabric.isolated else "up"))
            _part(there.netlink, there.eth0, plan.apart(node, self._pairs, indices))
        self._whole = not self._fabric.isolated and not self._pairs


def _part(netlink: Netlink, index: int, wanted: frozenset[str]) -> None:
    """Lose what goes to these addresses, and to no others."""
    lost = netlink.neighbours(index, NOWHERE)
    netlink.do(
        *(neighbour(index, address, NOWHERE) for address in sorted(wanted - lost)),
        *(order("neigh", "del", errno.ENOENT, dst=address, ifindex=index) for address in sorted(lost - wanted)),
    )
