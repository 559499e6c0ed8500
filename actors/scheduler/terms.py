"""What a pod's spec says about other pods, compiled: (anti-)affinity terms, required and preferred, and spread constraints.

Called by `demand.py` once per template; the other half, with the pod's own namespace and labels filled in, by `census.py` once per class of
equal pods.
Source: pkg/scheduler/framework/types.go (AffinityTerm), plugins podtopologyspread/common.go and interpodaffinity/plugin.go.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from callboard.models.api.core import PodAffinityTerm, PodSpec, TopologySpreadConstraint, WeightedPodAffinityTerm
from callboard.models.selectors import EVERYTHING, NOTHING, Requirement, Selector, selector_of

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
HARD_AFFINITY_WEIGHT = 1
"""What a placed pod's required affinity to a new pod adds to a node's score (hardPodAffinityWeight)."""

Labels = Mapping[str, str]


class PodTerm(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One term of pod (anti-)affinity, as it stands in a template."""

    selector: Selector
    topology_key: str
    namespaces: tuple[str, ...] = ()
    namespace_selector: Selector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class WeightedTerm(msgspec.Struct, frozen=True, gc=False):
    """A preferred term; the weight of anti-affinity is negative."""

    term: PodTerm
    weight: int


class SpreadRule(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One spread constraint."""

    selector: Selector
    topology_key: str
    max_skew: int
    min_domains: int = 1
    match_label_keys: tuple[str, ...] = ()
    honour_affinity: bool = True
    honour_taints: bool = False


class Relations(msgspec.Struct, frozen=True, gc=False):
    """All that a template says about other pods."""

    affinity: tuple[PodTerm, ...] = ()
    anti_affinity: tuple[PodTerm, ...] = ()
    spread: tuple[SpreadRule, ...] = ()
    preferred: tuple[WeightedTerm, ...] = ()
    soft_spread: tuple[SpreadRule, ...] = ()
    spreads_itself: bool = False
    """Whether the spec has spread constraints of its own, so that the system's default ones don't apply."""

    @property
    def required(self) -> bool:
        """Whether there is a rule that may keep a pod waiting."""
        return bool(self.affinity or self.anti_affinity or self.spread)

    @property
    def any(self) -> bool:
        """Whether there is any rule."""
        return self.required or bool(self.preferred or self.soft_spread)


NO_RELATIONS = Relations()
DEFAULT_SPREAD = (
    SpreadRule(selector=EVERYTHING, topology_key=HOSTNAME, max_skew=3),
    SpreadRule(selector=EVERYTHING, topology_key=ZONE, max_skew=5),
)
"""What applies to pods that belong together and say nothing themselves (systemDefaultConstraints, both ScheduleAnyway)."""


class BoundTerm(msgspec.Struct, frozen=True, gc=False):
    """A selection of pods: by namespace (its name is listed, or its labels match) and by labels."""

    namespaces: tuple[str, ...]
    namespace_selector: Selector | None
    selector: Selector

    def matches(self, namespace: str, labels: Labels, namespaces: Mapping[str, Labels]) -> bool:
        """Whether it speaks of a pod in this namespace with these labels; `namespaces` has the labels of namespaces."""
        if namespace not in self.namespaces:
            chosen = self.namespace_selector
            if chosen is None or not (chosen == EVERYTHING or chosen.matches(namespaces.get(namespace, {}))):
                return False
        return self.selector.matches(labels)


class Query(msgspec.Struct, frozen=True, gc=False):
    """Pods to be counted: those that all terms match, of one group if it isn't "", terminating ones left out if `alive`."""

    terms: tuple[BoundTerm, ...] = ()
    alive: bool = False
    group: str = ""


def bind(term: PodTerm, namespace: str, labels: Labels) -> BoundTerm:
    """A term as the pod that carries it means it: its own namespace unless others are named, its own values of matchLabelKeys."""
    selector = _with_keys(term.selector, labels, term.match_label_keys, "In")
    selector = _with_keys(selector, labels, term.mismatch_label_keys, "NotIn")
    namespaces = term.namespaces
    if not namespaces and term.namespace_selector is None:
        namespaces = (namespace,)
    return BoundTerm(namespaces, term.namespace_selector, selector)


def bind_rule(rule: SpreadRule, namespace: str, labels: Labels) -> tuple[Query, int]:
    """What a spread constraint counts, and 1 if the pod itself will count. An empty selector counts nothing (countPodsMatchSelector)."""
    selector = _with_keys(rule.selector, labels, rule.match_label_keys, "In")
    counted = NOTHING if selector.empty else selector
    return Query((BoundTerm((namespace,), None, counted),), alive=True), int(selector.matches(labels))


def _with_keys(selector: Selector, labels: Labels, keys: tuple[str, ...], operator: str) -> Selector:
    extra = tuple(Requirement(key, operator, (labels[key],)) for key in keys if key in labels)
    return Selector(selector.pairs, selector.others + extra) if extra else selector


def relations_of(spec: PodSpec) -> Relations:
    """What a spec says about other pods."""
    rules = spec.topology_spread_constraints
    affinity = spec.affinity
    near = affinity.pod_affinity if affinity is not None else None
    apart = affinity.pod_anti_affinity if affinity is not None else None
    if near is None and apart is None and not rules:
        return NO_RELATIONS
    preferred: list[WeightedTerm] = []
    if near is not None:
        preferred += _weighted(near.preferred_during_scheduling_ignored_during_execution, 1)
    if apart is not None:
        preferred += _weighted(apart.preferred_during_scheduling_ignored_during_execution, -1)
    return Relations(
        tuple(map(_term, near.required_during_scheduling_ignored_during_execution)) if near is not None else (),
        tuple(map(_term, apart.required_during_scheduling_ignored_during_execution)) if apart is not None else (),
        tuple(_spread(one) for one in rules if one.when_unsatisfiable != "ScheduleAnyway"),
        tuple(preferred),
        tuple(_spread(one) for one in rules if one.when_unsatisfiable == "ScheduleAnyway"),
        bool(rules),
    )


def _weighted(terms: tuple[WeightedPodAffinityTerm, ...], sign: int) -> list[WeightedTerm]:
    return [WeightedTerm(_term(one.pod_affinity_term), sign * (one.weight or 0)) for one in terms if one.pod_affinity_term is not None]


def _term(term: PodAffinityTerm) -> PodTerm:
    return PodTerm(
        selector=selector_of(term.label_selector),
        topology_key=term.topology_key,
        namespaces=term.namespaces,
        namespace_selector=selector_of(term.namespace_selector) if term.namespace_selector is not None else None,
        match_label_keys=term.match_label_keys,
        mismatch_label_keys=term.mismatch_label_keys,
    )


def _spread(rule: TopologySpreadConstraint) -> SpreadRule:
    return SpreadRule(
        selector=selector_of(rule.label_selector),
        topology_key=rule.topology_key,
        max_skew=rule.max_skew or 1,
        min_domains=rule.min_domains or 1,
        match_label_keys=rule.match_label_keys,
        honour_affinity=rule.node_affinity_policy != "Ignore",
        honour_taints=rule.node_taints_policy == "Honor",
    )
