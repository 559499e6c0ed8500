"""The apiserver as a component: requests in, transactions to the store, answers and watch streams out.

Stateless but for its watch cache. Any number of them stand over one store, each as stale as its stream is late; what makes them right is
that every write compares what it was decided from. Decisions are planners (`planning.Planner`); here is who asks, who waits, who hears.
"""

from __future__ import annotations

from typing import Any

from callboard.actors.apiserver.cache import WatchCache
from callboard.actors.apiserver.jobs import JobRunner, timed_out
from callboard.actors.apiserver.own import OwnWork
from callboard.actors.apiserver.planners import PLANNERS
from callboard.actors.apiserver.planning import Context, Job
from callboard.actors.apiserver.reads import EVERYTHING, got, listed
from callboard.actors.apiserver.settings import ApiServerSettings, BeatWatchers, CheckStore, LookAfterOwn
from callboard.actors.apiserver.storestream import StoreStream
from callboard.actors.apiserver.streams import Streams
from callboard.actors.apiserver.userkinds import serve
from callboard.actors.apiserver.waiting import WaitingRoom
from callboard.actors.component import Port, handles
from callboard.models.errors import ApiError, Timeout, TooManyRequests, UnknownKind, error_of
from callboard.models.kinds import DEFINITIONS, Scheme
from callboard.models.messages.api import (
    AckWatch,
    GetObject,
    ListObjects,
    Refused,
    RenewLease,
    StopWatch,
    WatchObjects,
    Written,
)
from callboard.models.messages.base import Request
from callboard.models.messages.pods import ExecInPod, ReadPodLog
from callboard.models.messages.store import (
    ReadRevision,
    RevisionRead,
    StoreChanged,
    StoreRefused,
)

GONE = 410


class ApiServer(JobRunner):
    """One apiserver over the store that `settings` names."""

    def __init__(self, port: Port, settings: ApiServerSettings | None = None) -> None:
        super().__init__(port)
        self.settings = settings or ApiServerSettings()
        self.cache = WatchCache(self.settings.history_limit)
        self.streams = Streams(port, self.cache)
        self._context = Context(Scheme.builtin(), self.settings, port.new_id, port.random)
        self._stream = StoreStream(port, self.settings.store, self.cache)
        self._room = WaitingRoom()
        self._backlog: list[tuple[float, Request]] = []
        self._last_id = 0
        self._is_open = False
        self._own = OwnWork(port, self.cache, self._start)

    def on_start(self) -> None:
        """Follow the store, and begin to beat."""
        self._stream.follow(self._next_id())
        self.port.after(self.settings.watch_heartbeat_s, BeatWatchers(), periodic=True)
        self.port.after(self.settings.store_silence_s / 3, CheckStore(), periodic=True)

    @property
    def scheme(self) -> Scheme:
        """The kinds that this apiserver serves now."""
        return self._context.scheme

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    # -- what comes in --------------------------------------------------------------------------------------------------------------

    def _has_room(self, request: Request) -> bool:
        """Whether a request may come in now; refuses it otherwise."""
        if len(self._jobs) + len(self._turns) + len(self._room) + len(self._backlog) < self.settings.in_flight_limit or isinstance(
            request, RenewLease
        ):
            return True
        self._refuse(request, TooManyRequests("the server has received too many requests and has asked us to try again later"))
        return False

    def _is_early(self, request: Request) -> bool:
        """Whether a request has to wait for the first picture of the store and the first namespaces."""
        if self._is_open:
            return False
        self._backlog.append((self._deadline_s(), request))
        return True

    def _deadline_s(self) -> float:
        return self.port.now() + self.settings.store_timeout_s

    @handles(GetObject, ListObjects)
    def _read(self, request: GetObject | ListObjects) -> None:
        if not self._has_room(request) or self._is_early(request) or self.forward_elsewhere(request):
            return
        if request.min_revision < 0:
            self._wait_for_newest(request)
        elif request.min_revision > self.cache.revision:
            self._room.until(request.min_revision, request, self._deadline_s())
        elif request.resource == EVERYTHING or self._is_served(request.resource):
            self._answer_read(request)
        else:
            self._wait_for_newest(request)

    @handles(*PLANNERS)
    def _write(self, request: Request) -> None:
        if not self.is_elsewhere(request) and self._has_room(request) and not self._is_early(request):
            self._start(request)

    @handles(WatchObjects)
    def _watch(self, request: WatchObjects) -> None:
        if self.is_elsewhere(request) or not self._has_room(request) or self._is_early(request):
            return
        if request.resource == EVERYTHING or self._is_served(request.resource):
            self.streams.open(request)
        else:
            self._wait_for_newest(request)

    @handles(AckWatch)
    def _ack_watch(self, message: AckWatch) -> None:
        self.streams.ack(message)

    @handles(StopWatch)
    def _stop_watch(self, message: StopWatch) -> None:
        self.streams.stop(message)

    # -- reads ----------------------------------------------------------------------------------------------------------------------

    def _is_served(self, resource: str) -> bool:
        try:
            self._context.scheme.stored(resource)
        except UnknownKind:
            return False
        return True

    def _wait_for_newest(self, item: Request | Job) -> None:
        if self._room.until_newest(item, self._deadline_s()):
            self._ask_revision()

    def _ask_revision(self) -> None:
        number = self._next_id()
        self._room.ask(number, self.port.now())
        self.port.send(self.settings.store, ReadRevision(number, self.port.me))

    @handles(RevisionRead)
    def _revision_read(self, answer: RevisionRead) -> None:
        if not self._room.is_mine(answer.id):
            return
        if self._room.answered(answer.revision):
            self._ask_revision()
        self._resume_waiting()

    def _resume_waiting(self) -> None:
        for item in self._room.reached(self.cache.revision):
            if isinstance(item, Job):
                self._try(item)
            elif isinstance(item, WatchObjects):
                self._open_watch_at_last(item)
            elif isinstance(item, ReadPodLog | ExecInPod):
                self.forward_into_pod(item)
            else:
                self._answer_read(item)

    def _open_watch_at_last(self, request: WatchObjects) -> None:
        try:
            self._context.scheme.stored(request.resource)
        except UnknownKind as refusal:
            self._refuse(request, refusal)
        else:
            self.streams.open(request)

    def _answer_read(self, request: GetObject | ListObjects) -> None:
        scheme = self._context.scheme
        try:
            answer = got(request, self.cache, scheme) if isinstance(request, GetObject) else listed(request, self.cache, scheme)
        except ApiError as refusal:
            self._refuse(request, refusal)
        except Exception as problem:
            self._refuse(request, self._mishap(problem))
        else:
            self.port.send(request.reply_to, answer)

    @handles(StoreRefused)
    def _store_refused(self, answer: StoreRefused) -> None:
        if self._stream.is_mine(answer.id):
            self._stream.follow(self._next_id(), anew=answer.code == GONE)
            return
        job = self._jobs.pop(answer.id, None)
        if job is not None:
            self._refuse_job(job, error_of(answer.code, "", answer.message))

    def _refuse(self, request: Any, refusal: ApiError) -> None:
        if isinstance(request, WatchObjects):
            self.streams.refuse(request, refusal)
            return
        retry_after_s = self.settings.retry_after_s if refusal.code == TooManyRequests.code else 0.0
        answer = Refused(request.id, refusal.code, refusal.reason, refusal.message, refusal.details, retry_after_s)
        self.port.send(request.reply_to, answer)

    # -- the store's stream -----------------------------------------------------------------------------------------------------------

    @handles(StoreChanged)
    def _store_changed(self, piece: StoreChanged) -> None:
        before = self.cache.revision
        events = self._stream.heard(piece)
        if events is None:
            self._stream.follow(self._next_id())
            return
        if piece.picture and self.cache.revision > before:
            self.streams.close_ahead(before)
        for event in events:
            if event.key.startswith(DEFINITIONS):
                self._serve(event.key, event.obj)
        if events:
            self.streams.tell(events, self.cache.revision)
        self._resume_waiting()
        if events or not self._is_open:
            self._look_after_own()

    def _serve(self, key: str, definition: Any) -> None:
        name = key[key.rindex("/") + 1 :]
        self._context.scheme = serve(self._context.scheme, name, definition)

    @handles(CheckStore)
    def _check_store(self, _: CheckStore) -> None:
        self.port.after(self.settings.store_silence_s / 3, CheckStore(), periodic=True)
        now_s = self.port.now()
        oldest_s = now_s - self.settings.store_silence_s
        if self._stream.silent_since(oldest_s):
            self._stream.follow(self._next_id())
        if self._room.asked_at_s is not None and self._room.asked_at_s < oldest_s:
            self._ask_revision()
        self._sweep(now_s)

    def _sweep(self, now_s: float) -> None:
        """Answer those whose time is over."""
        self._sweep_jobs(now_s)
        for waiter in self._room.expired(now_s):
            if isinstance(waiter.item, Job):
                self._refuse_job(waiter.item, timed_out(""))
            elif waiter.revision > self.cache.revision:
                words = f"Too large resource version: {waiter.revision}, current: {self.cache.revision}"
                self._refuse(waiter.item, Timeout(words))
            else:
                self._refuse(waiter.item, timed_out(""))
        while self._backlog and self._backlog[0][0] <= now_s:
            self._refuse(self._backlog.pop(0)[1], timed_out(": the store can't be reached"))

    @handles(BeatWatchers)
    def _beat(self, _: BeatWatchers) -> None:
        self.port.after(self.settings.watch_heartbeat_s, BeatWatchers(), periodic=True)
        if self._stream.synced:
            self.streams.beat()

    # -- own work -----------------------------------------------------------------------------------------------------------------------

    def _look_after_own(self) -> None:
        if self._stream.synced and self._own.look() and not self._is_open:
            self._open()

    @handles(Written, Refused)
    def _own_answered(self, answer: Written | Refused) -> None:
        if isinstance(answer, Refused) and answer.id and self.answer_forwarded(answer):
            return
        if self._own.answered(answer) and not self._is_open:
            self._open()

    @handles(LookAfterOwn)
    def _look_again(self, _: LookAfterOwn) -> None:
        self._own.timer_rang()
        self._look_after_own()

    def _open(self) -> None:
        """Picture and namespaces are there: now to those who came before."""
        self._is_open = True
        backlog, self._backlog = self._backlog, []
        for _, request in backlog:
            self.on_receive(request)


__all__ = ["ApiServer", "ApiServerSettings"]
