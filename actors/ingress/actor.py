"""The Ingress controller: follows Ingresses and what they name; tells a server what to serve, or carries requests itself.

One per cluster. Services, EndpointSlices and Secrets are watched only in namespaces that have an Ingress, so a cluster without any pays
for two informers that show nothing. With real containers it has a `server`, which listens where programs can connect; with simulated ones
requests come in as `RouteIngress`, and what a change costs is a mark: the table is worked out with the next request.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from callboard.actors import actions as act
from callboard.actors.component import Port, handles
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.ingress.carrying import Carrier, CarryExpired
from callboard.actors.ingress.decision import Problem, Surroundings, backends_of, certificate_of, decide, problems_of
from callboard.actors.proxy.endpoints import Backend
from callboard.actors.proxy.table import service_of
from callboard.actors.scoped import ScopedController
from callboard.models.generic import GenericObject
from callboard.models.ingress import (
    INGRESS_CLASSES,
    INGRESSES,
    Conflict,
    IngressTable,
    Ownership,
    Routing,
    Rules,
    Target,
    certificate_hosts,
    host_of,
    hosts_of,
    matched_path,
    merged,
    ownership,
    rules_of,
    with_endpoints,
)
from callboard.models.messages.api import object_key
from callboard.models.messages.base import Address, Message
from callboard.models.messages.ingress import (
    Certificate,
    CertificatesRefused,
    IngressListening,
    IngressLocated,
    IngressServerStarted,
    LocateIngress,
    RouteIngress,
    ServeIngress,
)
from callboard.models.messages.runtime import Routed, Served

SERVICES, SLICES, SECRETS = "services", "endpointslices.discovery.k8s.io", "secrets"


class TellServer(Message, frozen=True, gc=False):
    """The controller to itself: tell the server what has changed."""


class IngressController(ScopedController):
    """Keys are Ingresses. `address` is where requests are accepted as far as anybody is told (with a server, it tells that itself);
    `server` is the address of what listens, "" where containers are simulated."""

    primary_resource = INGRESSES

    def __init__(self, port: Port, client: ClientSettings, address: str, server: Address = "") -> None:
        super().__init__(port, client)
        self._server = server
        self.primary.add_index("host", _hosts_of)
        self._classes = self.inform(INGRESS_CLASSES, self._class_changed)
        self._listening = None if server else IngressListening(address, 80, 443)
        self._rules: dict[str, Rules] = {}
        self._told: dict[str, tuple[Problem, ...]] = {}
        self._unusable: dict[str, str] = {}
        self._merged: tuple[IngressTable, tuple[Conflict, ...]] | None = None
        self._routing: Routing | None = None
        self._targets: dict[str, Target] = {}
        self._carrier = Carrier(port)
        self._scheduled = False
        self._sent: tuple[IngressTable, tuple[Certificate, ...]] | None = None

    # -- what is watched ----------------------------------------------------------------------------------------------------------------

    @property
    def synced(self) -> bool:
        """Whether Ingresses and their classes are known."""
        return self.primary.synced and self._classes.synced

    @property
    def complete(self) -> bool:
        """Whether all that the Ingresses name is known, too: half a picture would take away what is served."""
        return self.synced and all(informer.synced for here in self.views.values() for informer in here.values())

    def _watch(self, namespace: str) -> None:
        self.view(namespace, SERVICES, partial(self._service_changed, namespace))
        self.view(namespace, SLICES, self._slice_changed, {"service": _services_of})
        self.view(namespace, SECRETS, partial(self._secret_changed, namespace))

    def first_shown(self, informer: Informer) -> None:
        """See `ScopedController`. An Ingress can't be judged before."""
        self._look_at_all(informer.selection["namespace"])
        self._schedule()

    def primary_changed(self, key: str, old: GenericObject | None, new: GenericObject | None) -> None:
        """See `ScopedController`."""
        if new is None:
            assert old is not None
            namespace = old.metadata.namespace
            self._rules.pop(key, None)
            self._told.pop(key, None)
            if not self.own_of(namespace):
                self.stop_views(namespace)
        else:
            namespace = new.metadata.namespace
            self._watch(namespace)
            self._rules[key] = rules_of(new)
            self.mark(key)
        if old is None or new is None or _said(old) != _said(new):
            self._merged = self._routing = None
            for one in (old, new):
                for host in _hosts_of(one) if one is not None else ():
                    for other in self.primary.by("host", host):  # a path that was taken may be free now, or the other way round
                        self.mark(other)
            self._schedule()

    def _class_changed(self, _key: str, _old: Any, _new: Any) -> None:
        self._merged = self._routing = None
        self._look_at_all()
        self._schedule()

    def _service_changed(self, namespace: str, _key: str, _old: Any, _new: Any) -> None:
        self._look_at_all(namespace)
        self._schedule()

    def _secret_changed(self, namespace: str, _key: str, _old: Any, new: Any) -> None:
        name = (new or _old).metadata.name
        if any(entry.secret == name for key in self.own_of(namespace) for entry in self._rules[key].tls):
            self._unusable.pop(f"{namespace}/{name}", None)
            self._look_at_all(namespace)
            self._schedule()

    def _slice_changed(self, _key: str, _old: Any, _new: Any) -> None:
        self._schedule()

    def _look_at_all(self, namespace: str = "") -> None:
        for key in self.own_of(namespace) if namespace else self.primary.objects:
            self.mark(key)

    # -- one Ingress --------------------------------------------------------------------------------------------------------------------

    def _owned(self, ingress: GenericObject) -> Ownership:
        return ownership(ingress, {one.metadata.name: one for one in self._classes.objects.values()})

    def _problems(self, key: str, ingress: GenericObject) -> tuple[Problem, ...]:
        here = self.views.get(ingress.metadata.namespace, {})
        around = Surroundings(
            services=partial(here[SERVICES].get, ingress.metadata.namespace),
            secrets=partial(here[SECRETS].get, ingress.metadata.namespace),
            conflicts=self._table_and_conflicts()[1],
            refused=self._unusable,
            listening=self._listening,
        )
        return problems_of(self._rules[key], self._owned(ingress), around)

    def decide(self, key: str) -> tuple[act.Action, ...]:
        ingress = self.primary.objects.get(key)
        if ingress is None or not self._known(ingress):
            return ()  # gone, or `first_shown` comes back
        told = self._told.get(key, ())
        return decide(ingress, self._owned(ingress), self._problems(key, ingress), told, self._listening)

    def carry_out(self, key: str, wanted: tuple[act.Action, ...]) -> None:
        """As the base's; what is told now isn't told again as long as it holds."""
        super().carry_out(key, wanted)
        ingress = self.primary.objects.get(key)
        if ingress is not None and self._known(ingress):
            self._told[key] = self._problems(key, ingress)

    def _known(self, ingress: GenericObject) -> bool:
        here = self.views.get(ingress.metadata.namespace, {})
        return bool(here) and all(informer.synced for informer in here.values())

    # -- the table ----------------------------------------------------------------------------------------------------------------------

    def _ours(self) -> list[Rules]:
        return [self._rules[key] for key, ingress in self.primary.objects.items() if self._owned(ingress).ours]

    def _table_and_conflicts(self) -> tuple[IngressTable, tuple[Conflict, ...]]:
        if self._merged is None:
            ours = self._ours()
            self._merged = merged(ours)
            self._targets = {target.key: target for rules in ours for target in rules.targets}
            self._carrier.forget(dict.fromkeys(self._targets))
        return self._merged

    def _backends(self, key: str) -> tuple[Backend, ...]:
        target = self._targets[key]
        here = self.views.get(target.namespace, {})
        if not here or target.problem:
            return ()
        service = object_key(SERVICES, target.namespace, target.service)
        return backends_of(target, here[SERVICES].objects.get(service), here[SLICES].by("service", service).values())

    def current_table(self) -> IngressTable:
        """The whole table as things stand; for the server and for tests."""
        table, _ = self._table_and_conflicts()
        places = {one.target: tuple((backend.address, backend.port) for backend in self._backends(one.target)) for one in table.backends}
        return with_endpoints(table, places)

    def _certificates(self) -> tuple[Certificate, ...]:
        found: list[Certificate] = []
        for name, hosts in certificate_hosts(self._ours()).items():
            namespace, _, own = name.partition("/")
            secret = self.views[namespace][SECRETS].get(namespace, own)
            certificate = certificate_of(name, hosts, secret)
            if certificate is not None:
                found.append(certificate)
        return tuple(found)

    def _schedule(self) -> None:
        if self._server and not self._scheduled:
            self._scheduled = True
            self.port.send(self.port.me, TellServer())

    def caught_up(self, informer: Informer) -> None:
        super().caught_up(informer)
        if self._sent is None and self.complete:
            self._schedule()

    @handles(TellServer)
    def _tell_server(self, _message: TellServer) -> None:
        self._scheduled = False
        if not self.complete:
            return  # `first_shown` or `caught_up` comes back
        new = (self.current_table(), self._certificates())
        if new != self._sent:
            self._sent = new
            self.port.send(self._server, ServeIngress(*new))

    @handles(IngressServerStarted)
    def _server_started(self, _fact: IngressServerStarted) -> None:
        self._sent = None
        self._schedule()

    @handles(IngressListening)
    def _listens(self, fact: IngressListening) -> None:
        if fact != self._listening:
            self._listening = fact
            self._look_at_all()

    @handles(CertificatesRefused)
    def _certificates_refused(self, fact: CertificatesRefused) -> None:
        refused = dict(fact.problems)
        if refused != self._unusable:
            self._unusable = refused
            self._look_at_all()

    @handles(LocateIngress)
    def _locate(self, request: LocateIngress) -> None:
        listening = self._listening
        if not self._server:
            answer = IngressLocated(request.id, problem="containers are simulated")
        elif listening is None:
            answer = IngressLocated(request.id, problem="no Ingress is served yet")
        else:
            answer = IngressLocated(request.id, listening.address, listening.http, listening.https)
        self.port.send(request.reply_to, answer)

    # -- requests on the simulated data path --------------------------------------------------------------------------------------------

    @handles(RouteIngress)
    def _route(self, request: RouteIngress) -> None:
        if not self.complete:
            self.port.send(request.reply_to, Routed(request.id, 0, (), b"", problem="the Ingress has not seen all of the cluster yet"))
            return
        path = matched_path(request.path)
        if path is None or not request.path.startswith("/"):
            self._carrier.answer(request, 400, "the path is none, or leads above its root")
            return
        table, _ = self._table_and_conflicts()
        if self._routing is None:
            self._routing = Routing(table)
        target = self._routing.route(host_of(request.host), path)
        if not target:
            self._carrier.answer(request, 404, f'no Ingress has a rule for this path of host "{request.host}"')
            return
        backends = self._backends(target)
        if backends:
            self._carrier.carry(request, target, backends)
        else:
            self._carrier.answer(request, 503, f"{target} has no endpoint")

    @handles(Served)
    def _served(self, served: Served) -> None:
        self._carrier.served(served)

    @handles(CarryExpired)
    def _carry_expired(self, timer: CarryExpired) -> None:
        self._carrier.expired(timer)


def _said(ingress: GenericObject) -> Any:
    return ingress.content.get("spec"), ingress.metadata.annotations, ingress.metadata.uid


def _hosts_of(ingress: GenericObject) -> tuple[str, ...]:
    return hosts_of(rules_of(ingress))


def _services_of(piece: Any) -> tuple[str, ...]:
    key = service_of(piece)
    return (key,) if key else ()
