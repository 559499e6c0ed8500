"""Pods that were promised a node whose present pods are being removed for them (`status.nominatedNodeName`).

Owned by the scheduler's actor, read by the decision: the place is held against pods of lower priority. Known from the pods' status, so a
restart forgets nothing, and from the moment of the decision on.
Source: pkg/scheduler/backend/queue/nominator.go, framework/runtime (RunFilterPluginsWithNominatedPods).
"""

from __future__ import annotations

import msgspec

from callboard.actors.scheduler.demand import Template
from callboard.models.api.core import Pod


class Nominee(msgspec.Struct, frozen=True, gc=False):
    """A pod with the node that it was promised."""

    key: str
    pod: Pod
    template: Template
    node: str


class Nominations:
    """All promises, by pod and by node."""

    def __init__(self) -> None:
        self.version = 0
        """Grows with every change."""
        self._by_key: dict[str, Nominee] = {}
        self._by_node: dict[str, dict[str, Nominee]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def set(self, nominee: Nominee) -> None:
        """A pod is promised a node; an earlier promise is void."""
        self.drop(nominee.key)
        self.version += 1
        self._by_key[nominee.key] = nominee
        self._by_node.setdefault(nominee.node, {})[nominee.key] = nominee

    def drop(self, key: str) -> str:
        """A pod needs its promise no longer. Returns the node's name, "" if there was none."""
        nominee = self._by_key.pop(key, None)
        if nominee is None:
            return ""
        self.version += 1
        mates = self._by_node[nominee.node]
        del mates[key]
        if not mates:
            del self._by_node[nominee.node]
        return nominee.node

    def node_of(self, key: str) -> str:
        """The node that a pod was promised, or ""."""
        nominee = self._by_key.get(key)
        return nominee.node if nominee is not None else ""

    def on(self, node: str) -> list[Nominee]:
        """All that were promised this node."""
        return list(self._by_node.get(node, {}).values())

    def against(self, key: str, priority: int) -> list[tuple[str, list[Nominee]]]:
        """By node, the pods for which a place is held against a pod of this priority: those of the same or a higher one, itself aside."""
        found = []
        for node, mates in self._by_node.items():
            rivals = [one for one in mates.values() if one.key != key and one.template.demand.priority >= priority]
            if rivals:
                found.append((node, rivals))
        return found
