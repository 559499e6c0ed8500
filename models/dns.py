"""The names of a cluster: which records its Services have, and what is answered to a question. Pure.

Used by the dns component, and by the program that answers real packets. The rules are those of the specification "Kubernetes DNS-Based
Service Discovery", version 1.1 (github.com/kubernetes/dns, docs/specification.md); what it leaves open is as CoreDNS does it: an endpoint
without a host name is called by its address with dashes, weights of SRV records divide 100, names of pods are computed, not looked up.
There is no other world: a name outside the cluster doesn't exist (NXDOMAIN), since nobody is asked for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import msgspec

from callboard.models.api.core import Service
from callboard.models.api.discovery import Endpoint, EndpointSlice

DOMAIN = "cluster.local"
SCHEMA_VERSION = "1.1.0"
TTL_S = 5
"""Seconds that an answer may be kept (CoreDNS' own default): endpoints come and go."""
NDOTS = 5
"""A name with fewer dots than this is looked up in the search domains first (a kubelet's default for pods)."""
TYPES = ("A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "ANY")
CNAMES_LIMIT = 8
REVERSE = ("in-addr.arpa", "ip6.arpa")


class Record(msgspec.Struct, frozen=True, gc=False, order=True):
    """One resource record; names are in lower case and without the last dot.

    `data` is an address (A, AAAA), a name (CNAME, PTR, SRV) or a text (TXT); `port` and `weight` are of SRV records only.
    """

    name: str
    type: str
    data: str
    port: int = 0
    weight: int = 0


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What is answered. `code` is a name of an RCODE: NOERROR (also with no records: the name exists), NXDOMAIN, SERVFAIL.

    `authoritative`: the name is one of this cluster's.
    """

    code: str
    answers: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    authoritative: bool = True


class Resolution(msgspec.Struct, frozen=True):
    """What became of a short name: the whole name that was answered for (the last one that was asked, if none exists), the code of that
    answer, and its records."""

    name: str
    code: str
    records: tuple[Record, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses among the records, in the order in which they were answered."""
        return tuple(record.data for record in self.records if record.type in ("A", "AAAA"))


# -- what a Service is called ---------------------------------------------------------------------------------------------------------


def is_headless(service: Service) -> bool:
    """Whether a Service has no address of its own, so that its name means its endpoints."""
    return service.spec is not None and service.spec.cluster_ip == "None" and service.spec.type != "ExternalName"


def records_of(service: Service, slices: Iterable[EndpointSlice], domain: str = DOMAIN) -> tuple[Record, ...]:
    """All records of a Service, in a fixed order; `slices` are its own, and matter only if it is headless."""
    spec = service.spec
    if spec is None:
        return ()
    own = f"{service.metadata.name}.{service.metadata.namespace}.svc.{domain}".lower()
    if spec.type == "ExternalName":
        target = spec.external_name.rstrip(".").lower()
        return (Record(own, "CNAME", target),) if target and not _is_address(target) else ()
    if is_headless(service):
        return _of_endpoints(own, slices)
    found: list[Record] = []
    for address in spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ()):
        found.append(Record(own, _type_of(address), address))
        found.append(Record(reverse_name(address), "PTR", own))
    if found:  # without an address there is nowhere to send a client
        found.extend(Record(_srv_name(own, port.name, port.protocol), "SRV", own, port.port or 0, 100) for port in spec.ports if port.name)
    return tuple(found)


def _of_endpoints(own: str, slices: Iterable[EndpointSlice]) -> tuple[Record, ...]:
    """The records of a headless Service: of its ready endpoints."""
    found: dict[Record, None] = {}
    targets: dict[tuple[str, str, int], None] = {}
    for piece in sorted(slices, key=lambda one: one.metadata.name):
        if piece.address_type not in ("IPv4", "IPv6"):
            continue
        for endpoint in piece.endpoints:
            if not is_ready(endpoint):
                continue
            for address in endpoint.addresses[:1]:
                name = f"{endpoint_name(endpoint)}.{own}"
                kind = _type_of(address)
                found[Record(own, kind, address)] = None
                found[Record(name, kind, address)] = None
                found[Record(reverse_name(address), "PTR", name)] = None
                for port in piece.ports:
                    if port.name and port.port is not None:
                        targets[_srv_name(own, port.name, port.protocol), name, port.port] = None
    count: dict[str, int] = {}
    for question, _, _ in targets:
        count[question] = count.get(question, 0) + 1
    services = (Record(question, "SRV", name, port, max(1, 100 // count[question])) for question, name, port in targets)
    return (*found, *services)


def is_ready(endpoint: Endpoint) -> bool:
    """Whether an endpoint is published; a Service that publishes what is not ready has endpoints that say they are."""
    return bool(endpoint.addresses) and (endpoint.conditions is None or endpoint.conditions.ready is not False)


def endpoint_name(endpoint: Endpoint) -> str:
    """What an endpoint is called below its Service: its host name, else its address with dashes."""
    return (endpoint.hostname or endpoint.addresses[0].replace(".", "-").replace(":", "-")).lower()


def reverse_name(address: str) -> str:
    """The name under which an address is looked up: `1.0.96.10.in-addr.arpa`."""
    return ip_address(address).reverse_pointer


def _srv_name(own: str, port: str, protocol: str) -> str:
    return f"_{port}._{protocol or 'TCP'}.{own}".lower()


def _type_of(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


# -- what a client asks ---------------------------------------------------------------------------------------------------------------


def search_list(namespace: str, domain: str = DOMAIN) -> tuple[str, ...]:
    """The domains in which a pod of a namespace looks a short name up."""
    return (f"{namespace}.svc.{domain}", f"svc.{domain}", domain)


def questions(name: str, searches: Sequence[str], ndots: int = NDOTS) -> tuple[str, ...]:
    """The names that a client asks for, one after the other until one exists (resolv.conf(5)). A last dot says that a name is whole."""
    if name.endswith("."):
        return (name[:-1],)
    longer = tuple(f"{name}.{search}" for search in searches)
    return (name, *longer) if name.count(".") >= ndots else (*longer, name)


# -- answering ------------------------------------------------------------------------------------------------------------------------


class Zone:
    """All names of a cluster, kept by who contributes them, so that one Service's change costs no more than its own records."""

    def __init__(self, domain: str = DOMAIN, address: str = "") -> None:
        """`address` is where the name service itself is found, "" if nowhere."""
        self.domain = domain
        self._by_key: dict[str, tuple[Record, ...]] = {}
        self._by_name: dict[str, dict[Record, int]] = {}
        self._below: dict[str, int] = {}
        """How many records there are below a name that has none itself: such a name exists."""
        self._namespaces: frozenset[str] = frozenset()
        own = [Record(f"dns-version.{domain}", "TXT", SCHEMA_VERSION)]
        if address:
            own.append(Record(f"ns.dns.{domain}", _type_of(address), address))
            own.append(Record(reverse_name(address), "PTR", f"ns.dns.{domain}"))  # some clients ask whom they are asking
        self.put("", tuple(own))

    @property
    def keys(self) -> tuple[str, ...]:
        """Who contributes anything."""
        return tuple(key for key in self._by_key if key)

    def part(self, key: str) -> tuple[Record, ...]:
        """What one contributes."""
        return self._by_key.get(key, ())

    def put(self, key: str, records: tuple[Record, ...]) -> None:
        """From now on `key` contributes these; none: nothing more."""
        old = self._by_key.pop(key, ())
        if records:
            self._by_key[key] = records
        if old == records:
            return
        for record in records:
            self._count(record, 1)
        for record in old:
            self._count(record, -1)

    def serve_namespaces(self, namespaces: Iterable[str]) -> None:
        """The namespaces that exist: below them names of pods are computed."""
        self._namespaces = frozenset(namespaces)

    def _count(self, record: Record, by: int) -> None:
        here = self._by_name.setdefault(record.name, {})
        here[record] = here.get(record, 0) + by
        if not here[record]:
            del here[record]
            if not here:
                del self._by_name[record.name]
        apex = self._apex(record.name)
        above = record.name
        while apex and above != apex:
            above = above.partition(".")[2]
            self._below[above] = self._below.get(above, 0) + by
            if not self._below[above]:
                del self._below[above]

    def _apex(self, name: str) -> str:
        """The zone of ours in which a name is; "" if none."""
        for apex in (self.domain, *REVERSE):
            if name == apex or name.endswith(f".{apex}"):
                return apex
        return ""

    def answer(self, name: str, kind: str, turn: int = 0) -> Reply:
        """The answer to a question; `kind` is A, AAAA, SRV, PTR, CNAME, TXT, ANY or any other type, of which there are no records. With
        each `turn` another one of several addresses comes first."""
        asked = name.rstrip(".").lower()
        chain: list[Record] = []
        for _ in range(CNAMES_LIMIT):
            found = self._at(asked)
            if found is None:
                code = "NXDOMAIN" if not chain or self._apex(asked) else "NOERROR"  # an alias of what is outside is all that is known
                return Reply(code, tuple(chain), authoritative=bool(chain) or bool(self._apex(asked)))
            alias = next((record for record in found if record.type == "CNAME"), None)
            if alias is None or kind in ("CNAME", "ANY"):
                wanted = [record for record in found if kind in (record.type, "ANY")]
                first = turn % len(wanted) if wanted else 0
                return Reply("NOERROR", (*chain, *wanted[first:], *wanted[:first]), self._addresses_of(wanted))
            if alias in chain:
                return Reply("SERVFAIL", tuple(chain))
            chain.append(alias)
            asked = alias.data
        return Reply("SERVFAIL", tuple(chain))

    def _at(self, name: str) -> Sequence[Record] | None:
        """The records of a name; None if it doesn't exist."""
        here = self._by_name.get(name)
        if here is not None:
            return tuple(here)
        if name in self._below or self._is_branch(name):
            return ()
        return self._of_pod(name)

    def _is_branch(self, name: str) -> bool:
        if name in (self.domain, f"svc.{self.domain}", f"pod.{self.domain}"):
            return True
        namespace, _, rest = name.partition(".")
        return namespace in self._namespaces and rest in (f"svc.{self.domain}", f"pod.{self.domain}")

    def _of_pod(self, name: str) -> Sequence[Record] | None:
        """The record of `<address with dashes>.<namespace>.pod.<domain>`, of any address (deprecated, but the specification wants it)."""
        if not name.endswith(f".pod.{self.domain}"):
            return None
        labels = name.removesuffix(f".pod.{self.domain}").split(".")
        if len(labels) != 2 or labels[1] not in self._namespaces:
            return None
        dashed = labels[0]
        for version, text in ((IPv4Address, dashed.replace("-", ".")), (IPv6Address, dashed.replace("-", ":"))):
            try:
                address = str(version(text))
            except ValueError:
                continue
            return (Record(name, _type_of(address), address),)
        return None

    def _addresses_of(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """The addresses that SRV records speak of."""
        names = dict.fromkeys(record.data for record in records if record.type == "SRV")
        return tuple(one for name in names for one in self._by_name.get(name, ()) if one.type in ("A", "AAAA"))

    def addresses(self) -> Mapping[str, tuple[str, ...]]:
        """Every name of a Service or endpoint with its addresses, aliases of such names included: what a hosts file can say."""
        found: dict[str, tuple[str, ...]] = {}
        for name, records in self._by_name.items():
            if name.endswith(f".svc.{self.domain}") and not name.startswith("_"):
                kinds = {record.type for record in records}
                answers = [one for kind in ("A", "AAAA") if kinds & {kind, "CNAME"} for one in self.answer(name, kind).answers]
                data = tuple(dict.fromkeys(one.data for one in answers if one.type in ("A", "AAAA")))
                if data:
                    found[name] = data
        return found
