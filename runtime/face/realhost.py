"""What the verbs need of a cluster on real time. Used by `Cluster`, and by the link that lets other programs reach it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from callboard.models.api.apiextensions import CustomResourceDefinition
from callboard.models.kinds import DEFINITIONS, Scheme
from callboard.models.messages import api
from callboard.models.messages.base import Answer, Request
from callboard.runtime.face import datapath
from callboard.runtime.face.assembly import Blueprint
from callboard.runtime.face.client import ApiClient
from callboard.runtime.face.contract import Response, api_request
from callboard.runtime.face.livescheme import LiveScheme
from callboard.runtime.face.references import Reference
from callboard.runtime.face.watching import Tell, Watchers
from callboard.runtime.systems import System, SystemStopped
from callboard.runtime.systems.giveup import check_given_up, woken_by_give_up

LOOK_AGAIN_S = 0.25
"""A wait looks again after this long even if nothing told it to: a condition may depend on more than the object."""
LOCATE_TIMEOUT_S = 5.0


class Opened(Iterator[api.WatchEvent]):
    """A stream whose watcher runs from the start, and ends with the stream's end, with `close`, or when nobody holds the stream any more:
    one that was never begun too, which a generator's own `finally` would not notice."""

    def __init__(self, events: Iterator[api.WatchEvent], close: Callable[[], None]) -> None:
        self._events = events
        self._close = close
        self._is_open = True

    def __next__(self) -> api.WatchEvent:
        try:
            return next(self._events)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it. A second call does nothing."""
        if self._is_open:
            self._is_open = False
            self._close()

    def __del__(self) -> None:
        self.close()


class RealTimeHost:
    """What the verbs need, on real time."""

    def __init__(self, system: System, blueprint: Blueprint) -> None:
        self._system = system
        self._real = blueprint.data_plane
        self._api = ApiClient(system, blueprint.servers, blueprint.timing.request_timeout_s, time.sleep)
        self._watchers = Watchers(system, blueprint.client())
        self._scheme = LiveScheme(self._definitions)
        self.stopped = False

    def _definitions(self) -> list[CustomResourceDefinition]:
        listed = self.ask(api.ListObjects, 30.0, resource=DEFINITIONS)
        assert isinstance(listed, api.Listed)
        return [*listed.objects]

    def ask(self, request: type[Request], timeout_s: float, /, **fields: Any) -> Answer:
        if self.stopped:
            raise SystemStopped("the cluster has been stopped; make a new one")
        return self._api.ask(request, timeout_s, **fields)

    def now(self) -> float:
        return time.time()

    def scheme(self) -> Scheme:
        return self._scheme

    def await_change(self, reference: Reference, met: Any, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        if met():
            return True
        changed = threading.Event()
        fields = f"metadata.name={reference.name}"
        name = self._watchers.open(lambda _event: changed.set(), reference.resource_name, reference.namespace, "", fields)
        try:
            with woken_by_give_up(changed.set):
                while True:
                    check_given_up()
                    left_s = deadline_s - time.monotonic()
                    if left_s <= 0:
                        return bool(met())
                    changed.wait(min(left_s, LOOK_AGAIN_S))
                    changed.clear()
                    if met():
                        return True
        finally:
            self._close(name)

    def stream(self, resource: str, namespace: str, labels: str, timeout_s: float | None, fields: str = "") -> Iterator[api.WatchEvent]:
        events: queue.SimpleQueue[api.WatchEvent] = queue.SimpleQueue()
        name = self._watchers.open(events.put, resource, namespace, labels, fields)
        return Opened(self._read(events, timeout_s), lambda: self._close(name))

    def observe(self, tell: Tell, resource: str, namespace: str, labels: str, fields: str) -> Callable[[], None]:
        """Tell each change of a selection, on the system's thread, until the function that this returns is called."""
        name = self._watchers.open(tell, resource, namespace, labels, fields)
        return lambda: self._close(name)

    def _read(self, events: queue.SimpleQueue[api.WatchEvent], timeout_s: float | None) -> Iterator[api.WatchEvent]:
        quiet_since_s = time.monotonic()
        while not self.stopped:
            check_given_up()
            left_s = LOOK_AGAIN_S if timeout_s is None else quiet_since_s + timeout_s - time.monotonic()
            if left_s <= 0:
                return
            try:
                event = events.get(timeout=min(left_s, LOOK_AGAIN_S))
            except queue.Empty:
                continue
            yield event
            quiet_since_s = time.monotonic()

    def _close(self, name: str) -> None:
        if not self.stopped:
            self._watchers.close(name)

    def carry(self, namespace: str, service: str, port: str, request: api_request, timeout_s: float) -> Response:
        if self._real:
            return datapath.over_http(self.locate(namespace, service, port), request, timeout_s)
        return datapath.through_proxies(self._system, namespace, service, port, request, timeout_s, time.sleep)

    def locate(self, namespace: str, service: str, port: str) -> str:
        if not self._real:
            raise datapath.nothing_to_open(service)
        return datapath.locate(self._system, self._real, namespace, service, port, LOCATE_TIMEOUT_S, time.sleep)
