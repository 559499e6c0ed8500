"""One service port of the proxy: its socket, and the connections or flows of datagrams that came in by it.

Used by `driver.py` on the proxy's own event loop.
"""

from __future__ import annotations

import socket
from typing import Protocol

from callboard.models.messages.proxy import Endpoint, ServicePort
from callboard.runtime.proxy.gate import Acceptor
from callboard.runtime.proxy.picker import Affinities, Picker
from callboard.runtime.proxy.protocol import ServiceStats
from callboard.runtime.proxy.relay import Ground, Relay


class Listener(Protocol):
    """What the driver needs of a listener, whatever its protocol."""

    service: ServicePort
    actual: Endpoint | None

    def update(self, service: ServicePort) -> None: ...

    def listen(self, sock: socket.socket) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...

    def draining(self) -> bool: ...

    def stats(self) -> ServiceStats: ...


class ServiceListener:
    """Accepts a service port's connections and hands each to the next ready endpoint."""

    def __init__(self, service: ServicePort, ground: Ground, affinities: Affinities) -> None:
        self.service = service
        self.actual: Endpoint | None = None
        self._ground = ground
        self._picker = Picker(service, affinities)
        self._acceptor: Acceptor | None = None
        self._relays: dict[Relay, None] = {}

    def update(self, service: ServicePort) -> None:
        """Take over the endpoints of a new table. Established connections stay, also those of endpoints that are gone."""
        self.service = service
        self._picker.update(service)

    def listen(self, sock: socket.socket) -> None:
        """Begin to accept on a listening socket, which belongs to this listener from now on."""
        name = sock.getsockname()
        self.actual = (name[0], name[1])
        self._acceptor = Acceptor(self._ground.gate, sock, self._accept)

    def close(self) -> None:
        """Accept no more; established connections go on."""
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None
        self.actual = None

    def abort(self) -> None:
        """Close everything, established connections too."""
        self.close()
        for relay in list(self._relays):
            relay.abort()

    def draining(self) -> bool:
        """Whether connections are still open."""
        return bool(self._relays)

    def stats(self) -> ServiceStats:
        """The counters now."""
        return self._picker.stats()

    def _accept(self, connection: socket.socket, peer: str) -> None:
        candidates = self._picker.candidates(peer, self._ground.loop.time())
        relay = Relay(self._ground, self._picker, connection, peer, candidates, self._forget)
        if not relay.closed:
            self._relays[relay] = None

    def _forget(self, relay: Relay) -> None:
        self._relays.pop(relay, None)
