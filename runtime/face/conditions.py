"""When is what somebody waits for reached? Pure judgements on one object, used by `wait` of `Cluster` and `Simulation`.

A condition counts only when the controller has seen the newest spec: `observedGeneration` has reached `generation`. The rules for
workloads are those of `kubectl rollout status`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Condition = str | Callable[[Any], bool]

ROLLED_OUT = "RolledOut"
DELETED = "Deleted"
_WORKLOADS = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"})


_OTHERS = {"Pod": "Ready", "Node": "Ready", "Job": "Complete"}


class Verdict(msgspec.Struct, frozen=True):
    """Whether the condition is met, and what was seen, in words for the error of a wait that failed."""

    met: bool
    seen: str


def default_condition(kind: str) -> str:
    """What `wait` waits for when nothing is named: `RolledOut` for workloads, `Ready` for pods and nodes, `Complete` for Jobs, existence
    for the rest."""
    if kind in _WORKLOADS:
        return ROLLED_OUT
    return _OTHERS.get(kind, "Exists")


def judge(obj: Any, condition: Condition) -> Verdict:
    """Judge an object (None: it doesn't exist) against a condition.

    A condition is the type of a status condition (`Available`, or `Available=False`), `RolledOut`, `Exists`, `Deleted`, or a function
    of the object.
    """
    if condition == DELETED:
        return Verdict(True, "it is gone") if obj is None else Verdict(False, _still_there(obj))
    if obj is None:
        return Verdict(False, "it does not exist")
    if callable(condition):
        return Verdict(bool(condition(obj)), _summary(obj.to_dict()) or "the object exists, and its status tells of no trouble")
    tree = obj.to_dict()
    if condition == "Exists":
        return Verdict(True, "it exists")
    if condition == ROLLED_OUT:
        return _rolled_out(tree)
    return _status_condition(tree, condition)


def _still_there(obj: Any) -> str:
    meta = obj.metadata
    if meta.deletion_timestamp:
        waits = f", held by the finalizers {', '.join(meta.finalizers)}" if meta.finalizers else ""
        return f"it is being deleted since {meta.deletion_timestamp}{waits}"
    return "it exists, and nobody has deleted it"


def _not_observed(tree: Mapping[str, Any]) -> str | None:
    generation = tree.get("metadata", {}).get("generation", 0) or 0
    observed = tree.get("status", {}).get("observedGeneration")
    if observed is not None and observed < generation:
        return f"its controller has seen generation {observed} of {generation}"
    return None


def _status_condition(tree: Mapping[str, Any], wanted: str) -> Verdict:
    name, _, value = wanted.partition("=")
    value = value or "True"
    stale = _not_observed(tree)
    if stale is not None:
        return Verdict(False, stale)
    generation = tree.get("metadata", {}).get("generation", 0) or 0
    for entry in tree.get("status", {}).get("conditions", ()):
        if entry.get("type", "").lower() != name.lower():
            continue
        if entry.get("observedGeneration", generation) < generation:
            return Verdict(False, f"condition {name} is of generation {entry['observedGeneration']}, the spec of {generation}")
        if entry.get("status") == value:
            return Verdict(True, f"{name}={value}")
        why = ": ".join(part for part in (entry.get("reason", ""), entry.get("message", "")) if part)
        return Verdict(False, f"{name}={entry.get('status')}" + (f" ({why})" if why else ""))
    return Verdict(False, _and_state(f"it has no condition {name} yet; {_condition_types(tree)}", tree))


def _condition_types(tree: Mapping[str, Any]) -> str:
    """What conditions there are; with their reasons, for an end that wasn't waited for, such as a Job's Failed."""
    entries = tree.get("status", {}).get("conditions", ())
    words = [f"{one.get('type')}={one.get('status')}" + (f" ({one['reason']})" if one.get("reason") else "") for one in entries]
    return f"the conditions that it has: {', '.join(words)}" if words else "it has no conditions at all"


def _rolled_out(tree: Mapping[str, Any]) -> Verdict:
    kind, spec, status = tree.get("kind"), tree.get("spec", {}), tree.get("status", {})
    stale = _not_observed(tree)
    if stale is not None or ("observedGeneration" not in status and kind in _WORKLOADS):
        return Verdict(False, stale or "its controller has not seen it yet")
    wanted = status.get("desiredNumberScheduled", 0) if kind == "DaemonSet" else spec.get("replicas", 1)
    total = status.get("currentNumberScheduled" if kind == "DaemonSet" else "replicas", 0)
    updated_field = {"DaemonSet": "updatedNumberScheduled", "ReplicaSet": "replicas"}.get(str(kind), "updatedReplicas")
    updated = status.get(updated_field, 0)
    available = status.get("numberAvailable" if kind == "DaemonSet" else "availableReplicas", 0)
    due = _due(kind, spec, wanted)
    if updated < due:
        return Verdict(False, _and_state(f"{updated} of {due} replicas are of the newest template", tree))
    if due == wanted and total > updated:
        return Verdict(False, f"{total - updated} old replicas are still there")
    if total > wanted:
        return Verdict(False, f"{total} replicas exist, {wanted} are wanted")
    if available < wanted:
        return Verdict(False, _and_state(f"{available} of {wanted} replicas are available", tree))
    return Verdict(True, f"{wanted} of {wanted} replicas are available")


def _due(kind: Any, spec: Mapping[str, Any], wanted: int) -> int:
    """How many pods a rollout replaces: of a StatefulSet those from its partition on, and none if they wait to be deleted by hand."""
    if kind not in ("StatefulSet", "DaemonSet"):
        return wanted
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return 0
    return max(wanted - ((strategy.get("rollingUpdate") or {}).get("partition") or 0), 0)


def _and_state(words: str, tree: Mapping[str, Any]) -> str:
    """The words, and what the status says beside them, if it says anything."""
    return "; ".join(part for part in (words, _summary(tree)) if part)


def _summary(tree: Mapping[str, Any]) -> str:
    status = tree.get("status") or {}
    parts = []
    if "phase" in status:
        parts.append(f"phase {status['phase']}")
    for entry in status.get("conditions", ()):
        if entry.get("status") != "True" and (entry.get("message") or entry.get("reason")):
            parts.append(f"{entry.get('type')}={entry.get('status')}: {entry.get('message') or entry.get('reason')}")
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting")
        if waiting:
            parts.append(f"container {container.get('name')} waits: {waiting.get('reason')} {waiting.get('message', '')}".rstrip())
    return "; ".join(parts)
