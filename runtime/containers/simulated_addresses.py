"""The addresses of the simulated pods of one node. Used by `SimulatedRuntime`."""

from __future__ import annotations

from collections import deque
from ipaddress import IPv4Network


class NoAddressLeft(Exception):
    """All addresses of the node are in use."""


class SimulatedAddresses:
    """Never gives an address to two live pods; one that was released is given again only when all others have been."""

    def __init__(self, cidr: str) -> None:
        network = IPv4Network(cidr)
        self._cidr = cidr
        self._next = int(network.network_address) + 2  # the first is the node's own, as with most network plugins
        self._last = int(network.broadcast_address) - 1
        self._released: deque[str] = deque()

    def take(self) -> str:
        """An address that nobody has.

        Raises:
            NoAddressLeft: there is none.
        """
        if self._next <= self._last:
            number = self._next
            self._next += 1
            return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        if not self._released:
            raise NoAddressLeft(f"all addresses of {self._cidr} are in use")
        return self._released.popleft()

    def release(self, address: str) -> None:
        """Its pod is gone."""
        self._released.append(address)
