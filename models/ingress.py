"""Ingress rules as a table, and which of them a request meets: pure functions of Ingress objects. Called by `actors/ingress` and by the
program that serves real requests.

Source: https://kubernetes.io/docs/concepts/services-networking/ingress/ (path types, its table of examples, hostname wildcards, default
backend) and the API reference of networking.k8s.io/v1. Where these leave a choice: `ImplementationSpecific` is `Prefix`; of two Ingresses
that say the same host, path and type the older one wins; a host that is matched without any of its paths falls through to wildcard
hosts, to rules without a host, and then to default backends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote_to_bytes

import msgspec

from callboard.models.generic import GenericObject
from callboard.models.look import Look

INGRESSES = "ingresses.networking.k8s.io"
INGRESS_CLASSES = "ingressclasses.networking.k8s.io"
CONTROLLER = "callboard.dev/ingress"
"""What `spec.controller` of an IngressClass says if its Ingresses are carried out here."""
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
TLS_TYPE = "kubernetes.io/tls"


class Target(msgspec.Struct, frozen=True, gc=False, order=True):
    """A port of a Service, by name or number, of the Ingress' own namespace; `problem` says why it is none that can be reached."""

    namespace: str = ""
    service: str = ""
    port: str = ""
    problem: str = ""

    @property
    def key(self) -> str:
        """`default/web:http`; what routes and endpoints are joined by."""
        return f"{self.namespace}/{self.service}:{self.port}"


class Path(msgspec.Struct, frozen=True, gc=False):
    """One path of one rule."""

    host: str
    path: str
    exact: bool
    target: Target


class Tls(msgspec.Struct, frozen=True, gc=False):
    """One entry of `spec.tls`; no hosts: for whoever names none that another entry has."""

    hosts: tuple[str, ...]
    secret: str


class Rules(msgspec.Struct, frozen=True, gc=False):
    """What an Ingress says. `name` is `namespace/name`; `since` orders them by age."""

    name: str
    since: tuple[str, str]
    paths: tuple[Path, ...] = ()
    default: Target | None = None
    tls: tuple[Tls, ...] = ()

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that it leads to, each once."""
        found = [path.target for path in self.paths]
        return tuple(dict.fromkeys([*found, self.default] if self.default is not None else found))


class PathRoute(msgspec.Struct, frozen=True, gc=False):
    """A path of a host, and the key of the target that it leads to. Of a prefix the slash at its end is cut off."""

    path: str
    exact: bool
    target: str


class HostRoutes(msgspec.Struct, frozen=True, gc=False):
    """The paths of a host ("": of all; `*.shop.local`: of all that have one label more), and where its other paths go ("": nowhere)."""

    host: str
    paths: tuple[PathRoute, ...]
    default: str = ""


class Backends(msgspec.Struct, frozen=True, gc=False):
    """The endpoints of a target, in a fixed order."""

    target: str
    endpoints: tuple[tuple[str, int], ...]


class IngressTable(msgspec.Struct, frozen=True, gc=False):
    """All Ingresses merged. `default` is where requests go that meet no rule ("": nowhere)."""

    hosts: tuple[HostRoutes, ...] = ()
    default: str = ""
    backends: tuple[Backends, ...] = ()


class Conflict(msgspec.Struct, frozen=True, gc=False):
    """A path that an older Ingress has already; `winner` is that one's name."""

    loser: str
    winner: str
    host: str
    path: str


# -- what an Ingress says ---------------------------------------------------------------------------------------------------------------


def rules_of(ingress: GenericObject) -> Rules:
    """What an Ingress says. Never fails: what cannot be understood leads nowhere, with a `problem`."""
    meta, look = ingress.metadata, Look(ingress.content)
    paths: list[Path] = []
    for rule in look.items("spec", "rules"):
        host = rule.text("host").lower()
        for path in rule.items("http", "paths"):
            target = _target(path.below("backend"), meta.namespace)
            paths.append(Path(host, path.text("path", default="/"), path.text("pathType") == "Exact", target))
    default = _target(look.below("spec", "defaultBackend"), meta.namespace) if look.has("spec", "defaultBackend") else None
    tls = tuple(Tls(tuple(host.lower() for host in entry.texts("hosts")), entry.text("secretName")) for entry in look.items("spec", "tls"))
    name = f"{meta.namespace}/{meta.name}"
    return Rules(name, (meta.creation_timestamp, name), tuple(paths), default, tls)


def _target(backend: Look, namespace: str) -> Target:
    service = backend.text("service", "name")
    if service:
        port = backend.text("service", "port", "name") or backend.text("service", "port", "number")
        return Target(namespace, service, port)
    resource = f"{backend.text('resource', 'kind')}/{backend.text('resource', 'name')}"
    return Target(namespace, "", resource, f"its backend is the resource {resource}, and only Services can be reached")


def hosts_of(rules: Rules) -> tuple[str, ...]:
    """The hosts of its rules, each once."""
    return tuple(dict.fromkeys(path.host for path in rules.paths))


# -- whose it is ------------------------------------------------------------------------------------------------------------------------


class Ownership(msgspec.Struct, frozen=True, gc=False):
    """Whether an Ingress is carried out here; if not, `problem` says why, where somebody ought to hear of it."""

    ours: bool
    problem: str = ""


def class_name(ingress: GenericObject) -> str:
    """The class that an Ingress names: in its spec, or in the annotation that was used before. "": none."""
    named = Look(ingress.content).text("spec", "ingressClassName")
    return named or str(ingress.metadata.annotations.get(CLASS_ANNOTATION, ""))


def default_class(classes: Iterable[GenericObject]) -> str:
    """The class of Ingresses that name none: of those marked so, the newest (as the DefaultIngressClass admission plugin); "": none."""
    marked = [one for one in classes if one.metadata.annotations.get(DEFAULT_CLASS) == "true"]
    marked.sort(key=lambda one: one.metadata.name)
    marked.sort(key=lambda one: one.metadata.creation_timestamp, reverse=True)
    return marked[0].metadata.name if marked else ""


def ownership(ingress: GenericObject, classes: Mapping[str, GenericObject]) -> Ownership:
    """Whether an Ingress is ours; `classes` by their names. One without a class is: where there is a default class, the apiserver gives it
    to each new one, so one without was there before, and nobody else's."""
    wanted = class_name(ingress)
    if not wanted:
        return Ownership(True)
    found = classes.get(wanted)
    if found is None:
        words = f'IngressClass "{wanted}" not found, so nobody carries this Ingress out; create it with spec.controller: {CONTROLLER}'
        return Ownership(False, words)
    return Ownership(Look(found.content).text("spec", "controller") == CONTROLLER)


# -- the table --------------------------------------------------------------------------------------------------------------------------


def merged(every: Iterable[Rules]) -> tuple[IngressTable, tuple[Conflict, ...]]:
    """All Ingresses as one table, without endpoints yet, and the paths that lost against older ones."""
    hosts: dict[str, dict[tuple[str, bool], tuple[str, str]]] = {}
    defaults: dict[str, str] = {}
    conflicts: list[Conflict] = []
    wanted: dict[str, None] = {}
    default = ""
    for rules in sorted(every, key=lambda one: one.since):
        for path in rules.paths:
            own = hosts.setdefault(path.host, {})
            cut = path.path if path.exact else path.path.rstrip("/")
            winner = own.setdefault((cut, path.exact), (rules.name, path.target.key))
            if winner[0] != rules.name:
                conflicts.append(Conflict(rules.name, winner[0], path.host, path.path))
            wanted[winner[1]] = None
        if rules.default is not None:
            key = rules.default.key
            wanted[key] = None
            default = default or key
            for host in hosts_of(rules):
                if host:
                    defaults.setdefault(host, key)
    routes = tuple(HostRoutes(host, _sorted(own), defaults.get(host, "")) for host, own in sorted(hosts.items()))
    return IngressTable(routes, default, tuple(Backends(key, ()) for key in sorted(wanted))), tuple(conflicts)


def with_endpoints(table: IngressTable, endpoints: Mapping[str, tuple[tuple[str, int], ...]]) -> IngressTable:
    """The table with these endpoints, by the targets' keys."""
    backends = tuple(Backends(one.target, endpoints.get(one.target, ())) for one in table.backends)
    return msgspec.structs.replace(table, backends=backends)


def _sorted(paths: Mapping[tuple[str, bool], tuple[str, str]]) -> tuple[PathRoute, ...]:
    return tuple(PathRoute(path, exact, target) for (path, exact), (_, target) in sorted(paths.items()))


class _Paths:
    """The paths of one host, ready to be looked up."""

    __slots__ = ("default", "exact", "longest", "prefixes")

    def __init__(self, routes: HostRoutes) -> None:
        self.exact = {route.path: route.target for route in routes.paths if route.exact}
        self.prefixes = {route.path: route.target for route in routes.paths if not route.exact}
        self.longest = max((len(path) for path in self.prefixes), default=-1)
        self.default = routes.default

    def find(self, path: str) -> str:
        """The target of the longest path that matches; of an exact one before a prefix of its length."""
        found = self.exact.get(path)
        if found is not None or self.longest < 0:
            return found or ""
        rest = path.rstrip("/")
        if len(rest) > self.longest:  # no rule is as long: a path of ten thousand slashes costs no more than the longest rule
            cut = rest[: self.longest + 1]
            rest = cut[: cut.rfind("/")] if rest[self.longest] != "/" else rest[: self.longest]
        while True:
            found = self.prefixes.get(rest)
            if found is not None or not rest:
                return found or ""
            rest = rest[: max(rest.rfind("/"), 0)]


class Routing:
    """A table, ready to be asked."""

    def __init__(self, table: IngressTable) -> None:
        self._hosts = {routes.host: _Paths(routes) for routes in table.hosts}
        self._any = self._hosts.get("")
        self._default = table.default

    def route(self, host: str, path: str) -> str:
        """The key of the target that a request goes to; "" if there is none. `host` in small letters without port, `path` as `matched_path`
        gives it."""
        own = self._hosts.get(host) if host else None
        wildcard = self._hosts.get("*" + host[dot:]) if (dot := host.find(".")) > 0 else None
        for paths in (own, wildcard, self._any):
            if paths is not None and (found := paths.find(path)):
                return found
        for paths in (own, wildcard):
            if paths is not None and paths.default:
                return paths.default
        return self._default


def matches_host(pattern: str, host: str) -> bool:
    """Whether a host (in small letters) is meant by a rule's: itself, or `*.` for exactly one label more.

    >>> matches_host("*.foo.com", "bar.foo.com"), matches_host("*.foo.com", "baz.bar.foo.com"), matches_host("*.foo.com", "foo.com")
    (True, False, False)
    """
    if pattern.startswith("*."):
        first, dot, rest = host.partition(".")
        return bool(first and dot) and rest == pattern[2:]
    return pattern == host


def matched_path(target: str) -> str | None:
    """The path that rules are compared with: without query, percent signs decoded, dots resolved. None: it leads above the root.

    What is sent on is the path as it came. Without this, `/public/..%2fadmin` would be routed by a name that no server understands it as.

    >>> matched_path("/a/%62?x=/c"), matched_path("/a/./../b"), matched_path("/../b")
    ('/a/b', '/b', None)
    """
    path = target.partition("?")[0].partition("#")[0]
    if "%" in path:
        path = unquote_to_bytes(path).decode("utf-8", "surrogateescape")
    if "/." not in path:
        return path
    kept: list[str] = []
    parts = path.split("/")
    for part in parts[1:]:
        if part == "..":
            if not kept:
                return None
            kept.pop()
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def host_of(authority: str) -> str:
    """The host of a `Host` header or of a URL's authority, in small letters, without its port.

    >>> host_of("Shop.local:8080"), host_of("[::1]:80"), host_of("shop.local.")
    ('shop.local', '[::1]', 'shop.local')
    """
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].rstrip(".").lower()


# -- encryption -------------------------------------------------------------------------------------------------------------------------


def certificate_hosts(every: Sequence[Rules]) -> dict[str, tuple[str, ...]]:
    """Which hosts each Secret (`namespace/name`) is for, "" among them for whoever names none: the oldest Ingress wins a host."""
    owners: dict[str, str] = {}
    order: dict[str, None] = {}
    for rules in sorted(every, key=lambda one: one.since):
        namespace = rules.name.partition("/")[0]
        for entry in rules.tls:
            if entry.secret:
                secret = f"{namespace}/{entry.secret}"
                order[secret] = None
                for host in entry.hosts or ("",):
                    owners.setdefault(host, secret)
    return {secret: tuple(host for host, owner in owners.items() if owner == secret) for secret in order}
