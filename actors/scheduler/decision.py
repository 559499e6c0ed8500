"""One scheduling decision: the node for a pod, or Kubernetes' words for why there is none.

Called by the scheduler's actor and by nothing else; no clock, no messages. Views of templates are kept here, the least recently used one
goes first when there are too many. Ties go round: the next pod looks first at the row after the one chosen last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from callboard.actors.scheduler import plugins, relations, scoring, view
from callboard.actors.scheduler.census import PodClass
from callboard.actors.scheduler.demand import Constraints, Template
from callboard.actors.scheduler.heldterms import Held
from callboard.actors.scheduler.nominations import Nominations, Nominee
from callboard.actors.scheduler.standing import Standing
from callboard.actors.scheduler.table import PODS, NodeTable
from callboard.actors.scheduler.trial import NodeTrial
from callboard.actors.scheduler.view import FactsView, TemplateView
from callboard.models.api.core import Pod
from callboard.models.podstatus import is_terminating

VIEWS_LIMIT = 512
"""Templates whose view of all nodes is kept."""
NO_NODES = "no nodes available to schedule pods"


State = tuple[PodClass, tuple[int, int], int, int]


class Placement(msgspec.Struct, frozen=True, gc=False):
    """The pod goes to this node."""

    node: str


class Unschedulable(msgspec.Struct, frozen=True, gc=False):
    """No node will do; `message` counts the nodes per reason."""

    message: str


class Case:
    """One pod before all nodes, at one moment: what was found out on the way to a decision, and what a preemption starts from."""

    __slots__ = ("codes", "concerning", "held", "judgement", "key", "one", "pod", "template", "view")

    def __init__(self, key: str, pod: Pod, template: Template, seen: TemplateView, one: PodClass) -> None:
        self.key = key
        self.pod = pod
        self.template = template
        self.view = seen
        self.one = one
        self.concerning: tuple[Held, ...] = ()
        """Terms of placed pods that speak of this one."""
        self.judgement: relations.Judgement | None = None
        self.codes: Any = None
        """Codes of `relations.REASONS` by row; None if no rule about other pods has a say."""
        self.held: dict[int, tuple[str, ...]] = {}
        """Why not, for rows that would do if pods nominated there didn't count."""


class Decider:
    """Chooses nodes from a table. What is placed is the caller's affair: a choice changes nothing but the order of ties."""

    def __init__(self, table: NodeTable, nominations: Nominations | None = None) -> None:
        self.table = table
        self.nominations = nominations if nominations is not None else Nominations()
        self._views: dict[int, TemplateView] = {}
        self._standings: dict[int, Standing] = {}
        self._facts: dict[Constraints, FactsView] = {}
        self._messages: dict[int, tuple[State, str]] = {}
        self._hopeless: dict[int, tuple[State, str]] = {}
        self.next_row = 0
        """Where the search begins next time."""

    def view(self, template: Template) -> TemplateView:
        """The template's view of the nodes, up to date."""
        found = self._views.pop(template.number, None)
        if found is None:
            found = TemplateView(self.table, template, self._facts_of(template))
            if len(self._views) >= VIEWS_LIMIT:
                oldest = next(iter(self._views))
                del self._views[oldest]
                self._standings.pop(oldest, None)
                self._messages.pop(oldest, None)
                self._hopeless.pop(oldest, None)
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

    # -- a decision -------------------------------------------------------------------------------------------------------------

    def case(self, key: str, pod: Pod, template: Template) -> Case:
        """All filters, asked."""
        case = Case(key, pod, template, self.view(template), self.table.census.class_of(pod, template))
        case.concerning = self.table.census.concerning(case.one)
        if template.demand.relations.required or (case.concerning and any(not held.weight for held in case.concerning)):
            case.judgement = relations.Judgement(self.table, case.one, case.view.facts)
            case.codes = case.judgement.codes()
        if self.nominations:
            self._hold_places(case)
        return case

    def _hold_places(self, case: Case) -> None:
        """Fill `held`: places are held for nominated pods of the same or a higher priority."""
        for node, rivals in self.nominations.against(case.key, case.template.demand.priority):
            row = self.table.rows.get(node)
            if row is None or not self.passes(case, row):
                continue
            trial = NodeTrial(self.table, case.view, case.judgement, row)
            for rival in rivals:
                trial.put(self.table.census.class_of(rival.pod, rival.template))
            reasons = trial.why_not()
            trial.undo()
            if reasons:
                case.held[row] = reasons

    @staticmethod
    def passes(case: Case, row: int) -> bool:
        """Whether no filter refuses a row, nominated pods aside."""
        return case.view.total[row] != view.REFUSED and (case.codes is None or not case.codes[row])

    def rank(self, case: Case) -> Any:
        """Scores of all rows, `view.REFUSED` for those that won't do. To be read before the next decision."""
        if case.codes is None and not case.concerning:
            standing = self.standing(case)
            if standing is not None:
                return standing.scores()
            if self.table.node_count < view.VECTOR_FROM_ROWS and not case.template.demand.relations.any:
                return scoring.rank_plain(self.table, case.view, case.one, case.held)
        return scoring.rank_arrays(self.table, case.view, case.one, case.codes, case.held)

    def standing(self, case: Case) -> Standing | None:
        """The kept scores for a pod about which no other pod says anything; None if its scores have to be computed anew."""
        if case.held:
            return None
        found = self._standings.get(case.template.number)
        if found is None:
            found = self._standings[case.template.number] = Standing(self.table, case.view)
        return found if found.applies() else None

    def choose(self, key: str, pod: Pod, template: Template) -> Placement | Unschedulable:
        """The best node for a pod."""
        if not self.table.node_count:
            return Unschedulable(NO_NODES)
        case = self.case(key, pod, template)
        return self.choose_of(case)

    def choose_of(self, case: Case) -> Placement | Unschedulable:
        """The same, for a case whose filters were asked. A node that the pod was nominated for is taken before better ones."""
        nominated = self.table.rows.get(self.nominations.node_of(case.key)) if self.nominations else None
        if nominated is not None and nominated not in case.held and self.passes(case, nominated):
            return Placement(self._name(nominated))
        row = scoring.best(self.rank(case), self.next_row)
        if row is None:
            return Unschedulable(self._message(case))
        self.next_row = row + 1
        return Placement(self._name(row))

    def _name(self, row: int) -> str:
        facts = self.table.facts[row]
        if facts is None:
            raise AssertionError(f"row {row} was chosen and has no node")
        return facts.name

    def may_fit(self, template: Template) -> bool:
        """Whether some node would take a pod of this template, if only it were for the node itself."""
        return max(self.view(template).total) != view.REFUSED

    def waits_for_victims(self, nominee: Nominee) -> bool:
        """Whether a promised node has nothing new for its pod: it is there, refuses the pod still, and pods of lower priority are going."""
        row = self.table.rows.get(nominee.node)
        if row is None:
            return False
        seen = self.view(nominee.template)
        if seen.facts.refusals[row] != plugins.PASSES or seen.total[row] != view.REFUSED:
            return False
        mates = self.table.by_node.get(nominee.node, {}).values()
        return any(is_terminating(one.pod) and one.template.demand.priority < nominee.template.demand.priority for one in mates)

    # -- words ------------------------------------------------------------------------------------------------------------------

    def _message(self, case: Case) -> str:
        state = self._state(case)
        known = self._messages.get(case.template.number)
        if known is None or known[0] != state:
            known = self._messages[case.template.number] = state, fit_error(self.table, case)
        return known[1]

    def _state(self, case: Case) -> State:
        """Equal states of equal pods have equal outcomes: what keeps ten thousand hopeless pods from asking every node each."""
        return case.one, case.view.version, self.table.census.version, self.nominations.version

    def hopeless(self, case: Case) -> str:
        """Why no preemption helped an equal pod in this very state; "" if nobody has tried."""
        known = self._hopeless.get(case.template.number)
        return known[1] if known is not None and known[0] == self._state(case) else ""

    def note_hopeless(self, case: Case, message: str) -> None:
        """No preemption helps this pod, which holds no promise."""
        self._hopeless[case.template.number] = self._state(case), message


def why_not(table: NodeTable, case: Case, row: int) -> tuple[str, ...]:
    """The reasons of the first filter that refuses a row's node; several only if it lacks several resources."""
    number = case.view.facts.refusals[row]
    if number != plugins.PASSES:
        return (plugins.FACT_FILTERS[number - 1].reason,)
    lacking = lacks(table, case.view, row)
    if lacking:
        return lacking
    if case.codes is not None and case.codes[row]:
        return (relations.REASONS[case.codes[row]],)
    if case.template.demand.claims:
        return (plugins.CLAIMS,)
    return case.held.get(row, ())


def lacks(table: NodeTable, seen: TemplateView, row: int) -> tuple[str, ...]:
    """What NodePorts or NodeResourcesFit miss on a row's node."""
    demand = seen.template.demand
    if demand.ports and not plugins.ports_free(table.ports_of(row), demand.ports):
        return (plugins.NODE_PORTS,)
    lacking = []
    if table.used[PODS][row] + 1 > table.capacity[PODS][row]:
        lacking.append(plugins.TOO_MANY_PODS)
    for resource, amount in demand.requests:
        if amount > table.capacity[resource][row] - table.used[resource][row]:
            lacking.append(f"Insufficient {resource}")
    return tuple(lacking)


def fit_error(table: NodeTable, case: Case) -> str:
    """`0/3 nodes are available: 2 Insufficient cpu, 3 Insufficient memory.`: counted per reason, sorted as Kubernetes' FitError does."""
    return sentence(table.node_count, count_reasons(why_not(table, case, row) for row in table.rows.values()))


def count_reasons(nodes: Iterable[tuple[str, ...]]) -> dict[str, int]:
    """How many nodes were refused for which reason."""
    counts: dict[str, int] = {}
    for reasons in nodes:
        for reason in reasons:
            counts[reason] = counts.get(reason, 0) + 1
    return counts


def sentence(nodes: int, counts: Mapping[str, int]) -> str:
    """The sentence that tells how many nodes were refused for which reason."""
    told = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    return f"0/{nodes} nodes are available: {told}." if told else f"0/{nodes} nodes are available:"


def has_relations(template: Template) -> bool:
    """Whether its pods have required rules about other pods."""
    return template.demand.relations.required
