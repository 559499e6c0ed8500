"""One program's connection to the cluster: its requests, each on a thread while it waits, and its streams.

Owned by `RemoteServer`. Two threads belong to a connection: one reads frames, one writes; only the writer waits for a slow client, and
what it has not taken stays bounded (`Backlog`, `IN_FLIGHT_LIMIT`, `OUTGOING_LIMIT`).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from callboard.models.base import FrozenMap, Kind
from callboard.models.errors import ApiError, BadRequest, TooManyRequests
from callboard.models.generic import GenericObject
from callboard.models.messages import api
from callboard.models.messages.base import Message
from callboard.models.traffic import api_request
from callboard.runtime.errors import CallboardError
from callboard.runtime.logs import Logger
from callboard.runtime.remote.backlog import Backlog
from callboard.runtime.remote.served import Served
from callboard.runtime.remote.wire import (
    ANSWER_LIMIT_BYTES,
    PROTOCOL,
    REQUEST_LIMIT_BYTES,
    REQUESTS,
    BrokenFrame,
    FrameBuffer,
    check_greeting,
    frame,
    greeting,
    unpack,
)

IN_FLIGHT_LIMIT = 64
"""Requests of one connection that may wait for their answers; more are refused with code 429."""
OUTGOING_LIMIT = 256
"""Frames that wait to be written; while there are more, nothing more is read from this client: it has to take its answers first."""
STREAMS_LIMIT = 256
"""Streams of one connection; more are refused, each by itself."""
CREDIT_LIMIT = 1024
TIMEOUT_LIMIT_S = 24 * 3600.0
GREETING_TIMEOUT_S = 10.0
READ_BYTES = 256 * 1024
BATCH_OBJECTS = 256
PART_OBJECTS = 1000
RETRY_AFTER_S = 1.0
_FIELDS_OF_COMPONENTS = ("fence", "trusted")


class _Stream:
    """A stream of changes: what waits, how many batches may still go, and how it ends."""

    def __init__(self, credit: int) -> None:
        self.backlog = Backlog()
        self.credit = credit
        self.close: Callable[[], None] | None = None
        self.open = True


class Connection:
    """One connected program."""

    def __init__(self, host: Served, client: socket.socket, name: str, pid: int, gone: Callable[[Connection], None]) -> None:
        self._host = host
        self._socket = client
        self._name = name
        self._gone = gone
        self._log = Logger(component="link", client=pid)
        self._ready = threading.Condition()
        self._outgoing: deque[tuple[bool, Any]] = deque()
        """Frames to write, in order; the flag tells that a request's place becomes free with it."""
        self._streams: dict[int, _Stream] = {}
        self._in_flight = 0
        self._closed = False
        self._words: dict[Any, Callable[..., None]] = {
            "ask": self._ask,
            "carry": self._carry,
            "locate": self._locate,
            "enter": self._enter,
            "gate": self._gate,
            "resolve": self._resolve,
            "watch": self._watch,
            "credit": self._credit,
            "stop": self._stop,
        }
        self._reader = threading.Thread(target=self._read, name="callboard-link-reader", daemon=True)
        self._writer = threading.Thread(target=self._write, name="callboard-link-writer", daemon=True)

    def start(self) -> None:
        """Begin to read and write."""
        self._writer.start()
        self._reader.start()  # it waits for the writer in the end, so that one has to be there

    def close(self) -> None:
        """Hang up: streams end, and what is still answered is dropped."""
        with self._ready:
            if self._closed:
                return
            self._closed = True
            streams = list(self._streams.values())
            self._streams.clear()
            self._outgoing.clear()
            for stream in streams:
                stream.open = False
            self._ready.notify_all()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for stream in streams:
            self._end(stream)
        self._gone(self)

    def join(self, timeout_s: float) -> None:
        """Wait until its threads have ended; the file of the socket is closed then."""
        for thread in (self._reader, self._writer):
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(timeout_s)

    # -- reading ------------------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            self._read_frames()
        except BrokenFrame as problem:
            self._log.warning("a client does not speak our protocol", problem=str(problem))
        except OSError as problem:
            self._log.debug("a client is gone", problem=str(problem))
        finally:
            self.close()
            self._writer.join()
            self._socket.close()

    def _read_frames(self) -> None:
        buffer = FrameBuffer(REQUEST_LIMIT_BYTES)
        greeted = False
        self._socket.settimeout(GREETING_TIMEOUT_S)
        while data := self._socket.recv(READ_BYTES):
            for body in buffer.feed(data):
                value = unpack(body)
                if greeted:
                    self._heard(value)
                    self._let_the_writer_catch_up()
                    continue
                try:
                    check_greeting(value)
                except BrokenFrame:
                    self._socket.sendall(greeting(name=self._name))  # so that the other side can tell what is wrong
                    raise
                greeted = True
                self._socket.settimeout(None)
                self._put({"callboard": PROTOCOL, "name": self._name})

    def _let_the_writer_catch_up(self) -> None:
        with self._ready:
            while len(self._outgoing) > OUTGOING_LIMIT and not self._closed:
                self._ready.wait()

    def _heard(self, value: Any) -> None:
        try:
            word, number, *rest = value
            if not isinstance(number, int):
                raise TypeError("its number is none")
            work = self._words[word]
            work(number, *rest)
        except (TypeError, ValueError, KeyError) as problem:
            raise BrokenFrame(f"a frame makes no sense: {problem!r}") from problem

    def _ask(self, number: int, timeout_s: float, request: Message) -> None:
        type_ = type(request)
        if type_ not in REQUESTS:
            raise BrokenFrame(f"{type_.__name__} is no request of the link")
        fields = {name: getattr(request, name) for name in type_.__struct_fields__ if name not in ("id", "reply_to")}
        for name in _FIELDS_OF_COMPONENTS:
            if fields.pop(name, None):
                raise BrokenFrame(f"{name} is only for components")
        if "obj" in fields and not isinstance(fields["obj"], Kind | GenericObject):
            self._refuse(number, BadRequest(f"the object of {type_.__name__} is no API object, but a {type(fields['obj']).__name__}"))
            return
        if "tree" in fields and not isinstance(fields["tree"], FrozenMap):
            self._refuse(number, BadRequest(f"the document of {type_.__name__} is no map, but a {type(fields['tree']).__name__}"))
            return
        limit_s = _seconds(timeout_s)
        self._begin(number, lambda: self._host.ask(type_, limit_s, **fields))  # type: ignore[arg-type]

    def _carry(self, number: int, timeout_s: float, what: Any) -> None:
        namespace, service, port, method, path, headers, body = what
        request = msgspec.convert({"method": method, "path": path, "headers": headers, "body": body}, api_request)
        limit_s = _seconds(timeout_s)
        self._begin(number, lambda: self._host.carry(str(namespace), str(service), str(port), request, limit_s))

    def _locate(self, number: int, namespace: str, service: str, port: str) -> None:
        self._begin(number, lambda: self._host.locate(str(namespace), str(service), str(port)))

    def _enter(self, number: int, timeout_s: float, what: Any) -> None:
        host, method, path, headers, body = what
        request = msgspec.convert({"method": method, "path": path, "headers": headers, "body": body}, api_request)
        limit_s = _seconds(timeout_s)
        self._begin(number, lambda: self._host.enter(str(host), request, limit_s))

    def _gate(self, number: int) -> None:
        self._begin(number, self._host.gate)

    def _resolve(self, number: int, timeout_s: float, what: Any) -> None:
        name, kind, namespace = what
        limit_s = _seconds(timeout_s)
        self._begin(number, lambda: self._host.resolve(str(name), str(kind), str(namespace), limit_s))

    # -- requests -----------------------------------------------------------------------------------------------------------------

    def _begin(self, number: int, work: Callable[[], Any]) -> None:
        with self._ready:
            if self._in_flight >= IN_FLIGHT_LIMIT:
                self._refuse(number, TooManyRequests(f"more than {IN_FLIGHT_LIMIT} requests of one connection wait for their answers"))
                return
            self._in_flight += 1
        try:
            threading.Thread(target=self._work, args=(number, work), name="callboard-link-request", daemon=True).start()
        except RuntimeError as problem:  # no thread to be had
            self._log.error("a request over the link could not be begun", problem=str(problem))
            with self._ready:
                self._in_flight -= 1
            self._refuse(number, TooManyRequests(f"the cluster can't carry out more at a time: {problem}"))

    def _refuse(self, number: int, refusal: ApiError) -> None:
        """Answer a request that was not begun."""
        retry_after_s = RETRY_AFTER_S if isinstance(refusal, TooManyRequests) else 0.0
        self._put(("answer", number, api.Refused(0, refusal.code, refusal.reason, refusal.message, refusal.details, retry_after_s)))

    def _work(self, number: int, work: Callable[[], Any]) -> None:
        try:
            answer = work()
        except ApiError as refusal:
            self._put(("answer", number, api.Refused(0, refusal.code, refusal.reason, refusal.message, refusal.details)), last=True)
        except CallboardError as problem:
            self._put(("failed", number, type(problem).__name__, str(problem)), last=True)
        except Exception as problem:  # a fault of ours must not leave the client waiting
            self._log.exception("a request over the link failed")
            self._put(("failed", number, "", f"{type(problem).__name__}: {problem}"), last=True)
        else:
            if isinstance(answer, api.Listed) and not answer.keys:
                objects = answer.objects
                while len(objects) > PART_OBJECTS:
                    self._put(("part", number, objects[:PART_OBJECTS]))
                    objects = objects[PART_OBJECTS:]
                answer = api.Listed(0, objects, answer.revision)
            self._put(("answer", number, answer), last=True)

    def _put(self, value: Any, *, last: bool = False) -> None:
        """Have it written; `last` says that it ends a request."""
        with self._ready:
            if not self._closed:
                self._outgoing.append((last, value))
                self._ready.notify_all()

    # -- streams ------------------------------------------------------------------------------------------------------------------

    def _watch(self, number: int, what: Any, credit: int) -> None:
        resource, namespace, labels, fields = (str(part) for part in what)
        stream = _Stream(max(1, min(int(credit), CREDIT_LIMIT)))
        with self._ready:
            if number in self._streams:
                raise BrokenFrame(f"stream {number} is open already")
            if len(self._streams) >= STREAMS_LIMIT:
                words = f"more than {STREAMS_LIMIT} streams of one connection are open; close some, or connect once more"
                self._put(("failed", number, TooManyRequests.__name__, words))
                return
            self._streams[number] = stream

        def tell(event: api.WatchEvent) -> None:
            with self._ready:
                if stream.open:
                    stream.backlog.add(event)
                    self._ready.notify_all()

        try:
            close = self._host.observe(tell, resource, namespace, labels, fields)
        except (ApiError, CallboardError) as problem:
            with self._ready:
                self._streams.pop(number, None)
            self._put(("failed", number, type(problem).__name__, str(problem)))
            return
        with self._ready:
            stream.close = close
            forgotten = not stream.open
        if forgotten:  # the connection has ended meanwhile
            self._end(stream)

    def _credit(self, number: int, count: int) -> None:
        with self._ready:
            stream = self._streams.get(number)
            if stream is not None:
                stream.credit = min(stream.credit + max(0, int(count)), CREDIT_LIMIT)
                self._ready.notify_all()

    def _stop(self, number: int) -> None:
        with self._ready:
            stream = self._streams.pop(number, None)
            if stream is None:
                return
            stream.open = False
        self._end(stream)

    def _end(self, stream: _Stream) -> None:
        with self._ready:
            close, stream.close = stream.close, None
        if close is not None:
            try:
                close()
            except CallboardError as problem:  # the cluster is being stopped, and the watcher with it
                self._log.debug("a stream ended with the cluster", problem=str(problem))

    # -- writing ------------------------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        try:
            while (piece := self._next()) is not None:
                last, value = piece
                try:
                    data = frame(value, ANSWER_LIMIT_BYTES)
                except (BrokenFrame, TypeError, ValueError, OverflowError, RecursionError) as problem:  # too large, unknown, too deep
                    self._log.error("an answer has no place on the link", problem=str(problem))
                    data = frame(("failed", value[1], "", f"the answer has no place on the link: {problem}"), ANSWER_LIMIT_BYTES)
                self._socket.sendall(data)
                if last:
                    with self._ready:
                        self._in_flight -= 1
        except OSError as problem:
            self._log.debug("a client is gone", problem=str(problem))
            self.close()

    def _next(self) -> tuple[bool, Any] | None:
        """What to write next, as soon as there is something; None at the end."""
        with self._ready:
            while not self._closed:
                if self._outgoing:
                    if len(self._outgoing) == OUTGOING_LIMIT + 1:
                        self._ready.notify_all()  # the reader may go on
                    return self._outgoing.popleft()
                for number, stream in self._streams.items():
                    if stream.credit > 0 and len(stream.backlog):
                        stream.credit -= 1
                        # streams take turns: this one goes to the end
                        self._streams[number] = self._streams.pop(number)
                        return False, ("events", number, stream.backlog.take(BATCH_OBJECTS))
                self._ready.wait()
            return None


def _seconds(value: float) -> float:
    return max(0.001, min(float(value), TIMEOUT_LIMIT_S))
