"""Services, EndpointSlices and Ingresses as `kubectl describe` writes them. Source: kubectl pkg/describe/describe.go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callboard.models.columns.column import labels_text, some
from callboard.models.columns.network import SHOWN, balancer_addresses, join_host_port
from callboard.models.describe.events import events_section
from callboard.models.describe.page import NONE, UNSET, Page, begin, write_annotations, write_labels
from callboard.models.describe.related import Related
from callboard.models.look import Look, look

SERVICE_LABEL = "kubernetes.io/service-name"


def ready_addresses(slices: Iterable[Any], port_name: str) -> list[str]:
    """`address:port` of the ready endpoints of one port; just addresses where slices have no ports (formatEndpointSlices)."""
    found: list[str] = []
    for one in slices:
        view = look(one)
        ready = [
            endpoint.texts("addresses")[0]
            for endpoint in view.items("endpoints")
            if endpoint.flag("conditions", "ready", default=True) and endpoint.texts("addresses")
        ]
        ports = view.items("ports")
        found.extend(join_host_port(address, port.text("port")) for port in ports if port.text("name") == port_name for address in ready)
        if not ports:
            found.extend(ready)
    return found


def _endpoints(slices: Iterable[Any], port_name: str) -> str:
    slices = [*slices]
    found = ready_addresses(slices, port_name)
    return some(found, SHOWN) if found or not slices else ""


def describe_service(service: Look, related: Related, now_s: float) -> str:
    """A Service with its addresses, and the endpoints of each port."""
    page = Page()
    begin(page, service)
    spec = service.below("spec")
    page.field("Selector", labels_text(spec.map("selector")))
    page.field("Type", spec.text("type"))
    page.fields([("IP Family Policy", spec.text("ipFamilyPolicy"))])
    page.field("IP Families", ",".join(spec.texts("ipFamilies")) or NONE)
    page.field("IP", spec.text("clusterIP"))
    page.field("IPs", ",".join(spec.texts("clusterIPs")) or NONE)
    page.fields(
        [
            ("External IPs", ",".join(spec.texts("externalIPs"))),
            ("Desired LoadBalancer IP", spec.text("loadBalancerIP")),
            ("External Name", spec.text("externalName")),
            ("LoadBalancer Ingress", ", ".join(_balancer(one) for one in service.items("status", "loadBalancer", "ingress"))),
        ]
    )
    for port in spec.items("ports"):
        _port(page, port, related)
    page.field("Session Affinity", spec.text("sessionAffinity"))
    page.fields(
        [
            ("External Traffic Policy", spec.text("externalTrafficPolicy")),
            ("Internal Traffic Policy", spec.text("internalTrafficPolicy")),
            ("HealthCheck NodePort", spec.number("healthCheckNodePort") or None),
            ("LoadBalancer Source Ranges", ",".join(spec.texts("loadBalancerSourceRanges"))),
            ("Traffic Distribution", spec.text("trafficDistribution")),
        ]
    )
    events_section(page, related.events, now_s)
    return page.text()


def _balancer(one: Look) -> str:
    address, mode = one.text("ip"), one.text("ipMode")
    if not address:
        return one.text("hostname")
    return f"{address} ({mode})" if mode else address


def _port(page: Page, port: Look, related: Related) -> None:
    name, protocol = port.text("name", default=UNSET), port.text("protocol")
    page.field("Port", f"{name}\t{port.number('port')}/{protocol}")
    page.field("TargetPort", f"{port.text('targetPort', default='0')}/{protocol}")
    page.fields([("AppProtocol", port.text("appProtocol"))])
    if port.number("nodePort"):
        page.field("NodePort", f"{name}\t{port.number('nodePort')}/{protocol}")
    page.field("Endpoints", _endpoints(related.slices, port.text("name")))


def describe_slice(obj: Look, related: Related, now_s: float) -> str:
    """An EndpointSlice with the conditions of each endpoint."""
    page = Page()
    begin(page, obj)
    page.field("AddressType", obj.text("addressType"))
    ports = obj.items("ports")
    page.line("Ports:" if ports else f"Ports: {UNSET}")
    if ports:
        page.line("Name\tPort\tProtocol", 1)
        page.line("----\t----\t--------", 1)
    for port in ports:
        page.line(f"{port.text('name', default=UNSET)}\t{port.text('port', default=UNSET)}\t{port.text('protocol')}", 1)
    endpoints = obj.items("endpoints")
    page.line("Endpoints:" if endpoints else f"Endpoints: {NONE}")
    for one in endpoints:
        page.line(f"- Addresses:\t{', '.join(one.texts('addresses')) or NONE}", 1)
        page.line("Conditions:", 2)
        for title in ("Ready", "Serving", "Terminating"):
            value = one.at("conditions", title.lower())
            if title == "Ready" or isinstance(value, bool):
                page.field(title, str(value).lower() if isinstance(value, bool) else UNSET, 3)
        page.field("Hostname", one.text("hostname", default=UNSET), 2)
        if one.has("targetRef"):
            page.field("TargetRef", f"{one.text('targetRef', 'kind')}/{one.text('targetRef', 'name')}", 2)
        page.field("NodeName", one.text("nodeName", default=UNSET), 2)
        page.field("Zone", one.text("zone", default=UNSET), 2)
    events_section(page, related.events, now_s)
    return page.text()


def describe_endpoints(obj: Look, related: Related, now_s: float) -> str:
    """Endpoints, ready and not."""
    page = Page()
    begin(page, obj)
    page.line("Subsets:")
    for subset in obj.items("subsets"):
        for title, field in (("Addresses", "addresses"), ("NotReadyAddresses", "notReadyAddresses")):
            page.field(title, ",".join(one.text("ip") for one in subset.items(field)) or NONE, 1)
        ports = subset.items("ports")
        if ports:
            page.line("Ports:\n    Name\tPort\tProtocol\n    ----\t----\t--------", 1)
        for port in ports:
            page.line(f"{port.text('name', default=UNSET)}\t{port.number('port')}\t{port.text('protocol')}", 2)
        page.line()
    events_section(page, related.events, now_s)
    return page.text()


def describe_ingress_class(obj: Look, related: Related, now_s: float) -> str:
    """An IngressClass."""
    page = Page()
    begin(page, obj, namespaced=False)
    page.field("Controller", obj.text("spec", "controller"))
    parameters = obj.below("spec", "parameters")
    if parameters.tree is not None:
        page.line("Parameters:")
        page.fields([("APIGroup", parameters.text("apiGroup"))], 1)
        page.field("Kind", parameters.text("kind"), 1)
        page.field("Name", parameters.text("name"), 1)
    events_section(page, related.events, now_s)
    return page.text()


def describe_ingress(ingress: Look, related: Related, now_s: float) -> str:
    """An Ingress with the Service and the endpoints behind each path."""
    page = Page()
    page.field("Name", ingress.name)
    write_labels(page, ingress)
    page.field("Namespace", ingress.namespace)
    page.field("Address", ",".join(balancer_addresses(ingress)))
    page.field("Ingress Class", ingress.text("spec", "ingressClassName", default=NONE))
    default = ingress.below("spec", "defaultBackend")
    default_words = "<default>" if default.tree is None else _backend(default, related)
    page.field("Default backend", default_words)
    tls = ingress.items("spec", "tls")
    if tls:
        page.line("TLS:")
    for one in tls:
        hosts, secret = ",".join(one.texts("hosts")), one.text("secretName")
        page.line(f"{secret} terminates {hosts}" if secret else f"SNI routes {hosts}", 1)
    page.line("Rules:\n  Host\tPath\tBackends")
    page.line("----\t----\t--------", 1)
    rules = [rule for rule in ingress.items("spec", "rules") if rule.has("http")]
    for rule in rules:
        page.line(f"{rule.text('host', default='*')}\t", 1)
        for path in rule.items("http", "paths"):
            page.line(f"\t{path.text('path')} \t{_backend(path.below('backend'), related)}", 2)
    if not rules:
        page.line(f"*\t*\t{default_words}", 1)
    write_annotations(page, "Annotations", ingress.map("metadata", "annotations"))
    events_section(page, related.events, now_s)
    return page.text()


def _backend(backend: Look, related: Related) -> str:
    if backend.has("service"):
        return _service_backend(backend.below("service"), related)
    resource = backend.below("resource")
    if resource.tree is None:
        return ""
    return f"APIGroup: {resource.text('apiGroup', default=NONE)}, Kind: {resource.text('kind')}, Name: {resource.text('name')}"


def _service_backend(backend: Look, related: Related) -> str:
    name, number = backend.text("name"), backend.number("port", "number")
    words = f"{name}:{number or backend.text('port', 'name')}"
    service = next((look(one) for one in related.services if look(one).name == name), None)
    if service is None:
        return f'{words} (<error: services "{name}" not found>)'
    port_name = ""
    for port in service.items("spec", "ports"):
        if (number and number == port.number("port")) or (not number and backend.text("port", "name") == port.text("name")):
            port_name = port.text("name")
    slices = [one for one in related.slices if look(one).map("metadata", "labels").get(SERVICE_LABEL) == name]
    return f"{words} ({_endpoints(slices, port_name)})"
