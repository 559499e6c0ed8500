"""Services and EndpointSlices. Sources: kubernetes pkg/apis/core/validation, pkg/apis/discovery/validation."""

from __future__ import annotations

from callboard.models.api.core import Service, ServicePort, ServiceSpec
from callboard.models.api.discovery import Endpoint, EndpointSlice
from callboard.models.services import is_reachable_outside
from callboard.models.validation import formats, words
from callboard.models.validation.handlers import check_port
from callboard.models.validation.meta import Errors, check_labels

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")
POLICIES = ("Cluster", "Local")
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
CLIENT_IP_MAX_S = 86400
MAX_ENDPOINTS, MAX_ADDRESSES, MAX_PORTS = 1000, 100, 20_000
HEADLESS = "None"


def check_service(obj: Service, old: Service | None, errors: Errors) -> None:
    """A Service that is to be created or updated."""
    spec = obj.spec or ServiceSpec()
    headless = spec.cluster_ip == HEADLESS
    if not spec.ports and not headless and spec.type != "ExternalName":
        errors.append(words.required("spec.ports"))
    _check_type(spec, errors)
    if spec.selector:
        check_labels(spec.selector, "spec.selector", errors)
    _check_affinity(spec, errors)
    _check_ports(spec, errors)
    _check_addresses(spec, errors)
    if spec.external_traffic_policy and not is_reachable_outside(spec):
        detail = "may only be set for externally-accessible services"
        errors.append(words.invalid("spec.externalTrafficPolicy", spec.external_traffic_policy, detail))
    for field, value, options in (
        ("externalTrafficPolicy", spec.external_traffic_policy if is_reachable_outside(spec) else "", POLICIES),
        ("internalTrafficPolicy", spec.internal_traffic_policy, POLICIES),
        ("ipFamilyPolicy", spec.ip_family_policy, FAMILY_POLICIES),
    ):
        if value and value not in options:
            errors.append(words.unsupported(f"spec.{field}", value, options))
    if spec.health_check_node_port and not (spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local"):
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        errors.append(words.invalid("spec.healthCheckNodePort", spec.health_check_node_port, detail))
    if old is not None and old.spec is not None:
        _check_address_kept(spec, old.spec, errors)


def _check_type(spec: ServiceSpec, errors: Errors) -> None:
    if not spec.type:
        errors.append(words.required("spec.type"))
    elif spec.type not in TYPES:
        errors.append(words.unsupported("spec.type", spec.type, TYPES))
    elif spec.type == "ExternalName":
        if spec.cluster_ips or spec.cluster_ip:
            errors.append(words.forbidden("spec.clusterIPs", "may not be set for ExternalName services"))
        name = spec.external_name.removesuffix(".")
        if not name:
            errors.append(words.required("spec.externalName"))
        else:
            errors.extend(words.invalid("spec.externalName", spec.external_name, one) for one in formats.subdomain(name))
    elif spec.type in ("LoadBalancer", "NodePort") and spec.cluster_ip == HEADLESS:
        errors.append(words.invalid("spec.clusterIPs[0]", HEADLESS, f"may not be set to 'None' for {spec.type} services"))


def _check_affinity(spec: ServiceSpec, errors: Errors) -> None:
    if not spec.session_affinity:
        errors.append(words.required("spec.sessionAffinity"))
    elif spec.session_affinity not in AFFINITIES:
        errors.append(words.unsupported("spec.sessionAffinity", spec.session_affinity, AFFINITIES))
    config = spec.session_affinity_config
    if spec.session_affinity == "ClientIP" and config is not None and config.client_ip is not None:
        seconds = config.client_ip.timeout_seconds
        if seconds is not None and not 0 < seconds <= CLIENT_IP_MAX_S:
            detail = f"must be greater than 0 and less than {CLIENT_IP_MAX_S}"
            errors.append(words.invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, detail))


def _check_ports(spec: ServiceSpec, errors: Errors) -> None:
    names: list[str] = []
    taken: list[tuple[str, int | None]] = []
    node_ports: list[tuple[str, int]] = []
    for index, port in enumerate(spec.ports):
        path = f"spec.ports[{index}]"
        _check_service_port(port, path, len(spec.ports) > 1, names, errors)
        if port.node_port:
            if spec.type not in ("NodePort", "LoadBalancer"):
                errors.append(words.forbidden(f"{path}.nodePort", f"may not be used when `type` is '{spec.type}'"))
            errors.extend(words.invalid(f"{path}.nodePort", port.node_port, one) for one in formats.port_number(port.node_port))
            if (port.protocol, port.node_port) in node_ports:
                errors.append(words.duplicate(f"{path}.nodePort", {"protocol": port.protocol, "nodePort": port.node_port}))
            node_ports.append((port.protocol, port.node_port))
        if (port.protocol, port.port) in taken:
            errors.append(words.duplicate(path, {"protocol": port.protocol, "port": port.port}))
        taken.append((port.protocol, port.port))


def _check_service_port(port: ServicePort, path: str, named: bool, names: list[str], errors: Errors) -> None:
    if not port.name:
        if named:
            errors.append(words.required(f"{path}.name"))
    else:
        errors.extend(words.invalid(f"{path}.name", port.name, one) for one in formats.label(port.name))
        if port.name in names:
            errors.append(words.duplicate(f"{path}.name", port.name))
        names.append(port.name)
    errors.extend(words.invalid(f"{path}.port", port.port or 0, one) for one in formats.port_number(port.port or 0))
    if port.protocol not in PROTOCOLS:
        wrong = words.unsupported(f"{path}.protocol", port.protocol, PROTOCOLS)
        errors.append(wrong if port.protocol else words.required(f"{path}.protocol"))
    if port.target_port is not None:
        check_port(port.target_port, f"{path}.targetPort", errors)
    if port.app_protocol:
        errors.extend(words.invalid(f"{path}.appProtocol", port.app_protocol, one) for one in formats.qualified_name(port.app_protocol))


def _check_addresses(spec: ServiceSpec, errors: Errors) -> None:
    """Loopback addresses are allowed, which Kubernetes refuses: where pods are plain processes of one machine, all live in 127.0.0.0/8."""
    for index, text in enumerate(spec.cluster_ips):
        if text == HEADLESS:
            if len(spec.cluster_ips) > 1:
                errors.append(words.invalid("spec.clusterIPs", spec.cluster_ips, "'None' must be the first and only value"))
        elif formats.address(text) is None:
            errors.append(words.invalid(f"spec.clusterIPs[{index}]", text, words.NO_ADDRESS))
    if spec.cluster_ip and spec.cluster_ips and spec.cluster_ip != spec.cluster_ips[0]:
        errors.append(words.invalid("spec.clusterIPs", spec.cluster_ips, "first value must match `clusterIP`"))
    for index, text in enumerate(spec.external_ips):
        if formats.address(text) is None:
            errors.append(words.invalid(f"spec.externalIPs[{index}]", text, words.NO_ADDRESS))
    for index, family in enumerate(spec.ip_families):
        if family not in FAMILIES:
            errors.append(words.unsupported(f"spec.ipFamilies[{index}]", family, FAMILIES))
        elif family in spec.ip_families[:index]:
            errors.append(words.duplicate(f"spec.ipFamilies[{index}]", family))
    for index, text in enumerate(spec.load_balancer_source_ranges):
        if not formats.is_network(text):
            detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            errors.append(words.invalid(f"spec.loadBalancerSourceRanges[{index}]", text, detail))


def _check_address_kept(new: ServiceSpec, old: ServiceSpec, errors: Errors) -> None:
    if "ExternalName" in (new.type, old.type) or not old.cluster_ip:
        return
    if not new.cluster_ip:
        errors.append(words.invalid("spec.clusterIP", "", words.IMMUTABLE))
    elif new.cluster_ip != old.cluster_ip:
        errors.append(words.invalid("spec.clusterIPs[0]", new.cluster_ips or (new.cluster_ip,), "may not change once set"))


def check_endpointslice(obj: EndpointSlice, old: EndpointSlice | None, errors: Errors) -> None:
    """An EndpointSlice that is to be created or updated."""
    if not obj.address_type:
        errors.append(words.required("addressType"))
    elif obj.address_type not in ADDRESS_TYPES:
        errors.append(words.unsupported("addressType", obj.address_type, ADDRESS_TYPES))
    if old is not None and old.address_type != obj.address_type:
        errors.append(words.invalid("addressType", obj.address_type, words.IMMUTABLE))
    if len(obj.endpoints) > MAX_ENDPOINTS:
        errors.append(words.too_many("endpoints", len(obj.endpoints), MAX_ENDPOINTS))
    for index, endpoint in enumerate(obj.endpoints):
        _check_endpoint(endpoint, f"endpoints[{index}]", obj.address_type, errors)
    _check_slice_ports(obj, errors)


def _check_slice_ports(obj: EndpointSlice, errors: Errors) -> None:
    if len(obj.ports) > MAX_PORTS:
        errors.append(words.too_many("ports", len(obj.ports), MAX_PORTS))
    names: list[str] = []
    for index, port in enumerate(obj.ports):
        if port.name:
            errors.extend(words.invalid(f"ports[{index}].name", port.name, one) for one in formats.label(port.name))
        if port.name in names:
            errors.append(words.duplicate(f"ports[{index}].name", port.name))
        names.append(port.name)
        if port.protocol not in PROTOCOLS:
            wrong = words.unsupported(f"ports[{index}].protocol", port.protocol, PROTOCOLS)
            errors.append(wrong if port.protocol else words.required(f"ports[{index}].protocol"))


def _check_endpoint(one: Endpoint, path: str, address_type: str, errors: Errors) -> None:
    """Loopback addresses pass, which Kubernetes refuses: see `_check_addresses`."""
    if not one.addresses:
        errors.append(words.required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(one.addresses) > MAX_ADDRESSES:
        errors.append(words.too_many(f"{path}.addresses", len(one.addresses), MAX_ADDRESSES))
    for index, text in enumerate(one.addresses):
        own = f"{path}.addresses[{index}]"
        if address_type == "FQDN":
            errors.extend(words.invalid(own, text, problem) for problem in formats.subdomain(text))
            continue
        found = formats.address(text)
        if found is None:
            errors.append(words.invalid(own, text, words.NO_ADDRESS))
        elif address_type == "IPv4" and found.version != 4:
            errors.append(words.invalid(own, text, "must be an IPv4 address"))
        elif address_type == "IPv6" and found.version != 6:
            errors.append(words.invalid(own, text, "must be an IPv6 address"))
        elif found.is_unspecified or found.is_link_local or found.is_multicast:
            errors.append(words.invalid(own, text, "may not be unspecified, link-local or multicast"))
    if one.node_name:
        errors.extend(words.invalid(f"{path}.nodeName", one.node_name, problem) for problem in formats.subdomain(one.node_name))
    if one.hostname:
        errors.extend(words.invalid(f"{path}.hostname", one.hostname, problem) for problem in formats.label(one.hostname))
