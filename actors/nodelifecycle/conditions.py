"""What the controller writes on nodes and pods: conditions turned Unknown, taints that follow conditions, pods no longer ready.

Called by the node lifecycle controller's actor; pure functions from an object to its new form, or to the same one if nothing is to change.
Source: pkg/controller/nodelifecycle/node_lifecycle_controller.go (nodeConditionToTaintKeyStatusMap, monitorNodeHealth).
"""

from __future__ import annotations

from callboard.models.api.core import Node, NodeCondition, NodeSpec, NodeStatus, Pod, PodCondition, PodStatus, Taint
from callboard.models.base import replace
from callboard.models.podstatus import condition, with_condition
from callboard.models.taints import NOT_READY, UNREACHABLE, UNSCHEDULABLE
from callboard.models.times import rfc3339

STOPPED = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
NEVER_POSTED = ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
JUDGED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
"""Conditions that become Unknown with a lost node."""

_BY_CONDITION = (
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
)
_OURS = {
    **{(key, "NoSchedule"): None for key in (NOT_READY, UNREACHABLE, UNSCHEDULABLE, *(key for _, _, key in _BY_CONDITION))},
    (NOT_READY, "NoExecute"): None,
    (UNREACHABLE, "NoExecute"): None,
}


def readiness(node: Node) -> str:
    """Status of the condition Ready: `True`, `False`, `Unknown`, or "" while there is none."""
    found = condition(node, "Ready")
    return found.status if found is not None else ""


def heartbeat(node: Node) -> str:
    """When the kubelet wrote the condition Ready last, as it wrote it."""
    found = condition(node, "Ready")
    return found.last_heartbeat_time if found is not None else ""


def with_unknown(node: Node, now: float) -> NodeStatus:
    """The status of a node that is lost."""
    status = node.status or NodeStatus()
    conditions = status.conditions
    for type_ in JUDGED:
        old = condition(node, type_)
        reason, message = STOPPED if old is not None else NEVER_POSTED
        if old is not None and old.status == "Unknown":
            continue
        new = NodeCondition(
            type=type_,
            status="Unknown",
            reason=reason,
            message=message,
            last_heartbeat_time=old.last_heartbeat_time if old is not None else node.metadata.creation_timestamp,
            last_transition_time=rfc3339(now),
        )
        conditions = with_condition(conditions, new)
    return replace(status, conditions=conditions)


def lost_taint(node: Node) -> str:
    """The taint key that a node's readiness asks for, or "". A node that has never told asks for none: it has no capacity either."""
    return {"False": NOT_READY, "Unknown": UNREACHABLE}.get(readiness(node), "")


def with_taints(node: Node, now: float, *, may_evict: bool) -> Node:
    """The node with the taints that its conditions ask for; with NoExecute only if `may_evict`. Taints of others stay."""
    spec = node.spec or NodeSpec()
    wanted: list[tuple[str, str]] = [(key, "NoSchedule") for type_, bad, key in _BY_CONDITION if _is(node, type_, bad)]
    lost = lost_taint(node)
    if lost:
        wanted.append((lost, "NoSchedule"))
        if may_evict:
            wanted.append((lost, "NoExecute"))
    if spec.unschedulable:
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    kept = tuple(one for one in spec.taints if (one.key, one.effect) not in _OURS or (one.key, one.effect) in wanted)
    there = [(one.key, one.effect) for one in kept]
    new = tuple(Taint(key=key, effect=effect, time_added=rfc3339(now)) for key, effect in wanted if (key, effect) not in there)
    if not new and len(kept) == len(spec.taints):
        return node
    return replace(node, spec=replace(spec, taints=kept + new))


def _is(node: Node, type_: str, status: str) -> bool:
    found = condition(node, type_)
    return found is not None and found.status == status


def evicting_taints(node: Node) -> tuple[Taint, ...]:
    """The taints of a node that evict pods."""
    return tuple(one for one in node.spec.taints if one.effect == "NoExecute") if node.spec is not None else ()


def with_not_ready(pod: Pod, now: float) -> PodStatus:
    """The status of a pod whose node is not ready: endpoints must leave at once. Why is told by an Event (MarkPodsNotReady)."""
    status = pod.status or PodStatus()
    old = condition(pod, "Ready") or PodCondition(type="Ready")
    new = replace(old, status="False", last_transition_time=rfc3339(now))
    return replace(status, conditions=with_condition(status.conditions, new))
