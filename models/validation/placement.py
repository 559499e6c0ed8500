"""What says where a pod may run: selectors, affinity, tolerations, spreading. Source: kubernetes pkg/apis/core/validation."""

from __future__ import annotations

from callboard.models.api.core import (
    Affinity,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinityTerm,
    PodSpec,
    Toleration,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
)
from callboard.models.validation import formats, words
from callboard.models.validation.meta import Errors, check_labels, check_selector

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_REQUIRED, _PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"


def check_placement(spec: PodSpec, path: str, errors: Errors) -> None:
    """Everything about where the pod may run."""
    if spec.node_selector:
        check_labels(spec.node_selector, f"{path}.nodeSelector", errors)
    if spec.node_name:
        errors.extend(words.invalid(f"{path}.nodeName", spec.node_name, one) for one in formats.subdomain(spec.node_name))
    for index, toleration in enumerate(spec.tolerations):
        _check_toleration(toleration, f"{path}.tolerations[{index}]", errors)
    if spec.affinity is not None:
        _check_affinity(spec.affinity, f"{path}.affinity", errors)
    for index, constraint in enumerate(spec.topology_spread_constraints):
        _check_spread(constraint, f"{path}.topologySpreadConstraints[{index}]", errors)


def _check_toleration(one: Toleration, path: str, errors: Errors) -> None:
    if one.key:
        errors.extend(words.invalid(f"{path}.key", one.key, problem) for problem in formats.qualified_name(one.key))
    elif one.operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.append(words.invalid(f"{path}.operator", one.operator, detail))
    if one.toleration_seconds is not None and one.effect != "NoExecute":
        errors.append(words.invalid(f"{path}.effect", one.effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    if one.operator in ("", "Equal"):
        errors.extend(words.invalid(f"{path}.operator", one.value, problem) for problem in formats.label_value(one.value))
    elif one.operator == "Exists":
        if one.value:
            errors.append(words.invalid(f"{path}.operator", one, "value must be empty when `operator` is 'Exists'"))
    else:
        errors.append(words.unsupported(f"{path}.operator", one.operator, ("Equal", "Exists")))
    if one.effect and one.effect not in EFFECTS:
        errors.append(words.unsupported(f"{path}.effect", one.effect, EFFECTS))


def _check_affinity(affinity: Affinity, path: str, errors: Errors) -> None:
    if (node := affinity.node_affinity) is not None:
        if (needed := node.required_during_scheduling_ignored_during_execution) is not None:
            below = f"{path}.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
            if not needed.node_selector_terms:
                errors.append(words.required(below, "must have at least one node selector term"))
            for index, term in enumerate(needed.node_selector_terms):
                _check_node_term(term, f"{below}[{index}]", errors)
        for index, wish in enumerate(node.preferred_during_scheduling_ignored_during_execution):
            below = f"{path}.nodeAffinity.{_PREFERRED}[{index}]"
            _check_weight(wish.weight, f"{below}.weight", errors)
            if wish.preference is not None:
                _check_node_term(wish.preference, f"{below}.preference", errors)
    for name, pods in (("podAffinity", affinity.pod_affinity), ("podAntiAffinity", affinity.pod_anti_affinity)):
        if pods is not None:
            for index, needed_term in enumerate(pods.required_during_scheduling_ignored_during_execution):
                _check_pod_term(needed_term, f"{path}.{name}.{_REQUIRED}[{index}]", errors)
            for index, weighted in enumerate(pods.preferred_during_scheduling_ignored_during_execution):
                _check_weighted(weighted, f"{path}.{name}.{_PREFERRED}[{index}]", errors)


def _check_weight(weight: int | None, path: str, errors: Errors) -> None:
    if weight is None or not 1 <= weight <= 100:
        errors.append(words.invalid(path, weight or 0, "must be in the range 1-100"))


def _check_node_term(term: NodeSelectorTerm, path: str, errors: Errors) -> None:
    for index, one in enumerate(term.match_expressions):
        _check_node_requirement(one, f"{path}.matchExpressions[{index}]", errors)
        errors.extend(words.invalid(f"{path}.matchExpressions[{index}].key", one.key, two) for two in formats.qualified_name(one.key))
    for index, one in enumerate(term.match_fields):
        _check_node_requirement(one, f"{path}.matchFields[{index}]", errors)
        if one.key != "metadata.name":
            errors.append(words.invalid(f"{path}.matchFields[{index}].key", one.key, "not a valid field selector key"))


def _check_node_requirement(one: NodeSelectorRequirement, path: str, errors: Errors) -> None:
    if one.operator in ("In", "NotIn"):
        if not one.values:
            errors.append(words.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif one.operator in ("Exists", "DoesNotExist"):
        if one.values:
            errors.append(words.forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    elif one.operator in ("Gt", "Lt"):
        if len(one.values) != 1:
            errors.append(words.required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'"))
    else:
        errors.append(words.invalid(f"{path}.operator", one.operator, "not a valid selector operator"))


def _check_weighted(one: WeightedPodAffinityTerm, path: str, errors: Errors) -> None:
    _check_weight(one.weight, f"{path}.weight", errors)
    if one.pod_affinity_term is not None:
        _check_pod_term(one.pod_affinity_term, f"{path}.podAffinityTerm", errors)


def _check_pod_term(term: PodAffinityTerm, path: str, errors: Errors) -> None:
    for field, selector in (("labelSelector", term.label_selector), ("namespaceSelector", term.namespace_selector)):
        if selector is not None:
            check_selector(selector, f"{path}.{field}", errors)
    for name in term.namespaces:
        errors.extend(words.invalid(f"{path}.namespaces", name, one) for one in formats.label(name))
    if not term.topology_key:
        errors.append(words.required(f"{path}.topologyKey", "can not be empty"))
    else:
        errors.extend(words.invalid(f"{path}.topologyKey", term.topology_key, one) for one in formats.qualified_name(term.topology_key))


def _check_spread(one: TopologySpreadConstraint, path: str, errors: Errors) -> None:
    if (one.max_skew or 0) <= 0:
        errors.append(words.invalid(f"{path}.maxSkew", one.max_skew or 0, words.NOT_POSITIVE))
    if not one.topology_key:
        errors.append(words.required(f"{path}.topologyKey", "can not be empty"))
    if one.when_unsatisfiable not in UNSATISFIABLE:
        errors.append(words.unsupported(f"{path}.whenUnsatisfiable", one.when_unsatisfiable, UNSATISFIABLE))
    if one.min_domains is not None and one.min_domains <= 0:
        errors.append(words.invalid(f"{path}.minDomains", one.min_domains, words.NOT_POSITIVE))
    if one.label_selector is not None:
        check_selector(one.label_selector, f"{path}.labelSelector", errors)
