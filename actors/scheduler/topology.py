"""Which domain of a topology key each node is in, as numbers by row, so that pods can be counted by domain without looking at labels.

Owned by the node table, read by `relations.py`. Domain 0 means that the node lacks the label.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from callboard.actors.scheduler.plugins import NodeFacts

MISSING = 0
REBUILD_FACTOR = 4
"""A key with this many times more domains than rows (nodes that came and went) is numbered anew."""


class Topology:
    """One key: the domain of every row."""

    __slots__ = ("domains", "key", "labelled", "numbers")

    def __init__(self, key: str) -> None:
        self.key = key
        self.domains: array[int] = array("q")
        self.numbers: dict[str, int] = {}
        self.labelled = 0
        """How many rows have the label."""

    @property
    def count(self) -> int:
        """One more than the highest domain number."""
        return len(self.numbers) + 1

    def fill(self, facts: Sequence[NodeFacts | None]) -> None:
        """Number all rows anew."""
        self.numbers = {}
        self.domains = array("q", bytes(8 * len(facts)))
        self.labelled = 0
        for row, one in enumerate(facts):
            self.set(row, one)

    def set(self, row: int, facts: NodeFacts | None) -> None:
        """A row's node has changed."""
        value = facts.labels.get(self.key) if facts is not None else None
        self.labelled += (value is not None) - (self.domains[row] != MISSING)
        if value is None:
            self.domains[row] = MISSING
            return
        number = self.numbers.get(value)
        if number is None:
            number = self.numbers[value] = len(self.numbers) + 1
        self.domains[row] = number


class Topologies:
    """All keys that some pod has asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Topology] = {}

    def of(self, key: str, facts: Sequence[NodeFacts | None]) -> Topology:
        """The domains of a key."""
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Topology(key)
            found.fill(facts)
        elif len(found.domains) != len(facts) or found.count > REBUILD_FACTOR * len(facts):
            found.fill(facts)
        return found

    def changed(self, row: int, facts: NodeFacts | None) -> None:
        """A row's node is new, has other labels, or is gone."""
        for one in self._known.values():
            if row < len(one.domains):
                one.set(row, facts)
