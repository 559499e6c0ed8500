"""Which endpoint a client keeps: `sessionAffinity: ClientIP`. Plain data without a clock; used by the service proxy and its data plane.

As in kube-proxy, a client keeps its endpoint until the time-out has passed since its last connection, and as long as the endpoint answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

CLIENTS_LIMIT = 10_000
"""Clients that are remembered for one service port; beyond, those that have been away longest are forgotten."""

E = TypeVar("E")


class Affinity(Generic[E]):
    """The clients of one service port and the endpoints that they keep."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[E, float]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def kept(self, client: str, endpoints: Sequence[E], timeout_s: float, now_s: float) -> E | None:
        """The endpoint that a client keeps, if it still answers."""
        endpoint, last_s = self._kept.get(client, (None, now_s))
        if endpoint is None or endpoint not in endpoints or not 0 <= now_s - last_s < timeout_s:  # less than 0: the clock was set back
            return None
        return endpoint

    def connected(self, client: str, endpoint: E, now_s: float) -> None:
        """A client has been connected to an endpoint, and keeps it from now on."""
        self._kept.pop(client, None)  # so that the order is that of the last connections
        self._kept[client] = (endpoint, now_s)
        if len(self._kept) > CLIENTS_LIMIT:
            del self._kept[next(iter(self._kept))]

    def forget(self, timeout_s: float, now_s: float) -> None:
        """Forget the clients whose time is over."""
        over = [client for client, (_, last_s) in self._kept.items() if not 0 <= now_s - last_s < timeout_s]
        for client in over:
            del self._kept[client]


def order(first: E | None, endpoints: Sequence[E], turn: int) -> list[E]:
    """In which order endpoints are tried: the one that is kept, then those whose turn it is."""
    start = turn % len(endpoints) if endpoints else 0
    rest = [*endpoints[start:], *endpoints[:start]]
    if first is None:
        return rest
    return [first, *(endpoint for endpoint in rest if endpoint != first)]
