"""A cluster in another program of this user, with the verbs of `Cluster`: `connect`, and the `Host` below it.

Imports neither actors nor systems, so that a command which asks one thing starts quickly.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from callboard.models.dns import Resolution
from callboard.models.errors import error_of
from callboard.models.kinds import Scheme
from callboard.models.messages import api
from callboard.models.messages.base import Answer, Request
from callboard.runtime.face.contract import Response, api_request
from callboard.runtime.face.livescheme import LiveScheme, listed_definitions
from callboard.runtime.face.references import Reference
from callboard.runtime.face.streams import Opened
from callboard.runtime.face.verbs import Verbs
from callboard.runtime.remote.link import Link, Stream
from callboard.runtime.remote.places import find

LOOK_AGAIN_S = 0.25
"""A wait looks again after this long even if nothing told it to: a condition may depend on more than the object."""
DEFAULT_TIMEOUT_S = 30.0
FROM_CLUSTER = "(the cluster's answer)"
"""A note on errors that a cluster sent, which tells them from those of this side."""


class Remote:
    """Implements `Host` over a link."""

    def __init__(self, path: Path) -> None:
        """Raises `NoCluster` if none listens at the socket."""
        self.link = Link(path)
        self._scheme = LiveScheme(partial(listed_definitions, self.ask))

    def ask(self, request: type[Request], timeout_s: float, /, **fields: Any) -> Answer:
        what = f"{request.__name__} of {fields.get('resource', 'pods')} {fields.get('name', '')}".rstrip()
        answer = _accepted(self.link.ask("ask", timeout_s, what, timeout_s, request(0, "", **fields)))
        assert isinstance(answer, Answer)
        return answer

    def now(self) -> float:
        return time.time()  # a link doesn't leave its machine

    def scheme(self) -> Scheme:
        return self._scheme

    def await_change(self, reference: Reference, met: Any, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        if met():
            return True
        fields = f"metadata.name={reference.name}"
        with self.link.stream(reference.resource_name, reference.namespace, "", fields) as changes:
            while True:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return bool(met())
                changes.next(min(left_s, LOOK_AGAIN_S))
                if met():
                    return True

    def stream(self, resource: str, namespace: str, labels: str, timeout_s: float | None, fields: str = "") -> Iterator[api.WatchEvent]:
        stream = self.link.stream(resource, namespace, labels, fields)
        return Opened(_each(stream, timeout_s), stream.close)

    def carry(self, namespace: str, service: str, port: str, request: api_request, timeout_s: float) -> Response:
        what = (namespace, service, port, request.method, request.path, request.headers, request.body)
        words = f"{request.method} service/{service}{request.path}"
        answer = _accepted(self.link.ask("carry", timeout_s, words, timeout_s, what))
        assert isinstance(answer, Response)
        return answer

    def locate(self, namespace: str, service: str, port: str) -> str:
        words = f"the address of service/{service}"
        return str(_accepted(self.link.ask("locate", DEFAULT_TIMEOUT_S, words, namespace, service, port)))

    def enter(self, host: str, request: api_request, timeout_s: float) -> Response:
        what = (host, request.method, request.path, request.headers, request.body)
        answer = _accepted(self.link.ask("enter", timeout_s, f"{request.method} {host}{request.path}", timeout_s, what))
        assert isinstance(answer, Response)
        return answer

    def gate(self) -> tuple[str, int, int]:
        address, http, https = _accepted(self.link.ask("gate", DEFAULT_TIMEOUT_S, "the address of the Ingress"))
        return str(address), int(http), int(https)

    def resolve(self, name: str, kind: str, namespace: str, timeout_s: float) -> Resolution:
        answer = _accepted(self.link.ask("resolve", timeout_s, f"the name {name}", timeout_s, (name, kind, namespace)))
        assert isinstance(answer, Resolution)
        return answer


def _each(stream: Stream, timeout_s: float | None) -> Iterator[api.WatchEvent]:
    while batch := stream.next(timeout_s):
        yield from batch


def _accepted(answer: Any) -> Any:
    """The answer, unless it is a refusal: that is raised, with a note that it is the cluster's own."""
    if isinstance(answer, api.Refused):
        refusal = error_of(answer.code, answer.reason, answer.message, answer.details)
        refusal.add_note(FROM_CLUSTER)
        raise refusal
    return answer


class Connected(Verbs):
    """A running cluster of another program, with the verbs of `Cluster` that need only the API and the data path.

    Use it in a `with` statement, or call `close()` in the end. Made by `connect`.
    """

    def __init__(self, path: Path, namespace: str = "default") -> None:
        self._remote = Remote(path)
        super().__init__(self._remote, namespace)

    def __repr__(self) -> str:
        return f"<Connected to {self.name or self._remote.link.path}, namespace {self._namespace}>"

    @property
    def name(self) -> str:
        """The cluster's name."""
        return str(self._remote.link.greeting.get("name", ""))

    @property
    def default_namespace(self) -> str:
        """The namespace that is meant where none is named."""
        return self._namespace

    @property
    def scheme(self) -> Scheme:
        """The kinds that the cluster serves."""
        return self._remote.scheme()

    def __enter__(self) -> Connected:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; the cluster goes on. Calling it twice is allowed."""
        self._remote.link.close()


def connect(path_or_name: str | Path = "") -> Connected:
    """Reach a cluster that another program of this user runs: `callboard up`, or a program that called `serve`.

    `path_or_name`: its name, or the path of its socket; "" means what `CALLBOARD_SOCKET` says, or the only one that runs.

    Raises:
        CallboardError: there is none, or several run and none was named.

    >>> from callboard import Cluster, connect
    >>> with Cluster(nodes=1) as c, connect(c.serve()) as other_program:
    ...     [node.metadata.name for node in other_program.list("nodes")]
    ['node-1']
    """
    return Connected(find(str(path_or_name)))
