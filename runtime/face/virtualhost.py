"""What the verbs need of a simulation. Used by `Simulation`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from callboard.actors.apiserver.forwarding import served_elsewhere
from callboard.actors.store.actor import DISK_ENTRY
from callboard.models.api.apiextensions import CustomResourceDefinition
from callboard.models.api.core import Node
from callboard.models.dns import Resolution
from callboard.models.kinds import DEFINITIONS, Scheme
from callboard.models.messages import api
from callboard.models.messages.base import Answer, Request
from callboard.models.messages.store import StoreEvent
from callboard.models.messages.usage import METRICS_SERVER
from callboard.runtime.face import datapath, ingresspath, views
from callboard.runtime.face.assembly import CONTROL_PLANE, Blueprint
from callboard.runtime.face.client import ApiClient
from callboard.runtime.face.contract import Response, api_request
from callboard.runtime.face.livescheme import LiveScheme
from callboard.runtime.face.references import Reference
from callboard.runtime.face.streams import Opened
from callboard.runtime.face.watching import Watchers
from callboard.runtime.systems import SimulatedSystem

SETTLE_TIMEOUT_S = 3600.0


class VirtualHost:
    """What the verbs need, on virtual time. Reads look into the store itself; all else goes through the apiserver's link."""

    def __init__(self, system: SimulatedSystem, blueprint: Blueprint) -> None:
        self._system = system
        self._api = ApiClient(system, blueprint.servers, blueprint.timing.request_timeout_s, system.run_for)
        self._watchers = Watchers(system, blueprint.client())
        self._scheme = LiveScheme(self._definitions)
        self._disk = system.add_machine(CONTROL_PLANE).disk
        self._counted_revision = 0
        self._changes = 0

    @property
    def _keyspace(self) -> Any:
        return self._disk[DISK_ENTRY]

    @property
    def revision(self) -> int:
        """The store's revision."""
        return int(self._keyspace.revision)

    def settled_state(self) -> int:
        """A number that changes whenever something stored does, leases and API Events excepted."""
        keyspace = self._keyspace
        if keyspace.revision != self._counted_revision:
            events = keyspace.history.since(self._counted_revision)
            if events is None or not all(_restless(event) for event in events):
                self._changes += 1
            self._counted_revision = keyspace.revision
        return self._changes

    def _definitions(self) -> list[CustomResourceDefinition]:
        return [obj for key, obj in self._keyspace.items.items() if key.startswith(DEFINITIONS + "/")]

    def ask(self, request: type[Request], timeout_s: float, /, **fields: Any) -> Answer:
        keyspace = self._keyspace
        if issubclass(request, api.GetObject | api.ListObjects) and served_elsewhere(fields["resource"]):
            return views.metrics(self._system.look(METRICS_SERVER), request(0, "", **fields), self._system.now())
        if request is api.GetObject and not fields.get("subresource"):
            return views.get(keyspace.items, keyspace.revision, fields["resource"], fields["namespace"], fields["name"])
        if request is api.ListObjects:
            labels, by_fields = fields.get("labels", ""), fields.get("fields", "")
            return views.list_(keyspace.items, keyspace.revision, fields["resource"], fields.get("namespace", ""), labels, by_fields)
        return self._api.ask(request, timeout_s, **fields)

    def now(self) -> float:
        return self._system.now()

    def scheme(self) -> Scheme:
        return self._scheme

    def await_change(self, reference: Reference, met: Any, timeout_s: float) -> bool:
        seen = -1

        def looked() -> bool:
            nonlocal seen
            revision = self.revision
            if revision == seen:
                return False
            seen = revision
            return bool(met())

        return bool(self._system.run_until(looked, timeout_s))

    def stream(self, resource: str, namespace: str, labels: str, timeout_s: float | None, fields: str = "") -> Iterator[api.WatchEvent]:
        events: deque[api.WatchEvent] = deque()
        name = self._watchers.open(events.append, resource, namespace, labels, fields)
        return Opened(self._read(events, timeout_s), lambda: self._watchers.close(name))

    def _read(self, events: deque[api.WatchEvent], timeout_s: float | None) -> Iterator[api.WatchEvent]:
        while events or self._system.run_until(lambda: bool(events), SETTLE_TIMEOUT_S if timeout_s is None else timeout_s):
            yield events.popleft()

    def carry(self, namespace: str, service: str, port: str, request: api_request, timeout_s: float) -> Response:
        return datapath.through_proxies(self._system, namespace, service, port, request, timeout_s, self._system.run_for)

    def locate(self, namespace: str, service: str, port: str) -> str:
        raise datapath.nothing_to_open(service)

    def enter(self, host: str, request: api_request, timeout_s: float) -> Response:
        return ingresspath.through_controller(self._system, host, request, timeout_s, self._system.run_for)

    def gate(self) -> tuple[str, int, int]:
        raise ingresspath.nothing_to_open()

    def resolve(self, name: str, kind: str, namespace: str, timeout_s: float) -> Resolution:
        return datapath.resolve(self._system, name, kind, namespace, timeout_s, self._system.run_for)


def _restless(event: StoreEvent) -> bool:
    """Whether a change is of the kind that comes for ever, in a cluster at rest too: leases, API Events, heartbeats of nodes."""
    if event.key.startswith(("leases.coordination.k8s.io/", "events/")):
        return True
    if not event.key.startswith("nodes/") or event.old is None or event.obj is None:
        return False
    return bool(_but_heartbeats(event.old) == _but_heartbeats(event.obj))


def _but_heartbeats(node: Node) -> Any:
    conditions = [(one.type, one.status, one.reason) for one in node.status.conditions] if node.status is not None else []
    return node.spec, node.metadata.labels, node.metadata.deletion_timestamp, conditions
