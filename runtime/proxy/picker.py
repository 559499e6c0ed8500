"""Which endpoint a client's connection or datagram goes to, and what is counted of it. Used by the listeners of the userspace proxy."""

from __future__ import annotations

from callboard.actors.proxy.affinity import Affinity, order
from callboard.models.messages.proxy import Endpoint, ServicePort
from callboard.runtime.proxy.protocol import EndpointStats, ServiceStats


class Counters:
    """Counters of one endpoint; only touched on the proxy's loop."""

    __slots__ = ("active", "bytes_from_endpoint", "bytes_to_endpoint", "connections", "failed_connects")

    def __init__(self) -> None:
        self.connections = 0
        self.active = 0
        self.failed_connects = 0
        self.bytes_to_endpoint = 0
        self.bytes_from_endpoint = 0


class Affinities:
    """Who keeps which endpoint, for all ports of a proxy: a Service's port at its own address and at the nodes' are one in this."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], Affinity[Endpoint]] = {}

    def of(self, service: ServicePort) -> Affinity[Endpoint]:
        """Those of one port."""
        return self._of.setdefault((service.service_key, service.protocol), Affinity())

    def keep(self, services: tuple[ServicePort, ...], now_s: float) -> None:
        """Forget the ports that are not in the table any more, and the clients whose time is over."""
        kept = {(service.service_key, service.protocol): service.affinity_s for service in services if service.affinity_s}
        self._of = {key: affinity for key, affinity in self._of.items() if key in kept}
        for key, affinity in self._of.items():
            affinity.forget(kept[key], now_s)


class Picker:
    """The endpoints of one service port, whose turn it is, and their counters."""

    def __init__(self, service: ServicePort, affinities: Affinities) -> None:
        self.service = service
        self.accepted = 0
        self.rejected = 0
        self._affinities = affinities
        self._turn = 0
        self._counters: dict[Endpoint, Counters] = {}
        self.update(service)

    def update(self, service: ServicePort) -> None:
        """Take over the endpoints of a new table."""
        self.service = service
        wanted = dict.fromkeys(service.endpoints)
        self._counters = {
            endpoint: self._counters.get(endpoint) or Counters()
            for endpoint in [*wanted, *(e for e, c in self._counters.items() if c.active and e not in wanted)]
        }

    def candidates(self, client: str, now_s: float) -> list[Endpoint]:
        """The endpoints for a client that has come now, in the order in which they are to be tried."""
        service = self.service
        self.accepted += 1
        kept = None
        if service.affinity_s:
            kept = self._affinities.of(service).kept(client, service.endpoints, service.affinity_s, now_s)
        found = order(kept, service.endpoints, self._turn)
        self._turn += kept is None
        return found

    def still(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint is in the table now."""
        return endpoint in self.service.endpoints

    def connected(self, client: str, endpoint: Endpoint, now_s: float) -> Counters:
        """A client has got an endpoint; returns its counters."""
        counters = self.counters(endpoint)
        counters.connections += 1
        counters.active += 1
        if self.service.affinity_s:
            self._affinities.of(self.service).connected(client, endpoint, now_s)
        return counters

    def reject(self) -> None:
        """A client found no endpoint."""
        self.rejected += 1

    def counters(self, endpoint: Endpoint) -> Counters:
        """The counters of an endpoint."""
        return self._counters.setdefault(endpoint, Counters())

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
        return ServiceStats(own.service_key, own.cluster_ip, own.port, self.accepted, self.rejected, rows, own.protocol)
