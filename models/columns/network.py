"""Columns of Services, endpoints, ingresses and policies. Source: kubernetes pkg/printers/internalversion/printers.go."""

from __future__ import annotations

from callboard.models.columns.column import AGE, NAME, NONE, UNKNOWN, UNSET, Column, Value, labels_text, some, text_column
from callboard.models.columns.selectors import selector_text
from callboard.models.look import Look

SHOWN = 3
"""Addresses, ports and hosts that a cell names before it counts the rest."""


def balancer_addresses(obj: Look) -> list[str]:
    """The addresses or names at which a load balancer offers an object, sorted."""
    found = [one.text("ip") or one.text("hostname") for one in obj.items("status", "loadBalancer", "ingress")]
    return sorted(dict.fromkeys(address for address in found if address))


def _external(service: Look, _now_s: float) -> Value:
    type_, own = service.text("spec", "type"), service.texts("spec", "externalIPs")
    if type_ in ("ClusterIP", "NodePort"):
        return ",".join(own) or NONE
    if type_ == "LoadBalancer":
        return ",".join([*balancer_addresses(service), *own]) or "<pending>"
    return service.text("spec", "externalName") if type_ == "ExternalName" else UNKNOWN


def _port(port: Look) -> str:
    node_port = port.number("nodePort")
    return f"{port.number('port')}{f':{node_port}' if node_port > 0 else ''}/{port.text('protocol')}"


def _cluster_ip(service: Look, _now_s: float) -> Value:
    addresses = service.texts("spec", "clusterIPs")
    return addresses[0] if addresses else service.text("spec", "clusterIP", default=NONE)


SERVICE_COLUMNS = (
    NAME,
    text_column("Type", "spec", "type", description="How it is reached."),
    Column("Cluster-IP", _cluster_ip, description="Its address inside the cluster."),
    Column("External-IP", _external, description="Its addresses outside."),
    Column(
        "Port(s)",
        lambda service, _now_s: ",".join(_port(one) for one in service.items("spec", "ports")) or NONE,
        description="Its ports, with those on every node after a colon.",
    ),
    AGE,
    Column("Selector", lambda service, _now_s: labels_text(service.map("spec", "selector")), True, description="Which pods it is for."),
)


def join_host_port(address: str, port: str) -> str:
    """`10.0.0.1:80`, `[fd00::1]:80`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _endpoints(obj: Look, _now_s: float) -> Value:
    found: list[str] = []
    for subset in obj.items("subsets"):
        addresses = [one.text("ip") for one in subset.items("addresses")]
        ports = subset.items("ports")
        found.extend(join_host_port(address, port.text("port")) for port in ports for address in addresses)
        if not ports:
            found.extend(addresses)
    return some(found, SHOWN)


ENDPOINTS_COLUMNS = (NAME, Column("Endpoints", _endpoints, description="Where it is served."), AGE)


def _slice_ports(obj: Look, _now_s: float) -> Value:
    return _or_unset(some([one.text("port") or one.text("name") or "*" for one in obj.items("ports")], SHOWN))


def _slice_endpoints(obj: Look, _now_s: float) -> Value:
    return _or_unset(some([address for one in obj.items("endpoints") for address in one.texts("addresses")], SHOWN))


def _or_unset(text: str) -> str:
    return UNSET if text == NONE else text


ENDPOINTSLICE_COLUMNS = (
    NAME,
    text_column("AddressType", "addressType", description="IPv4, IPv6 or FQDN."),
    Column("Ports", _slice_ports, description="The ports of every endpoint."),
    Column("Endpoints", _slice_endpoints, description="The addresses."),
    AGE,
)


def _hosts(ingress: Look, _now_s: float) -> Value:
    rules = ingress.items("spec", "rules")
    hosts: list[str] = []
    more = False
    for rule in rules:
        more = more or len(hosts) == SHOWN  # a rule after the third host, with a host of its own or not
        if not more and rule.text("host"):
            hosts.append(rule.text("host"))
    if not hosts:
        return "*"
    return ",".join(hosts) + (f" + {len(rules) - SHOWN} more..." if more else "")


INGRESS_COLUMNS = (
    NAME,
    text_column("Class", "spec", "ingressClassName", default=NONE, description="Who carries it out."),
    Column("Hosts", _hosts, description="The names it answers to."),
    Column("Address", lambda ingress, _now_s: ",".join(balancer_addresses(ingress)), description="Where it is reached."),
    Column(
        "Ports",
        lambda ingress, _now_s: "80, 443" if ingress.items("spec", "tls") else "80",
        description="The ports it answers on.",
    ),
    AGE,
)


def _parameters(obj: Look, _now_s: float) -> Value:
    if not obj.has("spec", "parameters"):
        return NONE
    parameters = obj.below("spec", "parameters")
    group = parameters.text("apiGroup")
    return f"{parameters.text('kind')}{f'.{group}' if group else ''}/{parameters.text('name')}"


INGRESSCLASS_COLUMNS = (
    NAME,
    text_column("Controller", "spec", "controller", description="Who carries ingresses of this class out."),
    Column("Parameters", _parameters, description="More settings."),
    AGE,
)
NETWORKPOLICY_COLUMNS = (
    NAME,
    Column("Pod-Selector", lambda obj, _now_s: selector_text(obj.below("spec", "podSelector")), description="Which pods it is for."),
    AGE,
)
SERVICECIDR_COLUMNS = (NAME, Column("CIDRs", lambda obj, _now_s: ",".join(obj.texts("spec", "cidrs")), description="The ranges."), AGE)


def _parent(obj: Look, _now_s: float) -> Value:
    if not obj.has("spec", "parentRef"):
        return NONE
    parent = obj.below("spec", "parentRef")
    resource = ".".join(part for part in (parent.text("resource"), parent.text("group")) if part).lower()
    return "/".join(part for part in (resource, parent.text("namespace"), parent.text("name")) if part)


IPADDRESS_COLUMNS = (NAME, Column("ParentRef", _parent, description="Who has it."), AGE)
