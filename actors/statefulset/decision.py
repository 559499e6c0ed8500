"""What to do about a StatefulSet: pure functions of it, its pods, its revisions and what the controller remembers.

Source: kubernetes pkg/controller/statefulset/stateful_set_control.go. A revision is written in a decision of its own, and what follows is
decided when the caches show it. `maxUnavailable` counts as with the feature gate MaxUnavailableStatefulSet, with the rule for old pods that
are broken from kubernetes#137666.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.statefulset import identity, status
from callboard.actors.statefulset.memory import CREATES_LIMIT
from callboard.models import controllerrevisions as history
from callboard.models.api.apps import ControllerRevision, StatefulSet
from callboard.models.api.core import Pod
from callboard.models.api.meta import OwnerReference
from callboard.models.base import EMPTY_MAP, replace
from callboard.models.controllerrevisions import Current
from callboard.models.intorstring import scaled
from callboard.models.owners import controller_of, owner_reference
from callboard.models.podstatus import is_finished, is_terminating
from callboard.models.selectors import Selector, selector_of

RESOURCE = "statefulsets.apps"
PODS = "pods"


class View(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that a decision depends on. `pods` and `revisions` are those that the StatefulSet controls."""

    stateful_set: StatefulSet
    pods: tuple[Pod, ...] = ()
    revisions: tuple[ControllerRevision, ...] = ()
    named: Mapping[str, ControllerRevision] = EMPTY_MAP
    """Revisions of the namespace by name: at least those whose names its own might have."""
    orphans: tuple[Pod, ...] = ()
    """Pods with the names of its pods that nobody controls, that match the selector, and that did when it was certainly alive."""
    orphaned_revisions: tuple[ControllerRevision, ...] = ()
    """The same of revisions, whatever their names."""
    taken: Mapping[str, Pod] = EMPTY_MAP
    """Pods of others by name, where one of its own should be."""
    not_before_s: Mapping[int, float] = msgspec.field(default_factory=dict)
    """Ordinals whose failed pods must not be replaced before this moment: they have been failing."""
    creates_limit: int = CREATES_LIMIT


def decide(view: View, now: float) -> tuple[act.Action, ...]:
    """What to do now."""
    stateful_set = view.stateful_set
    spec, meta = stateful_set.spec, stateful_set.metadata
    if spec is None or spec.template is None:
        return ()
    selector = selector_of(spec.selector)
    if selector.empty:
        return ()  # a selector that selects everything is a mistake; nothing is managed by it
    old = status.status_of(stateful_set)
    if meta.deletion_timestamp:
        names = old.current_revision, old.update_revision
        return _write_status(stateful_set, status.counted(stateful_set, view.pods, names, old.collision_count or 0, (), now))
    claims = _claims(view, selector)
    if claims:
        return claims
    found = history.current_of(stateful_set, spec.template, view.revisions, view.named, old.collision_count or 0)
    if found.blocked_by:
        return ()  # decided again when the garbage collector has taken it away
    if found.create:
        return (act.Create(resource=history.RESOURCE, obj=found.revision),)
    if found.renumber:
        return (act.Update(resource=history.RESOURCE, obj=found.revision),)
    return _Sync(view, found, now).actions()


def is_of_pods(action: act.Action) -> bool:
    """Whether an action creates or deletes a pod, which needs a view of the pods as fresh as that of the StatefulSet."""
    return isinstance(action, act.Create | act.Delete) and action.resource == PODS


def _write_status(stateful_set: StatefulSet, new: Any) -> tuple[act.Action, ...]:
    if new == status.status_of(stateful_set):
        return ()
    meta = stateful_set.metadata
    named = {"resource": RESOURCE, "namespace": meta.namespace, "name": meta.name, "uid": meta.uid}
    return (act.SetStatus(**named, status=new, resource_version=meta.resource_version),)


# -- whose pods and revisions ----------------------------------------------------------------------------------------------------


def _claims(view: View, selector: Selector) -> tuple[act.Action, ...]:
    """Adopt orphans; release pods that the selector does not match any more, or that have no name of one of its pods."""
    stateful_set, uid = view.stateful_set, view.stateful_set.metadata.uid
    reference = owner_reference(stateful_set)
    strangers = [
        pod
        for pod in view.pods
        if not is_terminating(pod) and not (selector.matches(pod.metadata.labels) and identity.ordinal_in(stateful_set, pod) >= 0)
    ]
    return (
        *(_with_owners(PODS, pod, tuple(one for one in pod.metadata.owner_references if one.uid != uid)) for pod in strangers),
        *(_with_owners(PODS, pod, (*pod.metadata.owner_references, reference)) for pod in view.orphans),
        *(
            _with_owners(history.RESOURCE, one, (*one.metadata.owner_references, reference))
            for one in view.orphaned_revisions
            if not one.metadata.deletion_timestamp
        ),
    )


def _with_owners(resource: str, obj: Any, owners: tuple[OwnerReference, ...]) -> act.Update:
    """Its UID and its resourceVersion are preconditions: nobody else may have adopted, released or deleted it meanwhile."""
    return act.Update(resource=resource, obj=replace(obj, metadata=replace(obj.metadata, owner_references=owners)))


# -- one decision ----------------------------------------------------------------------------------------------------------------


class _Sync:
    """One decision under way. `doomed` holds the UIDs of pods that it deletes, `again_s` when to look again though nothing changes."""

    def __init__(self, view: View, found: Current, now: float) -> None:
        self.view, self.now = view, now
        self.stateful_set = view.stateful_set
        self.spec = identity.spec_of(self.stateful_set)
        self.update = found.revision
        self.collisions = found.collisions
        current = status.status_of(self.stateful_set).current_revision
        self.current = next((one for one in view.revisions if one.metadata.name == current), self.update)
        name = self.current.metadata.name
        self.lasting = sum(identity.revision_in(pod) == name and not is_terminating(pod) for pod in view.pods)
        self.wanted = identity.wanted_ordinals(self.stateful_set)
        self.ordered = self.spec.pod_management_policy != "Parallel"
        self.min_ready_s = self.spec.min_ready_seconds or 0
        by_ordinal = {identity.ordinal_in(self.stateful_set, pod): pod for pod in view.pods}
        self.replicas = {ordinal: by_ordinal[ordinal] for ordinal in self.wanted if ordinal in by_ordinal}
        beyond = sorted((ordinal for ordinal in by_ordinal if ordinal >= 0 and ordinal not in self.wanted), reverse=True)
        self.condemned = [by_ordinal[ordinal] for ordinal in beyond]
        self.writes: list[act.Action] = []
        self.created = 0
        self.doomed: dict[str, None] = {}
        self.again_s: float | None = None
        self.problem = ""

    def actions(self) -> tuple[act.Action, ...]:
        """What to do."""
        if self._keep_replicas() and self._remove_condemned():
            self._roll()
        names = self.current.metadata.name, self.update.metadata.name
        new = status.counted(self.stateful_set, self.view.pods, names, self.collisions, self.doomed, self.now)
        new = status.with_claims(new, self.problem, self.now)
        self._look_again_at(status.next_available_s(self.view.pods, self.min_ready_s, self.now))
        again = () if self.again_s is None else (act.LookAgain(after_s=max(self.again_s - self.now, 0.001)),)
        return (*again, *self.writes, *_write_status(self.stateful_set, new), *self._forget(names))

    def _look_again_at(self, moment_s: float | None) -> None:
        if moment_s is not None:
            self.again_s = moment_s if self.again_s is None else min(self.again_s, moment_s)

    def _is_there(self, pod: Pod | None) -> bool:
        return status.is_there(pod, self.min_ready_s, self.now)

    # -- the pods that there should be -----------------------------------------------------------------------------------------------

    def _keep_replicas(self) -> bool:
        """See to every wanted ordinal, the lowest first. Ordered, the first that is not available ends it; returns whether none did."""
        return all(self._keep(ordinal) or not self.ordered for ordinal in self.wanted)

    def _keep(self, ordinal: int) -> bool:
        """See to one ordinal (processReplica); returns whether its pod is all right."""
        pod = self.replicas.get(ordinal)
        if pod is None:
            self._create(ordinal)
            return False
        if is_finished(pod):
            if not is_terminating(pod):
                self._replace(ordinal, pod)
            return False
        if not self._is_there(pod) and self.ordered:
            return False
        mended = identity.repaired(pod, ordinal) if not is_terminating(pod) else None
        if mended is not None:
            self.writes.append(act.Update(resource=PODS, obj=mended))
        return True

    def _create(self, ordinal: int) -> None:
        name = identity.pod_name(self.stateful_set.metadata.name, ordinal)
        self.problem = self.problem or identity.claim_problem(self.stateful_set, ordinal)
        if self.problem:
            self._tell_claims(name)
            return
        holder = self.view.taken.get(name)
        if self.created >= self.view.creates_limit or (holder is not None and self._is_going(holder)):
            return
        revision = self._revision_for(ordinal)
        template = self.spec.template if revision is self.update else history.template_in(revision)
        pod = identity.new_pod(self.stateful_set, template, revision.metadata.name, ordinal)
        told = self._told("SuccessfulCreate", f"create Pod {name} in StatefulSet {self.stateful_set.metadata.name} successful")
        self.writes.append(act.Create(resource=PODS, obj=pod, announce=told))
        self.created += 1

    def _revision_for(self, ordinal: int) -> ControllerRevision:
        """What a new pod of this ordinal is made of."""
        return self.current if identity.is_current_wanted(self.stateful_set, ordinal, self.lasting) else self.update

    def _is_going(self, holder: Pod) -> bool:
        """Whether a pod of somebody else will give its name back by itself: it is going, or its owner was this one's former namesake."""
        owner, meta = controller_of(holder), self.stateful_set.metadata
        former = owner is not None and (owner.kind, owner.name) == ("StatefulSet", meta.name) and owner.uid != meta.uid
        return is_terminating(holder) or former

    def _tell_claims(self, name: str) -> None:
        """Once, when the condition that tells it too is written."""
        if not any(one.type == status.CLAIMS_BOUND for one in status.status_of(self.stateful_set).conditions):
            message = f"create Pod {name} in StatefulSet {self.stateful_set.metadata.name} failed error: {self.problem}"
            self.writes.append(
                act.TellUser(resource=RESOURCE, obj=self.stateful_set, type="Warning", reason="FailedCreate", message=message)
            )

    def _replace(self, ordinal: int, pod: Pod) -> None:
        """A pod that has ended by itself, well or not, goes; its successor comes when it is gone. One that keeps failing waits a while,
        unless its successor is of another revision."""
        moment_s = self.view.not_before_s.get(ordinal, 0.0)
        if moment_s > self.now and identity.revision_in(pod) == self._revision_for(ordinal).metadata.name:
            self._look_again_at(moment_s)
        else:
            self._delete(pod)

    def _delete(self, pod: Pod) -> None:
        """The UID and the resourceVersion are preconditions: what was orphaned or relabelled meanwhile is not ours to delete, and what came
        after it under the same name is another pod."""
        meta = pod.metadata
        if meta.uid in self.doomed:
            return
        self.doomed[meta.uid] = None
        self.writes.append(
            act.Delete(
                resource=PODS,
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                resource_version=meta.resource_version,
                announce=self._told(
                    "SuccessfulDelete", f"delete Pod {meta.name} in StatefulSet {self.stateful_set.metadata.name} successful"
                ),
            )
        )

    def _told(self, reason: str, message: str) -> act.TellUser:
        return act.TellUser(resource=RESOURCE, obj=self.stateful_set, type="Normal", reason=reason, message=message)

    # -- the pods that there should not be -------------------------------------------------------------------------------------------

    def _remove_condemned(self) -> bool:
        """Delete what is beyond the wanted ordinals, the highest first (processCondemned). Ordered, one at a time, and none while another
        pod is not available, unless it is that one; returns whether nothing was left to do."""
        waits_for = next((pod for pod in reversed(self.condemned) if not self._is_there(pod)), None)
        for pod in self.condemned:
            if self.ordered and (is_terminating(pod) or (not self._is_there(pod) and pod is not waits_for)):
                return False
            if not is_terminating(pod):
                self._delete(pod)
                if self.ordered:
                    return False
        return True

    # -- rolling update --------------------------------------------------------------------------------------------------------------

    def _roll(self) -> None:
        """Delete pods of older revisions, the highest ordinal first, down to the partition; they come again as the update."""
        strategy = self.spec.update_strategy
        if strategy is None or strategy.type != "RollingUpdate":
            return
        rolling = strategy.rolling_update
        partition = (rolling.partition or 0) if rolling is not None else 0
        targets = [ordinal for ordinal in reversed(self.wanted) if ordinal >= self.wanted.start + partition]
        most = rolling.max_unavailable if rolling is not None else None
        if most is None:
            self._roll_one(targets)
        else:
            self._roll_some(targets, max(scaled(most, len(self.wanted), up=False), 1))

    def _is_old(self, pod: Pod) -> bool:
        return identity.revision_in(pod) != self.update.metadata.name

    def _roll_one(self, targets: Iterable[int]) -> None:
        for ordinal in targets:
            pod = self.replicas.get(ordinal)
            if pod is not None and self._is_old(pod) and not is_terminating(pod):
                self._delete(pod)
                return
            if not self._is_there(pod):
                return

    def _roll_some(self, targets: list[int], most: int) -> None:
        """As many at once as may be unavailable (updateStatefulSetAfterInvariantEstablished). Without an order, old pods that are broken go
        whatever the number: nothing is lost with them."""
        found = [pod for ordinal in targets if (pod := self.replicas.get(ordinal)) is not None]
        old = [pod for pod in found if self._is_old(pod) and not is_terminating(pod)]
        left = most - sum(not self._is_there(self.replicas.get(ordinal)) for ordinal in self.wanted)
        for pod in old:
            if not self._is_there(pod):
                if not self.ordered:
                    self._delete(pod)
            elif left > 0:
                self._delete(pod)
                left -= 1

    # -- history ---------------------------------------------------------------------------------------------------------------------

    def _forget(self, names: tuple[str, str]) -> tuple[act.Action, ...]:
        """Delete revisions beyond the limit that nothing is of any more (truncateHistory)."""
        live = dict.fromkeys((*names, *(identity.revision_in(pod) for pod in self.view.pods)))
        beyond = history.beyond_limit(self.view.revisions, live, self.spec.revision_history_limit)
        return tuple(
            act.Delete(
                resource=history.RESOURCE,
                namespace=one.metadata.namespace,
                name=one.metadata.name,
                uid=one.metadata.uid,
                resource_version=one.metadata.resource_version,
            )
            for one in beyond
        )
