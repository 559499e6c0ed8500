"""The filters and scores of the scheduler as separate named plugins, each a pure function of one node and one demand.

Called by `view.py`, which keeps their results per template and per node and asks again only for nodes that changed. A filter says why a
node won't do, in Kubernetes' words; filters are asked in Kubernetes' order and the first that refuses names the reason. Scores run from 0
to 100 in integers and depend on their own node only, so that a change of one node changes one number.
Source: pkg/scheduler/framework/plugins, apis/config/v1/default_plugins.go (order and weights).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from callboard.actors.scheduler.demand import Constraints
from callboard.models.api.core import NodeSelectorRequirement, NodeSelectorTerm, Taint
from callboard.models.taints import KEEPS_OUT, UNSCHEDULABLE, is_tolerated, untolerated

NODE_UNSCHEDULABLE = "node(s) were unschedulable"
NODE_AFFINITY = "node(s) didn't match Pod's node affinity/selector"
TAINT_TOLERATION = "node(s) had untolerated taint(s)"
NODE_PORTS = "node(s) didn't have free ports for the requested pod ports"
TOO_MANY_PODS = "Too many pods"
CLAIMS = "cannot allocate all claims"

TAINT_WEIGHT = 3
AFFINITY_WEIGHT = 2
SPREAD_WEIGHT = 2

_CORDONED = Taint(key=UNSCHEDULABLE, effect="NoSchedule")


class NodeFacts(msgspec.Struct, frozen=True, gc=False):
    """What filters may know of a node's object. Two equal facts give equal answers."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    unschedulable: bool


class Filter(msgspec.Struct, frozen=True):
    """A named filter on node facts: `passes(constraints, facts)`, and why a node is refused."""

    name: str
    reason: str
    passes: Callable[[Constraints, NodeFacts], bool]


def passes_unschedulable(constraints: Constraints, facts: NodeFacts) -> bool:
    """NodeUnschedulable: a cordoned node takes only pods that tolerate its taint."""
    return not facts.unschedulable or is_tolerated(_CORDONED, constraints.tolerations)


def passes_taints(constraints: Constraints, facts: NodeFacts) -> bool:
    """TaintToleration: every taint NoSchedule or NoExecute is tolerated."""
    return not facts.taints or untolerated(facts.taints, constraints.tolerations, KEEPS_OUT) is None


def passes_affinity(constraints: Constraints, facts: NodeFacts) -> bool:
    """NodeAffinity: the node selector, and one term of the required affinity."""
    labels = facts.labels
    for key, value in constraints.node_selector:
        if labels.get(key) != value:
            return False
    required = constraints.required
    return required is None or any(matches_term(term, facts) for term in required.node_selector_terms)


def matches_term(term: NodeSelectorTerm, facts: NodeFacts) -> bool:
    """Whether a node fulfils all of a term; an empty term selects no node."""
    if not term.match_expressions and not term.match_fields:
        return False
    names = {"metadata.name": facts.name}
    return all(_fulfils(one, facts.labels) for one in term.match_expressions) and all(_fulfils(one, names) for one in term.match_fields)


def _fulfils(requirement: NodeSelectorRequirement, values: Mapping[str, str]) -> bool:
    value = values.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            try:
                own, bound = int(value or ""), int(requirement.values[0])
            except (ValueError, IndexError):
                return False  # what is no number is neither greater nor less
            return own > bound if requirement.operator == "Gt" else own < bound
    return False


FACT_FILTERS = (
    Filter("NodeUnschedulable", NODE_UNSCHEDULABLE, passes_unschedulable),
    Filter("TaintToleration", TAINT_TOLERATION, passes_taints),
    Filter("NodeAffinity", NODE_AFFINITY, passes_affinity),
)
"""NodeName has no part here: a pod that names its node is bound already and never comes to a scheduler."""

PASSES = 0
ABSENT = -1


def refused_by(constraints: Constraints, facts: NodeFacts) -> int:
    """`PASSES`, or 1 + the index in `FACT_FILTERS` of the first filter that refuses the node."""
    for number, one in enumerate(FACT_FILTERS, 1):
        if not one.passes(constraints, facts):
            return number
    return PASSES


def facts_score(constraints: Constraints, facts: NodeFacts) -> int:
    """The weighted scores TaintToleration (fewer intolerable PreferNoSchedule taints) and NodeAffinity (preferred terms)."""
    intolerable = sum(
        1 for taint in facts.taints if taint.effect == "PreferNoSchedule" and not is_tolerated(taint, constraints.tolerations)
    )
    score = TAINT_WEIGHT * (100 // (1 + intolerable))
    if constraints.preferred:
        most = sum(max(term.weight or 0, 0) for term in constraints.preferred)
        got = sum(
            term.weight or 0 for term in constraints.preferred if term.preference is not None and matches_term(term.preference, facts)
        )
        score += AFFINITY_WEIGHT * (100 * got // most if most else 0)
    return score


def ports_free(taken: Mapping[tuple[str, str, int], int], wanted: tuple[tuple[str, str, int], ...]) -> bool:
    """NodePorts: no wanted port is taken; the address 0.0.0.0 conflicts with every other."""
    for protocol, address, port in wanted:
        for other_protocol, other_address, other_port in taken:
            if port == other_port and protocol == other_protocol and (address == other_address or "0.0.0.0" in (address, other_address)):
                return False
    return True
