"""What the link needs of a cluster. `Cluster` has it; a protocol of its own, so that the link knows nothing of what users hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from callboard.models.dns import Resolution
from callboard.models.messages.api import WatchEvent
from callboard.models.messages.base import Answer, Request
from callboard.models.traffic import Response, api_request


class Served(Protocol):
    """Asked on threads of the link."""

    def ask(self, request: type[Request], timeout_s: float, /, **fields: Any) -> Answer:
        """Send a request to an apiserver and wait for its answer; raises the `ApiError` of a refusal."""

    def observe(self, tell: Callable[[WatchEvent], None], resource: str, namespace: str, labels: str, fields: str) -> Callable[[], None]:
        """Tell each change of a selection until the function that this returns is called; `tell` must be quick."""

    def carry(self, namespace: str, service: str, port: str, request: api_request, timeout_s: float) -> Response:
        """Send one HTTP request to a Service along the data path."""

    def locate(self, namespace: str, service: str, port: str) -> str:
        """Where a Service's port can be opened: `http://address:port`."""

    def enter(self, host: str, request: api_request, timeout_s: float) -> Response:
        """Send one HTTP request to the Ingress, for this host."""

    def gate(self) -> tuple[str, int, int]:
        """Where the Ingress can be opened: address, port of http, port of https."""

    def resolve(self, name: str, kind: str, namespace: str, timeout_s: float) -> Resolution:
        """What a name means to a pod of a namespace."""
