"""What is served at which address: pure functions of Services and EndpointSlices. Called by the service proxy.

Who may answer is judged in `endpoints.py`. A table is made for one node, or for the cluster as a whole where one data plane serves all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from callboard.actors.proxy.endpoints import Backend as Backend
from callboard.actors.proxy.endpoints import Candidates, Reach, candidates
from callboard.models.api.core import Node, Service, ServiceSpec
from callboard.models.api.core import ServicePort as ApiServicePort
from callboard.models.api.discovery import EndpointSlice
from callboard.models.messages.api import object_key
from callboard.models.messages.proxy import Endpoint, ProxyTable, ServicePort

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
CLIENT_IP_AFFINITY_S = 10800
OUTSIDE_TYPES = ("NodePort", "LoadBalancer")


class RoutedPort(msgspec.Struct, frozen=True, gc=False):
    """One port of a Service with the endpoints that answer there now, in a fixed order.

    `inside` is who answers at the Service's own addresses, `outside` who answers at the node's port; `every` is what both come from.
    """

    name: str
    number: int
    protocol: str
    addresses: tuple[str, ...]
    every: Candidates
    inside: Reach
    node_port: int = 0
    outside: Reach = Reach()
    local_outside: bool = False
    affinity_s: int = 0

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Who answers at the Service's own addresses."""
        return self.inside.backends


def service_of(piece: EndpointSlice) -> str:
    """Store key of the Service that a slice belongs to; "" if it names none."""
    name = piece.metadata.labels.get(SERVICE_NAME_LABEL, "")
    return object_key("services", piece.metadata.namespace, name) if name else ""


def routed_ports(service: Service, slices: Iterable[EndpointSlice], node: str = "") -> tuple[RoutedPort, ...]:
    """The ports of a Service and who answers there at a node ("": at all of them); none for a Service that has no address of its own
    (headless, ExternalName)."""
    addresses = _own_addresses(service)
    if not addresses or service.spec is None:
        return ()
    families = [_family(address) for address in addresses]
    of_service = [*slices]
    return tuple(
        _routed(service.spec, port, addresses, candidates(port, of_service, families.__contains__), node) for port in service.spec.ports
    )


def _routed(spec: ServiceSpec, port: ApiServicePort, addresses: tuple[str, ...], every: Candidates, node: str) -> RoutedPort:
    inside = every.within(spec.internal_traffic_policy == "Local", node)
    number, protocol, affinity_s = port.port or 0, port.protocol or "TCP", affinity_of(spec)
    if spec.type not in OUTSIDE_TYPES or not port.node_port:
        return RoutedPort(port.name, number, protocol, addresses, every, inside, affinity_s=affinity_s)
    local = spec.external_traffic_policy == "Local"
    outside = every.within(local, node)
    return RoutedPort(port.name, number, protocol, addresses, every, inside, port.node_port, outside, local, affinity_s)


def affinity_of(spec: ServiceSpec) -> int:
    """For how many seconds a client keeps its endpoint; 0 if it doesn't."""
    if spec.session_affinity != "ClientIP":
        return 0
    config = spec.session_affinity_config
    seconds = config.client_ip.timeout_seconds if config is not None and config.client_ip is not None else None
    return CLIENT_IP_AFFINITY_S if seconds is None else seconds


def choose_port(ports: tuple[RoutedPort, ...], wanted: str) -> RoutedPort | None:
    """The port of this name or number, or with this node port; the first if `wanted` is ""."""
    own = next((port for port in ports if wanted in ("", port.name, str(port.number))), None)
    return own or next((port for port in ports if port.node_port and wanted == str(port.node_port)), None)


def addresses_of_nodes(nodes: Iterable[Node]) -> dict[str, str]:
    """The address of each node that has told one, by its name, in order of names."""
    found: dict[str, str] = {}
    for node in sorted(nodes, key=lambda one: one.metadata.name):
        for address in node.status.addresses if node.status is not None else ():
            if address.type == "InternalIP" and node.metadata.name not in found:
                found[node.metadata.name] = address.address
    return found


def service_ports(
    service: Service, slices: Iterable[EndpointSlice], node: str = "", nodes: Mapping[str, str] | None = None
) -> tuple[ServicePort, ...]:
    """A Service's part of the table of a node ("": of the cluster as a whole).

    `nodes`, the addresses of all nodes by their names, is given for a data plane that listens for all of them: each NodePort becomes an
    entry per node.
    """
    meta = service.metadata
    ports: list[ServicePort] = []
    for port in routed_ports(service, slices, node):
        key = f"{meta.namespace}/{meta.name}:{port.name}" if port.name else f"{meta.namespace}/{meta.name}"
        ports.extend(_at(key, port, address, nodes is None) for address in port.addresses)
        if port.node_port:
            ports.extend(_at_node(key, port, name, address) for name, address in (nodes or {}).items())
    return tuple(ports)


def _at(key: str, port: RoutedPort, address: str, with_node_port: bool) -> ServicePort:
    inside = _of_family(port.inside, address)
    if not with_node_port or not port.node_port:
        return ServicePort(key, address, port.number, port.protocol, inside, port.affinity_s, port.inside.withheld)
    outside, local = _of_family(port.outside, address), port.local_outside
    own = (port.node_port, outside, port.outside.withheld, local)
    return ServicePort(key, address, port.number, port.protocol, inside, port.affinity_s, port.inside.withheld, *own)


def _at_node(key: str, port: RoutedPort, node: str, address: str) -> ServicePort:
    reach = port.every.within(port.local_outside, node)
    endpoints = _of_family(reach, address)
    return ServicePort(key, address, port.node_port, port.protocol, endpoints, port.affinity_s, reach.withheld, node=node)


def table(
    services: Iterable[Service], slices: Iterable[EndpointSlice], node: str = "", nodes: Mapping[str, str] | None = None
) -> ProxyTable:
    """The whole table, in order of the Services' keys: what a proxy serves once it has seen all of these objects."""
    by_service: dict[str, list[EndpointSlice]] = {}
    for piece in slices:
        by_service.setdefault(service_of(piece), []).append(piece)
    ordered = sorted(services, key=lambda service: (service.metadata.namespace, service.metadata.name))
    return ProxyTable(
        tuple(
            port
            for service in ordered
            for port in service_ports(
                service, by_service.get(object_key("services", service.metadata.namespace, service.metadata.name), ()), node, nodes
            )
        )
    )


def _own_addresses(service: Service) -> tuple[str, ...]:
    spec = service.spec
    if spec is None or spec.type == "ExternalName" or spec.cluster_ip in ("", "None"):
        return ()
    return spec.cluster_ips or (spec.cluster_ip,)


def _of_family(reach: Reach, address: str) -> tuple[Endpoint, ...]:
    family = _family(address)
    return tuple((backend.address, backend.port) for backend in reach.backends if _family(backend.address) == family)


def _family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"
