"""What to do about a ReplicaSet: pure functions of the ReplicaSet, its pods and what the controller remembers.

Source: kubernetes pkg/controller/replicaset/replica_set.go and replica_set_utils.go. Two things are stricter than there, for the sake of
whoever reads the status (the Deployment controller above all): `replicas` counts pods until they are seen to go, while `readyReplicas` and
`availableReplicas` leave out those that this very decision deletes; so neither ever promises more than there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.replicaset.census import Tally, name_prefix, tally_of
from callboard.actors.replicaset.ranking import first_to_go
from callboard.models import times
from callboard.models.api.apps import ReplicaSet, ReplicaSetCondition, ReplicaSetStatus
from callboard.models.api.core import Pod, PodTemplateSpec
from callboard.models.api.meta import ObjectMeta, OwnerReference
from callboard.models.base import EMPTY_MAP, replace
from callboard.models.names import child_suffix, next_indices
from callboard.models.owners import owner_reference
from callboard.models.podstatus import is_active, is_available, is_ready, ready_since, with_condition, without_condition
from callboard.models.selectors import Selector, selector_of

RESOURCE = "replicasets.apps"
CREATES_LIMIT = 500
"""Pods created in one decision at most, and deleted (Kubernetes' burstReplicas)."""
NAMES_TOLD = 10
"""Names of pods that one Event lists."""
REPLICA_FAILURE = "ReplicaFailure"


class View(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that a decision depends on. `tally` counts `pods`, which are those that the ReplicaSet owns, by key."""

    replica_set: ReplicaSet
    pods: Mapping[str, Pod]
    tally: Tally
    orphans: tuple[Pod, ...] = ()
    """Active pods without a controller that match the selector, and that were so when the ReplicaSet was certainly alive."""
    waiting_orphans: int = 0
    """Those of which that is not certain yet. They are neither adopted nor replaced."""
    neighbours: Mapping[str, int] = EMPTY_MAP
    """Active pods of the ReplicaSet and of its siblings (same controller) by node; needed only where there is a surplus."""
    highest_index: int = -1
    """The highest index of a pod's name that has been seen or acknowledged."""
    lost_indices: tuple[int, ...] = ()
    """Indices of creations whose outcome is unknown: they are tried again before new ones."""
    failure: tuple[str, str] | None = None
    """Reason and message of the last decision's failure, if it failed."""
    creates_limit: int = CREATES_LIMIT
    create_not_before_s: float = 0.0
    """Pods are not replaced before this moment: they have been failing."""


def view_of(replica_set: ReplicaSet, pods: Iterable[Pod], **rest: Any) -> View:
    """A view of pods that are all owned by the ReplicaSet."""
    by_key = {f"pods/{pod.metadata.namespace}/{pod.metadata.name}": pod for pod in pods}
    return View(replica_set=replica_set, pods=by_key, tally=tally_of(by_key.values()), **rest)


def decide(view: View, now: float) -> tuple[act.Action, ...]:
    """What to do now."""
    replica_set = view.replica_set
    spec = replica_set.spec
    if spec is None or spec.template is None:
        return ()
    selector = selector_of(spec.selector)
    if selector.empty:
        return ()  # Kubernetes: a selector that selects everything is a mistake; nothing is managed by it
    alive = not replica_set.metadata.deletion_timestamp
    released = _strangers(view, selector) if alive else []
    actions: list[act.Action] = [_release(pod, replica_set) for pod in released]
    if alive:
        actions.extend(_adopt(pod, replica_set) for pod in view.orphans)
    wanted = spec.replicas if spec.replicas is not None else 1
    surplus = view.tally.active - len(released) + (len(view.orphans) if alive else 0) - wanted
    short = -surplus - view.waiting_orphans
    doomed: list[Pod] = []
    if alive and surplus > 0:
        doomed = _doomed(view, released, min(surplus, CREATES_LIMIT), now)
        actions.extend(_deletions(doomed, replica_set))
    elif alive and short > 0:
        actions.extend(_creations(view, min(short, view.creates_limit), now))
    counts = _counts(view, released, doomed, now)
    actions.extend(_status(view, counts, view.failure if surplus else None, now))
    return tuple(actions)


# -- whose pods ---------------------------------------------------------------------------------------------------------------------


def _strangers(view: View, selector: Selector) -> list[Pod]:
    """Active pods of this ReplicaSet that its selector does not match (any more)."""
    if all(selector.matches(dict(labels)) for labels in view.tally.labels):
        return []
    return [pod for pod in view.pods.values() if is_active(pod) and not selector.matches(pod.metadata.labels)]


def _release(pod: Pod, replica_set: ReplicaSet) -> act.Update:
    kept = tuple(one for one in pod.metadata.owner_references if one.uid != replica_set.metadata.uid)
    return _with_owners(pod, kept)


def _adopt(pod: Pod, replica_set: ReplicaSet) -> act.Update:
    return _with_owners(pod, (*pod.metadata.owner_references, owner_reference(replica_set)))


def _with_owners(pod: Pod, owners: tuple[OwnerReference, ...]) -> act.Update:
    """Its UID and its resourceVersion are preconditions: nobody else may have adopted, released or deleted it meanwhile."""
    return act.Update(resource="pods", obj=replace(pod, metadata=replace(pod.metadata, owner_references=owners)))


# -- too many, too few ----------------------------------------------------------------------------------------------------------------


def _doomed(view: View, released: list[Pod], count: int, now: float) -> list[Pod]:
    gone = {pod.metadata.uid for pod in released}
    staying = [pod for pod in view.pods.values() if is_active(pod) and pod.metadata.uid not in gone]
    return first_to_go(staying, count, view.neighbours, now)


def _deletions(doomed: list[Pod], replica_set: ReplicaSet) -> list[act.Action]:
    """The resourceVersion is a precondition: what was orphaned, adopted or relabelled meanwhile is not ours to delete."""
    told = _tell(replica_set, "SuccessfulDelete", "Deleted", [pod.metadata.name for pod in doomed])
    return [
        act.Delete(
            resource="pods",
            namespace=pod.metadata.namespace,
            name=pod.metadata.name,
            uid=pod.metadata.uid,
            resource_version=pod.metadata.resource_version,
            announce=told if number == 0 else None,
        )
        for number, pod in enumerate(doomed)
    ]


def _creations(view: View, count: int, now: float) -> list[act.Action]:
    if now < view.create_not_before_s:
        return [act.LookAgain(after_s=view.create_not_before_s - now)]
    names = [_pod_name(view.replica_set, index) for index in next_indices(view.lost_indices, view.highest_index, count)]
    told = _tell(view.replica_set, "SuccessfulCreate", "Created", names)
    return [
        act.Create(resource="pods", obj=obj, trusted=True, announce=told if number == 0 else None)
        for number, obj in enumerate(_new_pods(view.replica_set, names))
    ]


def _pod_name(replica_set: ReplicaSet, index: int) -> str:
    meta = replica_set.metadata
    return name_prefix(meta.name) + child_suffix(meta.uid, index)


def _new_pods(replica_set: ReplicaSet, names: list[str]) -> list[Pod]:
    """The pods of these names, made from the template: they share its spec, its maps and one owner reference."""
    template: PodTemplateSpec = replica_set.spec.template  # type: ignore[union-attr, assignment]
    of_template = template.metadata or ObjectMeta()
    owners = (owner_reference(replica_set),)
    generate_name = name_prefix(replica_set.metadata.name)
    return [
        Pod(
            metadata=ObjectMeta(
                name=name,
                generate_name=generate_name,
                namespace=replica_set.metadata.namespace,
                labels=of_template.labels,
                annotations=of_template.annotations,
                finalizers=of_template.finalizers,
                owner_references=owners,
            ),
            spec=template.spec,
        )
        for name in names
    ]


def _tell(replica_set: ReplicaSet, reason: str, verb: str, names: list[str]) -> act.TellUser:
    """One Event for all pods of a decision; with one pod it has Kubernetes' words."""
    if len(names) == 1:
        message = f"{verb} pod: {names[0]}"
    else:
        more = f" and {len(names) - NAMES_TOLD} more" if len(names) > NAMES_TOLD else ""
        message = f"{verb} pods: {', '.join(names[:NAMES_TOLD])}{more}"
    return act.TellUser(resource=RESOURCE, obj=replica_set, type="Normal", reason=reason, message=message)


# -- status -------------------------------------------------------------------------------------------------------------------------


class _Counts(msgspec.Struct, frozen=True, gc=False):
    replicas: int
    fully_labeled: int
    ready: int
    available: int
    next_available_s: float | None


def _counts(view: View, released: list[Pod], doomed: list[Pod], now: float) -> _Counts:
    spec = view.replica_set.spec
    assert spec is not None
    assert spec.template is not None
    template_labels = spec.template.metadata.labels if spec.template.metadata is not None else EMPTY_MAP
    min_ready_s = spec.min_ready_seconds or 0
    tally = view.tally
    if not min_ready_s and not released and not doomed:
        labelled = sum(count for labels, count in tally.labels.items() if template_labels.items() <= dict(labels).items())
        return _Counts(tally.active, labelled, tally.ready, tally.ready, None)
    gone = {pod.metadata.uid for pod in (*released, *doomed)}
    counted = [pod for pod in view.pods.values() if is_active(pod)]
    staying = [pod for pod in counted if pod.metadata.uid not in gone]
    ready = [pod for pod in staying if is_ready(pod)]
    available = sum(is_available(pod, min_ready_s, now) for pod in ready)
    coming = [since + min_ready_s for pod in ready if (since := ready_since(pod)) is not None and since + min_ready_s > now]
    strangers = {pod.metadata.uid for pod in released}
    counted = [pod for pod in counted if pod.metadata.uid not in strangers]
    labelled = sum(template_labels.items() <= pod.metadata.labels.items() for pod in counted)
    return _Counts(len(counted), labelled, len(ready), available, min(coming, default=None) if min_ready_s else None)


def _status(view: View, counts: _Counts, failure: tuple[str, str] | None, now: float) -> list[act.Action]:
    replica_set = view.replica_set
    meta, old = replica_set.metadata, replica_set.status or ReplicaSetStatus()
    status = ReplicaSetStatus(
        replicas=counts.replicas,
        fully_labeled_replicas=counts.fully_labeled or None,
        ready_replicas=counts.ready or None,
        available_replicas=counts.available or None,
        terminating_replicas=view.tally.terminating,
        observed_generation=meta.generation,
        conditions=_conditions(old.conditions, failure, now),
    )
    actions: list[act.Action] = []
    if counts.next_available_s is not None:
        actions.append(act.LookAgain(after_s=max(counts.next_available_s - now, 0.001)))
    if status != old:
        actions.append(
            act.SetStatus(
                resource=RESOURCE,
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                status=status,
                resource_version=meta.resource_version,
            )
        )
    return actions


def _conditions(old: tuple[ReplicaSetCondition, ...], failure: tuple[str, str] | None, now: float) -> tuple[ReplicaSetCondition, ...]:
    if failure is None:
        return without_condition(old, REPLICA_FAILURE)
    reason, message = failure
    return with_condition(
        old,
        ReplicaSetCondition(type=REPLICA_FAILURE, status="True", reason=reason, message=message, last_transition_time=times.rfc3339(now)),
    )
