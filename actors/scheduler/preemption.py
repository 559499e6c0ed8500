"""DefaultPreemption: for a pod that fits nowhere, which pods of lower priority have to go, and from which node. Pure.

Called by the scheduler's actor after the filters refused all nodes. Kubernetes' rules: a node is a candidate if the pod would fit without
all pods of lower priority; then as many as possible are reprieved, those that a PodDisruptionBudget protects first, the important ones
before the others; of the candidates the one is taken that violates the fewest budgets, then the one whose most important victim is least
important, whose priorities sum up to the least, with the fewest victims, whose most important victims started last.
Source: pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go, framework/preemption/preemption.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from callboard.actors.scheduler import plugins
from callboard.actors.scheduler.decision import Case, Decider, count_reasons, sentence, why_not
from callboard.actors.scheduler.nominations import Nominee
from callboard.actors.scheduler.table import NodeTable, Placed
from callboard.actors.scheduler.trial import NodeTrial
from callboard.models.podstatus import is_terminating
from callboard.models.selectors import Selector

CANDIDATES_LEAST = 100
"""Candidates looked for before the best is taken (minCandidateNodesAbsolute), or a tenth of the nodes if that is more."""
CANDIDATES_SHARE = 10

NEVER = "not eligible due to preemptionPolicy=Never."
TERMINATING = "not eligible due to a terminating pod on the nominated node."
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"

_ALWAYS_POSITIVE = 2**31
"""Added to every priority of a sum, so that two victims of a negative priority are worse than one."""
_NOT_STARTED = "9999"


class Budget(msgspec.Struct, frozen=True, gc=False):
    """A PodDisruptionBudget as a preemption sees it; `allowed` is status.disruptionsAllowed, `disrupted` status.disruptedPods."""

    namespace: str
    selector: Selector
    allowed: int
    disrupted: tuple[str, ...] = ()


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A node and who has to go for the pod to fit there, the most important first. `violations` counts broken budgets."""

    node: str
    victims: tuple[Placed, ...]
    violations: int = 0


class Preempt(msgspec.Struct, frozen=True, gc=False):
    """The pod is promised a node: these pods have to go, and these lose the promise of the same node."""

    candidate: Candidate
    outranked: tuple[Nominee, ...] = ()


class Hopeless(msgspec.Struct, frozen=True, gc=False):
    """Nobody is removed, for this reason. `keeps_promise`: a node that the pod was promised before remains so."""

    message: str
    keeps_promise: bool = False


def priority_of(placed: Placed) -> int:
    """The priority of a placed pod."""
    return placed.template.demand.priority


def started(placed: Placed) -> str:
    """When it was started, RFC 3339; what wasn't yet counts as later than everything."""
    status = placed.pod.status
    return (status.start_time if status is not None else "") or _NOT_STARTED


def importance(placed: Placed) -> tuple[int, str]:
    """Sorts the most important first: by priority, then the longest running (MoreImportantPod)."""
    return -priority_of(placed), started(placed)


# -- one node ---------------------------------------------------------------------------------------------------------------------------


def lower_ranked(table: NodeTable, node: str, priority: int) -> list[Placed]:
    """The pods of a node that a pod of this priority may preempt."""
    return [placed for placed in table.by_node.get(node, {}).values() if priority_of(placed) < priority]


def split_by_budget(pods: Sequence[Placed], budgets: Iterable[Budget]) -> tuple[list[Placed], list[Placed]]:
    """(those whose removal would violate a budget, the rest), each in the given order; every pod uses up its budgets."""
    left = [[budget, budget.allowed] for budget in budgets]
    violating: list[Placed] = []
    others: list[Placed] = []
    for placed in pods:
        meta = placed.pod.metadata
        violates = False
        for entry in left if meta.labels else ():
            budget: Budget = entry[0]  # type: ignore[assignment]
            if budget.namespace != meta.namespace or budget.selector.empty or not budget.selector.matches(meta.labels):
                continue
            if meta.name not in budget.disrupted:
                entry[1] -= 1  # type: ignore[operator]
                violates = violates or entry[1] < 0  # type: ignore[operator]
        (violating if violates else others).append(placed)
    return violating, others


def select_victims(table: NodeTable, trial: NodeTrial, node: str, priority: int, budgets: Sequence[Budget]) -> Candidate | tuple[str, ...]:
    """Who has to go from one node for the pod of the trial to fit; or why it would not even then."""
    potential = lower_ranked(table, node, priority)
    if not potential:
        return (NO_VICTIMS,)
    classes = {placed.pod.metadata.uid: table.census.class_of(placed.pod, placed.template) for placed in potential}
    for placed in potential:
        trial.take(classes[placed.pod.metadata.uid])
    reasons = trial.why_not()
    if reasons:
        return reasons
    potential.sort(key=importance)
    violating, others = split_by_budget(potential, budgets)
    victims: list[Placed] = []
    violations = 0
    for number, placed in enumerate((*violating, *others)):
        one = classes[placed.pod.metadata.uid]
        trial.put(one)
        if trial.why_not():
            trial.take(one)
            victims.append(placed)
            violations += number < len(violating)
    victims.sort(key=importance)
    return Candidate(node, tuple(victims), violations)


# -- all nodes --------------------------------------------------------------------------------------------------------------------------


def choose_candidate(candidates: Sequence[Candidate]) -> Candidate:
    """The node whose loss is least, the first among equals (pickOneNodeForPreemption)."""
    least = min(candidates, key=_loss)
    tied = [one for one in candidates if _loss(one) == _loss(least)]
    return max(tied, key=_latest_start)


def _loss(one: Candidate) -> tuple[int, int, int, int]:
    priorities = [priority_of(placed) for placed in one.victims]
    return one.violations, priorities[0], sum(priority + _ALWAYS_POSITIVE for priority in priorities), len(priorities)


def _latest_start(one: Candidate) -> str:
    """When the first of its most important victims started."""
    return min(started(placed) for placed in one.victims if priority_of(placed) == priority_of(one.victims[0]))


def ineligible(decider: Decider, case: Case) -> str:
    """Why a pod may not preempt now; "" if it may. It waits for the victims of its last preemption while its node could still take it."""
    demand = case.template.demand
    if not demand.preempts:
        return NEVER
    node = decider.nominations.node_of(case.key)
    row = decider.table.rows.get(node)
    if row is None or _unresolvable(why_not(decider.table, case, row)):
        return ""
    return TERMINATING if any(is_terminating(one.pod) for one in lower_ranked(decider.table, node, demand.priority)) else ""


def _unresolvable(reasons: tuple[str, ...]) -> bool:
    return any(reason in plugins.UNRESOLVABLE for reason in reasons)


def preempt(decider: Decider, case: Case, budgets: Sequence[Budget], start: int = 0) -> Preempt | Hopeless:
    """What a preemption for this pod would be. Candidates are looked for from the row `start` on, wrapping around."""
    reason = ineligible(decider, case)
    if reason:
        return Hopeless(reason, keeps_promise=reason == TERMINATING)
    known = decider.hopeless(case)
    if known:
        return Hopeless(known)
    table = decider.table
    wanted = max(CANDIDATES_LEAST, table.node_count // CANDIDATES_SHARE)
    candidates: list[Candidate] = []
    tried: dict[int, tuple[str, ...]] = {}
    for row in _resolvable_rows(decider, case, start):
        found = _try_row(decider, case, row, budgets)
        if isinstance(found, Candidate):
            candidates.append(found)
            if len(candidates) >= wanted:
                break
        else:
            tried[row] = found
    if not candidates:
        counts = count_reasons(tried.get(row, (NOT_HELPFUL,)) for row in table.rows.values())
        message = sentence(table.node_count, counts)
        decider.note_hopeless(case, message)
        return Hopeless(message)
    best = choose_candidate(candidates)
    outranked = tuple(
        one
        for one in decider.nominations.on(best.node)
        if one.key != case.key and one.template.demand.priority < case.template.demand.priority
    )
    return Preempt(best, outranked)


def _resolvable_rows(decider: Decider, case: Case, start: int) -> Iterator[int]:
    table = decider.table
    if case.template.demand.claims:
        return
    for row in (*range(start, table.size), *range(min(start, table.size))):
        if case.view.facts.refusals[row] == plugins.PASSES and not _unresolvable(why_not(table, case, row)):
            yield row


def _try_row(decider: Decider, case: Case, row: int, budgets: Sequence[Budget]) -> Candidate | tuple[str, ...]:
    table, demand = decider.table, case.template.demand
    facts = table.facts[row]
    assert facts is not None
    for resource, amount in demand.requests:  # more than the whole node has: no removal helps (Fit's unresolvable case)
        if amount > table.capacity[resource][row]:
            return (NOT_HELPFUL,)
    trial = NodeTrial(table, case.view, case.judgement, row)
    try:
        for rival in decider.nominations.on(facts.name):
            if rival.key != case.key and rival.template.demand.priority >= demand.priority:
                trial.put(table.census.class_of(rival.pod, rival.template))
        return select_victims(table, trial, facts.name, demand.priority, budgets)
    finally:
        trial.undo()
