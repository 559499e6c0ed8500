"""The base of every component that talks to an apiserver: requests with time-outs, and informers.

Used by the scheduler, the controllers, kubelets and service proxies. Where its settings name an `Election`, a component competes for that
Lease and acts only while `leads`. A request is sent with `call(..., context, ...)`; whatever must go
on when its answer arrives is plain data, the context, kept here under the request's id. There is no blocking and no future.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from callboard.actors.component import Component, Port, Timer, handles
from callboard.actors.eventcorrelator import EventCorrelator
from callboard.actors.eventorder import EventOrder, EventTurn
from callboard.actors.informer import ChangeHandler, ClientSettings, GapExpired, Informer, RetryInformer
from callboard.actors.leadership import Candidate, Compete
from callboard.models.eventsources import event_source
from callboard.models.kinds import api_version_of, kind_of
from callboard.models.messages.api import Got, Listed, RecordEvent, Refused, WatchBatch, WatchClosed, Written
from callboard.models.messages.base import Address, Message, Request
from callboard.models.messages.store import Fence

TIMEOUT_CODE = 504


class SweepRequests(Message, frozen=True, gc=False):
    """Timer: give up the requests whose time is over."""


class CheckStreams(Message, frozen=True, gc=False):
    """Timer: reopen the watch streams that have been silent for too long."""


class ApiComponent(Component):
    """A component with a client of the API. Subclasses implement `answered`."""

    def __init__(self, port: Port, settings: ClientSettings) -> None:
        super().__init__(port)
        self.settings = settings
        self.server: Address = settings.apiservers[0]
        self.newest_revision = 0
        """The newest revision that any answer or batch has shown to this process."""
        self._informers: dict[int, Informer] = {}
        self._informers_made = 0
        self._streams: dict[int, Informer] = {}
        self._pending: dict[int, tuple[float, Any, Address]] = {}
        self._last_id = 0
        self._sweep: Timer | None = None
        self._events = EventCorrelator()
        self._event_order = EventOrder()
        self._event_source = event_source(port.name)
        self.candidate = Candidate(self, settings.election) if settings.election is not None else None

    # -- requests ---------------------------------------------------------------------------------------------------------------

    def call(self, request: type[Request], context: Any, /, **fields: Any) -> int:
        """Send a request to the apiserver; its answer arrives in `answered(context, answer)`. Returns the request's id."""
        self._last_id += 1
        number = self._last_id
        server = self.server
        self._pending[number] = (self.port.now() + self.settings.request_timeout_s, context, server)
        if self._sweep is None:
            self._sweep = self.port.after(self.settings.request_timeout_s, SweepRequests())
        self.port.send(server, request(number, self.port.me, **fields))
        return number

    def tell_user(self, obj: Any, resource: str, type_: str, reason: str, message: str, field_path: str = "") -> None:
        """Record an Event about `obj`, or the part of it at `field_path`, unless too much is told about it. Nothing waits for it: an Event
        may be lost, an object may not."""
        meta, kind = obj.metadata, kind_of(obj)
        told = self._events.correlate((kind, meta.namespace, meta.name, meta.uid), type_, reason, message, self.port.now())
        if told is None:
            return
        component, host = self._event_source
        fields = {
            "involved_resource": resource,
            "involved_kind": kind,
            "involved_api_version": api_version_of(obj),
            "namespace": meta.namespace,
            "name": meta.name,
            "uid": meta.uid,
            "type": type_,
            "reason": reason,
            "message": told.message,
            "component": component,
            "host": host,
            "combined": told.combined,
            "field_path": field_path,
        }
        if self._event_order.offer(meta.uid, fields):
            self.call(RecordEvent, EventTurn(meta.uid), **fields)

    def _event_told(self, turn: EventTurn) -> None:
        fields = self._event_order.after(turn.uid)
        if fields is not None:
            self.call(RecordEvent, turn, **fields)

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        """The answer to a request; a time-out arrives as `Refused` with code 504: the outcome is unknown."""
        raise NotImplementedError

    def caught_up(self, informer: Informer) -> None:
        """An informer has handled a batch or a list; its `revision` may have moved."""

    def next_id(self) -> int:
        """A fresh number for a subscription, from the same series as the requests'."""
        self._last_id += 1
        return self._last_id

    @handles(Got, Listed, Written, Refused)
    def _answer(self, answer: Got | Listed | Written | Refused) -> None:
        entry = self._pending.pop(answer.id, None)
        if entry is None:
            return  # given up earlier; whoever waited has been told
        if not self._pending and self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self._deliver(entry[1], answer)

    def _deliver(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        if not isinstance(answer, Refused) and answer.revision > self.newest_revision:
            self.newest_revision = answer.revision
        if context.__class__ is Informer:
            context.listed(answer)
        elif context.__class__ is Candidate:
            context.answered(answer)
        elif context.__class__ is EventTurn:
            self._event_told(context)
        elif context is not None:
            self.answered(context, answer)

    @handles(SweepRequests)
    def _sweep_requests(self, _timer: SweepRequests) -> None:
        now = self.port.now()
        self._sweep = None
        latest = now + self.settings.request_timeout_s
        if any(deadline > latest for deadline, _, _ in self._pending.values()):  # the clock was set back: nobody waits longer for that
            self._pending = {
                number: (min(deadline, latest), context, server) for number, (deadline, context, server) in self._pending.items()
            }
        expired = {number: entry for number, entry in self._pending.items() if entry[0] <= now}
        self._leave_servers(server for _, _, server in expired.values())
        for number, (_, context, server) in expired.items():
            del self._pending[number]
            message = f"{self.port.name} had no answer from {server} within {self.settings.request_timeout_s:g} s"
            self._deliver(context, Refused(number, TIMEOUT_CODE, "Timeout", message))
        if self._pending and self._sweep is None:
            next_deadline = next(iter(self._pending.values()))[0]  # all wait equally long, so the oldest is due first
            self._sweep = self.port.after(max(next_deadline - now, 0.001), SweepRequests())

    def doubt(self, number: int) -> None:
        """A request should have been answered by now: if it wasn't, and the server that it went to is still in use, go on to the next one.
        For those whose silence costs more than another's: the request itself waits on until its time is over."""
        entry = self._pending.get(number)
        if entry is not None:
            self._leave_servers((entry[2],))

    def _leave_servers(self, silent: Iterable[Address]) -> None:
        """Go on to the next apiserver if the one in use is among those that kept silent.

        What was asked of a server that this component has left already says nothing about the one it uses now: without this distinction the
        last time-outs of the old one would lead back to it."""
        if self.server in silent:
            servers = self.settings.apiservers
            self.server = servers[(servers.index(self.server) + 1) % len(servers)]

    # -- informers --------------------------------------------------------------------------------------------------------------

    def inform(self, resource: str, on_change: ChangeHandler, *, namespace: str = "", labels: str = "", fields: str = "") -> Informer:
        """Make an informer; it is started by `start_informers`, usually from `on_start`."""
        self._informers_made += 1
        number = self._informers_made
        informer = Informer(self, self.settings, number, resource, on_change, namespace=namespace, labels=labels, fields=fields)
        self._informers[number] = informer
        return informer

    @property
    def informers(self) -> Collection[Informer]:
        """Those that have not been stopped, in the order in which they were made."""
        return self._informers.values()

    def nothing_more_of(self, informer: Informer) -> None:
        """An informer has been stopped, or nobody serves its kind at present: nothing may wait for what it will show."""
        if informer.stopped:
            self._informers.pop(informer.number, None)

    def start_informers(self) -> None:
        """List and watch with every informer, and begin to check their streams."""
        for informer in self.informers:
            informer.start()
        if self.informers:
            self.port.after(self.settings.watch_silence_s / 3, CheckStreams(), periodic=True)

        if self.candidate is not None:
            self.candidate.tick()

    @property
    def synced(self) -> bool:
        """Whether every informer has its first complete list."""
        for informer in self._informers.values():  # noqa: SIM110  # asked several times per pod: a generator costs three times as much
            if not informer.synced:
                return False
        return True

    # -- leadership -------------------------------------------------------------------------------------------------------------

    @property
    def leads(self) -> bool:
        """Whether this component may act now: it holds its Lease, and its caches show all that former leaders have written."""
        if self.candidate is None:
            return True
        acquired = self.candidate.leadership.acquired_revision
        return self.candidate.leads and all(informer.revision >= acquired for informer in self.informers)

    @property
    def fence(self) -> Fence | None:
        """What the writes of this component carry; None where there is no election."""
        return None if self.candidate is None else self.candidate.fence

    def elected(self) -> None:
        """This component has become the leader. What its informers lack of former leaders' writes is listed, not waited for."""
        assert self.candidate is not None
        self.port.log.info("elected", lease=self.candidate.election.lease, revision=self.candidate.leadership.acquired_revision)
        for informer in self.informers:
            informer.catch_up(self.candidate.leadership.acquired_revision)

    @handles(Compete)
    def _compete(self, _timer: Compete) -> None:
        assert self.candidate is not None
        self.candidate.tick()

    # -- streams ----------------------------------------------------------------------------------------------------------------

    def bind_stream(self, subscription: int, informer: Informer) -> None:
        """Route the batches of a subscription to an informer."""
        self._streams[subscription] = informer

    def drop_stream(self, subscription: int) -> None:
        """Ignore what still arrives of a subscription."""
        self._streams.pop(subscription, None)

    @handles(WatchBatch)
    def _watch_batch(self, batch: WatchBatch) -> None:
        informer = self._streams.get(batch.id)
        if informer is None:
            return
        informer.heard(batch)
        if informer.revision > self.newest_revision:
            self.newest_revision = informer.revision

    @handles(WatchClosed)
    def _watch_closed(self, closed: WatchClosed) -> None:
        informer = self._streams.get(closed.id)
        if informer is not None:
            informer.heard(closed)

    @handles(CheckStreams)
    def _check_streams(self, _timer: CheckStreams) -> None:
        self.port.after(self.settings.watch_silence_s / 3, CheckStreams(), periodic=True)
        oldest = self.port.now() - self.settings.watch_silence_s
        silent = [informer for informer in self.informers if informer.silent_since(oldest)]
        self._leave_servers(informer.server for informer in silent)
        for informer in silent:
            informer.resume()

    @handles(GapExpired)
    def _gap_expired(self, timer: GapExpired) -> None:
        informer = self._informers.get(timer.informer)
        if informer is not None:
            informer.gap_expired(timer.subscription, timer.seq)

    @handles(RetryInformer)
    def _retry_informer(self, timer: RetryInformer) -> None:
        informer = self._informers.get(timer.informer)
        if informer is not None:
            informer.retry()
