"""Requests that must not be carried out twice, and links that deliver twice: what tells a copy from a new request.

A request is known by its sender's incarnation and the number it bears there. Used by all that pass a command on or carry it out: an
apiserver, a kubelet, a runtime. Each numbers anew what it passes on, so each has to drop the copies itself.
"""

from __future__ import annotations

from callboard.models.messages.base import Address, Request

HEARD_LIMIT = 1024
"""Requests that are remembered; many times those that one process has under way, so that what is forgotten has long been answered."""


class Heard:
    """The newest `limit` requests of a kind that one process has heard."""

    def __init__(self, limit: int = HEARD_LIMIT) -> None:
        self._limit = limit
        self._requests: dict[tuple[Address, int], None] = {}

    def again(self, request: Request) -> bool:
        """Whether this very request has been heard before; it has from now on."""
        key = request.reply_to, request.id
        if key in self._requests:
            return True
        self._requests[key] = None
        if len(self._requests) > self._limit:
            del self._requests[next(iter(self._requests))]
        return False
