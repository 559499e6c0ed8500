"""The service proxy's thread: takes tables, listens, and reports where each service port can be reached.

Held by `Cluster(containers="process")`; the service proxy component hands it a table whenever Services or EndpointSlices have changed.
All methods may be called from any thread; `emit` is called on the proxy's thread and must be quick.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from callboard.models.messages.base import Message
from callboard.models.messages.proxy import ListenFailed, Listening, ListenStopped, Place, ProxyTable, ServicePort
from callboard.runtime.logs import Logger
from callboard.runtime.proxy.datagrams import DatagramListener
from callboard.runtime.proxy.gate import Gate
from callboard.runtime.proxy.listener import Listener, ServiceListener
from callboard.runtime.proxy.picker import Affinities
from callboard.runtime.proxy.protocol import ServiceStats
from callboard.runtime.proxy.relay import Ground
from callboard.runtime.proxy.sockets import CannotListen, open_socket

RETRY_S = 5.0

_T = TypeVar("_T")
_log = Logger(component="proxy")


Bind = Callable[[str, int, str, str], socket.socket]
"""Makes a listening socket of an address, a port, a service key (for words) and a protocol; raises `CannotListen`."""


class ProxyDriver:
    """A running service proxy for TCP and UDP. `bind` and `make_socket` (by family and type) make its sockets: on the host as they stand,
    in another network where it proxies there. They are called on the proxy's thread."""

    def __init__(
        self, emit: Callable[[Message], None], bind: Bind = open_socket, make_socket: Callable[[int, int], socket.socket] = socket.socket
    ) -> None:
        self._emit = emit
        self._bind = bind
        self._listeners: dict[Place, Listener] = {}
        self._draining: list[Listener] = []
        self._table = ProxyTable()
        self._refused: dict[Place, str] = {}
        self._retry: asyncio.TimerHandle | None = None
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_report)
        self._gate = Gate(self._loop)
        self._ground = Ground(self._loop, self._gate, make_socket)
        self._affinities = Affinities()
        self._turn = asyncio.Lock()  # one table after the other
        self._stopped = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="callboard-proxy", daemon=True)
        self._thread.start()

    def apply(self, table: ProxyTable) -> None:
        """Serve this table from now on. Established connections stay as they are."""
        self._submit(self._serve(table))

    def sync(self, timeout_s: float = 10.0) -> None:
        """Wait until every table applied before is in force. Raises TimeoutError, RuntimeError if the proxy is stopped."""
        self._wait(self._nothing(), timeout_s)

    def stats(self, timeout_s: float = 10.0) -> tuple[ServiceStats, ...]:
        """The counters of all service ports in the table. Raises TimeoutError, RuntimeError if the proxy is stopped."""
        return self._wait(self._count(), timeout_s)

    def stop(self) -> None:
        """Close all listeners and connections and end the thread. Calling it twice is allowed."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            asyncio.run_coroutine_threadsafe(self._close(), self._loop)
        self._thread.join()

    # On the proxy's thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, _T]) -> Any:
        with self._lock:
            if self._stopped:
                work.close()
                raise RuntimeError("the service proxy is stopped; make a new ProxyDriver")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.add_done_callback(_report_failure)
        return future

    def _wait(self, work: Coroutine[Any, Any, _T], timeout_s: float) -> _T:
        result: _T = self._submit(work).result(timeout_s)
        return result

    async def _nothing(self) -> None:
        async with self._turn:
            return

    async def _count(self) -> tuple[ServiceStats, ...]:
        async with self._turn:
            return tuple(listener.stats() for listener in self._listeners.values())

    async def _serve(self, new: ProxyTable | None) -> None:
        """Make a new table true; None: try again what the last one could not."""
        async with self._turn:
            table = self._table = self._table if new is None else new
            wanted = {s.place: s for s in table.services if self._is_carried(s)}
            for place in [place for place in self._listeners if place not in wanted]:
                self._remove(place)
            for place in [place for place in self._refused if place not in {s.place for s in table.services}]:
                del self._refused[place]
            for place, service in wanted.items():
                listener = self._listeners.get(place)
                if listener is None:
                    kind = DatagramListener if service.protocol == "UDP" else ServiceListener
                    listener = self._listeners[place] = kind(service, self._ground, self._affinities)
                else:
                    listener.update(service)
                if listener.actual is None:
                    self._listen(listener)
            self._affinities.keep(table.services, self._loop.time())
            self._draining = [listener for listener in self._draining if listener.draining()]
            self._plan_retry()

    def _is_carried(self, service: ServicePort) -> bool:
        if service.protocol in ("TCP", "UDP"):
            return True
        reason = (
            f"{service.service_key} has protocol {service.protocol}, and the userspace proxy carries TCP and UDP only; "
            "its clients must use the pods' own addresses"
        )
        self._fail(service, reason)
        return False

    def _remove(self, place: Place) -> None:
        listener = self._listeners.pop(place)
        was_listening = listener.actual is not None
        listener.close()
        if listener.draining():
            self._draining.append(listener)
        if was_listening:
            self._tell(ListenStopped(*place))

    def _listen(self, listener: Listener) -> None:
        service = listener.service
        try:
            sock = self._bind(service.cluster_ip, service.port, service.service_key, service.protocol)
        except CannotListen as error:
            self._fail(service, str(error))
            if not error.permission:
                return
            try:
                sock = self._bind(service.cluster_ip, 0, service.service_key, service.protocol)
            except CannotListen as second:
                self._fail(service, str(second))
                return
        listener.listen(sock)
        assert listener.actual is not None
        self._refused.pop(service.place, None)
        self._tell(Listening(service.service_key, service.cluster_ip, service.port, *listener.actual, service.protocol))

    def _fail(self, service: ServicePort, reason: str) -> None:
        place = service.place
        if self._refused.get(place) == reason:
            return
        self._refused[place] = reason
        _log.warning("cannot listen", service=service.service_key, reason=reason)
        self._tell(ListenFailed(service.service_key, service.cluster_ip, service.port, reason, service.protocol))

    def _plan_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if any(listener.actual is None for listener in self._listeners.values()):
            self._retry = self._loop.call_later(RETRY_S, self._try_again)

    def _try_again(self) -> None:
        asyncio.run_coroutine_threadsafe(self._serve(None), self._loop).add_done_callback(_report_failure)

    def _tell(self, message: Message) -> None:
        try:
            self._emit(message)
        except Exception:  # the receiver's fault must not end the thread that all connections live on
            _log.exception("the receiver of proxy messages failed", message=type(message).__name__)

    async def _close(self) -> None:
        async with self._turn:
            if self._retry is not None:
                self._retry.cancel()
            for listener in [*self._listeners.values(), *self._draining]:
                listener.abort()
            self._listeners.clear()
            self._gate.shut()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._loop.call_soon(self._loop.stop)  # after the closing of transports, which are queued before it


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _log.error("service proxy", problem=context.get("message"), exc_info=context.get("exception"))


def _report_failure(future: Any) -> None:
    if not future.cancelled() and future.exception() is not None:
        _log.error("service proxy", exc_info=future.exception())
