"""One HTTP request to a Service, and what it answered: what `request` sends and returns, on whichever way it goes."""

from __future__ import annotations

import msgspec


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


class api_request(msgspec.Struct, frozen=True):
    """One HTTP request of `request`."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
