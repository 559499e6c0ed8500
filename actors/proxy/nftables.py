"""A node's rule set for nftables: which packets go to which endpoint. Pure text from a table; run by the data plane as one transaction.

The form is kube-proxy's (pkg/proxy/nftables/proxier.go): verdict maps from address, protocol and port to a chain per service port; who has
no endpoint is in maps of its own, which the filter hooks look at. Round robin is `numgen inc`. An endpoint that a client keeps
(sessionAffinity) has a chain and a set of clients of its own. Traffic that came from outside at a node's port leaves with the node's
address, so that answers come back through the node; so does a pod's traffic that comes back to itself.

What a service port needs is a `Piece`; the difference of two tables is the difference of their pieces, so that a change of one Service
costs what that Service is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network

import msgspec

from callboard.models.messages.proxy import Endpoint, ProxyTable, ServicePort

TABLE = "ip callboard"
MASQUERADE = "0x4000"
_BY_ADDRESS, _BY_NODE_PORT = "service-ips", "service-nodeports"
_NOBODY, _NOBODY_AT_NODE = "no-endpoint-services", "no-endpoint-nodeports"
_HAIRPIN = "hairpin"
_PROTOCOLS = ("TCP", "UDP")


class NodePlace(msgspec.Struct, frozen=True, gc=False):
    """Where in the network a rule set is in force: the node's own address and pods, the pods and Services of the whole cluster (CIDRs).

    The edge, through which the outside comes, is a place without pods (`own_pods` "")."""

    address: str
    own_pods: str
    pods: str
    services: str


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A part of a rule set: affinity sets by name with their time-out in seconds, chains by name with their rules, elements of the
    maps and sets by (map, key) with their verdict ("" in a set)."""

    sets: Mapping[str, int] = {}
    chains: Mapping[str, tuple[str, ...]] = {}
    elements: Mapping[tuple[str, str], str] = {}


def full_rules(table: ProxyTable, place: NodePlace) -> str:
    """The whole rule set, which replaces whatever is there in one transaction."""
    piece = _merged(_piece(port, place) for port in _carried(table))
    lines = [f"table {TABLE}", f"delete table {TABLE}", f"table {TABLE} {{", *_frame(place)]
    lines += [f"  set {name} {{ {_set_body(timeout_s)} }}" for name, timeout_s in piece.sets.items()]
    lines += [f"  chain {name} {{ }}" for name in piece.chains]  # all first: rules may name any of them
    lines += ["}", *_rules(piece.chains), *_elements("add", piece.elements)]
    return "\n".join(lines) + "\n"


def changed_rules(old: ProxyTable, new: ProxyTable, place: NodePlace) -> str:
    """What makes the rule set of `old` that of `new`, in one transaction; "" if nothing. Connections and affinities of what stays the same
    are not touched."""
    before, after = {_key(port): port for port in _carried(old)}, {_key(port): port for port in _carried(new)}
    gone = _merged(_piece(port, place) for key, port in before.items() if after.get(key) != port)
    come = _merged(_piece(port, place) for key, port in after.items() if before.get(key) != port)
    kept = _hairpins((port for key, port in before.items() if after.get(key) == port), place)
    lines = [f"add set {TABLE} {name} {{ {_set_body(timeout_s)} }}" for name, timeout_s in come.sets.items() if name not in gone.sets]
    lines += [f"add chain {TABLE} {name}" for name in come.chains if name not in gone.chains]
    changed = {name: rules for name, rules in come.chains.items() if gone.chains.get(name) != rules}
    lines += [f"flush chain {TABLE} {name}" for name in gone.chains if name not in come.chains or name in changed]
    lines += _rules(changed)
    left = {key: verdict for key, verdict in gone.elements.items() if come.elements.get(key) != verdict and key not in kept}
    lines += _elements("delete", left)
    lines += _elements(
        "add", {key: verdict for key, verdict in come.elements.items() if gone.elements.get(key) != verdict and key not in kept}
    )
    lines += [f"delete chain {TABLE} {name}" for name in gone.chains if name not in come.chains]
    lines += [f"delete set {TABLE} {name}" for name in gone.sets if name not in come.sets]
    return "\n".join(lines) + "\n" if lines else ""


def departed(old: ProxyTable, new: ProxyTable, protocol: str = "UDP") -> tuple[Endpoint, ...]:
    """The endpoints that answered at some service port and answer there no more. What the kernel remembers of a flow without
    connections, as UDP's are, outlives them and has to be taken away, or a client that goes on sending is never heard again."""
    now = {_key(port): {*port.endpoints, *port.outside} for port in new.services if port.protocol == protocol}
    gone: dict[Endpoint, None] = {}
    for port in old.services:
        if port.protocol == protocol:
            still = now.get(_key(port), ())
            gone.update(dict.fromkeys(endpoint for endpoint in (*port.endpoints, *port.outside) if endpoint not in still))
    return tuple(gone)


def _key(port: ServicePort) -> tuple[str, str, int, str]:
    return port.place


def _carried(table: ProxyTable) -> list[ServicePort]:
    """What these rules carry: IPv4, TCP and UDP."""
    return [port for port in table.services if port.protocol in _PROTOCOLS and ":" not in port.cluster_ip]


# -- the part that is the same for every table ----------------------------------------------------------------------------------------


def _frame(place: NodePlace) -> list[str]:
    filtering = (
        f"ip daddr . meta l4proto . th dport vmap @{_NOBODY}",
        f"fib daddr type local meta l4proto . th dport vmap @{_NOBODY_AT_NODE}",
    )
    serving = (
        f"ip daddr . meta l4proto . th dport vmap @{_BY_ADDRESS}",
        f"fib daddr type local meta l4proto . th dport vmap @{_BY_NODE_PORT}",
    )
    arriving = (f"ip daddr {place.services} ip saddr != {place.pods} {_marked()}", "jump services")
    leaving = (
        f"meta mark & {MASQUERADE} == {MASQUERADE} meta mark set meta mark ^ {MASQUERADE} snat to {place.address}",
        f"ct status dnat ip saddr . ip daddr @{_HAIRPIN} snat to {place.address}",
    )
    lines = [f"  set {_HAIRPIN} {{ type ipv4_addr . ipv4_addr; }}"]
    for name in (_BY_ADDRESS, _NOBODY):
        lines.append(f"  map {name} {{ type ipv4_addr . inet_proto . inet_service : verdict; }}")
    for name in (_BY_NODE_PORT, _NOBODY_AT_NODE):
        lines.append(f"  map {name} {{ type inet_proto . inet_service : verdict; }}")
    lines += _chain("refuse", ("meta l4proto tcp reject with tcp reset", "reject"))
    lines += _chain("services", serving)
    lines += _chain("nobody", filtering)
    lines += _chain("arriving", ("type nat hook prerouting priority dstnat;", *arriving))
    lines += _chain("own", ("type nat hook output priority -100;", "jump services"))
    for hook in ("input", "forward", "output"):
        lines += _chain(f"filter-{hook}", (f"type filter hook {hook} priority -110;", "ct state new jump nobody"))
    lines += _chain("leaving", ("type nat hook postrouting priority srcnat;", *leaving))
    return lines


def _chain(name: str, rules: Iterable[str]) -> list[str]:
    return [f"  chain {name} {{", *(f"    {rule}" for rule in rules), "  }"]


def _marked() -> str:
    return f"meta mark set meta mark | {MASQUERADE}"


def _set_body(timeout_s: int) -> str:
    return f"type ipv4_addr; flags dynamic,timeout; timeout {timeout_s}s;"


# -- what a service port needs --------------------------------------------------------------------------------------------------------


def _piece(port: ServicePort, place: NodePlace) -> Piece:
    base, protocol = _name(port), port.protocol.lower()
    sets: dict[str, int] = {}
    chains: dict[str, tuple[str, ...]] = {}
    elements: dict[tuple[str, str], str] = dict.fromkeys(_hairpins((port,), place), "")
    _add_verdict(
        elements, (_BY_ADDRESS, _NOBODY), f"{port.cluster_ip} . {protocol} . {port.port}", port.endpoints, port.withheld, f"svc-{base}"
    )
    if port.endpoints:
        chains[f"svc-{base}"] = _spreading(port, base, port.endpoints)
    if port.node_port:
        at_node = f"{protocol} . {port.node_port}"
        reachable = (*port.outside, *port.endpoints) if port.local_outside else port.outside
        _add_verdict(elements, (_BY_NODE_PORT, _NOBODY_AT_NODE), at_node, reachable, port.outside_withheld, f"out-{base}")
        if reachable:
            chains[f"out-{base}"] = _from_outside(port, base, place)
    if port.affinity_s:
        for endpoint in dict.fromkeys((*port.endpoints, *port.outside)):
            clients = _clients(port, base, endpoint)
            sets[clients] = port.affinity_s
            chains[f"ep-{base}/{_slashed(endpoint)}"] = (f"update @{clients} {{ ip saddr }}", _to(protocol, (endpoint,)))
    return Piece(sets, chains, elements)


def _add_verdict(
    elements: dict[tuple[str, str], str], maps: tuple[str, str], key: str, endpoints: tuple[Endpoint, ...], withheld: bool, chain: str
) -> None:
    if endpoints:
        elements[maps[0], key] = f"goto {chain}"
    else:
        elements[maps[1], key] = "drop" if withheld else "goto refuse"


def _from_outside(port: ServicePort, base: str, place: NodePlace) -> tuple[str, ...]:
    """What happens to connections at a node's port. Under the policy Local the node's own endpoints answer and see the client's address;
    pods and the node itself go the way there that they would go at the Service's own address."""
    there = _spreading(port, base, port.outside) if port.outside else ("drop",)
    inside = f"goto svc-{base}" if port.endpoints else "drop"
    if not port.local_outside:
        return (_marked(), *((inside,) if port.outside == port.endpoints else there))
    near = (f"ip saddr {place.pods} {_marked()} {inside}", f"fib saddr type local {_marked()} {inside}")
    return (*near, *there)


def _spreading(port: ServicePort, base: str, endpoints: tuple[Endpoint, ...]) -> tuple[str, ...]:
    if not port.affinity_s:
        return (_to(port.protocol.lower(), endpoints),)
    chains = [f"ep-{base}/{_slashed(endpoint)}" for endpoint in endpoints]
    known = (f"ip saddr @{_clients(port, base, endpoint)} goto {chain}" for endpoint, chain in zip(endpoints, chains, strict=True))
    if len(chains) == 1:
        return (*known, f"goto {chains[0]}")
    turns = ", ".join(f"{turn} : goto {chain}" for turn, chain in enumerate(chains))
    return (*known, f"numgen inc mod {len(chains)} vmap {{ {turns} }}")


def _to(protocol: str, endpoints: tuple[Endpoint, ...]) -> str:
    if len(endpoints) == 1:
        return f"meta l4proto {protocol} dnat to {endpoints[0][0]}:{endpoints[0][1]}"
    turns = ", ".join(f"{turn} : {address} . {port}" for turn, (address, port) in enumerate(endpoints))
    return f"meta l4proto {protocol} dnat ip addr . port to numgen inc mod {len(endpoints)} map {{ {turns} }}"


def _hairpins(ports: Iterable[ServicePort], place: NodePlace) -> dict[tuple[str, str], None]:
    """The elements for endpoints on this node, which may connect to themselves through their Service."""
    found: dict[tuple[str, str], None] = {}
    for port in ports:
        for address, _ in (*port.endpoints, *port.outside):
            if _is_within(address, place.own_pods):
                found[_HAIRPIN, f"{address} . {address}"] = None
    return found


@lru_cache(maxsize=1 << 14)
def _is_within(address: str, network: str) -> bool:
    return bool(network) and ip_address(address) in ip_network(network)


def _name(port: ServicePort) -> str:
    """A part of names that no other service port has: its parts are DNS labels, which have no slash."""
    key, _, name = port.service_key.partition(":")
    return f"{key}/{port.cluster_ip}/{port.protocol.lower()}/{name or port.port}"


def _clients(port: ServicePort, base: str, endpoint: Endpoint) -> str:
    return f"kept-{base}/{_slashed(endpoint)}/{port.affinity_s}s"  # the time-out of a set can't be changed, so it's in its name


def _slashed(endpoint: Endpoint) -> str:
    return f"{endpoint[0]}/{endpoint[1]}"


def _merged(pieces: Iterable[Piece]) -> Piece:
    sets: dict[str, int] = {}
    chains: dict[str, tuple[str, ...]] = {}
    elements: dict[tuple[str, str], str] = {}
    for piece in pieces:
        sets.update(piece.sets)
        chains.update(piece.chains)
        elements.update(piece.elements)
    return Piece(sets, chains, elements)


# -- text -----------------------------------------------------------------------------------------------------------------------------


def _rules(chains: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f"add rule {TABLE} {name} {rule}" for name, rules in chains.items() for rule in rules]


def _elements(verb: str, elements: Mapping[tuple[str, str], str]) -> list[str]:
    by_map: dict[str, list[str]] = {}
    for (name, key), verdict in elements.items():
        by_map.setdefault(name, []).append(f"{key} : {verdict}" if verdict and verb == "add" else key)
    return [f"{verb} element {TABLE} {name} {{ {', '.join(entries)} }}" for name, entries in by_map.items()]
