"""One service port of the proxy: its listening socket, whose turn it is, and its counters.

Used by `driver.py` on the proxy's own event loop.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

from callboard.models.messages.proxy import Endpoint, ServicePort
from callboard.runtime.proxy.protocol import EndpointStats, ServiceStats
from callboard.runtime.proxy.relay import Counters, Relay
from callboard.runtime.proxy.sockets import BACKLOG


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
