"""The name service: follows Services, their EndpointSlices and namespaces; answers what a name means, and tells a server of packets.

One per cluster. Where there is no server, it begins to look only when it is asked for the first time, so a cluster that nobody asks for
names pays nothing for them; from then on a change costs a mark, and the records are worked out with the next question.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from callboard.actors.client import ApiComponent
from callboard.actors.component import Port, handles
from callboard.actors.informer import ClientSettings, Informer
from callboard.models.api.core import Namespace, Service
from callboard.models.api.discovery import EndpointSlice
from callboard.models.dns import DOMAIN, Reply, Zone, is_headless, records_of
from callboard.models.messages.api import Got, Listed, Refused, Written, object_key
from callboard.models.messages.base import Address, Message
from callboard.models.messages.dns import NameResolved, NamesPart, NamesServerStarted, ResolveName, ServeNames

SERVICE_NAME = "kubernetes.io/service-name"
QUESTIONS_WAITING_LIMIT = 4096
"""Questions that wait for the first lists at a time; further ones are answered SERVFAIL."""


class TellNames(Message, frozen=True, gc=False):
    """The name service to itself: bring the zone up to date and tell its server."""


class NameService(ApiComponent):
    """`server` is the address of what answers packets, "" where there is none; `address` is where that listens ("10.96.0.10")."""

    def __init__(self, port: Port, settings: ClientSettings, domain: str = DOMAIN, address: str = "", server: Address = "") -> None:
        super().__init__(port, settings)
        self.server_name = server
        self.zone = Zone(domain, address)
        self.services = self.inform("services", self._service_changed)
        self.slices = self.inform("endpointslices.discovery.k8s.io", self._slice_changed)
        self.slices.add_index("service", _services_of)
        self.namespaces = self.inform("namespaces", self._namespace_changed)
        self._begun = False
        self._dirty: dict[str, None] = {}
        self._waiting: deque[ResolveName] = deque()
        self._turn = 0
        self._scheduled = False
        self._told = 0
        self._namespaces_told: tuple[str, ...] = ()
        self._tell_whole = True

    def on_start(self) -> None:
        """Begin to list and watch, if there is a server to be told."""
        if self.server_name:
            self._begin()

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        """Nothing waits for an answer: this component writes nothing."""

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self.start_informers()

    # -- what changes ---------------------------------------------------------------------------------------------------------------

    def _service_changed(self, key: str, old: Service | None, new: Service | None) -> None:
        self._mark(key)

    def _slice_changed(self, key: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for piece in (old, new):
            for service_key in _services_of(piece) if piece is not None else ():
                service = self.services.objects.get(service_key)
                if service is not None and is_headless(service):  # another one's name is its own address; a new one is marked itself
                    self._mark(service_key)

    def _namespace_changed(self, key: str, old: Namespace | None, new: Namespace | None) -> None:
        if old is None or new is None:
            self._schedule()

    def _mark(self, key: str) -> None:
        self._dirty[key] = None
        self._schedule()

    def _schedule(self) -> None:
        if self.server_name and not self._scheduled:
            self._scheduled = True
            self.port.send(self.port.me, TellNames())

    def caught_up(self, informer: Informer) -> None:
        """With the first lists in, what has been asked meanwhile is answered, and a server hears of them even if there are no names."""
        if not self.synced or (not self._waiting and self._told):
            return
        if not self._told:
            self._schedule()
        while self._waiting:
            self._answer_question(self._waiting.popleft())

    def _refresh(self) -> list[NamesPart]:
        """Bring the zone up to date; what has changed in it."""
        changed = []
        for key in self._dirty:
            service = self.services.objects.get(key)
            records = records_of(service, self.slices.by("service", key).values(), self.zone.domain) if service is not None else ()
            if records != self.zone.part(key):
                self.zone.put(key, records)
                changed.append(NamesPart(key, records))
        self._dirty.clear()
        return changed

    # -- questions ------------------------------------------------------------------------------------------------------------------

    @handles(ResolveName)
    def _resolve(self, question: ResolveName) -> None:
        self._begin()
        if self.synced:
            self._answer_question(question)
        elif len(self._waiting) < QUESTIONS_WAITING_LIMIT:
            self._waiting.append(question)
        else:
            self.port.send(question.reply_to, NameResolved(question.id, Reply("SERVFAIL")))

    def _answer_question(self, question: ResolveName) -> None:
        if not self.server_name:
            self._refresh()
            self.zone.serve_namespaces(self._names_of_namespaces())
        self._turn = (self._turn + 1) % (1 << 30)
        self.port.send(question.reply_to, NameResolved(question.id, self.zone.answer(question.name, question.type, self._turn)))

    def _names_of_namespaces(self) -> tuple[str, ...]:
        return tuple(sorted(one.metadata.name for one in self.namespaces.objects.values()))

    # -- the server -----------------------------------------------------------------------------------------------------------------

    @handles(TellNames)
    def _tell(self, _message: TellNames) -> None:
        self._scheduled = False
        if not self.synced:
            return  # half a picture would make names vanish; `caught_up` comes back
        parts = self._refresh()
        namespaces = self._names_of_namespaces()
        whole, self._tell_whole = self._tell_whole, False
        if not whole and not parts and namespaces == self._namespaces_told:
            return
        self._namespaces_told = namespaces
        self.zone.serve_namespaces(namespaces)
        self._told += 1
        if whole:
            parts = [NamesPart(key, self.zone.part(key)) for key in self.zone.keys]
        self.port.send(self.server_name, ServeNames(self._told, whole, namespaces, tuple(parts)))

    @handles(NamesServerStarted)
    def _server_started(self, _fact: NamesServerStarted) -> None:
        self._tell_whole = True
        self._schedule()


def _services_of(piece: EndpointSlice) -> tuple[str, ...]:
    name = piece.metadata.labels.get(SERVICE_NAME, "")
    return (object_key("services", piece.metadata.namespace, name),) if name else ()
