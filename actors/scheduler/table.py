"""The scheduler's picture of the cluster: one row per node, numbers in flat integer arrays, kept up to date event by event.

Owned by the scheduler's actor, read by the views of templates. Rows that changed are written to two logs, one for numbers (capacity, use)
and one for facts (labels, taints, cordon), so that a view looks at nothing else. Pods bound to a node that isn't known (yet, or any more)
are remembered by the node's name and count as soon as it appears.
The arrays are `array('q')`: plain integers for single reads, and numpy can look at the same memory without a copy.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from callboard.actors.scheduler.census import Census
from callboard.actors.scheduler.demand import HostPort, Template
from callboard.actors.scheduler.plugins import NodeFacts
from callboard.actors.scheduler.topology import Topologies, Topology
from callboard.models.api.core import Node, NodeSpec, Pod
from callboard.models.base import EMPTY_MAP
from callboard.models.quantity import cpu_milli, to_bytes

PODS = "pods"
LOG_LIMIT = 65536
"""Entries of a log before its older half is dropped; a view that had not read it so far is computed anew."""
FIRST_ROWS = 16
K = TypeVar("K")
_NO_PORTS: Mapping[HostPort, int] = {}


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A pod that counts on a node: bound there, or about to be."""

    pod: Pod
    template: Template
    node: str


class Log:
    """Row numbers in the order of their changes, with a position that only grows."""

    def __init__(self) -> None:
        self.start = 0
        self.end = 0
        """Position after the newest entry."""
        self.rows: list[int] = []

    def add(self, row: int) -> None:
        """Note a change of this row."""
        self.rows.append(row)
        self.end += 1
        if len(self.rows) > LOG_LIMIT:
            half = LOG_LIMIT // 2
            del self.rows[:half]
            self.start += half

    def since(self, position: int) -> list[int] | None:
        """Rows changed since that position, each once; None if that is no longer known."""
        if position < self.start:
            return None
        rows = self.rows[position - self.start :] if position < self.end else []
        return rows if len(rows) < 2 else list(dict.fromkeys(rows))


class NodeTable:
    """All nodes and what their pods take of them."""

    def __init__(self) -> None:
        self.size = FIRST_ROWS
        self.epoch = 0
        """Grows when the arrays are replaced by larger ones."""
        self.facts: list[NodeFacts | None] = [None] * FIRST_ROWS
        self.rows: dict[str, int] = {}
        self.capacity: dict[str, array[int]] = {}
        self.used: dict[str, array[int]] = {}
        self.score_cpu = _zeros(FIRST_ROWS)
        self.score_memory = _zeros(FIRST_ROWS)
        for resource in ("cpu", "memory", PODS):
            self._add_column(resource)
        self.ports: dict[int, dict[HostPort, int]] = {}
        self.pods: dict[str, Placed] = {}
        self.by_node: dict[str, dict[str, Placed]] = {}
        self._priorities: dict[int, int] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self.census = Census(FIRST_ROWS, self.namespaces)
        self._topologies = Topologies()
        self.numbers_log = Log()
        self.facts_log = Log()
        self.improvements = 0
        """Grows whenever something happened that may let a waiting pod be placed."""
        self.placements = 0
        """Grows whenever a pod is placed or removed."""
        self._free = list(range(FIRST_ROWS - 1, -1, -1))
        self._allocatable: dict[str, Mapping[str, object]] = {}

    # -- rows -------------------------------------------------------------------------------------------------------------------

    def _add_column(self, resource: str) -> None:
        self.capacity[resource] = _zeros(self.size)
        self.used[resource] = _zeros(self.size)
        self.epoch += 1

    def column(self, resource: str) -> tuple[array[int], array[int]]:
        """Capacity and use of a resource, by row; made on first asking."""
        if resource not in self.capacity:
            self._add_column(resource)
        return self.capacity[resource], self.used[resource]

    def _grow(self) -> None:
        old, self.size = self.size, self.size * 2
        self.facts.extend([None] * old)
        for table in (self.capacity, self.used):
            for resource, numbers in table.items():
                table[resource] = numbers + _zeros(old)  # a new array: views of the old one stay valid until they notice
        self.score_cpu = self.score_cpu + _zeros(old)
        self.score_memory = self.score_memory + _zeros(old)
        self.census.resize(self.size)
        self._free.extend(range(self.size - 1, old - 1, -1))
        self.epoch += 1

    @property
    def node_count(self) -> int:
        """How many nodes there are."""
        return len(self.rows)

    # -- nodes ------------------------------------------------------------------------------------------------------------------

    def set_node(self, node: Node) -> None:
        """A node is new or has changed. Nothing happens unless something changed that scheduling depends on."""
        name = node.metadata.name
        spec = node.spec or NodeSpec()
        facts = NodeFacts(name, node.metadata.labels, spec.taints, bool(spec.unschedulable))
        row = self.rows.get(name)
        if row is None:
            row = self._new_row(name)
        if self.facts[row] != facts:
            self.facts[row] = facts
            self.facts_log.add(row)
            self._topologies.changed(row, facts)
            self.improvements += 1
        self._set_capacity(row, name, node)

    def _new_row(self, name: str) -> int:
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.rows[name] = row
        for placed in self.by_node.get(name, {}).values():
            self._count(row, placed, 1)
        self.numbers_log.add(row)
        return row

    def _set_capacity(self, row: int, name: str, node: Node) -> None:
        status = node.status
        allocatable = (status.allocatable or status.capacity) if status is not None else EMPTY_MAP
        if self._allocatable.get(name) == allocatable:
            return
        self._allocatable[name] = allocatable
        for resource in allocatable:
            self.column(resource)
        for resource, numbers in self.capacity.items():
            value = allocatable.get(resource, 0)
            numbers[row] = cpu_milli(value) if resource == "cpu" else to_bytes(value)
        self.numbers_log.add(row)
        self.improvements += 1

    def remove_node(self, name: str) -> None:
        """A node is gone. Its pods stay known by its name."""
        row = self.rows.pop(name, None)
        if row is None:
            return
        for placed in self.by_node.get(name, {}).values():
            self._count(row, placed, -1)
        for numbers in self.capacity.values():
            numbers[row] = 0
        self._allocatable.pop(name, None)
        self.facts[row] = None
        self.facts_log.add(row)
        self._topologies.changed(row, None)
        self.numbers_log.add(row)
        self._free.append(row)
        self.improvements += 1

    # -- pods -------------------------------------------------------------------------------------------------------------------

    def place(self, key: str, pod: Pod, template: Template, node: str) -> None:
        """A pod takes its share of a node from now on; one of the same key is replaced."""
        old = self.pods.get(key)
        placed = Placed(pod, template, node)
        if old is not None and old.node == node and old.template is template and old.pod.metadata.uid == pod.metadata.uid:
            self._refresh(key, old, placed)
            return
        if old is not None:
            self.remove(key)
        self.pods[key] = placed
        self.by_node.setdefault(node, {})[key] = placed
        self.placements += 1
        _tally(self._priorities, template.demand.priority, 1)
        row = self.rows.get(node)
        if row is not None:
            self._count(row, placed, 1)
            self.numbers_log.add(row)

    def renew_pod(self, key: str, pod: Pod) -> bool:
        """Take in a placed pod of which nothing that counts is other than before, as after most writes of status; False if it may be."""
        old = self.pods.get(key)
        if old is None or old.pod.spec is not pod.spec:
            return False
        before, after = old.pod.metadata, pod.metadata
        if (
            before.labels is not after.labels
            or before.owner_references is not after.owner_references
            or before.deletion_timestamp != after.deletion_timestamp
            or before.uid != after.uid
        ):
            return False
        self.pods[key] = self.by_node[old.node][key] = Placed(pod, old.template, old.node)
        return True

    def _refresh(self, key: str, old: Placed, placed: Placed) -> None:
        before, after = old.pod.metadata, placed.pod.metadata
        if before.labels != after.labels or before.deletion_timestamp != after.deletion_timestamp:
            self.placements += 1
            row = self.rows.get(placed.node)
            if row is not None:
                self.census.add(self.census.class_of(old.pod, old.template), row, -1)
                self.census.add(self.census.class_of(placed.pod, placed.template), row, 1)
                self.numbers_log.add(row)  # counts by group are numbers, too: `standing.py` relies on it
        self.pods[key] = placed
        self.by_node[placed.node][key] = placed

    def remove(self, key: str) -> None:
        """A pod no longer takes anything: it is gone, has finished, or was not bound after all. Harmless if it isn't placed."""
        placed = self.pods.pop(key, None)
        if placed is None:
            return
        mates = self.by_node[placed.node]
        del mates[key]
        if not mates:
            del self.by_node[placed.node]
        self.placements += 1
        _tally(self._priorities, placed.template.demand.priority, -1)
        row = self.rows.get(placed.node)
        if row is not None:
            self._count(row, placed, -1)
            self.numbers_log.add(row)
            self.improvements += 1

    def _count(self, row: int, placed: Placed, sign: int) -> None:
        demand = placed.template.demand
        self.used[PODS][row] += sign
        for resource, amount in demand.requests:
            if resource not in self.used:
                self._add_column(resource)
            self.used[resource][row] += sign * amount
        self.score_cpu[row] += sign * demand.score_cpu
        self.score_memory[row] += sign * demand.score_memory
        for port in demand.ports:
            _tally(self.ports.setdefault(row, {}), port, sign)
        self.census.add(self.census.class_of(placed.pod, placed.template), row, sign)

    def outranks_some(self, priority: int) -> bool:
        """Whether some placed pod has a lower priority."""
        return bool(self._priorities) and min(self._priorities) < priority

    def ports_of(self, row: int) -> Mapping[HostPort, int]:
        """The ports taken on a row's node."""
        return self.ports.get(row, _NO_PORTS)

    # -- what relations between pods ask for ---------------------------------------------------------------------------------------

    def topology(self, key: str) -> Topology:
        """Which domain of a topology key every row is in."""
        return self._topologies.of(key, self.facts)

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """A namespace is new or has other labels; None: it is gone."""
        if self.namespaces.get(name) == labels:
            return
        if labels is None:
            del self.namespaces[name]
        else:
            self.namespaces[name] = labels
        self.census.namespaces_changed()
        self.improvements += 1


def _tally(counts: dict[K, int], key: K, sign: int) -> None:
    left = counts.get(key, 0) + sign
    if left:
        counts[key] = left
    else:
        del counts[key]


def _zeros(count: int) -> array[int]:
    return array("q", bytes(8 * count))
