"""What a pod contributes to a Service: its endpoint, and the ports that it answers on. Pure.

Source: kubernetes staging/src/k8s.io/endpointslice/utils.go and pkg/api/v1/pod/util.go (FindPort).
"""

from __future__ import annotations

import msgspec

from callboard.models.api.core import ObjectReference, Pod, Service, ServicePort
from callboard.models.api.discovery import Endpoint, EndpointConditions, EndpointPort
from callboard.models.podstatus import is_finished, is_ready, is_terminating

Ports = tuple[EndpointPort, ...]

_CONDITIONS = {
    (ready, serving, terminating): EndpointConditions(ready=ready, serving=serving, terminating=terminating)
    for ready in (False, True)
    for serving in (False, True)
    for terminating in (False, True)
}


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A pod's endpoint, and the set of ports under which it belongs."""

    ports: Ports
    endpoint: Endpoint


def selects(service: Service) -> bool:
    """Whether this controller looks after the endpoints of a Service: it has a selector and addresses of its own."""
    return service.spec is not None and bool(service.spec.selector) and service.spec.type != "ExternalName"


def is_headless(service: Service) -> bool:
    """Whether a Service has no address of its own."""
    return service.spec is not None and service.spec.cluster_ip == "None"


def address_of(pod: Pod) -> str:
    """The pod's IPv4 address, "" if it has none (yet)."""
    status = pod.status
    if status is None:
        return ""
    for address in (status.pod_ip, *(one.ip for one in status.pod_ips)):
        if address and ":" not in address:
            return address
    return ""


def placed(service: Service, pod: Pod) -> Placed | None:
    """What a pod that the Service selects contributes; None if nothing: it has no address, or has ended for good."""
    if is_finished(pod):
        return None
    address = address_of(pod)
    if not address or service.spec is None:
        return None
    return Placed(ports_of(service, pod), endpoint_of(service, pod, address))


def endpoint_of(service: Service, pod: Pod, address: str) -> Endpoint:
    """A terminating pod is not ready, but serves while it is; a Service may publish addresses that are not ready."""
    spec, meta = service.spec, pod.metadata
    serving, terminating = is_ready(pod), is_terminating(pod)
    ready = bool(spec is not None and spec.publish_not_ready_addresses) or (serving and not terminating)
    hostname = ""
    if pod.spec is not None and pod.spec.hostname and pod.spec.subdomain == service.metadata.name:
        hostname = pod.spec.hostname
    return Endpoint(
        addresses=(address,),
        conditions=_CONDITIONS[ready, serving, terminating],
        hostname=hostname,
        node_name=pod.spec.node_name if pod.spec is not None else "",
        target_ref=ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid),
    )


def ports_of(service: Service, pod: Pod) -> Ports:
    """The Service's ports as numbers of this pod; those that the pod has no port of that name for are left out."""
    spec = service.spec
    found: list[EndpointPort] = []
    for port in spec.ports if spec is not None else ():
        number = _number(port, pod)
        if number is not None:
            protocol = port.protocol or "TCP"
            found.append(EndpointPort(name=port.name, port=number, protocol=protocol, app_protocol=port.app_protocol))
    return tuple(found)


def _number(port: ServicePort, pod: Pod) -> int | None:
    target = port.target_port
    if target is None or target in (0, ""):
        return port.port
    if isinstance(target, int):
        return target
    spec = pod.spec
    if spec is None:
        return None
    sidecars = tuple(one for one in spec.init_containers if one.restart_policy == "Always")
    for container in (*spec.containers, *sidecars):
        for own in container.ports:
            if own.name == target and (own.protocol or "TCP") == (port.protocol or "TCP"):
                return own.container_port
    return None
