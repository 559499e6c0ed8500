"""What one template sees of the nodes: why each refuses it, or how good each is, kept per node and renewed only where something changed.

Made and asked by `decision.py`. Few changed nodes are computed one by one in plain integers; many are computed at once with numpy, which is
imported at the first need of it (it takes 60 ms, and a small cluster never needs it). Both ways give the same numbers: a property test.
"""

from __future__ import annotations

from array import array
from typing import Any

from callboard.actors.scheduler import plugins
from callboard.actors.scheduler.demand import Constraints, Template
from callboard.actors.scheduler.table import PODS, NodeTable

VECTOR_FROM_ROWS = 64
"""Clusters of fewer nodes are handled without numpy."""
VECTOR_FROM_CHANGES = 24
"""Fewer changed rows than this are computed one by one."""
REFUSED = -1


class FactsView:
    """What nodes' facts mean for one set of constraints: which filter refuses a row, and the scores that follow from facts alone.

    Shared by all templates with equal constraints, which most have.
    """

    def __init__(self, table: NodeTable, constraints: Constraints) -> None:
        self.table = table
        self.constraints = constraints
        self.refusals = array("q")
        self.scores = array("q")
        self._seen = -1

    def renew(self) -> None:
        """Take in what has changed since the last time."""
        table = self.table
        if len(self.refusals) != table.size:
            self.refusals = array("q", [plugins.ABSENT]) * table.size
            self.scores = array("q", bytes(8 * table.size))
            self._seen = -1
        rows = table.facts_log.since(self._seen)
        self._seen = table.facts_log.end
        for row in range(table.size) if rows is None else rows:
            facts = table.facts[row]
            refused = plugins.ABSENT if facts is None else plugins.refused_by(self.constraints, facts)
            self.refusals[row] = refused
            self.scores[row] = plugins.facts_score(self.constraints, facts) if facts is not None and refused == plugins.PASSES else 0


class TemplateView:
    """Scores of all rows for one template; `REFUSED` where the node won't do."""

    def __init__(self, table: NodeTable, template: Template, facts: FactsView) -> None:
        self.table = table
        self.template = template
        self.facts = facts
        self.total = array("q")
        self._numbers_seen = -1
        self._facts_seen = -1
        self._epoch = -1
        self._np: dict[str, Any] = {}
        self._columns: list[tuple[array[int], array[int], int]] = []

    # -- renewal ------------------------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Take in what has changed since the last time."""
        table = self.table
        if self._epoch != table.epoch:
            self._adopt_columns()
        self.facts.renew()
        numbers = table.numbers_log.since(self._numbers_seen)
        facts = table.facts_log.since(self._facts_seen)
        self._numbers_seen = table.numbers_log.end
        self._facts_seen = table.facts_log.end
        rows = None if numbers is None or facts is None else list(dict.fromkeys(numbers + facts)) if facts else numbers
        small = table.node_count < VECTOR_FROM_ROWS
        if rows is not None and (small or len(rows) < VECTOR_FROM_CHANGES):
            for row in rows:
                self.total[row] = self.score_row(row)
        elif small:
            for row in range(table.size):
                self.total[row] = self.score_row(row)
        else:
            self.score_many(rows if rows is not None and len(rows) < table.node_count // 2 else None)

    def _adopt_columns(self) -> None:
        for resource, _ in self.template.demand.requests:
            self.table.column(resource)
        table = self.table
        self._epoch = table.epoch
        wanted = [(PODS, 1), *self.template.demand.requests]
        self._columns = [(*table.column(resource), amount) for resource, amount in wanted]
        self._np = {}
        if len(self.total) != table.size:
            self.total = array("q", [REFUSED]) * table.size
            self._numbers_seen = self._facts_seen = -1

    # -- one node -------------------------------------------------------------------------------------------------------------------

    def fits(self, row: int) -> bool:
        """NodePorts, NodeResourcesFit and claims for one row, whatever its facts."""
        for capacity, used, amount in self._columns:
            if amount > capacity[row] - used[row]:
                return False
        demand = self.template.demand
        return not demand.claims and (not demand.ports or plugins.ports_free(self.table.ports_of(row), demand.ports))

    def score_row(self, row: int) -> int:
        """The weighted score of one row, or `REFUSED`.

        NodeResourcesFit (LeastAllocated): mean of the free shares of CPU and memory. NodeResourcesBalancedAllocation: 100 less half
        the difference of the used shares. Spread: 100 divided by 1 + pods of the group that are there.
        """
        if self.facts.refusals[row] != plugins.PASSES or not self.fits(row):
            return REFUSED
        table, demand = self.table, self.template.demand
        cpu, memory = table.capacity["cpu"][row], table.capacity["memory"][row]
        used_cpu = min(table.score_cpu[row] + demand.score_cpu, cpu)
        used_memory = min(table.score_memory[row] + demand.score_memory, memory)
        least = ((cpu - used_cpu) * 100 // max(cpu, 1) + (memory - used_memory) * 100 // max(memory, 1)) // 2
        imbalance = abs(used_cpu * 1000 // max(cpu, 1) - used_memory * 1000 // max(memory, 1))
        mates = table.groups.get(self.template.group)
        spread = 100 // (1 + (mates.get(row, 0) if mates is not None else 0))
        return self.facts.scores[row] + least + 100 - imbalance // 20 + plugins.SPREAD_WEIGHT * spread

    # -- many nodes at once -----------------------------------------------------------------------------------------------------------

    def _look(self, name: str, numbers: array[int]) -> Any:
        seen = self._np.get(name)
        if seen is None:
            import numpy

            seen = self._np[name] = numpy.frombuffer(numbers, dtype=numpy.int64)
        return seen

    def score_many(self, rows: list[int] | None) -> None:
        """The same as `score_row` for these rows; None: for every row."""
        import numpy as np

        table, demand = self.table, self.template.demand
        index: Any = slice(None) if rows is None else np.array(rows, dtype=np.int64)

        def look(name: str, numbers: array[int]) -> Any:
            return self._look(name, numbers)[index]

        good = look("refusals", self.facts.refusals) == plugins.PASSES
        for number, (capacity, used, amount) in enumerate(self._columns):
            good &= look(f"capacity {number}", capacity) - look(f"used {number}", used) >= amount
        if demand.claims:
            good[:] = False
        cpu, memory = look("cpu", table.capacity["cpu"]), look("memory", table.capacity["memory"])
        used_cpu = np.minimum(look("score cpu", table.score_cpu) + demand.score_cpu, cpu)
        used_memory = np.minimum(look("score memory", table.score_memory) + demand.score_memory, memory)
        cpu_base, memory_base = np.maximum(cpu, 1), np.maximum(memory, 1)
        least = ((cpu - used_cpu) * 100 // cpu_base + (memory - used_memory) * 100 // memory_base) // 2
        imbalance = np.abs(used_cpu * 1000 // cpu_base - used_memory * 1000 // memory_base)
        spread = np.full(table.size, 100, dtype=np.int64)
        mates = table.groups.get(self.template.group)
        if mates:
            there = np.fromiter(mates, dtype=np.int64, count=len(mates))
            spread[there] = 100 // (1 + np.fromiter(mates.values(), dtype=np.int64, count=len(mates)))
        scores = look("facts", self.facts.scores) + least + 100 - imbalance // 20 + plugins.SPREAD_WEIGHT * spread[index]
        total = self._look("total", self.total)  # the very memory of `self.total`
        total[index] = np.where(good, scores, REFUSED)
        if demand.ports:
            for row in table.ports:
                if self.total[row] != REFUSED and not plugins.ports_free(table.ports_of(row), demand.ports):
                    self.total[row] = REFUSED

    # -- choice -----------------------------------------------------------------------------------------------------------------------

    def best(self, start: int, refused: dict[int, str] | None = None) -> int | None:
        """The row with the highest score, among equals the first at or after `start`, wrapping around; None if all refuse.

        `refused` names rows that won't do for reasons that no view keeps.
        """
        if refused is not None or self.table.node_count < VECTOR_FROM_ROWS:
            return self._best_of_list(start, refused)
        total = self._look("total", self.total)
        row = int(total.argmax())
        highest = total[row]
        if highest == REFUSED:
            return None
        if row < start < len(total):
            later = start + int(total[start:].argmax())
            if total[later] == highest:
                return later
        return row

    def _best_of_list(self, start: int, refused: dict[int, str] | None) -> int | None:
        best: int | None = None
        highest = REFUSED
        total = self.total
        size = len(total)
        for row in (*range(start, size), *range(min(start, size))):
            if total[row] > highest and (refused is None or row not in refused):
                best, highest = row, total[row]
        return best

    @property
    def version(self) -> tuple[int, int]:
        """What this view has taken in; equal versions have equal scores."""
        return self._numbers_seen, self._facts_seen
