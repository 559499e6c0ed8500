"""What the service proxy is told, and what it reports: tables in, facts out, all immutable.

The table is made by the service proxy component from Services and EndpointSlices; the facts go to whoever gave the driver its `emit`.
"""

from __future__ import annotations

import msgspec

from callboard.models.messages.base import Message

Endpoint = tuple[str, int]
"""(IP address, port) of a ready endpoint."""


class ServicePort(msgspec.Struct, frozen=True, gc=False):
    """One port of a Service: where to listen and where to send. A NodePort is one more of these with the node's address.

    `service_key` names it in reports (`default/web:http`); together with address and port it must be unique in a table.
    """

    service_key: str
    cluster_ip: str
    port: int
    protocol: str
    endpoints: tuple[Endpoint, ...]


class ProxyTable(msgspec.Struct, frozen=True, gc=False):
    """Everything the proxy should serve; it replaces the table before."""

    services: tuple[ServicePort, ...] = ()


class Listening(Message, frozen=True, gc=False):
    """Connections to this service port are accepted at (`actual_address`, `actual_port`), normally its own address and port."""

    service_key: str
    cluster_ip: str
    port: int
    actual_address: str
    actual_port: int

    def subject(self) -> str:
        return self.service_key


class ListenFailed(Message, frozen=True, gc=False):
    """The service's own address and port cannot be listened on; `reason` is a sentence that says what to do.

    Sent once for each new reason. After a refused permission a `Listening` with another port follows; after a taken port the proxy tries
    again with every table and every few seconds.
    """

    service_key: str
    address: str
    port: int
    reason: str

    def subject(self) -> str:
        return self.service_key


class ListenStopped(Message, frozen=True, gc=False):
    """A service port has left the table; its listener is closed, its established connections go on."""

    service_key: str
    cluster_ip: str
    port: int

    def subject(self) -> str:
        return self.service_key


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
    """Counters of one service port. `rejected`: connections closed because no endpoint was ready or none could be reached."""

    service_key: str
    cluster_ip: str
    port: int
    accepted: int
    rejected: int
    endpoints: tuple[EndpointStats, ...]
