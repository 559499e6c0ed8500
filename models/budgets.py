"""PodDisruptionBudgets as the eviction and the disruption controller read them: whom one selects, what its condition says. Pure.

Sources: kubernetes pkg/apis/policy, component-helpers/apps/poddisruptionbudget/helpers.go, pkg/controller/disruption/disruption.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callboard.models.api.core import Pod
from callboard.models.api.meta import LabelSelector
from callboard.models.base import EMPTY_MAP, FrozenMap
from callboard.models.generic import GenericObject
from callboard.models.selectors import Selector, label_selector, selector_of

BUDGETS = "poddisruptionbudgets.policy"
DELETION_TIMEOUT_S = 120.0
"""A pod whose eviction was allowed is expected to be seen terminating after so long (DeletionTimeout)."""
DISRUPTION_ALLOWED = "DisruptionAllowed"
SUFFICIENT_PODS, INSUFFICIENT_PODS, SYNC_FAILED = "SufficientPods", "InsufficientPods", "SyncFailed"


def spec_of(budget: GenericObject) -> FrozenMap:
    """Its spec as a frozen tree."""
    spec: FrozenMap = budget.content.get("spec") or EMPTY_MAP
    return spec


def status_of(budget: GenericObject) -> FrozenMap:
    """Its status as a frozen tree; empty if nobody has written one."""
    status: FrozenMap = budget.content.get("status") or EMPTY_MAP
    return status


def label_selector_of(budget: GenericObject) -> LabelSelector | None:
    """Its selector in the struct form; None if it has none.

    Raises:
        msgspec.ValidationError: it is no selector.
    """
    given = spec_of(budget).get("selector")
    return None if given is None else label_selector(given)


def selector_of_budget(budget: GenericObject) -> Selector:
    """Its selector. In policy/v1 an empty one selects every pod of the namespace, none selects nothing.

    Raises:
        msgspec.ValidationError: it is no selector.
    """
    return selector_of(label_selector_of(budget))


def selects(budget: GenericObject, pod: Pod) -> bool:
    """Whether a budget is about this pod of its namespace."""
    return selector_of_budget(budget).matches(pod.metadata.labels)


def condition_of(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The condition DisruptionAllowed of a status; empty if it has none."""
    for one in status.get("conditions") or ():
        if one.get("type") == DISRUPTION_ALLOWED:
            return one  # type: ignore[no-any-return]
    return EMPTY_MAP


def with_condition(status: Mapping[str, Any], reason: str, message: str, time: str) -> FrozenMap:
    """A status whose condition DisruptionAllowed gives this reason; `time` (RFC 3339) counts if its status changes."""
    old = condition_of(status)
    value = "True" if reason == SUFFICIENT_PODS else "False"
    new = {
        "type": DISRUPTION_ALLOWED,
        "status": value,
        "lastTransitionTime": old["lastTransitionTime"] if old.get("status") == value and old.get("lastTransitionTime") else time,
        "reason": reason,
        "message": message,
    }
    if status.get("observedGeneration"):
        new["observedGeneration"] = status["observedGeneration"]
    others = tuple(one for one in status.get("conditions") or () if one.get("type") != DISRUPTION_ALLOWED)
    return FrozenMap({**status, "conditions": (*others, FrozenMap(new))})


def with_own_condition(status: Mapping[str, Any], time: str) -> FrozenMap:
    """A status whose condition DisruptionAllowed says what its disruptionsAllowed means (UpdateDisruptionAllowedCondition)."""
    reason = SUFFICIENT_PODS if status.get("disruptionsAllowed", 0) > 0 else INSUFFICIENT_PODS
    return with_condition(status, reason, "", time)
