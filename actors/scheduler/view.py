"""What one template sees of each node by itself: whether it is refused, or how good it is; kept by row, renewed where something changed.

Made and asked by `decision.py`, which adds what depends on other nodes and pods. Few changed nodes are computed one by one in plain
integers; many are computed at once with numpy, which is imported at the first need of it (it takes 60 ms, and a small cluster whose pods
say nothing about each other never needs it). Both ways give the same numbers: a property test.
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
FIT_WEIGHT = plugins.WEIGHTS["NodeResourcesFit"]
BALANCED_WEIGHT = plugins.WEIGHTS["NodeResourcesBalancedAllocation"]


class FactsView:
    """What nodes' facts mean for one set of constraints: which filter refuses a row, and the raw scores that follow from facts alone.

    Shared by all templates with equal constraints, which most have.
    """

    def __init__(self, table: NodeTable, constraints: Constraints) -> None:
        self.table = table
        self.constraints = constraints
        self.refusals = array("q")
        """By row: `plugins.PASSES`, or which filter refuses it, or `plugins.ABSENT`."""
        self.affinity_fits = array("q")
        """1 where the required node affinity is fulfilled, whatever else refuses the row."""
        self.taints_fit = array("q")
        self.preferred = array("q")
        self.intolerable = array("q")
        self.intolerable_total = 0
        self.masks: dict[tuple[bool, bool], Any] = {}
        """What `relations.accepted` has worked out of these; void after every change."""
        self._seen = -1

    def renew(self) -> None:
        """Take in what has changed since the last time."""
        table = self.table
        if len(self.refusals) != table.size:
            self.refusals = array("q", [plugins.ABSENT]) * table.size
            zeros = bytes(8 * table.size)
            self.affinity_fits, self.taints_fit = array("q", zeros), array("q", zeros)
            self.preferred, self.intolerable = array("q", zeros), array("q", zeros)
            self.intolerable_total = 0
            self._seen = -1
        if self._seen == table.facts_log.end:
            return
        self.masks.clear()
        rows = table.facts_log.since(self._seen)
        self._seen = table.facts_log.end
        for row in range(table.size) if rows is None else rows:
            self._renew_row(row)

    def _renew_row(self, row: int) -> None:
        facts, constraints = self.table.facts[row], self.constraints
        self.intolerable_total -= self.intolerable[row]
        if facts is None:
            self.refusals[row] = plugins.ABSENT
            self.affinity_fits[row] = self.taints_fit[row] = self.preferred[row] = self.intolerable[row] = 0
            return
        taints_fit, affinity_fits = plugins.passes_taints(constraints, facts), plugins.passes_affinity(constraints, facts)
        fits = taints_fit and affinity_fits and not facts.unschedulable
        self.refusals[row] = plugins.PASSES if fits else plugins.refused_by(constraints, facts)
        self.affinity_fits[row] = affinity_fits
        self.taints_fit[row] = taints_fit
        if constraints.preferred:
            self.preferred[row] = plugins.preferred_weight(constraints, facts)
        if facts.taints or self.intolerable[row]:
            self.intolerable[row] = plugins.intolerable_taints(constraints, facts)
            self.intolerable_total += self.intolerable[row]


class TemplateView:
    """For one template and all rows, what depends on the row alone: `REFUSED`, or the score of the two plugins for resources."""

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
        numbers = table.numbers_log.since(self._numbers_seen)
        self._numbers_seen = table.numbers_log.end
        rows = numbers
        if self._facts_seen != table.facts_log.end:
            self.facts.renew()
            facts = table.facts_log.since(self._facts_seen)
            self._facts_seen = table.facts_log.end
            rows = list(dict.fromkeys(numbers + facts)) if numbers is not None and facts is not None else None
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
        """NodeResourcesFit and NodeResourcesBalancedAllocation of one row, weighed, or `REFUSED`.

        The latter counts real requests only, and says nothing about pods that have none.
        """
        if self.facts.refusals[row] != plugins.PASSES or not self.fits(row):
            return REFUSED
        table, demand = self.table, self.template.demand
        cpu, memory = table.capacity["cpu"][row], table.capacity["memory"][row]
        score = FIT_WEIGHT * plugins.least_allocated(
            cpu, memory, table.score_cpu[row] + demand.score_cpu, table.score_memory[row] + demand.score_memory
        )
        if demand.asks:
            used_cpu, used_memory = table.used["cpu"][row] + demand.cpu, table.used["memory"][row] + demand.memory
            score += BALANCED_WEIGHT * plugins.balanced_allocation(cpu, memory, used_cpu, used_memory)
        return score

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
        cpu_base, memory_base = np.maximum(cpu, 1), np.maximum(memory, 1)
        used_cpu = np.minimum(look("score cpu", table.score_cpu) + demand.score_cpu, cpu)
        used_memory = np.minimum(look("score memory", table.score_memory) + demand.score_memory, memory)
        free_cpu = (cpu - used_cpu) * plugins.MAX_SCORE // cpu_base  # 0 where the node has none
        free_memory = (memory - used_memory) * plugins.MAX_SCORE // memory_base
        both = (cpu > 0) & (memory > 0)
        scores = FIT_WEIGHT * ((free_cpu + free_memory) // np.where(both, 2, 1))
        if demand.asks:
            share_cpu = np.minimum((look("used cpu", table.used["cpu"]) + demand.cpu) / cpu_base, 1.0)
            share_memory = np.minimum((look("used memory", table.used["memory"]) + demand.memory) / memory_base, 1.0)
            balanced = ((1 - np.abs(share_cpu - share_memory) / 2) * plugins.MAX_SCORE).astype(np.int64)
            scores += BALANCED_WEIGHT * np.where(both, balanced, plugins.MAX_SCORE)
        total = self._look("total", self.total)  # the very memory of `self.total`
        total[index] = np.where(good, scores, REFUSED)
        if demand.ports:
            for row in table.ports:
                if self.total[row] != REFUSED and not plugins.ports_free(table.ports_of(row), demand.ports):
                    self.total[row] = REFUSED

    @property
    def version(self) -> tuple[int, int]:
        """What this view has taken in; equal versions have equal scores."""
        return self._numbers_seen, self._facts_seen
