"""The proxy's counters, as `ProxyDriver.stats` tells them. What the proxy is told and what it reports is in `models.messages.proxy`."""

from __future__ import annotations

import msgspec


class EndpointStats(msgspec.Struct, frozen=True, gc=False):
    """Counters of one endpoint of one service port, since it came into the table."""

    address: str
    port: int
    connections: int
    active: int
    failed_connects: int
    bytes_to_endpoint: int
    bytes_from_endpoint: int


class ServiceStats(msgspec.Struct, frozen=True, gc=False):
    """Counters of one service port. `accepted`: connections, or clients whose datagrams came in; `rejected`: those of them that no
    endpoint was ready for or could be reached."""

    service_key: str
    cluster_ip: str
    port: int
    accepted: int
    rejected: int
    endpoints: tuple[EndpointStats, ...]
    protocol: str = "TCP"
