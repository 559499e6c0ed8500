"""What one template sees of the nodes: why each refuses it, or how good each is, kept per node and renewed only where something changed.

Made and asked by `decision.py`. Few changed nodes are computed one by one in plain integers; many are computed at once with numpy, which is
imported at the first need of it (it takes 60 ms, and a small cluster never needs it). Both ways give the same numbers: a property test.
"""

from __future__ import annotations

from array import array
from typing import Any

from callboard.actors.scheduler import plugins
from callboard.actors.scheduler.demand import Template
from callboard.actors.scheduler.table import PODS, NodeTable

VECTOR_FROM_ROWS = 64
"""Clusters of fewer nodes are handled without numpy."""
VECTOR_FROM_CHANGES = 24
"""Fewer changed rows than this are computed one by one."""
REFUSED = -1


class TemplateView:
    """Scores of all rows for one template; `REFUSED` where the node won't do."""

    def __init__(self, table: NodeTable, template: Template) -> None:
        self.table = table
        self.template = template
        self.total = array("q")
        self.refusals = array("q")
        self.facts_scores = array("q")
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
        numbers = table.numbers_log.since(self._numbers_seen)
        facts = table.facts_log.since(self._facts_seen)
        self._numbers_seen = table.numbers_log.end
        self._facts_seen = table.facts_log.end
        if numbers is None or facts is None:
            self._renew_facts(range(table.size))
            self._renew_all()
            return
        if facts:
            self._renew_facts(facts)
            numbers = list(dict.fromkeys(numbers + facts))
        if len(numbers) >= VECTOR_FROM_CHANGES and table.node_count >= VECTOR_FROM_ROWS:
            self._renew_all()
        else:
            for row in numbers:
                self.total[row] = self.score_row(row)

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
            self.refusals = array("q", [plugins.ABSENT]) * table.size
            self.facts_scores = array("q", bytes(8 * table.size))
            self._numbers_seen = self._facts_seen = -1

    def _renew_facts(self, rows: Any) -> None:
        constraints = self.template.demand.constraints
        for row in rows:
            facts = self.table.facts[row]
            if facts is None:
                self.refusals[row] = plugins.ABSENT
                continue
            refused = plugins.refused_by(constraints, facts)
            self.refusals[row] = refused
            self.facts_scores[row] = plugins.facts_score(constraints, facts) if refused == plugins.PASSES else 0

    def _renew_all(self) -> None:
        if self.table.node_count < VECTOR_FROM_ROWS:
            for row in range(self.table.size):
                self.total[row] = self.score_row(row)
        else:
            self.score_all()

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
        if self.refusals[row] != plugins.PASSES or not self.fits(row):
            return REFUSED
        table, demand = self.table, self.template.demand
        cpu, memory = table.capacity["cpu"][row], table.capacity["memory"][row]
        used_cpu = min(table.score_cpu[row] + demand.score_cpu, cpu)
        used_memory = min(table.score_memory[row] + demand.score_memory, memory)
        least = ((cpu - used_cpu) * 100 // max(cpu, 1) + (memory - used_memory) * 100 // max(memory, 1)) // 2
        imbalance = abs(used_cpu * 1000 // max(cpu, 1) - used_memory * 1000 // max(memory, 1))
        mates = table.groups.get(self.template.group)
        spread = 100 // (1 + (mates.get(row, 0) if mates is not None else 0))
        return self.facts_scores[row] + least + 100 - imbalance // 20 + plugins.SPREAD_WEIGHT * spread

    # -- all nodes at once ------------------------------------------------------------------------------------------------------------

    def _look(self, name: str, numbers: array[int]) -> Any:
        seen = self._np.get(name)
        if seen is None:
            import numpy

            seen = self._np[name] = numpy.frombuffer(numbers, dtype=numpy.int64)
        return seen

    def score_all(self) -> None:
        """The same as `score_row` for every row."""
        import numpy as np

        table, demand = self.table, self.template.demand
        good = self._look("refusals", self.refusals) == plugins.PASSES
        for number, (capacity, used, amount) in enumerate(self._columns):
            good &= self._look(f"capacity {number}", capacity) - self._look(f"used {number}", used) >= amount
        if demand.claims:
            good[:] = False
        for row in table.ports if demand.ports else ():
            if good[row] and not plugins.ports_free(table.ports_of(row), demand.ports):
                good[row] = False
        cpu = self._look("cpu", table.capacity["cpu"])
        memory = self._look("memory", table.capacity["memory"])
        used_cpu = np.minimum(self._look("score cpu", table.score_cpu) + demand.score_cpu, cpu)
        used_memory = np.minimum(self._look("score memory", table.score_memory) + demand.score_memory, memory)
        cpu_base, memory_base = np.maximum(cpu, 1), np.maximum(memory, 1)
        least = ((cpu - used_cpu) * 100 // cpu_base + (memory - used_memory) * 100 // memory_base) // 2
        imbalance = np.abs(used_cpu * 1000 // cpu_base - used_memory * 1000 // memory_base)
        spread = np.full(table.size, 100, dtype=np.int64)
        mates = table.groups.get(self.template.group)
        if mates:
            there = np.fromiter(mates, dtype=np.int64, count=len(mates))
            spread[there] = 100 // (1 + np.fromiter(mates.values(), dtype=np.int64, count=len(mates)))
        scores = self._look("facts", self.facts_scores) + least + 100 - imbalance // 20 + plugins.SPREAD_WEIGHT * spread
        self._look("total", self.total)  # read-write memory of `self.total`
        self._np["total"][:] = np.where(good, scores, REFUSED)

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
