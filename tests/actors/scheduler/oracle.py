"""Filters and scores straight from Kubernetes' documentation, pod by pod and node by node, knowing nothing of tables, counts and arrays."""

from __future__ import annotations

from math import floor, log
from typing import Any

from callboard.models.api.core import Node, Pod, PodAffinityTerm, TopologySpreadConstraint
from callboard.models.owners import controller_of
from callboard.models.quantity import parse_quantity
from callboard.models.selectors import selector_of

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
REFUSED = -1


class Oracle:
    """Nodes, placed pods with the names of their nodes, and the labels of namespaces."""

    def __init__(self, nodes: list[Node], placed: list[tuple[Pod, str]], namespaces: dict[str, dict[str, str]]) -> None:
        self.nodes = {one.metadata.name: one for one in nodes}
        self.placed = [(pod, self.nodes[where]) for pod, where in placed]
        self.namespaces = namespaces

    def totals(self, pod: Pod) -> dict[str, int]:
        """The weighted score of every node, `REFUSED` if it won't do."""
        fitting = [one for one in self.nodes.values() if self.fits(pod, one)]
        totals = dict.fromkeys(self.nodes, REFUSED)
        if not fitting:
            return totals
        for name in (one.metadata.name for one in fitting):
            totals[name] = 0
        for weight, scores in (
            (1, [_least(pod, one, self._on(one)) for one in fitting]),
            (1, [_balanced(pod, one, self._on(one)) for one in fitting]),
            (2, _normalised([_preferred(pod, one) for one in fitting])),
            (3, [100 - score for score in _normalised([_disliked(pod, one) for one in fitting])]),
            (2, self._affinity_scores(pod, fitting)),
            (2, self._spread_scores(pod, fitting)),
        ):
            for one, score in zip(fitting, scores, strict=True):
                totals[one.metadata.name] += weight * score
        return totals

    def _on(self, node: Node) -> list[Pod]:
        return [pod for pod, where in self.placed if where is node]

    # -- filters ----------------------------------------------------------------------------------------------------------------

    def fits(self, pod: Pod, node: Node) -> bool:
        """All filters."""
        mates = self._on(node)
        assert node.status is not None
        room = node.status.allocatable
        if not _tolerates(pod, node) or not _selects(pod, node) or len(mates) + 1 > int(room["pods"]):
            return False
        for resource in ("cpu", "memory"):
            wanted = _request(pod, resource)
            if wanted and wanted + sum(_request(mate, resource) for mate in mates) > parse_quantity(room[resource]):
                return False
        return self._spread_fits(pod, node) and self._affinity_fits(pod, node)

    def _speaks_of(self, term: PodAffinityTerm, holder: Pod, other: Pod) -> bool:
        space = other.metadata.namespace
        if term.namespaces or term.namespace_selector is not None:
            chosen = term.namespace_selector is not None and selector_of(term.namespace_selector).matches(self.namespaces.get(space, {}))
            if space not in term.namespaces and not chosen:
                return False
        elif space != holder.metadata.namespace:
            return False
        for key in term.match_label_keys:
            if key in holder.metadata.labels and other.metadata.labels.get(key) != holder.metadata.labels[key]:
                return False
        return selector_of(term.label_selector).matches(other.metadata.labels)

    def _affinity_fits(self, pod: Pod, node: Node) -> bool:
        near, apart = _required(pod, "pod_affinity"), _required(pod, "pod_anti_affinity")
        friends = [(other, where) for other, where in self.placed if all(self._speaks_of(term, pod, other) for term in near)]
        known = any(term.topology_key in where.metadata.labels for _, where in friends for term in near)
        begins = not known and all(self._speaks_of(term, pod, pod) for term in near)
        for term in near:
            if term.topology_key not in node.metadata.labels:
                return False
            if not begins and not any(_same_domain(term.topology_key, where, node) for _, where in friends):
                return False
        for other, where in self.placed:
            if any(_same_domain(term.topology_key, where, node) and self._speaks_of(term, pod, other) for term in apart):
                return False
            for term in _required(other, "pod_anti_affinity"):
                if _same_domain(term.topology_key, where, node) and self._speaks_of(term, other, pod):
                    return False
        return True

    def _spread_fits(self, pod: Pod, node: Node) -> bool:
        rules = [rule for rule in _rules(pod) if rule.when_unsatisfiable == "DoNotSchedule"]
        for rule in rules:
            if rule.topology_key not in node.metadata.labels:
                return False
            counted = [
                one
                for one in self.nodes.values()
                if all(each.topology_key in one.metadata.labels for each in rules) and _honoured(rule, pod, one)
            ]
            counts = dict.fromkeys((one.metadata.labels[rule.topology_key] for one in counted), 0)
            for other, where in self.placed:
                if any(where is one for one in counted) and _counts(rule, pod, other):
                    counts[where.metadata.labels[rule.topology_key]] += 1
            fewest = 0 if len(counts) < (rule.min_domains or 1) else min(counts.values())
            own = 1 if _keyed(rule, pod, pod) else 0
            if counts.get(node.metadata.labels[rule.topology_key], 0) + own - fewest > (rule.max_skew or 1):
                return False
        return True

    # -- scores -----------------------------------------------------------------------------------------------------------------

    def _affinity_scores(self, pod: Pod, fitting: list[Node]) -> list[int]:
        raw = []
        for node in fitting:
            score = 0
            for other, where in self.placed:
                for term, weight in _weighted(pod):
                    score += weight * (_same_domain(term.topology_key, where, node) and self._speaks_of(term, pod, other))
                held = [*_weighted(other), *((term, 1) for term in _required(other, "pod_affinity"))]
                for term, weight in held:
                    score += weight * (_same_domain(term.topology_key, where, node) and self._speaks_of(term, other, pod))
            raw.append(score)
        least, most = min(raw), max(raw)
        return [int(100 * ((score - least) / (most - least))) if most > least else 0 for score in raw]

    def _spread_scores(self, pod: Pod, fitting: list[Node]) -> list[int]:
        if _rules(pod):
            rules = [rule for rule in _rules(pod) if rule.when_unsatisfiable == "ScheduleAnyway"]
            if not rules:
                return [0] * len(fitting)
            whole = [one for one in fitting if all(rule.topology_key in one.metadata.labels for rule in rules)]
        elif _group(pod):
            rules = [TopologySpreadConstraint(topology_key=key, max_skew=skew) for key, skew in ((HOST, 3), (ZONE, 5))]
            whole = fitting
        else:
            return [0] * len(fitting)
        raw = {one.metadata.name: floor(sum(self._spread_part(pod, rule, one, whole, rules) for rule in rules) + 0.5) for one in whole}
        if not raw:
            return [0] * len(fitting)
        most, least = max(raw.values()), min(raw.values())
        scores = {name: 100 * (most + least - score) // most if most else 100 for name, score in raw.items()}
        return [scores.get(one.metadata.name, 0) for one in fitting]

    def _spread_part(self, pod: Pod, rule: Any, node: Node, whole: list[Node], rules: list[Any]) -> float:
        key = rule.topology_key
        value = node.metadata.labels.get(key)
        if value is None:
            return 0.0
        own = bool(_rules(pod))
        counted = 0
        for other, where in self.placed:
            if where.metadata.labels.get(key) != value or not (_counts(rule, pod, other) if own else _mates(pod, other)):
                continue
            if key != HOST:
                if own and not all(each.topology_key in where.metadata.labels for each in rules):
                    continue
                if not _honoured(rule, pod, where):
                    continue
            counted += 1
        domains = len(whole) if key == HOST else len(dict.fromkeys(one.metadata.labels.get(key) for one in whole))
        return counted * log(domains + 2) + float(rule.max_skew - 1)


# -- one pod, one node --------------------------------------------------------------------------------------------------------------------


def _required(pod: Pod, field: str) -> tuple[PodAffinityTerm, ...]:
    found = getattr(pod.spec.affinity, field, None) if pod.spec is not None and pod.spec.affinity is not None else None
    return found.required_during_scheduling_ignored_during_execution if found is not None else ()


def _weighted(pod: Pod) -> list[tuple[PodAffinityTerm, int]]:
    found = []
    for field, sign in (("pod_affinity", 1), ("pod_anti_affinity", -1)):
        rules = getattr(pod.spec.affinity, field, None) if pod.spec is not None and pod.spec.affinity is not None else None
        for one in rules.preferred_during_scheduling_ignored_during_execution if rules is not None else ():
            found.append((one.pod_affinity_term, sign * one.weight))
    return found


def _rules(pod: Pod) -> tuple[TopologySpreadConstraint, ...]:
    assert pod.spec is not None
    return pod.spec.topology_spread_constraints


def _same_domain(key: str, one: Node, other: Node) -> bool:
    value = one.metadata.labels.get(key)
    return value is not None and other.metadata.labels.get(key) == value


def _keyed(rule: TopologySpreadConstraint, pod: Pod, other: Pod) -> bool:
    for key in rule.match_label_keys:
        if key in pod.metadata.labels and other.metadata.labels.get(key) != pod.metadata.labels[key]:
            return False
    return selector_of(rule.label_selector).matches(other.metadata.labels)


def _counts(rule: TopologySpreadConstraint, pod: Pod, other: Pod) -> bool:
    alive = not other.metadata.deletion_timestamp and other.metadata.namespace == pod.metadata.namespace
    return alive and _keyed(rule, pod, other)


def _honoured(rule: TopologySpreadConstraint, pod: Pod, node: Node) -> bool:
    if rule.node_affinity_policy != "Ignore" and not _selects(pod, node):
        return False
    return rule.node_taints_policy != "Honor" or _tolerates(pod, node)


def _group(pod: Pod) -> str:
    owner = controller_of(pod)
    return owner.uid if owner is not None else "".join(f"{key}={pod.metadata.labels[key]}," for key in sorted(pod.metadata.labels))


def _mates(pod: Pod, other: Pod) -> bool:
    if other.metadata.deletion_timestamp or _group(other) != _group(pod):
        return False
    return controller_of(pod) is not None or other.metadata.namespace == pod.metadata.namespace


def _tolerates(pod: Pod, node: Node) -> bool:
    assert node.spec is not None
    return bool(_tolerations(pod)) or not any(one.effect in ("NoSchedule", "NoExecute") for one in node.spec.taints)


def _tolerations(pod: Pod) -> Any:
    """The tests' pods tolerate all taints of theirs, or none."""
    assert pod.spec is not None
    return pod.spec.tolerations


def _selects(pod: Pod, node: Node) -> bool:
    assert pod.spec is not None
    return all(node.metadata.labels.get(key) == value for key, value in pod.spec.node_selector.items())


def _request(pod: Pod, resource: str) -> Any:
    assert pod.spec is not None
    assert pod.spec.containers[0].resources is not None
    return parse_quantity(pod.spec.containers[0].resources.requests.get(resource, "0"))


def _used(pods: list[Pod], resource: str, default: int) -> int:
    scale = 1000 if resource == "cpu" else 1
    return sum(int(_request(one, resource) * scale) or default for one in pods)


def _capacity(node: Node) -> tuple[int, int]:
    assert node.status is not None
    return int(parse_quantity(node.status.allocatable["cpu"]) * 1000), int(parse_quantity(node.status.allocatable["memory"]))


def _least(pod: Pod, node: Node, mates: list[Pod]) -> int:
    used = _used([*mates, pod], "cpu", 100), _used([*mates, pod], "memory", 200 * 1024 * 1024)
    shares = [(room - taken) * 100 // room if taken <= room else 0 for room, taken in zip(_capacity(node), used, strict=True)]
    return sum(shares) // 2


def _balanced(pod: Pod, node: Node, mates: list[Pod]) -> int:
    if not _request(pod, "cpu") and not _request(pod, "memory"):
        return 0
    used = _used([*mates, pod], "cpu", 0), _used([*mates, pod], "memory", 0)
    first, second = (min(taken / room, 1.0) for room, taken in zip(_capacity(node), used, strict=True))
    return int((1 - abs(first - second) / 2) * 100)


def _preferred(pod: Pod, node: Node) -> int:
    assert pod.spec is not None
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity is not None else None
    total = 0
    for one in affinity.preferred_during_scheduling_ignored_during_execution if affinity is not None else ():
        assert one.preference is not None
        wanted = one.preference.match_expressions[0]
        total += (one.weight or 0) * (node.metadata.labels.get(wanted.key) in wanted.values)
    return total


def _disliked(pod: Pod, node: Node) -> int:
    assert node.spec is not None
    return 0 if _tolerations(pod) else sum(one.effect == "PreferNoSchedule" for one in node.spec.taints)


def _normalised(raw: list[int]) -> list[int]:
    most = max(raw)
    return [100 * score // most if most else 0 for score in raw]
