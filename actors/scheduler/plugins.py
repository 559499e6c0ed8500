"""The filters and scores of the scheduler that look at one node and one demand, each a pure function named as Kubernetes names its plugin.

Called by `view.py`, which keeps their results per template and per node and asks again only for nodes that changed. A filter says why a
node won't do, in Kubernetes' words; filters are asked in Kubernetes' order and the first that refuses names the reason. What a score is
here is a raw number; `scoring.py` normalises it over the nodes that passed all filters, and adds up by weight.
The plugins that look at other pods, PodTopologySpread and InterPodAffinity, are in `relations.py`; DefaultPreemption in `preemption.py`.
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

SPREAD = "node(s) didn't match pod topology spread constraints"
SPREAD_LABEL = "node(s) didn't match pod topology spread constraints (missing required label)"
AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"

UNRESOLVABLE = (NODE_UNSCHEDULABLE, NODE_AFFINITY, TAINT_TOLERATION, SPREAD_LABEL, AFFINITY, CLAIMS)
"""Reasons that no removal of pods can do away with (UnschedulableAndUnresolvable): such nodes are no candidates of a preemption."""

WEIGHTS = {
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
    "NodeResourcesFit": 1,
    "NodeResourcesBalancedAllocation": 1,
}
"""What each plugin's score, from 0 to 100, counts for (getDefaultPlugins). ImageLocality is left out: no runtime tells what it holds."""
MAX_SCORE = 100

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


def intolerable_taints(constraints: Constraints, facts: NodeFacts) -> int:
    """TaintToleration's raw score, of which less is better: taints PreferNoSchedule that aren't tolerated."""
    return sum(1 for taint in facts.taints if taint.effect == "PreferNoSchedule" and not is_tolerated(taint, constraints.tolerations))


def preferred_weight(constraints: Constraints, facts: NodeFacts) -> int:
    """NodeAffinity's raw score: the sum of the weights of the preferred terms that the node fulfils."""
    return sum(term.weight or 0 for term in constraints.preferred if term.preference is not None and matches_term(term.preference, facts))


def least_allocated(cpu: int, memory: int, used_cpu: int, used_memory: int) -> int:
    """NodeResourcesFit's score (LeastAllocated): the mean of the free shares of CPU and memory, pods without requests counted by defaults.

    A resource that the node doesn't have counts for nothing; one that would be overdrawn is worth 0.
    """
    if cpu <= 0 or memory <= 0:
        return _free_share(cpu, used_cpu) if cpu > 0 else _free_share(memory, used_memory) if memory > 0 else 0
    return (_free_share(cpu, used_cpu) + _free_share(memory, used_memory)) // 2


def _free_share(capacity: int, used: int) -> int:
    return (capacity - used) * MAX_SCORE // capacity if used <= capacity else 0


def balanced_allocation(cpu: int, memory: int, used_cpu: int, used_memory: int) -> int:
    """NodeResourcesBalancedAllocation's score: 100 less the standard deviation of the used shares of CPU and memory, in percent."""
    if cpu <= 0 or memory <= 0:
        return MAX_SCORE
    deviation = abs(min(used_cpu / cpu, 1.0) - min(used_memory / memory, 1.0)) / 2
    return int((1 - deviation) * MAX_SCORE)


def ports_free(taken: Mapping[tuple[str, str, int], int], wanted: tuple[tuple[str, str, int], ...]) -> bool:
    """NodePorts: no wanted port is taken; the address 0.0.0.0 conflicts with every other."""
    for protocol, address, port in wanted:
        for other_protocol, other_address, other_port in taken:
            if port == other_port and protocol == other_protocol and (address == other_address or "0.0.0.0" in (address, other_address)):
                return False
    return True
