"""One scheduling decision: the node for a pod, or Kubernetes' words for why there is none.

Called by the scheduler's actor and by nothing else; no clock, no messages. Views of templates are kept here, the least recently used one
goes first when there are too many. Ties go round: the next pod looks first at the row after the one chosen last.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callboard.actors.scheduler import plugins, relations
from callboard.actors.scheduler.demand import Constraints, Template
from callboard.actors.scheduler.table import PODS, NodeTable
from callboard.actors.scheduler.view import FactsView, TemplateView
from callboard.models.api.core import Pod

VIEWS_LIMIT = 512
"""Templates whose view of all nodes is kept."""
NO_NODES = "no nodes available to schedule pods"


class Placement(msgspec.Struct, frozen=True, gc=False):
    """The pod goes to this node."""

    node: str


class Unschedulable(msgspec.Struct, frozen=True, gc=False):
    """No node will do; `message` counts the nodes per reason."""

    message: str


class Decider:
    """Chooses nodes from a table. `placements` of the table are the caller's affair: a choice changes nothing but the order of ties."""

    def __init__(self, table: NodeTable) -> None:
        self.table = table
        self._views: dict[int, TemplateView] = {}
        self._facts: dict[Constraints, FactsView] = {}
        self._messages: dict[int, tuple[tuple[int, int], str]] = {}
        self._next_row = 0

    def view(self, template: Template) -> TemplateView:
        """The template's view of the nodes, up to date."""
        found = self._views.pop(template.number, None)
        if found is None:
            found = TemplateView(self.table, template, self._facts_of(template))
            if len(self._views) >= VIEWS_LIMIT:
                oldest = next(iter(self._views))
                del self._views[oldest]
                self._messages.pop(oldest, None)
        self._views[template.number] = found
        found.renew()
        return found

    def _facts_of(self, template: Template) -> FactsView:
        constraints = template.demand.constraints
        found = self._facts.get(constraints)
        if found is None:
            found = self._facts[constraints] = FactsView(self.table, constraints)
            if len(self._facts) > VIEWS_LIMIT:
                del self._facts[next(iter(self._facts))]
        return found

    def choose(self, pod: Pod, template: Template) -> Placement | Unschedulable:
        """The best node for a pod."""
        if not self.table.node_count:
            return Unschedulable(NO_NODES)
        view = self.view(template)
        refused: dict[int, str] | None = None
        if has_relations(template) or (self.table.anti_affinity and relations.concerned(self.table, pod)):
            refused = relations.judge(self.table, pod, template.demand.relations, self._acceptance(template))
        row = view.best(self._next_row, refused)
        if row is not None:
            facts = self.table.facts[row]
            if facts is None:
                raise AssertionError(f"row {row} was chosen for {pod.metadata.name} and has no node")
            self._next_row = row + 1
            return Placement(facts.name)
        return Unschedulable(self._message(view, refused))

    def may_fit(self, template: Template) -> bool:
        """Whether some node would take a pod of this template, relations between pods aside."""
        return self.view(template).best(0) is not None

    def _acceptance(self, template: Template) -> _Acceptance:
        return _Acceptance(self.table, template)

    def _message(self, view: TemplateView, refused: dict[int, str] | None) -> str:
        if refused is not None:
            return fit_error(self.table, view, refused)
        known = self._messages.get(view.template.number)
        if known is None or known[0] != view.version:
            known = self._messages[view.template.number] = (view.version, fit_error(self.table, view, {}))
        return known[1]


class _Acceptance:
    """Whether a row's node is accepted by a template's own node affinity and tolerations."""

    def __init__(self, table: NodeTable, template: Template) -> None:
        self._table = table
        self._constraints = template.demand.constraints

    def __call__(self, row: int, by_affinity: bool, by_taints: bool) -> bool:
        facts = self._table.facts[row]
        if facts is None:
            return False
        if by_affinity and not plugins.passes_affinity(self._constraints, facts):
            return False
        return not by_taints or plugins.passes_taints(self._constraints, facts)


def has_relations(template: Template) -> bool:
    """Whether its pods have required rules about other pods."""
    return template.demand.relations.any


def why_not(table: NodeTable, view: TemplateView, row: int, refused: dict[int, str]) -> list[str]:
    """The reasons of the first filter that refuses a row's node; several only if it lacks several resources."""
    number = view.facts.refusals[row]
    if number != plugins.PASSES:
        return [plugins.FACT_FILTERS[number - 1].reason]
    demand = view.template.demand
    if demand.ports and not plugins.ports_free(table.ports_of(row), demand.ports):
        return [plugins.NODE_PORTS]
    lacking = []
    if table.used[PODS][row] + 1 > table.capacity[PODS][row]:
        lacking.append(plugins.TOO_MANY_PODS)
    for resource, amount in demand.requests:
        if amount > table.capacity[resource][row] - table.used[resource][row]:
            lacking.append(f"Insufficient {resource}")
    if lacking:
        return lacking
    if row in refused:
        return [refused[row]]
    return [plugins.CLAIMS] if demand.claims else []


def fit_error(table: NodeTable, view: TemplateView, refused: dict[int, str]) -> str:
    """`0/3 nodes are available: 2 Insufficient cpu, 3 Insufficient memory.`: counted per reason, sorted as Kubernetes' FitError does."""
    counts: dict[str, int] = {}
    for row in table.rows.values():
        for reason in why_not(table, view, row, refused):
            counts[reason] = counts.get(reason, 0) + 1
    return sentence(table.node_count, counts.items())


def sentence(nodes: int, counts: Iterable[tuple[str, int]]) -> str:
    """The sentence that tells how many nodes were refused for which reason."""
    told = ", ".join(sorted(f"{count} {reason}" for reason, count in counts))
    return f"0/{nodes} nodes are available: {told}." if told else f"0/{nodes} nodes are available:"
