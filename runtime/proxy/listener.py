"""One service port of the proxy: its listening socket, whose turn it is, and its counters.

Used by `driver.py` on the proxy's own event loop.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator

from callboard.models.messages.proxy import Endpoint, ServicePort
from callboard.runtime.proxy.protocol import EndpointStats, ServiceStats
from callboard.runtime.proxy.relay import Counters, Relay

BACKLOG = 1024


class CannotListen(Exception):
    """A service port's own address cannot be listened on. `permission` tells whether another port of the address may do."""

    def __init__(self, reason: str, permission: bool) -> None:
        super().__init__(reason)
        self.permission = permission


def open_socket(address: str, port: int, service_key: str) -> socket.socket:
    """A listening TCP socket; port 0 takes any. Raises `CannotListen` with a sentence that says what to do."""
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier listener may still wind down
            sock.bind((address, port))
            sock.listen(BACKLOG)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise CannotListen(_why(error, address, port, service_key), error.errno in (errno.EACCES, errno.EPERM)) from error
    return sock


def _why(error: OSError, address: str, port: int, service_key: str) -> str:
    place = f"{service_key} cannot be served at {address}:{port}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{place}: this user may not listen on ports below 1024, so another port of the same address is used; to get this one, "
            f"run as root or allow it with `sysctl net.ipv4.ip_unprivileged_port_start={port}`"
        )
    if error.errno == errno.EADDRINUSE:
        return f"{place}: another program listens there; stop it or give the service another port (it is tried again every few seconds)"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{place}: this machine has no such address; leave clusterIP empty, or give it an address of the cluster's own block"
    return f"{place}: {error.strerror}"


class ServiceListener:
    """Accepts a service port's connections and hands each to the next ready endpoint."""

    def __init__(self, service: ServicePort) -> None:
        self.service = service
        self.actual: Endpoint | None = None
        self.last_reason = ""
        self._server: asyncio.Server | None = None
        self._turn = 0
        self._accepted = 0
        self._rejected = 0
        self._counters: dict[Endpoint, Counters] = {}
        self._relays: dict[Relay, None] = {}
        self.update(service)

    def update(self, service: ServicePort) -> None:
        """Take over the endpoints of a new table. Established connections stay, also those of endpoints that are gone."""
        self.service = service
        wanted = dict.fromkeys(service.endpoints)
        self._counters = {
            endpoint: self._counters.get(endpoint) or Counters()
            for endpoint in [*wanted, *(e for e, c in self._counters.items() if c.active and e not in wanted)]
        }

    async def listen(self, sock: socket.socket) -> None:
        """Begin to accept on a listening socket."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, sock=sock, backlog=BACKLOG)
        name = sock.getsockname()
        self.actual = (name[0], name[1])

    def close(self) -> None:
        """Accept no more; established connections go on."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.actual = None

    def abort(self) -> None:
        """Close everything, established connections too."""
        self.close()
        for relay in list(self._relays):
            relay.abort()

    def draining(self) -> bool:
        """Whether connections are still open."""
        return bool(self._relays)

    def candidates(self) -> Iterator[tuple[str, int, Counters]]:
        """Round robin: the endpoint whose turn it is, then the others, each once."""
        endpoints = self.service.endpoints
        first = self._turn
        self._turn += 1
        for step in range(len(endpoints)):
            address, port = endpoints[(first + step) % len(endpoints)]
            yield address, port, self._counters.setdefault((address, port), Counters())

    def rejected(self) -> None:
        """A connection found no endpoint."""
        self._rejected += 1

    def stats(self) -> ServiceStats:
        """The counters now; endpoints that have left the table are listed while connections to them are open."""
        rows = tuple(
            EndpointStats(
                address=address,
                port=port,
                connections=c.connections,
                active=c.active,
                failed_connects=c.failed_connects,
                bytes_to_endpoint=c.bytes_to_endpoint,
                bytes_from_endpoint=c.bytes_from_endpoint,
            )
            for (address, port), c in self._counters.items()
            if c.active or (address, port) in self.service.endpoints
        )
        own = self.service
        return ServiceStats(own.service_key, own.cluster_ip, own.port, self._accepted, self._rejected, rows)

    def _accept(self) -> asyncio.Protocol:
        self._accepted += 1
        relay = Relay(self, self._forget)
        self._relays[relay] = None
        return relay.client_protocol()

    def _forget(self, relay: Relay) -> None:
        self._relays.pop(relay, None)
