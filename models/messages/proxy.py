"""What a service proxy hands to its data plane, and what the data plane reports: tables in, facts out.

The table is made by the service proxy component from Services and EndpointSlices. A data plane listens at the services' addresses and
spreads connections over endpoints; whoever wants to open a Service asks it where that is.
"""

from __future__ import annotations

import msgspec

from callboard.models.messages.base import Answer, Message, Request

Endpoint = tuple[str, int]
"""(IP address, port) of a ready endpoint."""
Place = tuple[str, str, int, str]
"""(service key, address, port, protocol): what a listener is known by."""


class ServicePort(msgspec.Struct, frozen=True, gc=False):
    """One port of a Service: where to listen and where to send.

    `service_key` names it in reports (`default/web:http`, `default/web` for a port without a name); together with address, port and
    protocol it must be unique in a table. `affinity_s`: a client keeps its endpoint for so many seconds after its last connection (0: it
    doesn't). `withheld`: there are endpoints, but the traffic policy leaves none for this node; connections are dropped then, not refused.

    `node_port` (0: none) is where the node answers from outside, with `outside` as its endpoints; `local_outside` tells that
    these are only the node's own (externalTrafficPolicy Local), which see the client's own address. `node` is set where the entry itself is
    a node's port, on plain loopback: `cluster_ip` is that node's address then.
    """

    service_key: str
    cluster_ip: str
    port: int
    protocol: str
    endpoints: tuple[Endpoint, ...]
    affinity_s: int = 0
    withheld: bool = False
    node_port: int = 0
    outside: tuple[Endpoint, ...] = ()
    outside_withheld: bool = False
    local_outside: bool = False
    node: str = ""

    @property
    def place(self) -> Place:
        """What a listener for it is known by."""
        return self.service_key, self.cluster_ip, self.port, self.protocol


class ProxyTable(msgspec.Struct, frozen=True, gc=False):
    """Everything the data plane should serve; it replaces the table before."""

    services: tuple[ServicePort, ...] = ()


class ServeTable(Message, frozen=True, gc=False):
    """Serve this table from now on. Established connections stay as they are."""

    table: ProxyTable


class DataPlaneStarted(Message, frozen=True, gc=False):
    """A data plane has begun to live, with nothing to serve yet: send it the table."""


class NetworkMadeAnew(Message, frozen=True, gc=False):
    """The network of a data plane's node has been made anew, and nothing of what was in force there is any more."""


class Listening(Message, frozen=True, gc=False):
    """Connections to this service port are accepted at (`actual_address`, `actual_port`), normally its own address and port."""

    service_key: str
    cluster_ip: str
    port: int
    actual_address: str
    actual_port: int
    protocol: str = "TCP"

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
    protocol: str = "TCP"

    def subject(self) -> str:
        return self.service_key


class ListenStopped(Message, frozen=True, gc=False):
    """A service port has left the table; its listener is closed, its established connections go on."""

    service_key: str
    cluster_ip: str
    port: int
    protocol: str = "TCP"

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
