"""What the verbs need of a cluster on real time. Used by `Cluster`, and by the link that lets other programs reach it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from callboard.models.dns import Resolution
from callboard.models.kinds import Scheme
from callboard.models.messages import api
from callboard.models.messages.base import Answer, Request
from callboard.runtime.face import datapath, ingresspath
from callboard.runtime.face.assembly import Blueprint
from callboard.runtime.face.client import ApiClient
from callboard.runtime.face.contract import Response, api_request
from callboard.runtime.face.livescheme import LiveScheme, listed_definitions
from callboard.runtime.face.references import Reference
from callboard.runtime.face.streams import Opened
from callboard.runtime.face.watching import Tell, Watchers
from callboard.runtime.systems import System, SystemStopped
from callboard.runtime.systems.giveup import check_given_up, woken_by_give_up

LOOK_AGAIN_S = 0.25
"""A wait looks again after this long even if nothing told it to: a condition may depend on more than the object."""
LOCATE_TIMEOUT_S = 5.0


class RealTimeHost:
    """What the verbs need, on real time."""

    def __init__(self, system: System, blueprint: Blueprint) -> None:
        self._system = system
        self._real = blueprint.data_plane
        self._api = ApiClient(system, blueprint.servers, blueprint.timing.request_timeout_s, time.sleep)
        self._watchers = Watchers(system, blueprint.client())
        self._scheme = LiveScheme(partial(listed_definitions, self.ask))
        self.stopped = False

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

    def enter(self, host: str, request: api_request, timeout_s: float) -> Response:
        if self._real:
            return ingresspath.over_connection(self.gate(), host, request, timeout_s)
        return ingresspath.through_controller(self._system, host, request, timeout_s, time.sleep)

    def gate(self) -> tuple[str, int, int]:
        if not self._real:
            raise ingresspath.nothing_to_open()
        return ingresspath.gate(self._system, LOCATE_TIMEOUT_S, time.sleep)

    def resolve(self, name: str, kind: str, namespace: str, timeout_s: float) -> Resolution:
        return datapath.resolve(self._system, name, kind, namespace, timeout_s, time.sleep)
