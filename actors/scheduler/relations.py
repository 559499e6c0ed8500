"""Required rules between pods: affinity, anti-affinity and DoNotSchedule spreading, compiled and judged.

Called by the scheduler's decision for the few pods that have such rules, or that an already placed pod's anti-affinity speaks of; all
others never come here. Plain Python over the nodes. Preferred rules between pods are not scored.
Source: scheduler plugins interpodaffinity/filtering.go and podtopologyspread/filtering.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import msgspec

from callboard.models.api.core import Pod, PodAffinityTerm, PodSpec, TopologySpreadConstraint
from callboard.models.selectors import EVERYTHING, Requirement, Selector, compile_selector

SPREAD = "node(s) didn't match pod topology spread constraints"
SPREAD_LABEL = "node(s) didn't match pod topology spread constraints (missing required label)"
AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"

Labels = Mapping[str, str]


class PodTerm(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One required term of pod (anti-)affinity. `selector=None` selects no pod."""

    selector: Selector | None
    topology_key: str
    namespaces: tuple[str, ...] = ()
    namespace_selector: Selector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class SpreadRule(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One DoNotSchedule spread constraint."""

    selector: Selector | None
    topology_key: str
    max_skew: int
    min_domains: int = 1
    match_label_keys: tuple[str, ...] = ()
    honour_affinity: bool = True
    honour_taints: bool = False


class Relations(msgspec.Struct, frozen=True, gc=False):
    """A pod's required rules about other pods."""

    affinity: tuple[PodTerm, ...] = ()
    anti_affinity: tuple[PodTerm, ...] = ()
    spread: tuple[SpreadRule, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is any rule."""
        return bool(self.affinity or self.anti_affinity or self.spread)


NO_RELATIONS = Relations()


class PlacedPod(Protocol):
    """A pod that counts on a node."""

    @property
    def pod(self) -> Pod:
        """The pod, as it was seen last."""

    @property
    def node(self) -> str:
        """Name of its node."""


class World(Protocol):
    """What judging needs to know of the cluster; `NodeTable` has it."""

    def node_labels(self) -> Iterator[tuple[int, str, Labels]]:
        """(row, name, labels) of every node."""

    def placed(self) -> Iterable[PlacedPod]:
        """All pods that count on a node."""

    def placed_with_anti_affinity(self) -> Iterable[tuple[PlacedPod, Relations]]:
        """Those among them that have required anti-affinity, with their rules."""

    def namespace_labels(self, namespace: str) -> Labels:
        """Labels of a namespace."""


def _compile_term(term: PodAffinityTerm) -> PodTerm:
    return PodTerm(
        selector=compile_selector(term.label_selector) if term.label_selector is not None else None,
        topology_key=term.topology_key,
        namespaces=term.namespaces,
        namespace_selector=compile_selector(term.namespace_selector) if term.namespace_selector is not None else None,
        match_label_keys=term.match_label_keys,
        mismatch_label_keys=term.mismatch_label_keys,
    )


def _compile_spread(rule: TopologySpreadConstraint) -> SpreadRule:
    return SpreadRule(
        selector=compile_selector(rule.label_selector) if rule.label_selector is not None else None,
        topology_key=rule.topology_key,
        max_skew=rule.max_skew or 1,
        min_domains=rule.min_domains or 1,
        match_label_keys=rule.match_label_keys,
        honour_affinity=rule.node_affinity_policy != "Ignore",
        honour_taints=rule.node_taints_policy == "Honor",
    )


def relations_of(spec: PodSpec) -> Relations:
    """The required rules of a spec, compiled."""
    affinity = spec.affinity
    near = affinity.pod_affinity if affinity is not None else None
    apart = affinity.pod_anti_affinity if affinity is not None else None
    return Relations(
        tuple(_compile_term(one) for one in near.required_during_scheduling_ignored_during_execution) if near is not None else (),
        tuple(_compile_term(one) for one in apart.required_during_scheduling_ignored_during_execution) if apart is not None else (),
        tuple(_compile_spread(one) for one in spec.topology_spread_constraints if one.when_unsatisfiable != "ScheduleAnyway"),
    )


def _with_label_keys(selector: Selector, pod: Pod, keys: tuple[str, ...], operator: str = "In") -> Selector:
    labels = pod.metadata.labels
    extra = tuple(Requirement(key, operator, (labels[key],)) for key in keys if key in labels)
    return Selector(selector.pairs, selector.others + extra) if extra else selector


def term_matches(term: PodTerm, holder: Pod, other: Pod, world: World) -> bool:
    """Whether a term that `holder` carries speaks of `other`."""
    if term.selector is None:
        return False
    namespace = other.metadata.namespace
    if not term.namespaces and term.namespace_selector is None:
        if namespace != holder.metadata.namespace:
            return False
    elif namespace not in term.namespaces:
        chosen = term.namespace_selector
        if chosen is None or not (chosen == EVERYTHING or chosen.matches(world.namespace_labels(namespace))):
            return False
    selector = _with_label_keys(term.selector, holder, term.match_label_keys)
    selector = _with_label_keys(selector, holder, term.mismatch_label_keys, "NotIn")
    return selector.matches(other.metadata.labels)


def concerned(world: World, pod: Pod) -> bool:
    """Whether the anti-affinity of a placed pod speaks of this one."""
    for placed, relations in world.placed_with_anti_affinity():
        if any(term_matches(term, placed.pod, pod, world) for term in relations.anti_affinity):
            return True
    return False


def judge(world: World, pod: Pod, relations: Relations, acceptable: Callable[[int, bool, bool], bool]) -> dict[int, str]:
    """Why a node won't do, by row; rows that will are absent.

    `acceptable(row, by_affinity, by_taints)` tells whether the pod's own node affinity, and its tolerations, accept a row's node.
    """
    nodes = {name: (row, labels) for row, name, labels in world.node_labels()}
    reasons: dict[int, str] = {}
    _judge_existing(world, pod, nodes, reasons)
    if relations.anti_affinity:
        _judge_anti_affinity(world, pod, relations.anti_affinity, nodes, reasons)
    if relations.affinity:
        _judge_affinity(world, pod, relations.affinity, nodes, reasons)
    if relations.spread:
        _judge_spread(world, pod, relations.spread, nodes, reasons, acceptable)
    return reasons


Nodes = Mapping[str, tuple[int, Labels]]


def _domain(nodes: Nodes, node: str, key: str) -> str | None:
    found = nodes.get(node)
    return found[1].get(key) if found is not None else None


def _block(nodes: Nodes, domains: dict[tuple[str, str], None], reason: str, reasons: dict[int, str]) -> None:
    if not domains:
        return
    keys = {key: None for key, _ in domains}
    for row, labels in nodes.values():
        if any((key, labels[key]) in domains for key in keys if key in labels):
            reasons[row] = reason


def _judge_existing(world: World, pod: Pod, nodes: Nodes, reasons: dict[int, str]) -> None:
    domains: dict[tuple[str, str], None] = {}
    for placed, relations in world.placed_with_anti_affinity():
        for term in relations.anti_affinity:
            value = _domain(nodes, placed.node, term.topology_key)
            if value is not None and term_matches(term, placed.pod, pod, world):
                domains[term.topology_key, value] = None
    _block(nodes, domains, EXISTING_ANTI_AFFINITY, reasons)


def _judge_anti_affinity(world: World, pod: Pod, terms: tuple[PodTerm, ...], nodes: Nodes, reasons: dict[int, str]) -> None:
    domains: dict[tuple[str, str], None] = {}
    for placed in world.placed():
        for term in terms:
            value = _domain(nodes, placed.node, term.topology_key)
            if value is not None and term_matches(term, pod, placed.pod, world):
                domains[term.topology_key, value] = None
    _block(nodes, domains, ANTI_AFFINITY, reasons)


def _judge_affinity(world: World, pod: Pod, terms: tuple[PodTerm, ...], nodes: Nodes, reasons: dict[int, str]) -> None:
    """A node needs, for each term, a pod that matches all terms in its domain; the first pod of a circle that matches itself may begin."""
    domains: dict[tuple[str, str], None] = {}
    for placed in world.placed():
        if all(term_matches(term, pod, placed.pod, world) for term in terms):
            for term in terms:
                value = _domain(nodes, placed.node, term.topology_key)
                if value is not None:
                    domains[term.topology_key, value] = None
    may_begin = not domains and all(term_matches(term, pod, pod, world) for term in terms)
    for row, labels in nodes.values():
        for term in terms:
            value = labels.get(term.topology_key)
            if value is None or not (may_begin or (term.topology_key, value) in domains):
                reasons[row] = AFFINITY
                break


def _judge_spread(
    world: World,
    pod: Pod,
    rules: tuple[SpreadRule, ...],
    nodes: Nodes,
    reasons: dict[int, str],
    acceptable: Callable[[int, bool, bool], bool],
) -> None:
    keys = [rule.topology_key for rule in rules]
    for rule in rules:
        counts: dict[str, int] = {}
        for row, labels in nodes.values():
            if all(key in labels for key in keys) and acceptable(row, rule.honour_affinity, rule.honour_taints):
                counts.setdefault(labels[rule.topology_key], 0)
        selector = _with_label_keys(rule.selector, pod, rule.match_label_keys) if rule.selector is not None else None
        for placed in world.placed():
            value = _domain(nodes, placed.node, rule.topology_key)
            if value in counts and _counts_for(selector, placed.pod, pod):
                counts[value] += 1
        fewest = 0 if len(counts) < rule.min_domains else min(counts.values(), default=0)
        own = 1 if selector is not None and selector.matches(pod.metadata.labels) else 0
        for row, labels in nodes.values():
            value = labels.get(rule.topology_key)
            if value is None:
                reasons[row] = SPREAD_LABEL
            elif reasons.get(row) != SPREAD_LABEL and counts.get(value, 0) + own - fewest > rule.max_skew:
                reasons[row] = SPREAD


def _counts_for(selector: Selector | None, placed: Pod, pod: Pod) -> bool:
    return (
        selector is not None
        and placed.metadata.namespace == pod.metadata.namespace
        and not placed.metadata.deletion_timestamp
        and selector.matches(placed.metadata.labels)
    )
