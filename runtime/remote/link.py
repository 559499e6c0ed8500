"""The client's end of a link: sends what is asked, and brings each answer to who waits for it. Used by `Remote`; safe for many threads."""

from __future__ import annotations

import contextlib
import itertools
import queue
import socket
import threading
import time
from pathlib import Path
from typing import Any

from callboard.models.base import FrozenMap
from callboard.models.errors import ApiError, Timeout, TooManyRequests
from callboard.models.messages import api
from callboard.runtime.errors import CallboardError, RealTimeOnly
from callboard.runtime.remote.errors import LinkLost, NoCluster
from callboard.runtime.remote.places import address_of
from callboard.runtime.remote.wire import (
    ANSWER_LIMIT_BYTES,
    REQUEST_LIMIT_BYTES,
    BrokenFrame,
    FrameBuffer,
    check_greeting,
    frame,
    greeting,
    unpack,
)

CONNECT_TIMEOUT_S = 5.0
READ_BYTES = 1024 * 1024
IN_FLIGHT_LIMIT = 32
"""Requests that wait for their answers at one time; the next one waits for its turn. The cluster's own limit is higher."""
STREAM_CREDIT = 16
TURN_S = 0.5
SLACK_S = 2.0
"""How much longer than the cluster itself this end waits for an answer: the cluster's error says more."""
_ENDED = object()
_CLOSED = object()
_ERRORS: dict[str, type[CallboardError | ApiError]] = {"RealTimeOnly": RealTimeOnly, "TooManyRequests": TooManyRequests}
_Reply = tuple[Any, ...]


class Link:
    """A connection to the cluster whose socket is `path`."""

    def __init__(self, path: Path) -> None:
        """Raises `NoCluster` if nobody answers there, or not in our protocol."""
        self.path = path
        self._numbers = itertools.count(1)
        # reentrant: a stream that nobody holds any more is closed wherever its memory is taken back, also while these are held
        self._lock = threading.RLock()
        self._sending = threading.RLock()
        self._turns = threading.BoundedSemaphore(IN_FLIGHT_LIMIT)
        self._waiting: dict[int, queue.SimpleQueue[_Reply]] = {}
        self._lost = ""
        self._socket, self._buffer, first, self.greeting = _connected(path)
        self._thread = threading.Thread(target=self._read, args=(first,), name="callboard-link", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the cluster is still there."""
        return not self._lost

    def close(self) -> None:
        """Hang up. A second call does nothing."""
        self._lose("the connection to the cluster has been closed")
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._socket.close()

    def ask(self, word: str, timeout_s: float, what: str, *rest: Any) -> Any:
        """Send a request and wait for its answer; `what` is how the error of a time-out calls it.

        Raises:
            LinkLost: the cluster has ended.
            Timeout: no answer at all came in time.
            CallboardError: it could not be done, as the cluster says.
        """
        with self._turns:
            number, replies = self._open()
            try:
                self._send((word, number, *rest))
                parts: list[Any] = []
                while True:
                    try:
                        kind, *values = _taken(replies, timeout_s + SLACK_S)
                    except queue.Empty:
                        raise Timeout(f"{what} got no answer from the cluster at {self.path} within {timeout_s + SLACK_S:g} s") from None
                    if kind == "part":
                        parts.extend(values[0])
                        continue
                    answer = self._answer(kind, values)
                    if parts:
                        assert isinstance(answer, api.Listed)
                        return api.Listed(0, (*parts, *answer.objects), answer.revision)
                    return answer
            finally:
                self._forget(number)

    def stream(self, resource: str, namespace: str, labels: str, fields: str) -> Stream:
        """Open a stream of changes."""
        number, replies = self._open()
        try:
            self._send(("watch", number, (resource, namespace, labels, fields), STREAM_CREDIT))
        except BaseException:
            self._forget(number)
            raise
        return Stream(self, number, replies)

    def _answer(self, kind: Any, values: list[Any]) -> Any:
        if kind == "answer":
            return values[0]
        if kind == "failed":
            name, words = values
            raise _ERRORS.get(name, CallboardError)(words)
        if kind is _ENDED:
            raise LinkLost(values[0])
        raise LinkLost(f'the cluster at {self.path} said "{kind}", which this version does not know')

    def _open(self) -> tuple[int, queue.SimpleQueue[_Reply]]:
        replies: queue.SimpleQueue[_Reply] = queue.SimpleQueue()
        number = next(self._numbers)
        with self._lock:
            if self._lost:
                raise LinkLost(self._lost)
            self._waiting[number] = replies
        return number, replies

    def _forget(self, number: int) -> None:
        with self._lock:
            self._waiting.pop(number, None)

    def _send(self, value: Any) -> None:
        try:
            data = frame(value, REQUEST_LIMIT_BYTES)
        except BrokenFrame as problem:
            raise CallboardError(f"this is too large to be sent to the cluster: {problem}") from None
        try:
            with self._sending:
                self._socket.sendall(data)
        except OSError:
            self._lose(self._ended_words())
            raise LinkLost(self._lost) from None

    def _ended_words(self) -> str:
        return f"the cluster at {self.path} has ended; what was under way may or may not have been carried out"

    def _lose(self, words: str) -> None:
        with self._lock:
            if self._lost:
                return
            self._lost = words
            waiting = list(self._waiting.values())
        for replies in waiting:
            replies.put((_ENDED, words))

    def _read(self, first: list[bytes]) -> None:
        try:
            for body in first:
                self._heard(body)
            while data := self._socket.recv(READ_BYTES):
                for body in self._buffer.feed(data):
                    self._heard(body)
            self._lose(self._ended_words())
        except OSError:
            self._lose(self._ended_words())
        except (BrokenFrame, TypeError, ValueError) as problem:
            self._lose(f"the cluster at {self.path} does not speak our protocol: {problem}")
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _heard(self, body: bytes) -> None:
        kind, number, *values = unpack(body)
        with self._lock:
            replies = self._waiting.get(number)
        if replies is not None:
            replies.put((kind, *values))


class Stream:
    """Changes as they come. What is on its way is bounded by the credit that the cluster has; `close` it in the end."""

    def __init__(self, link: Link, number: int, replies: queue.SimpleQueue[_Reply]) -> None:
        self._link = link
        self._number = number
        self._replies = replies
        self.open = True
        """Whether it has not been closed on this side."""

    def next(self, timeout_s: float | None) -> tuple[api.WatchEvent, ...]:
        """The next batch of changes; empty if none came in time, or it has been closed.

        Raises:
            LinkLost: the cluster has ended.
        """
        try:
            kind, *values = _taken(self._replies, timeout_s)
        except queue.Empty:
            return ()
        if kind is _CLOSED:
            return ()
        if kind != "events":
            self._link._answer(kind, values)
            return ()
        self._link._send(("credit", self._number, 1))
        batch: tuple[api.WatchEvent, ...] = values[0]
        return batch

    def close(self) -> None:
        """Nobody reads it any more. A second call does nothing."""
        if self.open:
            self.open = False
            self._replies.put((_CLOSED,))  # for another thread that waits in `next`
            self._link._forget(self._number)
            with contextlib.suppress(LinkLost):  # then it has ended by itself
                self._link._send(("stop", self._number))

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _taken(replies: queue.SimpleQueue[_Reply], timeout_s: float | None) -> _Reply:
    """The next reply. Raises `queue.Empty` if none came in time (None: it waits for ever).

    It waits in short turns: a signal that comes between Python's last look and the moment when the system falls asleep is handled only
    when that wakes up, and Ctrl-C would be lost until the next reply.
    """
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left_s = TURN_S if deadline_s is None else deadline_s - time.monotonic()
        try:
            return replies.get(timeout=max(min(left_s, TURN_S), 0.0))
        except queue.Empty:
            if deadline_s is not None and time.monotonic() >= deadline_s:
                raise


def _connected(path: Path) -> tuple[socket.socket, FrameBuffer, list[bytes], FrozenMap]:
    """The socket after both greetings, with what has been read beyond them."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(CONNECT_TIMEOUT_S)
        with address_of(path) as address:
            connection.connect(address)
        connection.sendall(greeting())
        buffer = FrameBuffer(ANSWER_LIMIT_BYTES)
        bodies: list[bytes] = []
        while not bodies:
            data = connection.recv(READ_BYTES)
            if not data:
                raise ConnectionResetError
            bodies = buffer.feed(data)
        said = check_greeting(unpack(bodies[0]))
        connection.settimeout(None)
        return connection, buffer, bodies[1:], said
    except BaseException as problem:
        connection.close()
        if isinstance(problem, BrokenFrame):
            raise NoCluster(f"what listens at {path} is no cluster of this version: {problem}") from None
        if isinstance(problem, ConnectionResetError | BrokenPipeError):
            raise NoCluster(f"the cluster at {path} hung up: it is another user's, or it is just ending") from None
        if isinstance(problem, TimeoutError):
            raise NoCluster(f"the cluster at {path} does not answer") from None
        if isinstance(problem, FileNotFoundError | ConnectionRefusedError):
            raise NoCluster(f"no cluster listens at {path}; start one with: callboard up") from None
        if isinstance(problem, OSError):
            raise NoCluster(f"the cluster at {path} can't be reached: {problem.strerror or problem}") from None
        raise
