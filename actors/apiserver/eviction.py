"""The subresource pods/eviction: a delete that asks the PodDisruptionBudgets first. A planner.

The budget is counted down in the transaction that deletes the pod, so two evictions never share one allowed disruption. Source of rules and
words: kubernetes pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from typing import Any

from callboard.actors.apiserver.deletion import plan_delete
from callboard.actors.apiserver.planning import Context, Plan, revision_of
from callboard.actors.apiserver.view import View
from callboard.models.api.core import Pod, PodStatus
from callboard.models.base import EMPTY_MAP, FrozenMap, freeze, replace
from callboard.models.budgets import BUDGETS, SYNC_FAILED, condition_of, selects, spec_of, status_of, with_own_condition
from callboard.models.errors import InternalError, TooManyRequests, forbidden, not_found
from callboard.models.generic import GenericObject
from callboard.models.messages.api import DeleteObject, EvictPod, object_key
from callboard.models.messages.store import Compare, Put
from callboard.models.podstatus import disruption_target, is_finished, is_ready, phase_of, with_condition

REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
EVICTED, EVICTED_WORDS = "EvictionByEvictionAPI", "Eviction API: evicting"
DISRUPTED_LIMIT = 2000
"""Evictions that nobody has confirmed yet; with more, a budget allows none (MaxDisruptedPodSize)."""


def plan_evict(request: EvictPod, view: View, context: Context) -> Plan:
    """Delete a pod, if its disruption budget allows that now.

    Raises:
        NotFound: there is no such pod.
        Conflict: it is another one.
        TooManyRequests: its budget forbids it; try again later.
        InternalError: more than one budget selects it.
    """
    key = object_key("pods", request.namespace, request.name)
    pod = view.get(key)
    if pod is None:
        raise not_found("pods", request.name)
    deletion = DeleteObject(
        request.id, request.reply_to, "pods", request.namespace, request.name, uid=request.uid, grace_period_s=request.grace_period_s
    )
    plan = _saying_why(plan_delete(deletion, view, context), context.time)
    if is_finished(pod) or phase_of(pod) == "Pending" or pod.metadata.deletion_timestamp:
        return plan
    budgets = [one for one in view.objects(BUDGETS, request.namespace) if selects(one, pod)]
    if not budgets:
        return plan
    if len(budgets) > 1:
        raise InternalError(SEVERAL)
    (budget,) = budgets
    place = object_key(BUDGETS, request.namespace, budget.metadata.name)
    compare = Compare(place, revision_of(budget))
    if not is_ready(pod) and _may_go_unready(budget):
        return replace(plan, compares=(*plan.compares, compare))
    counted = counted_down(budget, request.name, context.time)
    return replace(plan, compares=(*plan.compares, compare), ops=(*plan.ops, Put(place, counted)))


def _saying_why(plan: Plan, time: str) -> Plan:
    """The deletion of a pod with the condition DisruptionTarget, as every eviction sets it (addConditionAndDeletePod)."""
    put = next((one for one in plan.ops if isinstance(one, Put)), None)
    if put is None:
        return plan
    pod: Pod = put.obj
    status = pod.status or PodStatus()
    new = disruption_target(EVICTED, EVICTED_WORDS, time)
    said = replace(pod, status=replace(status, conditions=with_condition(status.conditions, new)))
    return replace(plan, ops=tuple(Put(put.key, said) if one is put else one for one in plan.ops), obj=said)


def _may_go_unready(budget: GenericObject) -> bool:
    """Whether a pod that isn't ready may go without being counted (unhealthyPodEvictionPolicy)."""
    if spec_of(budget).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = status_of(budget)
    healthy, desired = int(status.get("currentHealthy", 0)), int(status.get("desiredHealthy", 0))
    return healthy >= desired > 0


def counted_down(budget: GenericObject, pod: str, time: str) -> GenericObject:
    """The budget after one more disruption (checkAndDecrement).

    Raises:
        TooManyRequests: it allows none now, or its controller has not looked at it yet.
        Forbidden: its status can't be right.
    """
    name = budget.metadata.name
    status: Any = status_of(budget)
    if status.get("observedGeneration", 0) < budget.metadata.generation:
        raise _too_many(f"The disruption budget {name} is still being processed by the server.")
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise forbidden("poddisruptionbudget", name, "pdb disruptions allowed is negative")
    disrupted = status.get("disruptedPods") or EMPTY_MAP
    if len(disrupted) > DISRUPTED_LIMIT:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise forbidden("poddisruptionbudget", name, why)
    if allowed == 0:
        raise _too_many(f"The disruption budget {name} {_why_none(status)}")
    changed = FrozenMap({**status, "disruptionsAllowed": allowed - 1, "disruptedPods": FrozenMap({**disrupted, pod: time})})
    if allowed == 1:
        changed = with_own_condition(changed, time)
    return replace(budget, content=FrozenMap({**budget.content, "status": changed}))


def _why_none(status: Any) -> str:
    """Why a budget allows no disruption. After a failed count its numbers say nothing."""
    condition = condition_of(status)
    said = condition.get("message", "") if condition.get("status") == "False" else ""
    desired, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    if said and condition.get("reason") == SYNC_FAILED:
        return f"does not allow evicting pods currently because it failed sync: {said}"
    if healthy <= desired:
        return f"needs {desired} healthy pods and has {healthy} currently"
    reason = f" ({condition.get('reason')}): {said}" if said else ""
    return f"does not allow evicting pods currently{reason}"


def _too_many(cause: str) -> TooManyRequests:
    return TooManyRequests(REFUSAL, freeze({"causes": [{"reason": "DisruptionBudget", "message": cause}]}))
