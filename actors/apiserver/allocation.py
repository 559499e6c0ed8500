"""Addresses and node ports of Services: chosen here, and held by keys of their own in the transaction that writes the Service.

Called by `writes` and `deletion`. Two apiservers that choose the same address meet in the store: the compare "this key is absent" fails
for one, which chooses again. Source of rules and words: kubernetes pkg/registry/core/service/storage/alloc.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

import msgspec

from callboard.actors.apiserver.planning import Context
from callboard.actors.apiserver.reads import NODE_PORTS
from callboard.actors.apiserver.view import View
from callboard.models.api.core import Service, ServicePort, ServiceSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.errors import FieldError, InternalError, Invalid, invalid
from callboard.models.generic import GenericObject
from callboard.models.messages.api import object_key
from callboard.models.messages.store import Compare, Put, Remove
from callboard.models.services import is_reachable_outside

ADDRESSES = "ipaddresses.networking.k8s.io"
HEADLESS = "None"
_LABELS = FrozenMap({"ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"})


class Allocated(msgspec.Struct, frozen=True, gc=False):
    """A Service with all it needs, and what its transaction has to contain for that."""

    service: Service
    compares: tuple[Compare, ...]
    ops: tuple[Put | Remove, ...]


def address_of(service: Service | None) -> str:
    """The ClusterIP that a Service holds, "" if none."""
    spec = service.spec if service is not None else None
    if spec is None or spec.type == "ExternalName" or spec.cluster_ip == HEADLESS:
        return ""
    return spec.cluster_ip


def ports_of(service: Service | None) -> tuple[int, ...]:
    """The node ports that a Service holds, each once."""
    spec = service.spec if service is not None else None
    if spec is None or spec.type not in ("NodePort", "LoadBalancer"):
        return ()
    return tuple(dict.fromkeys(port.node_port for port in spec.ports if port.node_port))


def releases(service: Service) -> tuple[Remove, ...]:
    """What goes with a Service."""
    address = address_of(service)
    keys = [object_key(ADDRESSES, "", address)] if address else []
    keys += [object_key(NODE_PORTS, "", str(port)) for port in ports_of(service)]
    return tuple(Remove(key) for key in keys)


def carried_over(new: Service, old: Service) -> Service:
    """An updated Service that keeps what was allocated for it and isn't mentioned any more (patchAllocatedValues), and loses what its new
    type has no use for, unless that was changed at the same time (dropTypeDependentFields)."""
    if new.spec is None or old.spec is None:
        return new
    spec, former = new.spec, old.spec
    if spec.type == "ExternalName":
        if former.type != "ExternalName":
            spec = _without_addresses(spec, former)
    elif former.type != "ExternalName" and not spec.cluster_ip:
        spec = replace(spec, cluster_ip=former.cluster_ip, cluster_ips=spec.cluster_ips or former.cluster_ips)
    if is_reachable_outside(former) and not is_reachable_outside(spec) and spec.external_traffic_policy == former.external_traffic_policy:
        spec = replace(spec, external_traffic_policy="")
    before = {(port.protocol or "TCP", port.port): port.node_port for port in former.ports if port.node_port}
    if before and ports_of(old):
        adapted = _with_former_port if spec.type in ("NodePort", "LoadBalancer") else _without_former_port
        spec = replace(spec, ports=tuple(adapted(port, before) for port in spec.ports))
    return replace(new, spec=spec)


def _without_addresses(spec: ServiceSpec, former: ServiceSpec) -> ServiceSpec:
    if (spec.cluster_ip, spec.cluster_ips) == (former.cluster_ip, former.cluster_ips):
        spec = replace(spec, cluster_ip="", cluster_ips=())
    if spec.ip_families == former.ip_families:
        spec = replace(spec, ip_families=())
    if spec.ip_family_policy == former.ip_family_policy:
        spec = replace(spec, ip_family_policy="")
    return spec


def _with_former_port(port: ServicePort, before: Mapping[tuple[str, int | None], int | None]) -> ServicePort:
    former = before.get((port.protocol or "TCP", port.port))
    return replace(port, node_port=former) if not port.node_port and former else port


def _without_former_port(port: ServicePort, before: Mapping[tuple[str, int | None], int | None]) -> ServicePort:
    former = before.get((port.protocol or "TCP", port.port))
    return replace(port, node_port=None) if port.node_port and port.node_port == former else port


def allocate(service: Service, old: Service | None, view: View, context: Context) -> Allocated:
    """Give a Service its address and ports; what `old` held and `service` does not is released.

    Raises:
        Invalid: an address or port that was asked for is taken or out of range.
        InternalError: the range is full.
    """
    if service.spec is None:
        return Allocated(service, (), ())
    compares: list[Compare] = []
    ops: list[Put | Remove] = []
    spec = _addressed(service, old, view, context, compares, ops)
    spec = _ported(service, spec, old, view, context, compares, ops)
    done = replace(service, spec=spec)
    if old is not None:
        kept = [one.key for one in releases(done)]
        ops.extend(one for one in releases(old) if one.key not in kept)
    return Allocated(done, tuple(compares), tuple(ops))


# -- addresses ------------------------------------------------------------------------------------------------------------------------


def _addressed(
    service: Service, old: Service | None, view: View, context: Context, compares: list[Compare], ops: list[Put | Remove]
) -> ServiceSpec:
    spec = service.spec
    assert spec is not None
    if spec.type == "ExternalName":
        return spec
    families = {"ip_families": spec.ip_families or ("IPv4",), "ip_family_policy": spec.ip_family_policy or "SingleStack"}
    asked = spec.cluster_ip or (spec.cluster_ips[0] if spec.cluster_ips else "")
    if asked == HEADLESS:
        return replace(spec, cluster_ip=HEADLESS, cluster_ips=(HEADLESS,), **families)
    if asked and asked == address_of(old):
        return replace(spec, cluster_ip=asked, cluster_ips=spec.cluster_ips or (asked,), **families)
    address = asked or _choose_address(view, context)
    key = object_key(ADDRESSES, "", address)
    if asked:
        _check_address(service, asked, not _may_be_given(asked, view, context), context)
    compares.append(Compare(key, 0))
    ops.append(Put(key, _holder("IPAddress", "networking.k8s.io/v1", address, service, context, _LABELS)))
    return replace(spec, cluster_ip=address, cluster_ips=(address,), **families)


@lru_cache(maxsize=64)
def _range(cidr: str) -> tuple[IPv4Network, int, int, int]:
    """The network, its first and last address to be given, and the first that is chosen unasked (the lower ones are for those who ask).

    The last 256 addresses of a loopback range are not given: there lies the lock of the block that a cluster of real processes has taken.
    """
    network = IPv4Network(cidr)
    size = network.num_addresses
    base = int(network.network_address)
    last = base + size - 2
    if network.is_loopback and size > 512:
        last -= 256
    return network, base + 1, last, base + min(max(16, size // 16), 256) if size > 32 else base + 1


def _check_address(service: Service, address: str, taken: bool, context: Context) -> None:
    network, first, last, _ = _range(context.settings.service_cidr)
    try:
        inside = first <= int(IPv4Address(address)) <= last
    except ValueError:
        inside = False
    if inside and not taken:
        return
    if inside:
        why = "provided IP is already allocated"
    else:
        why = f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {network}"
    text = f'Invalid value: ["{address}"]: failed to allocate IP {address}: {why}'
    raise _refused(service, FieldError("spec.clusterIPs", text))


def _choose_address(view: View, context: Context) -> str:
    _, first, last, chosen_from = _range(context.settings.service_cidr)
    width = last - chosen_from + 1
    start = int(context.random() * width)
    for step in range(width):
        address = str(IPv4Address(chosen_from + (start + step) % width))
        if _may_be_given(address, view, context):
            return address
    for number in range(first, chosen_from):
        address = str(IPv4Address(number))
        if _may_be_given(address, view, context):
            return address
    raise InternalError("Internal error occurred: failed to allocate a serviceIP: range is full")


def _may_be_given(address: str, view: View, context: Context) -> bool:
    return address != context.settings.reserved_address and _is_free(object_key(ADDRESSES, "", address), view)


def _is_free(key: str, view: View) -> bool:
    return view.get(key) is None


# -- node ports -----------------------------------------------------------------------------------------------------------------------


def _ported(
    service: Service,
    spec: ServiceSpec,
    old: Service | None,
    view: View,
    context: Context,
    compares: list[Compare],
    ops: list[Put | Remove],
) -> ServiceSpec:
    if spec.type not in ("NodePort", "LoadBalancer"):
        return spec
    held = dict.fromkeys(ports_of(old))
    unasked = spec.type == "NodePort" or spec.allocate_load_balancer_node_ports is not False
    ports = []
    for index, port in enumerate(spec.ports):
        number = port.node_port
        if not number and unasked:
            number = _choose_port(view, context, held)
        if number and number not in held:
            key = object_key(NODE_PORTS, "", str(number))
            if port.node_port:
                _check_port(service, index, number, view.get(key) is not None, context)
            held[number] = None
            compares.append(Compare(key, 0))
            ops.append(Put(key, _holder("NodePort", "callboard/v1", str(number), service, context)))
        ports.append(replace(port, node_port=number) if number != port.node_port else port)
    return replace(spec, ports=tuple(ports))


def _check_port(service: Service, index: int, number: int, taken: bool, context: Context) -> None:
    first, last = context.settings.node_port_first, context.settings.node_port_last
    if not first <= number <= last:
        why = f"provided port is not in the valid range. The range of valid ports is {first}-{last}"
    elif taken:
        why = "provided port is already allocated"
    else:
        return
    raise _refused(service, FieldError(f"spec.ports[{index}].nodePort", f"Invalid value: {number}: {why}"))


def _choose_port(view: View, context: Context, held: Iterable[int]) -> int:
    first, last = context.settings.node_port_first, context.settings.node_port_last
    width = last - first + 1
    start = int(context.random() * width)
    for step in range(width):
        number = first + (start + step) % width
        if number not in held and _is_free(object_key(NODE_PORTS, "", str(number)), view):
            return number
    raise InternalError("Internal error occurred: failed to allocate a nodePort: range is full")


def _holder(kind: str, api_version: str, name: str, service: Service, context: Context, labels: FrozenMap | None = None) -> GenericObject:
    meta = service.metadata
    parent = {"group": "", "resource": "services", "namespace": meta.namespace, "name": meta.name}
    mine = ObjectMeta(
        name=name, uid=context.new_id(), creation_timestamp=context.time, generation=1, labels=FrozenMap() if labels is None else labels
    )
    return GenericObject(api_version=api_version, kind=kind, metadata=mine, content=freeze({"spec": {"parentRef": parent}}))


def _refused(service: Service, error: FieldError) -> Invalid:
    return invalid("Service", "", service.metadata.name, (error,))
