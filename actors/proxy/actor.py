"""The service proxy: follows Services and EndpointSlices; tells a data plane what to serve, or carries requests itself.

With real processes it has a `data_plane`: one proxy per node where nodes have networks of their own, one for all on plain loopback. With
simulated containers there is no data plane: requests come in as `RouteRequest` and go to the runtime of an endpoint's node. Such a proxy
decides nothing until it is asked, so what a change costs it doesn't depend on how many proxies, Services or endpoints there are.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.actors.client import ApiComponent
from callboard.actors.component import Port, Timer, handles
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.proxy.endpoints import Backend
from callboard.actors.proxy.routing import Router, Way
from callboard.actors.proxy.table import OUTSIDE_TYPES, addresses_of_nodes, service_of, service_ports, table
from callboard.models.api.core import Node
from callboard.models.api.discovery import EndpointSlice
from callboard.models.messages.api import Got, Listed, Refused, Written, object_key
from callboard.models.messages.base import Address, Message
from callboard.models.messages.proxy import DataPlaneStarted, ListenFailed, Listening, ListenStopped, ProxyTable, ServeTable, ServicePort
from callboard.models.messages.runtime import Routed, RouteRequest, Served, ServeRequest

ANSWER_LIMIT_S = 3.0
"""An endpoint that has not answered for so long is given up, and the next is tried; the userspace data plane waits as long to connect."""
REQUESTS_IN_FLIGHT_LIMIT = 4096
"""Requests that one proxy carries at a time; further ones are answered with a problem."""


class Recompute(Message, frozen=True, gc=False):
    """The proxy to itself: bring the table up to date for the Services that changed."""


class TryExpired(Message, frozen=True, gc=False):
    """Timer: an endpoint has not answered."""

    number: int


class _Try(msgspec.Struct):
    """A request on its way: to whom, and the timer of that."""

    request: RouteRequest
    way: Way
    backend: Backend
    timer: Timer


class ServiceProxy(ApiComponent):
    """One proxy: of the node that its name names, or of the whole cluster.

    `data_plane` is the address of what listens, "" where this proxy carries requests itself. `for_all_nodes`: the data plane listens at the
    addresses of all nodes for NodePorts, since nodes have no networks of their own.
    """

    def __init__(self, port: Port, settings: ClientSettings, data_plane: Address = "", for_all_nodes: bool = False) -> None:
        super().__init__(port, settings)
        self.data_plane = data_plane
        self.node = port.name.partition("/")[2]
        self.services = self.inform("services", self._service_changed)
        self.slices = self.inform("endpointslices.discovery.k8s.io", self._slice_changed)
        self.slices.add_index("service", _services_of)
        self.nodes = self.inform("nodes", self._node_changed) if for_all_nodes else None
        self._addresses: dict[str, str] | None = {} if for_all_nodes else None
        self._parts: dict[str, tuple[ServicePort, ...]] = {}
        self._dirty: dict[str, None] = {}
        self._scheduled = False
        self._sent: ProxyTable | None = None
        self._router = Router(self.node)
        self._tries: dict[int, _Try] = {}
        self._numbers = 0

    def on_start(self) -> None:
        """Begin to list and watch."""
        self.start_informers()

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        """Nothing waits for an answer: the only requests are Events."""

    def current_table(self) -> ProxyTable:
        """The table that this proxy's informers amount to; for oracles and tests."""
        nodes = addresses_of_nodes(self.nodes.objects.values()) if self.nodes is not None else None
        return table(self.services.objects.values(), self.slices.objects.values(), self.node, nodes)

    # -- the table of a data plane ------------------------------------------------------------------------------------------------

    def _service_changed(self, key: str, old: Any, new: Any) -> None:
        if self.data_plane:
            self._mark(key)
        elif new is None:
            self._router.forget(key)

    def _slice_changed(self, key: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if self.data_plane:
            for piece in (old, new):
                if piece is not None:
                    self._mark(service_of(piece))

    def _node_changed(self, _key: str, old: Node | None, new: Node | None) -> None:
        """The address of a node has come or gone: every Service with a NodePort is concerned."""
        if addresses_of_nodes([old] if old is not None else []) == addresses_of_nodes([new] if new is not None else []):
            return  # a lease's worth of news
        assert self.nodes is not None
        self._addresses = addresses_of_nodes(self.nodes.objects.values())
        for key, service in self.services.objects.items():
            if service.spec is not None and service.spec.type in OUTSIDE_TYPES:
                self._mark(key)

    def _mark(self, service_key: str) -> None:
        if service_key:
            self._dirty[service_key] = None
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.port.send(self.port.me, Recompute())

    def caught_up(self, informer: Informer) -> None:
        """With the first lists in, a data plane must hear of them even if there is nothing to serve: it may hold an older table."""
        if self.data_plane and self._sent is None and self.synced:
            self._schedule()

    @handles(Recompute)
    def _recompute(self, _message: Recompute) -> None:
        self._scheduled = False
        if not self.synced:
            return  # half a picture would cut off what is served; `caught_up` comes back
        for key in self._dirty:
            service = self.services.objects.get(key)
            slices = self.slices.by("service", key).values()
            part = service_ports(service, slices, self.node, self._addresses) if service is not None else ()
            if part:
                self._parts[key] = part
            else:
                self._parts.pop(key, None)
        self._dirty.clear()
        new = ProxyTable(tuple(port for key in sorted(self._parts) for port in self._parts[key]))
        if new != self._sent:
            self._sent = new
            self.port.send(self.data_plane, ServeTable(new))

    @handles(DataPlaneStarted)
    def _data_plane_started(self, _fact: DataPlaneStarted) -> None:
        if self._sent is not None:
            self.port.send(self.data_plane, ServeTable(self._sent))

    @handles(ListenFailed)
    def _listen_failed(self, failed: ListenFailed) -> None:
        self.port.log.warning("a service cannot be served at its address", service=failed.service_key, reason=failed.reason)
        namespace, _, rest = failed.service_key.partition("/")
        service = self.services.get(namespace, rest.partition(":")[0])
        if service is not None:
            self.tell_user(service, "services", "Warning", "FailedToListen", failed.reason)

    @handles(Listening, ListenStopped)
    def _listening(self, fact: Listening | ListenStopped) -> None:
        self.port.log.debug("a service port changed", service=fact.service_key, fact=type(fact).__name__)

    # -- requests on the simulated data path ----------------------------------------------------------------------------------------

    @handles(RouteRequest)
    def _route(self, request: RouteRequest) -> None:
        if not self.synced:
            self._refuse(request, f"{self.port.name} has not seen the cluster's Services yet")
            return
        if len(self._tries) >= REQUESTS_IN_FLIGHT_LIMIT:
            self._refuse(request, f"{self.port.name} carries {REQUESTS_IN_FLIGHT_LIMIT} requests already; try again later")
            return
        key = object_key("services", request.namespace, request.service)
        way = self._router.way(key, self.services.objects.get(key), self.slices.by("service", key).values(), request, self.port.now())
        if way.problem:
            self._refuse(request, way.problem)
        else:
            self._try_next(request, way)

    def _refuse(self, request: RouteRequest, problem: str) -> None:
        self.port.send(request.reply_to, Routed(request.id, 0, (), b"", problem=problem))

    def _try_next(self, request: RouteRequest, way: Way) -> None:
        backend = way.candidates.pop(0)
        self._numbers += 1
        number = self._numbers
        timer = self.port.after(ANSWER_LIMIT_S, TryExpired(number))
        self._tries[number] = _Try(request, way, backend, timer)
        place = (backend.address, backend.port)
        wanted = ServeRequest(number, self.port.me, *place, request.method, request.path, request.headers, request.body)
        self.port.send(f"runtime/{backend.node_name}", wanted)

    @handles(Served)
    def _served(self, served: Served) -> None:
        tried = self._tries.pop(served.id, None)
        if tried is None:
            return  # given up earlier
        tried.timer.cancel()
        if not served.connected:
            self._go_on(tried)
            return
        request = tried.request
        self._router.answered(tried.way, tried.backend, self.port.now())
        self.port.send(request.reply_to, Routed(request.id, served.status, served.headers, served.body, _shown(tried.backend)))

    @handles(TryExpired)
    def _try_expired(self, timer: TryExpired) -> None:
        tried = self._tries.pop(timer.number, None)
        if tried is not None:
            self._go_on(tried)

    def _go_on(self, tried: _Try) -> None:
        if tried.way.candidates:
            self._try_next(tried.request, tried.way)
            return
        last = _shown(tried.backend)
        self._refuse(tried.request, f'no endpoint of service "{tried.request.service}" could be reached; the last tried was {last}')


def _shown(backend: Backend) -> str:
    return f"{backend.address}:{backend.port}"


def _services_of(piece: EndpointSlice) -> tuple[str, ...]:
    key = service_of(piece)
    return (key,) if key else ()
