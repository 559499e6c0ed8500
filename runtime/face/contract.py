"""What verbs return and what they need: answers of Services, results of `apply_each`, and the `Host` that a cluster or simulation is.

Used by `Verbs`, and implemented by `Cluster` and `Simulation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec

from callboard.models.base import freeze
from callboard.models.behaviour import Behaviour
from callboard.models.dns import Resolution
from callboard.models.errors import ApiError, BadRequest
from callboard.models.kinds import Scheme
from callboard.models.messages import api
from callboard.models.messages.base import Answer, Request
from callboard.models.times import parse_duration
from callboard.models.traffic import Response as Response
from callboard.models.traffic import api_request as api_request
from callboard.runtime.face.references import Reference

Seconds = float | int | str


def check_texts(**given: Any) -> None:
    """Raises `BadRequest` that names the argument of a verb which has to be text, and isn't."""
    for name, value in given.items():
        if not isinstance(value, str):
            raise BadRequest(f"{name}={value!r}: it is written as text")


def seconds(value: Seconds) -> float:
    """Seconds of a duration that a user wrote.

    Raises:
        BadRequest: it is none.
    """
    try:
        return parse_duration(value)
    except (ValueError, AttributeError) as problem:
        raise BadRequest(str(problem)) from None


def plain_tree(value: Any, what: str) -> Any:
    """A tree of plain data, frozen.

    Raises:
        BadRequest: it holds something that JSON has no form for.
    """
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError) as problem:
        raise BadRequest(f"{what} is no plain data: {problem}") from None
    return freeze(value)


def check_images(images: Any) -> tuple[tuple[str, Behaviour], ...]:
    """What `images=` says of simulated containers, as their runtimes take it.

    Raises:
        BadRequest: it is no mapping, or something in it is no `Behaviour`.
    """
    if not isinstance(images, Mapping | None):
        raise BadRequest(f"images={images!r}: for simulated containers it maps image names to Behaviour(...)")
    pairs = tuple((images or {}).items())
    for image, behaviour in pairs:
        if not isinstance(behaviour, Behaviour):
            raise BadRequest(f"images[{image!r}] is a {type(behaviour).__name__}; give a Behaviour(...)")
    return pairs


def check_events(events: str) -> None:
    """Check what `events=` says.

    Raises:
        BadRequest: there is no such choice.
    """
    if events not in ("all", "warnings"):
        raise BadRequest(f'events={events!r}: there are "warnings" and "all"')


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

    def now(self) -> float:
        """What time it is there, in seconds since the epoch; virtual in a simulation."""

    def scheme(self) -> Scheme:
        """The kinds that are served now, user-defined ones included."""

    def await_change(self, reference: Reference, met: Any, timeout_s: float) -> bool:
        """Return True as soon as `met()` is true; look again whenever the object may have changed. False when time is over."""

    def stream(self, resource: str, namespace: str, labels: str, timeout_s: float | None, fields: str = "") -> Iterator[api.WatchEvent]:
        """Changes of a resource, beginning with all that is there; ends when nothing happened for `timeout_s`."""

    def carry(self, namespace: str, service: str, port: str, request: api_request, timeout_s: float) -> Response:
        """Send one HTTP request to a Service along the data path."""

    def locate(self, namespace: str, service: str, port: str) -> str:
        """Where this program can open a Service's port: `http://address:port`."""

    def enter(self, host: str, request: api_request, timeout_s: float) -> Response:
        """Send one HTTP request to the Ingress, for this host."""

    def gate(self) -> tuple[str, int, int]:
        """Where this program can open the Ingress: address, port of http, port of https."""

    def resolve(self, name: str, kind: str, namespace: str, timeout_s: float) -> Resolution:
        """What a name means to a pod of a namespace."""
