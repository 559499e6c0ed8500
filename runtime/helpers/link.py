"""The main program's side of a helper: asks, hears, and starts it again when it was lost. See `wire.py` for the frames.

All methods may be called from any thread. Callbacks run on the link's own thread and must be quick (post to an inlet, set a future).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any

import msgspec

from callboard.runtime.errors import CallboardError
from callboard.runtime.helpers.wire import GREETING, BrokenFrame, Failed, Frame, Incoming, Outgoing, close_all, pack
from callboard.runtime.logs import Logger

CONNECT_LIMIT_S = 20.0
LOOK_AGAIN_S = 0.01
START_AGAIN_S = 0.5
"""A helper that does not listen after so long may have been taken for running while it ended: have it started again."""
PAUSE_S = 0.5
PAUSE_LIMIT_S = 30.0
"""A helper that was lost is started anew at once; if that fails, again after these pauses, the first doubling up to the limit."""
_log = Logger(component="helper")


class HelperError(CallboardError):
    """A helper could not do what it was asked; the text says what happened and what to do."""


class HelperFailed(msgspec.Struct, frozen=True):
    """What a callback hears in place of an answer: the request could not be carried out, or the helper was lost meanwhile."""

    message: str


Callback = Callable[[Any, list[int]], None]


class HelperLink:
    """A connection to the helper that listens at `<folder>/<name>.sock`.

    `start` makes sure that its process runs (it may block, and raise `CallboardError`); `again` is called on the link's thread after every
    connection, the first one too, to tell a helper that knows nothing what it should know; `heard` gets what the helper tells unasked.
    `answers` is the union of tagged structs that it may send. What is asked before there is a connection waits for it.
    """

    def __init__(
        self,
        name: str,
        folder: str | Path,
        start: Callable[[], None],
        answers: Any,
        again: Callable[[HelperLink], None] = lambda _link: None,
        heard: Callable[[Any], None] = lambda _message: None,
    ) -> None:
        self.name = name
        self._folder = Path(folder)
        self._start = start
        self._again = again
        self._heard = heard
        self._decoder = msgspec.msgpack.Decoder(tuple[int, answers | Failed])
        self._lock = threading.Lock()
        self._last = 0
        self._waiting: dict[int, Callback] = {}
        self._unsent: list[tuple[bytes, list[int]]] = []
        self._closing = threading.Event()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"callboard-{name}", daemon=True)
        self._thread.start()

    def ask(self, request: Any, callback: Callback = lambda _answer, _descriptors: None, descriptors: Sequence[int] = ()) -> None:
        """Ask; the callback gets the answer and the descriptors that came with it, which are its own, or
        `HelperFailed`. Raises `BrokenFrame` if the request is too large."""
        with self._lock:
            open_still = not self._closing.is_set()
            if open_still:
                self._last += 1
                data = pack(self._last, request, len(descriptors))
                self._unsent.append((data, [os.dup(descriptor) for descriptor in descriptors]))
                self._waiting[self._last] = callback
        if open_still:
            self._wake()
        else:
            callback(HelperFailed(f"the link to the {self.name} helper is closed"), [])

    def ask_now(self, request: Any, timeout_s: float = 10.0, descriptors: Sequence[int] = ()) -> tuple[Any, list[int]]:
        """Ask and wait; never on an actor's thread. Returns the answer and the descriptors that came with it.

        Raises:
            HelperError: it could not be carried out, or there was no answer in time.
        """
        future: Future[tuple[Any, list[int]]] = Future()
        self.ask(request, lambda answer, own: _resolve(future, answer, own), descriptors)
        try:
            answer, own = future.result(timeout_s)
        except FutureTimeoutError:
            if not future.cancel():  # it came at the last moment
                close_all(future.result()[1])
            raise HelperError(f"the {self.name} helper did not answer {type(request).__name__} within {timeout_s:g} s") from None
        if isinstance(answer, HelperFailed):
            raise HelperError(answer.message)
        return answer, own

    def close(self) -> None:
        """Close the connection; the helper goes on. Calling it twice is allowed."""
        self._closing.set()
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # -- the link's thread

    def _run(self) -> None:
        pause_s = PAUSE_S
        while not self._closing.is_set():
            try:
                sock = self._connect()
            except (CallboardError, OSError) as problem:
                _log.error("a helper can't be reached", helper=self.name, reason=str(problem))
                self._fail(f"the {self.name} helper can't be reached: {problem}")
                self._closing.wait(pause_s)
                pause_s = min(pause_s * 2, PAUSE_LIMIT_S)
                continue
            if sock is None:
                break
            pause_s = PAUSE_S
            with sock:
                why = self._talk(sock)
            if not self._closing.is_set():
                _log.warning("a helper was lost", helper=self.name, reason=why)
            self._fail(f"the {self.name} helper was lost: {why}", sent_only=not self._closing.is_set())
        self._fail(f"the link to the {self.name} helper is closed")
        self._wake_reader.close()
        self._wake_writer.close()

    def _connect(self) -> socket.socket | None:
        """A connection; None if the link is to be closed. Raises `CallboardError`, OSError."""
        self._start()
        began_s = time.monotonic()
        deadline_s, start_at_s = began_s + CONNECT_LIMIT_S, began_s + START_AGAIN_S
        while not self._closing.is_set():
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    sock.connect(f"/proc/self/fd/{folder}/{self.name}.sock")  # a path of more than 107 bytes is no socket's
                finally:
                    os.close(folder)
                sock.setblocking(False)
                if self._greeted(sock, deadline_s):
                    return sock
                raise ConnectionRefusedError
            except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
                sock.close()
                if self._closing.is_set():
                    return None
                if time.monotonic() > deadline_s:
                    log = self._folder / f"{self.name}.log"
                    raise HelperError(f"it does not listen within {CONNECT_LIMIT_S:g} s; {_tail(log)}") from None
                if time.monotonic() > start_at_s:
                    self._start()
                    start_at_s = time.monotonic() + START_AGAIN_S
                self._closing.wait(LOOK_AGAIN_S)  # its process has just been started, and nothing tells when it listens
            except OSError:
                sock.close()
                raise
        return None

    def _greeted(self, sock: socket.socket, deadline_s: float) -> bool:
        """Whether a helper has taken the connection; not if that is over before, or the link is to be closed."""
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while not self._closing.is_set() and (left_s := deadline_s - time.monotonic()) > 0:
                ready = [key.fileobj for key, _ in selector.select(left_s)]
                if self._wake_reader in ready:
                    self._wake_reader.recv(4096)  # what there is to send is looked at later
                if sock in ready:
                    return sock.recv(len(GREETING)) == GREETING
        return False

    def _talk(self, sock: socket.socket) -> str:
        """Carry messages to and fro until that is over; why it is."""
        incoming, outgoing = Incoming(), Outgoing()
        try:
            self._again(self)
            with selectors.DefaultSelector() as selector:
                selector.register(sock, selectors.EVENT_READ)
                selector.register(self._wake_reader, selectors.EVENT_READ)
                while not self._closing.is_set():
                    with self._lock:
                        for data, own in self._unsent:
                            outgoing.add(data, own)
                        self._unsent.clear()
                    written = outgoing.write(sock)
                    selector.modify(sock, selectors.EVENT_READ | (0 if written else selectors.EVENT_WRITE))
                    for key, events in selector.select():
                        if key.fileobj is self._wake_reader:
                            self._wake_reader.recv(4096)
                        elif events & selectors.EVENT_READ and not self._receive(incoming, sock):
                            return "it closed the connection"
        except (OSError, BrokenFrame, msgspec.MsgspecError) as error:
            return str(error)
        finally:
            incoming.clear()
            outgoing.clear()
        return "the link is closed"

    def _receive(self, incoming: Incoming, sock: socket.socket) -> bool:
        try:
            frames, closed = incoming.read(sock)
        except BlockingIOError:
            return True
        for frame in frames:
            self._take(frame)
        return not closed

    def _take(self, frame: Frame) -> None:
        number, message = self._decoder.decode(frame.body)
        with self._lock:
            callback = self._waiting.pop(number, None)
        if isinstance(message, Failed):
            message = HelperFailed(message.message)
        try:
            if callback is not None:
                callback(message, frame.descriptors)
            else:
                close_all(frame.descriptors)
                self._heard(message)
        except Exception:  # the receiver's fault must not end the thread that every other receiver lives on
            _log.exception("a receiver of a helper's messages failed", helper=self.name, message=type(message).__name__)

    def _fail(self, why: str, sent_only: bool = False) -> None:
        """Tell those who wait that there will be no answer; `sent_only` spares what has not been sent yet."""
        with self._lock:
            unsent: set[int] = set()
            if sent_only:
                unsent = {msgspec.msgpack.decode(data[8:])[0] for data, _ in self._unsent}
            else:
                for _, own in self._unsent:
                    close_all(own)
                self._unsent.clear()
            failed = {number: callback for number, callback in self._waiting.items() if number not in unsent}
            for number in failed:
                del self._waiting[number]
        for callback in failed.values():
            try:
                callback(HelperFailed(why), [])
            except Exception:  # see `_take`
                _log.exception("a receiver of a helper's messages failed", helper=self.name)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # full: it will wake anyway; closed: the thread has ended
            self._wake_writer.send(b"w")


def _resolve(future: Future[tuple[Any, list[int]]], answer: Any, own: list[int]) -> None:
    if future.set_running_or_notify_cancel():
        future.set_result((answer, own))
    else:
        close_all(own)


def _tail(path: Path, limit_bytes: int = 1000) -> str:
    try:
        words = path.read_bytes()[-limit_bytes:].decode(errors="replace").strip()
    except OSError:
        words = ""
    return f"its last words: {words}" if words else "it said nothing"
