"""How pods are made to leave: first their status says why, then they are deleted. Pure; called by the node lifecycle controller's actor.

The reason is the condition DisruptionTarget, so that whoever looks at a pod, or at what is left of it, knows that it was not its own fault.
Sources: kubernetes pkg/controller/tainteviction/taint_eviction.go (addConditionAndDeletePod), pkg/controller/podgc/gc_controller.go
(markFailedAndDeletePodWithCondition, gcTerminating).
"""

from __future__ import annotations

from callboard.actors import actions as act
from callboard.actors.nodelifecycle.conditions import with_not_ready
from callboard.models.api.core import Node, Pod, PodStatus
from callboard.models.base import replace
from callboard.models.podstatus import DISRUPTION_TARGET, condition_is, disruption_target, is_finished, with_condition
from callboard.models.times import rfc3339

BY_TAINT = ("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
BY_COLLECTOR = ("DeletionByPodGC", "PodGC: node no longer exists")
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
"""A user's word that a node is down for good: what terminates there need not be waited for."""


def evict(pod: Pod, now: float, *, not_ready: bool) -> tuple[act.Action, ...]:
    """The next step of an eviction by taints. `not_ready`: the pod is also to be taken out of service, in the same write."""
    if not condition_is(pod, DISRUPTION_TARGET):
        status = _targeted(with_not_ready(pod, now) if not_ready else pod.status or PodStatus(), BY_TAINT, now)
        return (_set_status(pod, status), _not_ready(pod)) if not_ready else (_set_status(pod, status),)
    meta = pod.metadata
    words = f"Marking for deletion Pod {meta.namespace}/{meta.name}"
    return (
        act.TellUser(resource="pods", obj=pod, type="Normal", reason="TaintManagerEviction", message=words),
        act.Delete(resource="pods", namespace=meta.namespace, name=meta.name, uid=meta.uid),
    )


def take_out_of_service(pod: Pod, now: float) -> tuple[act.Action, ...]:
    """Its endpoints must go: nothing is known of it any more."""
    return _set_status(pod, with_not_ready(pod, now)), _not_ready(pod)


def _not_ready(pod: Pod) -> act.TellUser:
    return act.TellUser(resource="pods", obj=pod, type="Warning", reason="NodeNotReady", message="Node is not ready")


def collect(pod: Pod, now: float, *, node_gone: bool) -> tuple[act.Action, ...]:
    """The next step of removing a pod that no kubelet will ever end: it is called failed, then deleted without grace."""
    if is_forced(pod):
        return ()
    if not is_finished(pod):
        status = replace(pod.status or PodStatus(), phase="Failed")
        return (_set_status(pod, _targeted(status, BY_COLLECTOR, now) if node_gone else status),)
    meta = pod.metadata
    return (act.Delete(resource="pods", namespace=meta.namespace, name=meta.name, uid=meta.uid, grace_period_s=0),)


def is_forced(pod: Pod) -> bool:
    """Whether only finalizers hold it: asking again would change nothing."""
    return pod.metadata.deletion_timestamp != "" and pod.metadata.deletion_grace_period_seconds == 0


def is_out_of_service(node: Node) -> bool:
    """Whether a user said so, and the node's own word is not against it."""
    tainted = node.spec is not None and any(one.key == OUT_OF_SERVICE for one in node.spec.taints)
    return tainted and not condition_is(node, "Ready")


def _targeted(status: PodStatus, why: tuple[str, str], now: float) -> PodStatus:
    reason, message = why
    new = disruption_target(reason, message, rfc3339(now))
    return replace(status, conditions=with_condition(status.conditions, new))


def _set_status(pod: Pod, status: PodStatus) -> act.SetStatus:
    """The resourceVersion is a precondition: a kubelet that lives may have news."""
    meta = pod.metadata
    return act.SetStatus(
        resource="pods",
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        status=status,
        resource_version=meta.resource_version,
    )
