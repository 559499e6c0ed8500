"""Pods on their way to a node: counted there from the decision on, until the cache shows them or it is certain that they are not bound.

Owned by the scheduler's actor; pure bookkeeping. A bind that was acknowledged at revision R is forgotten only when the cache of pods has
come to R: by then the pod is seen as bound, or it is gone. There is no expiry (kubernetes/kubernetes#106361 and its like come from one).
"""

from __future__ import annotations

from heapq import heappop, heappush

import msgspec

from callboard.models.messages.base import Message


class Binding(msgspec.Struct, frozen=True, gc=False):
    """A pod assumed on a node: context of the bind request, and of the read that settles a bind of unknown outcome."""

    key: str
    uid: str
    node: str


class Settle(msgspec.Struct, frozen=True, gc=False):
    """Context of the read that finds out what became of a bind. `refused` tells that the request is known to have had no effect."""

    binding: Binding
    refused: bool


class ReadAgain(Message, frozen=True, gc=False):
    """Timer: the read that settles a bind was itself refused; read again."""

    settle: Settle


class Assumptions:
    """The bindings that the cache of pods doesn't show yet, by pod."""

    def __init__(self) -> None:
        self._bindings: dict[str, Binding] = {}
        self._acknowledged: list[tuple[int, str, Binding]] = []

    def __len__(self) -> int:
        return len(self._bindings)

    def get(self, key: str) -> Binding | None:
        """The binding of a pod, if it is on its way."""
        return self._bindings.get(key)

    def add(self, binding: Binding) -> None:
        """Assume it."""
        self._bindings[binding.key] = binding

    def holds(self, binding: Binding) -> bool:
        """Whether this very binding is still assumed."""
        return self._bindings.get(binding.key) == binding

    def drop(self, key: str) -> None:
        """The cache shows what became of the pod, or it is certain that it isn't bound."""
        self._bindings.pop(key, None)

    def acknowledged(self, binding: Binding, revision: int) -> None:
        """It is durable at `revision`."""
        heappush(self._acknowledged, (revision, binding.key, binding))

    def overdue(self, revision: int) -> list[Binding]:
        """Acknowledged bindings that a cache of this revision should show and does not: their pods are gone."""
        found = []
        while self._acknowledged and self._acknowledged[0][0] <= revision:
            _, _, binding = heappop(self._acknowledged)
            if self.holds(binding):
                found.append(binding)
        return found
