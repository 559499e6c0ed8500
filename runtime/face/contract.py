"""What verbs return and what they need: answers of Services, results of `apply_each`, and the `Host` that a cluster or simulation is.

Used by `Verbs`, and implemented by `Cluster` and `Simulation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from callboard.models.errors import ApiError
from callboard.models.kinds import Scheme
from callboard.models.messages import api
from callboard.models.messages.base import Answer, Request
from callboard.runtime.face.references import Reference


class Response(msgspec.Struct, frozen=True):
    """What a Service answered: HTTP status, headers, body, and the endpoint that gave it ("" where it isn't known)."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    endpoint: str = ""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str | None:
        """The first header of this name, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Applied(msgspec.Struct, frozen=True):
    """What became of one document: the object as stored, or the error; `verb` is created, configured, unchanged or failed."""

    origin: str
    what: str
    verb: str
    obj: Any = None
    error: ApiError | None = None


class Host(Protocol):
    """What verbs need of the cluster or simulation that they belong to."""

    def ask(self, request: type[Request], timeout_s: float, /, **fields: Any) -> Answer:
        """Send a request to an apiserver and wait for its answer; raises the `ApiError` of a refusal."""

    def scheme(self) -> Scheme:
        """The kinds that are served now, user-defined ones included."""

    def await_change(self, reference: Reference, met: Any, timeout_s: float) -> bool:
        """Return True as soon as `met()` is true; look again whenever the object may have changed. False when time is over."""

    def stream(self, resource: str, namespace: str, labels: str, timeout_s: float | None) -> Iterator[api.WatchEvent]:
        """Changes of a resource, beginning with all that is there; ends when nothing happened for `timeout_s`."""

    def carry(self, namespace: str, service: str, port: str, request: api_request, timeout_s: float) -> Response:
        """Send one HTTP request to a Service along the data path."""

    def locate(self, namespace: str, service: str, port: str) -> str:
        """Where this program can open a Service's port: `http://address:port`."""


class api_request(msgspec.Struct, frozen=True):
    """One HTTP request of `request`."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
