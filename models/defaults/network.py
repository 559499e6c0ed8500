"""Defaults of Services and EndpointSlices.

Sources: kubernetes 1.36 pkg/apis/core/v1/defaults.go, pkg/apis/discovery/v1/defaults.go, and pkg/registry/core/service/storage/alloc.go for
the IP families, which Kubernetes fills in while it allocates; this cluster is single-stack IPv4.
"""

from __future__ import annotations

from typing import Any

from callboard.models.api.core import ClientIPConfig, Service, ServicePort, ServiceSpec, SessionAffinityConfig
from callboard.models.api.discovery import EndpointPort, EndpointSlice
from callboard.models.base import replace
from callboard.models.defaults.pods import each
from callboard.models.services import is_reachable_outside

CLIENT_IP_AFFINITY_S = 10800
HEADLESS = "None"
_REACHABLE_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")


def service_defaults(obj: Service) -> Service:
    """A Service with its defaults."""
    spec = obj.spec if obj.spec is not None else ServiceSpec()
    changes: dict[str, Any] = {}
    type_ = spec.type or "ClusterIP"
    if not spec.type:
        changes["type"] = type_
    _affinity(spec, changes)
    if (ports := each(spec.ports, _port)) is not spec.ports:
        changes["ports"] = ports
    if is_reachable_outside(replace(spec, type=type_)) and not spec.external_traffic_policy:
        changes["external_traffic_policy"] = "Cluster"
    if type_ in _REACHABLE_TYPES and not spec.internal_traffic_policy:
        changes["internal_traffic_policy"] = "Cluster"
    if type_ == "LoadBalancer" and spec.allocate_load_balancer_node_ports is None:
        changes["allocate_load_balancer_node_ports"] = True
    if type_ in _REACHABLE_TYPES:
        _families(spec, changes)
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


def _affinity(spec: ServiceSpec, changes: dict[str, Any]) -> None:
    if not spec.session_affinity:
        changes["session_affinity"] = "None"
    if spec.session_affinity in ("", "None"):
        if spec.session_affinity_config is not None:
            changes["session_affinity_config"] = None
        return
    config = spec.session_affinity_config
    if spec.session_affinity == "ClientIP" and (config is None or config.client_ip is None or config.client_ip.timeout_seconds is None):
        changes["session_affinity_config"] = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=CLIENT_IP_AFFINITY_S))


def _families(spec: ServiceSpec, changes: dict[str, Any]) -> None:
    """`clusterIP` and `clusterIPs` say the same; IPv4 alone, but both families for a headless Service without a selector."""
    addresses = spec.cluster_ips
    if spec.cluster_ip and not addresses:
        addresses = changes["cluster_ips"] = (spec.cluster_ip,)
    elif addresses and not spec.cluster_ip:
        changes["cluster_ip"] = addresses[0]
    unselected = addresses == (HEADLESS,) and not spec.selector
    policy = spec.ip_family_policy
    if not policy:
        policy = changes["ip_family_policy"] = "RequireDualStack" if unselected else "SingleStack"
    if not spec.ip_families:
        changes["ip_families"] = ("IPv4", "IPv6") if unselected and policy != "SingleStack" else ("IPv4",)


def _port(port: ServicePort) -> ServicePort:
    if port.protocol and port.target_port not in (None, 0, ""):
        return port
    target = port.port if port.target_port in (None, 0, "") else port.target_port
    return replace(port, protocol=port.protocol or "TCP", target_port=target)


def endpointslice_defaults(obj: EndpointSlice) -> EndpointSlice:
    """An EndpointSlice with its defaults."""
    ports = each(obj.ports, _endpoint_port)
    return obj if ports is obj.ports else replace(obj, ports=ports)


def _endpoint_port(port: EndpointPort) -> EndpointPort:
    return port if port.protocol else replace(port, protocol="TCP")
