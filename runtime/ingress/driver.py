"""The main program's side of the ingress helper. All methods may be called from any thread, and none blocks.

The helper is started with the first Ingress, and its ports are opened then. The driver remembers what it was told, and says it all anew to
a helper that was lost and started again; a helper that outlived its main program keeps its sockets, and is only told what is true now.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from callboard.models.ingress import IngressTable
from callboard.models.messages.base import Message
from callboard.models.messages.ingress import Certificate, CertificatesRefused, IngressListening
from callboard.runtime.helpers.link import HelperError, HelperFailed, HelperLink
from callboard.runtime.helpers.wire import close_all
from callboard.runtime.ingress.messages import Answers, CertificatesServed, Listen, Listeners, ServeCertificates, ServeTable, TellListeners
from callboard.runtime.logs import Logger
from callboard.runtime.proxy.sockets import CannotListen, open_socket

HELPER = "ingress"
MODULE = "callboard.runtime.ingress.helper"
START_LIMIT_S = 20.0
PORTS = {"http": 80, "https": 443}
_log = Logger(component="ingress")


class HelperHost(Protocol):
    """What the driver needs of the process daemon's driver."""

    @property
    def state_dir(self) -> Path:
        """The folder of the helpers' sockets."""

    def start_helper(self, name: str, module: str, arguments: list[str], callback: Callable[[Any], None]) -> Any:
        """Start a helper where none of that name runs; answered by `HelperStarted` or a message with words."""


class IngressDriver:
    """The Ingress of one cluster with real requests, at `address`. `heard` gets what the server has to tell, on the link's thread; set it
    by `hear`."""

    def __init__(self, daemon: HelperHost, address: str) -> None:
        self._daemon = daemon
        self._address = address
        self._lock = threading.RLock()  # what is remembered and what is asked change together, or a helper would be told of what is gone
        self._hear: Callable[[Message], None] = lambda _message: None
        self._table = IngressTable()
        self._certificates: tuple[Certificate, ...] = ()
        self._sockets: dict[str, socket.socket] = {}
        self._ports: dict[str, int] = {}
        self._problems: dict[str, str] = {}
        self._link: HelperLink | None = None
        self._closed = False

    def hear(self, heard: Callable[[Message], None]) -> None:
        """Tell this what the server has to say from now on; what it has said last is said again."""
        with self._lock:
            self._hear = heard
        self._tell_where()

    def tell(self, table: IngressTable, certificates: tuple[Certificate, ...]) -> None:
        """Serve this from now on."""
        with self._lock:
            changed = certificates != self._certificates
            self._table, self._certificates = table, certificates
            if self._closed:
                return
            if self._link is None:
                if table != IngressTable() or certificates:
                    self._link = HelperLink(HELPER, self._daemon.state_dir, self._start, Answers, again=self._say_all)
                return  # all is said with the first connection
            self._link.ask(ServeTable(table), self._answered)
            if changed:
                self._link.ask(ServeCertificates(certificates), self._answered)
        self._tell_where()

    def close(self) -> None:
        """Let go of the helper, which goes on with what it was told, and of its sockets. Calling it twice is allowed."""
        with self._lock:
            self._closed = True
            link = self._link
        if link is not None:
            link.close()
        with self._lock:
            for sock in self._sockets.values():
                sock.close()
            self._sockets.clear()

    # -- the link's thread

    def _start(self) -> None:
        """Have the process daemon start the helper. Raises `HelperError`."""
        started: Future[Any] = Future()
        self._daemon.start_helper(HELPER, MODULE, [str(self._daemon.state_dir)], started.set_result)
        try:
            answer = started.result(START_LIMIT_S)
        except TimeoutError:
            raise HelperError(f"the process daemon did not start the ingress helper within {START_LIMIT_S:g} s") from None
        words = getattr(answer, "message", "")
        if words:
            raise HelperError(words)

    def _say_all(self, link: HelperLink) -> None:
        """Tell a helper that may know nothing all that it should know; the sockets come last, so that nobody is answered too early."""
        with self._lock:
            link.ask(ServeCertificates(self._certificates), self._answered)
            link.ask(ServeTable(self._table), self._answered)
            link.ask(TellListeners(), partial(self._listeners, link))

    def _listeners(self, link: HelperLink, answer: Any, descriptors: list[int]) -> None:
        close_all(descriptors)
        if not isinstance(answer, Listeners):
            self._answered(answer, [])
            return
        with self._lock:
            if self._closed:
                return
            for name, wanted in PORTS.items():
                there = answer.places.get(name)
                if there is not None and there[0] == self._address:
                    self._ports[name] = there[1]
                    continue
                with contextlib.suppress(CannotListen):
                    sock = self._sockets.get(name) or self._opened(name, wanted)
                    self._ports[name] = sock.getsockname()[1]
                    link.ask(Listen(name), self._answered, (sock.fileno(),))
        self._tell_where()

    def _opened(self, name: str, port: int) -> socket.socket:
        """A listening socket; of another port of the address if that one can't be had. Raises `CannotListen`, which is told."""
        words = f"the Ingress's {name}"
        try:
            sock = open_socket(self._address, port, words)
            self._problems.pop(name, None)
        except CannotListen as problem:
            self._problems[name] = str(problem)
            _log.warning("the Ingress can't be served at its port", port=port, reason=str(problem))
            sock = open_socket(self._address, 0, words)
        self._sockets[name] = sock
        return sock

    def _answered(self, answer: Any, descriptors: list[int]) -> None:
        close_all(descriptors)
        if isinstance(answer, HelperFailed):
            _log.warning("the ingress helper could not do what it was asked", problem=answer.message)
        elif isinstance(answer, CertificatesServed):
            self._hear(CertificatesRefused(tuple(sorted(answer.problems.items()))))

    def _tell_where(self) -> None:
        with self._lock:
            ports, problems = dict(self._ports), tuple(self._problems[name] for name in PORTS if name in self._problems)
        if ports:
            self._hear(IngressListening(self._address, ports.get("http", 0), ports.get("https", 0), problems))
