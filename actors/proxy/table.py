"""Which endpoints answer at which address: pure functions of Services and EndpointSlices. Called by the service proxy.

The rules are kube-proxy's (pkg/proxy, EndpointSliceCache and CategorizeEndpoints): ports are matched by name and protocol; the ready
endpoints answer, and where there is none, those that still serve while they terminate. Not followed: topology hints,
internalTrafficPolicy and session affinity.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callboard.models.api.core import Service
from callboard.models.api.core import ServicePort as ApiServicePort
from callboard.models.api.discovery import EndpointConditions, EndpointSlice
from callboard.models.messages.api import object_key
from callboard.models.messages.proxy import ProxyTable, ServicePort

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_NO_CONDITIONS = EndpointConditions()


class Backend(msgspec.Struct, frozen=True, gc=False, order=True):
    """One endpoint of a service port, and the node on which it runs."""

    address: str
    port: int
    node_name: str


class RoutedPort(msgspec.Struct, frozen=True, gc=False):
    """One port of a Service with the endpoints that answer there now, in a fixed order."""

    name: str
    number: int
    protocol: str
    addresses: tuple[str, ...]
    backends: tuple[Backend, ...]


def service_of(piece: EndpointSlice) -> str:
    """Store key of the Service that a slice belongs to; "" if it names none."""
    name = piece.metadata.labels.get(SERVICE_NAME_LABEL, "")
    return object_key("services", piece.metadata.namespace, name) if name else ""


def routed_ports(service: Service, slices: Iterable[EndpointSlice]) -> tuple[RoutedPort, ...]:
    """The ports of a Service and who answers there; none for a Service that has no address of its own (headless, ExternalName)."""
    addresses = _own_addresses(service)
    if not addresses or service.spec is None:
        return ()
    of_service = [*slices]
    return tuple(
        RoutedPort(port.name, port.port or 0, port.protocol or "TCP", addresses, _backends(port, addresses, of_service))
        for port in service.spec.ports
    )


def choose_port(ports: tuple[RoutedPort, ...], wanted: str) -> RoutedPort | None:
    """The port of this name or number; the first if `wanted` is ""."""
    return next((port for port in ports if wanted in ("", port.name, str(port.number))), None)


def service_ports(service: Service, slices: Iterable[EndpointSlice]) -> tuple[ServicePort, ...]:
    """A Service's part of the table."""
    meta = service.metadata
    return tuple(
        ServicePort(
            f"{meta.namespace}/{meta.name}:{port.name}" if port.name else f"{meta.namespace}/{meta.name}",
            address,
            port.number,
            port.protocol,
            tuple((backend.address, backend.port) for backend in port.backends if _family(backend.address) == _family(address)),
        )
        for port in routed_ports(service, slices)
        for address in port.addresses
    )


def table(services: Iterable[Service], slices: Iterable[EndpointSlice]) -> ProxyTable:
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
                service, by_service.get(object_key("services", service.metadata.namespace, service.metadata.name), ())
            )
        )
    )


def _own_addresses(service: Service) -> tuple[str, ...]:
    spec = service.spec
    if spec is None or spec.type == "ExternalName" or spec.cluster_ip in ("", "None"):
        return ()
    return spec.cluster_ips or (spec.cluster_ip,)


def _backends(port: ApiServicePort, addresses: tuple[str, ...], slices: list[EndpointSlice]) -> tuple[Backend, ...]:
    families = {_family(address) for address in addresses}
    ready: dict[tuple[str, int], Backend] = {}
    leaving: dict[tuple[str, int], Backend] = {}
    for piece in slices:
        if piece.address_type not in families:
            continue
        for number in _matching(port, piece):
            for endpoint in piece.endpoints:
                if not endpoint.addresses:
                    continue
                conditions = endpoint.conditions or _NO_CONDITIONS
                place = (endpoint.addresses[0], number)
                backend = Backend(*place, endpoint.node_name)
                if conditions.ready is not False:
                    ready[place] = min(backend, ready.get(place, backend))  # two slices may list one endpoint for a moment
                elif conditions.serving is not False and conditions.terminating:
                    leaving[place] = min(backend, leaving.get(place, backend))
    return tuple(sorted((ready or leaving).values()))


def _matching(port: ApiServicePort, piece: EndpointSlice) -> list[int]:
    """The numbers that a slice gives to a service port."""
    return [
        candidate.port
        for candidate in piece.ports
        if candidate.port is not None and candidate.name == port.name and (candidate.protocol or "TCP") == (port.protocol or "TCP")
    ]


def _family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"
