"""What a service proxy hands to its data plane, and what the data plane reports: tables in, facts out.

The table is made by the service proxy component from Services and EndpointSlices. A data plane listens at the services' addresses and
spreads connections over endpoints; whoever wants to open a Service asks it where that is.
"""

from __future__ import annotations

import msgspec

from callboard.models.messages.base import Answer, Message, Request

Endpoint = tuple[str, int]
"""(IP address, port) of a ready endpoint."""


class ServicePort(msgspec.Struct, frozen=True, gc=False):
    """One port of a Service: where to listen and where to send.

    `service_key` names it in reports (`default/web:http`, `default/web` for a port without a name); together with address and port it
    must be unique in a table.
    """

    service_key: str
    cluster_ip: str
    port: int
    protocol: str
    endpoints: tuple[Endpoint, ...]


class ProxyTable(msgspec.Struct, frozen=True, gc=False):
    """Everything the data plane should serve; it replaces the table before."""

    services: tuple[ServicePort, ...] = ()


class ServeTable(Message, frozen=True, gc=False):
    """Serve this table from now on. Established connections stay as they are."""

    table: ProxyTable


class DataPlaneStarted(Message, frozen=True, gc=False):
    """A data plane has begun to live, with nothing to serve yet: send it the table."""


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

    Sent once for each new reason. After a refused permission a `Listening` with another port follows; after a taken port the data plane
    tries again with every table and every few seconds.
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


class LocateService(Request, frozen=True, gc=False):
    """Where can this port of a Service be opened? `port` is a name, a number, or "" for the Service's first."""

    namespace: str
    service: str
    port: str = ""

    def subject(self) -> str:
        return f"services/{self.namespace}/{self.service}"


class ServiceLocated(Answer, frozen=True, gc=False):
    """It can be opened at (`address`, `port`); or it can't be now, and `problem` says why. Whoever asked may ask again."""

    address: str = ""
    port: int = 0
    problem: str = ""
