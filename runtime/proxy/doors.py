"""The doors of a cluster whose pods have networks of their own: listeners on the host's loopback, each leading to an address inside.

The listening socket is made here, in the host's network, and handed in; the network's helper accepts and connects onward there. One
`Doors` is shared by the data planes of a cluster; it outlives them, so that a crash of one leaves its doors as they are. The helper may
outlive this program: what an earlier one had opened is found again (`adopt`), and used on or closed.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from callboard.runtime.proxy.sockets import CannotListen, open_socket


class Network(Protocol):
    """What doors need of the driver of a cluster's network."""

    def listen_outside(self, key: str, sock: socket.socket | None, node: str, address: str, port: int, protocol: str = "TCP") -> Any: ...

    def close_outside(self, key: str) -> Any: ...


class Door(msgspec.Struct, frozen=True):
    """Where a door is, `address`:`port` on the host, and where it leads: `to_address`:`to_port`, connected from a node ("": the edge).

    `service_key` is whose it is; `any_port`: where the port needs privileges or is taken, another one of the address will do.
    """

    service_key: str
    address: str
    port: int
    to_address: str
    to_port: int
    protocol: str = "TCP"
    node: str = ""
    any_port: bool = False


class Opened(msgspec.Struct, frozen=True):
    """A door that is open at `port` of its address; `reason` says why that isn't the one that was wished for."""

    door: Door
    port: int
    reason: str = ""


class Doors:
    """The doors by their keys. May be used from any thread. `unknown`: what an earlier program had opened will be told by `adopt`, and no
    door may be opened before."""

    def __init__(self, network: Network, unknown: bool = False) -> None:
        self._network = network
        self._open: dict[str, Opened] = {}
        self._former: dict[str, tuple[str, int]] | None = None if unknown else {}
        self._lock = threading.Lock()

    @property
    def known(self) -> bool:
        """Whether it is known what was open before."""
        with self._lock:
            return self._former is not None

    def adopt(self, former: Mapping[str, tuple[str, int]]) -> None:
        """These were open before, by their keys: the addresses and ports of the host."""
        with self._lock:
            self._former = {key: place for key, place in former.items() if key not in self._open}

    def open(self, key: str, door: Door) -> Opened:
        """Open a door, or find it open. Raises `CannotListen`: somebody else listens there."""
        with self._lock:
            assert self._former is not None, "nothing is opened before it is known what was open"
            known = self._open.get(key)
            if known is not None and known.door == door:
                return known
            if known is not None:
                self._close(key)
            place = self._former.pop(key, None)
            if place is not None and place[0] == door.address and (place[1] == door.port or door.any_port):
                opened = self._open[key] = Opened(door, place[1])
                self._network.listen_outside(key, None, door.node, door.to_address, door.to_port, door.protocol)
                return opened
            if place is not None:
                self._network.close_outside(key)
            sock, reason = _listener(door)
            with sock:
                opened = self._open[key] = Opened(door, sock.getsockname()[1], reason)
                self._network.listen_outside(key, sock, door.node, door.to_address, door.to_port, door.protocol)
            return opened

    def keep(self, prefix: str, wanted: Mapping[str, Door]) -> dict[str, CannotListen]:
        """Have exactly these doors under a prefix; returns those that could not be opened, by their keys."""
        with self._lock:
            for key in [key for key, known in self._open.items() if key.startswith(prefix) and wanted.get(key) != known.door]:
                self._close(key)
            for key in [key for key in self._former or () if key.startswith(prefix) and key not in wanted]:
                assert self._former is not None
                del self._former[key]
                self._network.close_outside(key)
        failed: dict[str, CannotListen] = {}
        for key, door in wanted.items():
            try:
                self.open(key, door)
            except CannotListen as problem:
                failed[key] = problem
        return failed

    def keys(self, prefix: str) -> set[str]:
        """The keys that begin so, of doors that are open or were before."""
        with self._lock:
            return {key for key in (*self._open, *(self._former or ())) if key.startswith(prefix)}

    def under(self, prefix: str) -> dict[str, Opened]:
        """The open doors whose keys begin so."""
        with self._lock:
            return {key: opened for key, opened in self._open.items() if key.startswith(prefix)}

    def _close(self, key: str) -> None:
        del self._open[key]
        self._network.close_outside(key)


def _listener(door: Door) -> tuple[socket.socket, str]:
    try:
        return open_socket(door.address, door.port, door.service_key, door.protocol), ""
    except CannotListen as problem:
        if not (door.any_port and (problem.permission or problem.number == errno.EADDRINUSE)):
            raise
        return open_socket(door.address, 0, door.service_key, door.protocol), str(problem)
