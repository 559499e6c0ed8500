"""The status of a PodDisruptionBudget, given the pods that it selects and what controls them. Pure; called by the controller's actor.

Source of rules and words: kubernetes pkg/controller/disruption/disruption.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from callboard.models.api.apiextensions import CustomResourceDefinition
from callboard.models.api.core import Pod
from callboard.models.api.meta import LabelSelector, LabelSelectorRequirement, OwnerReference
from callboard.models.base import EMPTY_MAP, FrozenMap
from callboard.models.budgets import (
    DELETION_TIMEOUT_S,
    SYNC_FAILED,
    label_selector_of,
    spec_of,
    status_of,
    with_condition,
    with_own_condition,
)
from callboard.models.errors import UnknownKind
from callboard.models.generic import GenericObject
from callboard.models.intorstring import scaled
from callboard.models.kinds import Scheme
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_ready, is_terminating
from callboard.models.times import parse, rfc3339

DEPLOYMENTS, REPLICA_SETS = "deployments.apps", "replicasets.apps"
SCALED_BY: dict[tuple[str, str], str] = {
    ("ReplicationController", ""): "replicationcontrollers",
    ("ReplicaSet", "apps"): REPLICA_SETS,
    ("ReplicaSet", "extensions"): REPLICA_SETS,
    ("StatefulSet", "apps"): "statefulsets.apps",
    ("Deployment", "apps"): DEPLOYMENTS,
    ("Deployment", "extensions"): DEPLOYMENTS,
}
"""The resources that say how many pods there should be, by kind and group of a controller."""
WORKLOADS = tuple(dict.fromkeys(SCALED_BY.values()))
_UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of the PDB cannot be "
    'calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the '
    "PDB to an integer value."
)

Find = Callable[[str, str], Any]
"""Gives the object of this resource and name in the budget's namespace, or None."""
Define = Callable[[str, str], CustomResourceDefinition | None]
"""Gives the definition that declares this apiVersion and kind, or None."""


class CannotCount(ValueError):
    """Nobody can say how many pods a budget has to expect; the words are Kubernetes'."""


class Telling(msgspec.Struct, frozen=True, gc=False):
    """An Event about the budget, or about one of its pods."""

    type: str
    reason: str
    message: str
    pod: Pod | None = None


class Expectation(msgspec.Struct, frozen=True, gc=False):
    """How many pods there should be, how many of them healthy, and whether some pods belong to nobody."""

    expected: int
    desired: int
    unmanaged: bool = False


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What a status has to be, what users are told, and when to look again (seconds from now; None: when something changes).

    `doubtful`: an evicted pod should have been seen terminating by now, and the view may be too old to tell.
    """

    status: FrozenMap
    tellings: tuple[Telling, ...] = ()
    again_s: float | None = None
    doubtful: bool = False


def decide(budget: GenericObject, pods: Mapping[str, Pod], find: Find, define: Define, now_s: float, current: bool) -> Verdict:
    """What the status of a budget has to be; `pods` are those that it selects.

    `current` tells that these pods are at least as new as the budget: only then it is certain that a pod which isn't seen terminating has
    not been evicted.
    """
    tellings = [] if pods else [Telling("Normal", "NoPods", "No matching pods found")]
    try:
        expectation = expectation_of(budget, pods, find, define)
    except CannotCount as problem:
        tellings.append(
            Telling("Warning", "CalculateExpectedPodCountFailed", f"Failed to calculate the number of expected pods: {problem}")
        )
        return Verdict(failed(budget, str(problem), now_s), tuple(tellings))
    if expectation.unmanaged:
        tellings.append(Telling("Warning", "UnmanagedPods", _UNMANAGED.format(selector_text(label_selector_of(budget)))))
    disrupted: dict[str, str] = {}
    again_s: float | None = None
    doubtful = False
    told = status_of(budget).get("disruptedPods") or EMPTY_MAP
    evicted = [pod for pod in pods.values() if pod.metadata.name in told and not is_terminating(pod)] if told else []
    for pod in evicted:
        since = told[pod.metadata.name]
        left_s = _left_s(since, now_s)
        if left_s <= 0 and current:
            meta = budget.metadata
            words = f"Pod was expected by PDB {meta.namespace}/{meta.name} to be deleted but it wasn't"
            tellings.append(Telling("Warning", "NotDeleted", words, pod))
            continue
        disrupted[pod.metadata.name] = since
        if left_s <= 0:
            doubtful = True
        else:
            again_s = left_s if again_s is None else min(again_s, left_s)
    healthy = sum(1 for pod in pods.values() if not is_terminating(pod) and pod.metadata.name not in disrupted and is_ready(pod))
    return Verdict(_status(budget, expectation, healthy, disrupted, now_s), tuple(tellings), again_s, doubtful)


def _left_s(since: str, now_s: float) -> float:
    """How long an evicted pod may still be seen as if nothing had happened. What is no time has been written by hand: no longer."""
    try:
        return parse(since) + DELETION_TIMEOUT_S - now_s
    except ValueError:
        return 0.0


def _status(budget: GenericObject, expectation: Expectation, healthy: int, disrupted: Mapping[str, str], now_s: float) -> FrozenMap:
    allowed = max(healthy - expectation.desired, 0) if expectation.expected > 0 else 0
    status: dict[str, Any] = {
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": expectation.desired,
        "expectedPods": expectation.expected,
        "observedGeneration": budget.metadata.generation,
        "conditions": status_of(budget).get("conditions") or (),
    }
    if disrupted:
        status["disruptedPods"] = FrozenMap(disrupted)
    return with_own_condition(status, rfc3339(now_s))


def failed(budget: GenericObject, why: str, now_s: float) -> FrozenMap:
    """The status of a budget that nothing can be said about: it allows nothing, and says why (failSafe)."""
    zero = {"currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    return with_condition({**zero, **status_of(budget), "disruptionsAllowed": 0}, SYNC_FAILED, why, rfc3339(now_s))


# -- how many pods there should be ---------------------------------------------------------------------------------------------------


def needs_scale(budget: GenericObject) -> bool:
    """Whether what controls the pods has to be known: all but a minAvailable that is a number."""
    spec = spec_of(budget)
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def expectation_of(budget: GenericObject, pods: Mapping[str, Pod], find: Find, define: Define) -> Expectation:
    """How many pods a budget expects and how many of them healthy (getExpectedPodCount).

    Raises:
        CannotCount: a controller of the pods isn't there, or has no scale.
    """
    spec = spec_of(budget)
    most_gone, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    try:
        if most_gone is not None:
            expected, unmanaged = expected_scale(pods, find, define)
            return Expectation(expected, max(expected - scaled(most_gone, expected, up=True), 0), unmanaged)
        if isinstance(least, str):
            expected, unmanaged = expected_scale(pods, find, define)
            return Expectation(expected, scaled(least, expected, up=True), unmanaged)
    except CannotCount:
        raise
    except ValueError as problem:
        raise CannotCount(str(problem)) from problem
    return Expectation(len(pods), least, False) if least is not None else Expectation(0, 0)


def expected_scale(pods: Mapping[str, Pod], find: Find, define: Define) -> tuple[int, bool]:
    """The sum of what the controllers of the pods want, and whether some pods have none (getExpectedScale).

    Raises:
        CannotCount: a controller isn't there, or has no scale.
    """
    scales: dict[str, int] = {}
    known: dict[str, None] = {}
    unmanaged = False
    for pod in pods.values():
        controller = controller_of(pod)
        if controller is None:
            unmanaged = True
        elif controller.uid not in known:
            uid, replicas = _scale_of(controller, pod, find, define)
            scales[uid] = replicas
            known[controller.uid] = None
    return sum(scales.values()), unmanaged


def _scale_of(controller: OwnerReference, pod: Pod, find: Find, define: Define) -> tuple[str, int]:
    """UID and wanted replicas of what controls a pod; of a ReplicaSet's Deployment rather than its own."""
    resource, path = _where_scaled(controller, define)
    found = find(resource, controller.name)
    if found is None or found.metadata.uid != controller.uid:
        raise CannotCount(f'found no controllers for pod "{pod.metadata.name}"')
    above = controller_of(found) if resource == REPLICA_SETS else None
    if above is not None and above.kind == "Deployment":
        deployment = find(DEPLOYMENTS, above.name)
        if deployment is not None and deployment.metadata.uid == above.uid:
            found = deployment
    return found.metadata.uid, replicas_of(found, path)


def _where_scaled(controller: OwnerReference, define: Define) -> tuple[str, str]:
    """The resource of a controller, and where its objects say how many pods they want ("" for the usual place)."""
    known = SCALED_BY.get((controller.kind, controller.api_version.rpartition("/")[0]))
    if known is not None:
        return known, ""
    try:
        name = Scheme.builtin().resource(controller.api_version, controller.kind).name
    except UnknownKind:
        definition = define(controller.api_version, controller.kind)
        if definition is None:
            raise CannotCount(f'no matches for kind "{controller.kind}" in version "{controller.api_version}"') from None
        name, version = definition.metadata.name, controller.api_version.rpartition("/")[2]
        for one in definition.spec.versions if definition.spec is not None else ():
            if one.name == version and one.subresources is not None and one.subresources.scale is not None:
                return name, one.subresources.scale.spec_replicas_path
    raise CannotCount(f"{name} does not implement the scale subresource")


def replicas_of(workload: Any, path: str = "") -> int:
    """How many pods a workload wants. One that doesn't say wants 1, or none if a `path` such as `.spec.size` tells where it would.

    Raises:
        CannotCount: what stands there is no whole number, as may be in an object of a user-defined kind (scaleFromCustomResource).
    """
    unsaid, path = (0, path) if path else (1, ".spec.replicas")
    if not isinstance(workload, GenericObject):
        value: Any = workload.spec.replicas if workload.spec is not None else None
    else:
        value = workload.content
        for name in path.strip(".").split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return unsaid
    if isinstance(value, bool) or not isinstance(value, int):
        raise CannotCount(f"{path} accessor error: {value} is of the type {type(value).__name__}, expected int64")
    return value


# -- words ---------------------------------------------------------------------------------------------------------------------------


def selector_text(selector: LabelSelector | None) -> str:
    """A selector as Kubernetes' Events show it (LabelSelector.String)."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted(selector.match_labels.items()))
    expressions = "".join(f"{_requirement_text(one)}," for one in selector.match_expressions)
    return f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"


def _requirement_text(one: LabelSelectorRequirement) -> str:
    return f"LabelSelectorRequirement{{Key:{one.key},Operator:{one.operator},Values:[{' '.join(one.values)}],}}"
