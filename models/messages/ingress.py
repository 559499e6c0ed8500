"""Messages of the Ingress: requests on the simulated path, and what is told to the program that serves real ones."""

from __future__ import annotations

import msgspec

from callboard.models.ingress import IngressTable
from callboard.models.messages.base import Answer, Message, Request

INGRESS = "ingress"
"""The name of the component that carries all Ingresses out."""


class Certificate(msgspec.Struct, frozen=True, gc=False):
    """What a Secret of type kubernetes.io/tls holds, and the hosts it is for ("": those that have no other). Never shown."""

    secret: str
    hosts: tuple[str, ...]
    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Certificate({self.secret}, {self.hosts})"


class RouteIngress(Request, frozen=True, gc=False):
    """Client to the Ingress on the simulated data path: answer this request as it would be answered from outside. Answered by `Routed`."""

    host: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def subject(self) -> str:
        return f"ingress/{self.host}"


class ServeIngress(Message, frozen=True, gc=False):
    """To what serves: this is all there is now."""

    table: IngressTable
    certificates: tuple[Certificate, ...]


class IngressServerStarted(Message, frozen=True, gc=False):
    """From what serves: it knows nothing (any more), and wants to be told all."""


class IngressListening(Message, frozen=True, gc=False):
    """From what serves: connections are accepted at these ports of the address (0: not there); `problems` are sentences about other ports
    than 80 and 443."""

    address: str
    http: int
    https: int
    problems: tuple[str, ...] = ()


class CertificatesRefused(Message, frozen=True, gc=False):
    """From what serves: Secrets (`namespace/name`) that are no certificate that can be used, each with why."""

    problems: tuple[tuple[str, str], ...]


class LocateIngress(Request, frozen=True, gc=False):
    """Where are requests accepted? Answered by `IngressLocated`."""


class IngressLocated(Answer, frozen=True, gc=False):
    """They are accepted at this address and these ports (0: not there); or `problem` says why not (yet)."""

    address: str = ""
    http: int = 0
    https: int = 0
    problem: str = ""
