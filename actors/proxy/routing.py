"""Requests that a service proxy carries itself, where containers are simulated: to whom each goes, and what is said if to nobody.

Held by `ServiceProxy`. The rules are those of a real data plane: round robin, the endpoint that a client keeps, traffic policies by node.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callboard.actors.proxy.affinity import Affinity, order
from callboard.actors.proxy.endpoints import Backend, Reach
from callboard.actors.proxy.table import RoutedPort, choose_port, routed_ports
from callboard.models.api.core import Service
from callboard.models.api.discovery import EndpointSlice
from callboard.models.messages.runtime import RouteRequest

TURNS = 1 << 30


class Way(msgspec.Struct, gc=False):
    """Where a request may go: the endpoints in the order in which they are tried, or why there is none. `key` and `client` are what the
    endpoint that answers is remembered by, if clients keep theirs."""

    candidates: list[Backend]
    problem: str = ""
    key: tuple[str, str] = ("", "")
    client: str = ""
    keeps: bool = False


class Router:
    """Whose turn it is at which port, and who keeps which endpoint. `node` is whose proxy it is, "" if the whole cluster's."""

    def __init__(self, node: str) -> None:
        self.node = node
        self._turns: dict[tuple[str, str], int] = {}
        self._affinities: dict[tuple[str, str], Affinity[Backend]] = {}

    def forget(self, service_key: str) -> None:
        """A Service is gone."""
        self._turns = {key: turn for key, turn in self._turns.items() if key[0] != service_key}
        self._affinities = {key: affinity for key, affinity in self._affinities.items() if key[0] != service_key}

    def way(self, key: str, service: Service | None, slices: Iterable[EndpointSlice], request: RouteRequest, now_s: float) -> Way:
        """Where a request may go. `key` is the Service's."""
        ports, problem = self._ports(service, slices, request)
        port = choose_port(ports, request.port)
        if problem or port is None:
            known = ", ".join(f"{p.name} ({p.number})" if p.name else str(p.number) for p in ports)
            return Way([], problem or f'service "{request.service}" has no port {request.port}; it has {known}')
        reach = port.outside if is_outside(port, request.port) else port.inside
        if not reach.backends:
            return Way([], self._nobody(reach, request.service))
        own = (key, port.name)
        client = request.client or request.reply_to.partition("#")[0]
        kept = None
        if port.affinity_s:
            affinity = self._affinities.setdefault(own, Affinity())
            affinity.forget(port.affinity_s, now_s)
            kept = affinity.kept(client, reach.backends, port.affinity_s, now_s)
        turn = self._turns.get(own, 0)
        if kept is None:
            self._turns[own] = (turn + 1) % TURNS
        return Way(order(kept, reach.backends, turn), key=own, client=client, keeps=bool(port.affinity_s))

    def answered(self, way: Way, backend: Backend, now_s: float) -> None:
        """An endpoint has taken a request."""
        affinity = self._affinities.get(way.key)
        if way.keeps and affinity is not None:  # none: its Service has gone meanwhile
            affinity.connected(way.client, backend, now_s)

    def _ports(self, service: Service | None, slices: Iterable[EndpointSlice], request: RouteRequest) -> tuple[tuple[RoutedPort, ...], str]:
        if service is None:
            return (), f'services "{request.service}" not found'
        ports = routed_ports(service, slices, self.node)
        if not ports:
            return (), f'service "{request.service}" has no address of its own (headless, ExternalName, or not admitted yet)'
        return ports, ""

    def _nobody(self, reach: Reach, service: str) -> str:
        if reach.withheld:
            return f'service "{service}" has no endpoint on {self.node}, and its traffic policy is Local'
        return f'no endpoints available for service "{service}"'


def is_outside(port: RoutedPort, wanted: str) -> bool:
    """Whether a request means the node's port, as one from outside does."""
    return port.node_port != 0 and wanted == str(port.node_port) and wanted not in (port.name, str(port.number))
