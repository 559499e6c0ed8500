"""The terms of (anti-)affinity that placed pods hold, by node; those that speak of a pod are found by its labels.

Owned by the census. A term is here as long as a placed pod holds it. It is filed under a label that it asks for, in the namespaces that it
names, so that a class of pods looks only at what may concern it, and only at what is newer than what it has seen.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping

from callboard.actors.scheduler.terms import BoundTerm, Labels

HeldKey = tuple[BoundTerm, str, int]
"""A term, its topology key, and its weight. Weight 0: required anti-affinity, which keeps out whom it matches; else it scores."""
Drawer = tuple[str, str, str]
"""Namespace ("": any), label and its value ("" and "": any)."""
_NO_ROWS = array("q")


class Held:
    """How many pods on each row hold a term. Numbers grow with age: the newest has the highest."""

    __slots__ = ("key", "number", "rows", "term", "topology_key", "total", "weight")

    def __init__(self, key: HeldKey, number: int, size: int) -> None:
        self.key = key
        self.term, self.topology_key, self.weight = key
        self.number = number
        self.rows: array[int] = array("q", bytes(8 * size))
        self.total = 0


class HeldTerms:
    """All of them."""

    def __init__(self) -> None:
        self.newest = 0
        """The number of the newest that was ever made."""
        self._by_key: dict[HeldKey, Held] = {}
        self._drawers: dict[Drawer, dict[int, Held]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Held]:
        return iter(self._by_key.values())

    def get(self, key: HeldKey) -> Held | None:
        """The term, if a placed pod holds it."""
        return self._by_key.get(key)

    def make(self, key: HeldKey, size: int) -> Held:
        """The term, new if it isn't here yet; `size` is the number of rows."""
        held = self._by_key.get(key)
        if held is None:
            self.newest += 1
            held = self._by_key[key] = Held(key, self.newest, size)
            for drawer in _drawers_of(held.term):
                self._drawers.setdefault(drawer, {})[held.number] = held
        return held

    def drop(self, held: Held) -> None:
        """Nobody holds it any more. Who remembers it sees that by its total of 0; it never comes back, another one would."""
        del self._by_key[held.key]
        held.rows = _NO_ROWS
        for drawer in _drawers_of(held.term):
            entries = self._drawers.get(drawer)
            if entries is not None and entries.pop(held.number, None) is not None and not entries:
                del self._drawers[drawer]

    def newer(self, namespace: str, labels: Labels, than: int, namespaces: Mapping[str, Labels]) -> list[Held]:
        """Those with a number above `than` that speak of a pod in this namespace with these labels, oldest first; `namespaces` has the
        labels of namespaces."""
        found: list[Held] = []
        for drawer in _drawers_for(namespace, labels):
            for number, held in reversed(self._drawers.get(drawer, {}).items()):
                if number <= than:
                    break
                if held.term.matches(namespace, labels, namespaces):
                    found.append(held)
        return sorted(found, key=lambda one: one.number)


def _drawers_of(term: BoundTerm) -> list[Drawer]:
    """Where a term is filed: in none if it selects nothing, in one that every pod looks into which it matches otherwise."""
    places = term.namespaces if term.namespace_selector is None else ("",)
    pairs: Iterable[tuple[str, str]] = term.selector.pairs[:1]
    if not pairs:
        one_of = next((other for other in term.selector.others if other.operator == "In"), None)
        pairs = [(one_of.key, value) for value in one_of.values] if one_of is not None else [("", "")]
    return [(place, label, value) for label, value in pairs for place in places]


def _drawers_for(namespace: str, labels: Labels) -> list[Drawer]:
    """Where the terms are filed that may speak of a pod."""
    pairs = (*labels.items(), ("", ""))
    return [(place, label, value) for place in (namespace, "") for label, value in pairs]
