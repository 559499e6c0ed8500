"""What to do about a DaemonSet: pure functions of it, its pods, its revisions, the nodes, and what the controller remembers.

Sources: kubernetes pkg/controller/daemon/daemon_controller.go (manage, podsShouldBeOnNode), update.go (rollingUpdate).
A revision is written in a decision of its own, and pods are replaced only in a decision that finds nothing else to do about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.daemonset import placement, rolling
from callboard.actors.daemonset.memory import CREATES_LIMIT
from callboard.actors.daemonset.status import NodePods, counted, next_available_s
from callboard.actors.scheduler.plugins import NodeFacts
from callboard.models import controllerrevisions as history
from callboard.models.api.apps import ControllerRevision, DaemonSet, DaemonSetStatus
from callboard.models.api.core import Pod
from callboard.models.api.meta import OwnerReference
from callboard.models.base import EMPTY_MAP, replace
from callboard.models.controllerrevisions import HASH_LABEL
from callboard.models.messages.api import object_key
from callboard.models.owners import owner_reference
from callboard.models.podstatus import is_finished, is_terminating, phase_of
from callboard.models.selectors import Selector, selector_of

RESOURCE = "daemonsets.apps"
PODS = "pods"
_ATTEMPTS = 16


class View(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that a decision depends on. `pods` and `revisions` are those that the DaemonSet controls, `nodes` all there are."""

    daemon_set: DaemonSet
    nodes: tuple[NodeFacts, ...] = ()
    pods: tuple[Pod, ...] = ()
    revisions: tuple[ControllerRevision, ...] = ()
    named: Mapping[str, ControllerRevision] = EMPTY_MAP
    """Revisions of the namespace by name: at least those whose names its own might have."""
    orphans: tuple[Pod, ...] = ()
    """Pods that nobody controls, that match the selector, and that did when it was certainly alive."""
    orphaned_revisions: tuple[ControllerRevision, ...] = ()
    stored: Mapping[str, Pod] = EMPTY_MAP
    """All pods of the namespace by key, to see which names are taken."""
    not_before_s: Mapping[str, float] = msgspec.field(default_factory=dict)
    """Nodes whose failed pods must not be replaced before this moment: they have been failing."""
    creates_limit: int = CREATES_LIMIT


def decide(view: View, now: float) -> tuple[act.Action, ...]:
    """What to do now."""
    daemon_set = view.daemon_set
    spec, meta = daemon_set.spec, daemon_set.metadata
    if spec is None or spec.template is None:
        return ()
    selector = selector_of(spec.selector)
    if selector.empty:
        return ()  # Kubernetes tells that it selects all pods, and does nothing; validation refuses it
    old = daemon_set.status or DaemonSetStatus()
    if meta.deletion_timestamp:
        return ()
    claims = _claims(view, selector)
    if claims:
        return claims
    found = history.current_of(daemon_set, spec.template, view.revisions, view.named, old.collision_count or 0, HASH_LABEL)
    if found.blocked_by:
        return ()  # decided again when the garbage collector has taken it away
    if found.create:
        return (act.Create(resource=history.RESOURCE, obj=found.revision),)
    if found.renumber:
        return (act.Update(resource=history.RESOURCE, obj=found.revision),)
    return _Sync(view, found, now).actions()


# -- whose pods and revisions ----------------------------------------------------------------------------------------------------


def _claims(view: View, selector: Selector) -> tuple[act.Action, ...]:
    """Adopt orphans; release pods that the selector does not match any more."""
    uid, reference = view.daemon_set.metadata.uid, owner_reference(view.daemon_set)
    strangers = [pod for pod in view.pods if not is_terminating(pod) and not selector.matches(pod.metadata.labels)]
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
    """One decision under way."""

    def __init__(self, view: View, found: history.Current, now: float) -> None:
        assert view.daemon_set.spec is not None
        self.view, self.now, self.found = view, now, found
        self.daemon_set, self.spec = view.daemon_set, view.daemon_set.spec
        self.hash = str(found.revision.metadata.labels.get(HASH_LABEL, ""))
        self.min_ready_s = self.spec.min_ready_seconds or 0
        on_nodes: dict[str, list[Pod]] = {facts.name: [] for facts in view.nodes}
        self.strays: list[Pod] = []
        for pod in sorted(view.pods, key=_age):
            on_nodes.get(placement.target_of(pod), self.strays).append(pod)
        self.nodes = [
            NodePods(facts.name, *placement.placed_on(self.daemon_set, facts), tuple(on_nodes[facts.name])) for facts in view.nodes
        ]
        self.limits = rolling.limits_of(self.spec, sum(node.should for node in self.nodes))
        self.writes: list[act.Action] = []
        self.used: dict[str, None] = {}
        self.doomed: dict[str, None] = {}
        self.again_s: float | None = None

    def actions(self) -> tuple[act.Action, ...]:
        """What to do."""
        for node in self.nodes:
            self._see_to(node)
        for pod in self.strays:
            if not is_terminating(pod) and pod.spec is not None and not pod.spec.node_name:
                self._delete(pod)  # its node has gone before it was bound; bound ones are the pod garbage collector's
        strategy = self.spec.update_strategy
        if not self.writes and strategy is not None and strategy.type == "RollingUpdate":
            self._roll()
        new = counted(self.daemon_set, self.nodes, self.hash, self.found.collisions, self.now)
        self._look_again_at(next_available_s(self.view.pods, self.min_ready_s, self.now))
        again = () if self.again_s is None else (act.LookAgain(after_s=max(self.again_s - self.now, 0.001)),)
        return (*again, *self.writes, *self._write_status(new), *self._forget())

    def _look_again_at(self, moment_s: float | None) -> None:
        if moment_s is not None:
            self.again_s = moment_s if self.again_s is None else min(self.again_s, moment_s)

    # -- one node (podsShouldBeOnNode) -------------------------------------------------------------------------------------------

    def _see_to(self, node: NodePods) -> None:
        held = [pod for pod in node.pods if not (is_finished(pod) and is_terminating(pod))]
        if node.should and not held:
            self._create(node)
        elif node.may_stay:
            running = [pod for pod in held if not is_terminating(pod) and not self._ended(node.name, pod)]
            self._thin_out(running)
        else:
            for pod in held:
                if not is_terminating(pod):
                    self._delete(pod)

    def _ended(self, node: str, pod: Pod) -> bool:
        """Whether a pod has ended by itself; then it goes, one that keeps failing not before its time, and the next one comes when it is
        gone."""
        if not is_finished(pod):
            return False
        meta, failed = pod.metadata, phase_of(pod) == "Failed"
        moment_s = self.view.not_before_s.get(node, 0.0)
        if failed and moment_s > self.now:
            self._look_again_at(moment_s)
            return True
        if failed:
            words = f"Found failed daemon pod {meta.namespace}/{meta.name} on node {node}, will try to kill it"
            self.writes.append(self._told("FailedDaemonPod", words, "Warning"))
        else:
            words = f"Found succeeded daemon pod {meta.namespace}/{meta.name} on node {node}, will try to delete it"
            self.writes.append(self._told("SucceededDaemonPod", words))
        self._delete(pod)
        return True

    def _thin_out(self, running: list[Pod]) -> None:
        """Of several pods on a node the oldest stays. In a surge the oldest of each of old and new stay, until one of them is enough."""
        if not self.limits.surge:
            for pod in running[1:]:
                self._delete(pod)
            return
        if len(running) <= 1:
            return
        new = [pod for pod in running if self._is_new(pod)]
        old = [pod for pod in running if not self._is_new(pod)]
        for pod in (*new[1:], *old[1:]):
            self._delete(pod)
        if new and old and (not rolling.is_up(old[0]) or rolling.is_up(new[0], self.min_ready_s, self.now)):
            self._delete(old[0])

    def _is_new(self, pod: Pod) -> bool:
        return rolling.is_of(pod, self.hash)

    def _create(self, node: NodePods) -> None:
        if len(self.used) >= self.view.creates_limit:
            return
        name = self._free_name(node)
        if not name:
            return  # decided again when one of those pods goes
        self.used[name] = None
        pod = placement.new_pod(self.daemon_set, self.hash, node.name, name)
        told = self._told("SuccessfulCreate", f"Created pod: {name}")
        self.writes.append(act.Create(resource=PODS, obj=pod, announce=told))

    def _free_name(self, node: NodePods) -> str:
        """The first name of a node that nobody has. A name that the node's own pod has is not tried in other words; that of a pod of
        somebody else, or of another node with the same name by chance, is."""
        own = {pod.metadata.name: None for pod in node.pods}
        for slot in (0, 1):
            for attempt in range(_ATTEMPTS):
                name = placement.pod_name(self.daemon_set, node.name, slot, attempt)
                if name in own:
                    break
                if name not in self.used and object_key(PODS, self.daemon_set.metadata.namespace, name) not in self.view.stored:
                    return name
        return ""

    def _delete(self, pod: Pod) -> None:
        """The UID is a precondition: what came after it under the same name is another pod. So is the resourceVersion: what was orphaned
        meanwhile is not ours to delete."""
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
                announce=self._told("SuccessfulDelete", f"Deleted pod: {meta.name}"),
            )
        )

    def _told(self, reason: str, message: str, type_: str = "Normal") -> act.TellUser:
        return act.TellUser(resource=RESOURCE, obj=self.daemon_set, type=type_, reason=reason, message=message)

    # -- rolling update, status, history -------------------------------------------------------------------------------------------

    def _roll(self) -> None:
        wanted = [node for node in self.nodes if node.should]
        steps = rolling.steps(wanted, self.hash, self.limits, self.min_ready_s, self.now)
        for pod in steps.delete:
            self._delete(pod)
        for node in steps.create:
            self._create(node)

    def _write_status(self, new: DaemonSetStatus) -> tuple[act.Action, ...]:
        if new == self.daemon_set.status:
            return ()
        meta = self.daemon_set.metadata
        named = {"resource": RESOURCE, "namespace": meta.namespace, "name": meta.name, "uid": meta.uid}
        return (act.SetStatus(**named, status=new, resource_version=meta.resource_version),)

    def _forget(self) -> tuple[act.Action, ...]:
        """Delete revisions beyond the limit that no pod is of (cleanupHistory)."""
        hashes = dict.fromkeys(str(pod.metadata.labels.get(HASH_LABEL, "")) for pod in self.view.pods)
        live = {one.metadata.name: None for one in self.view.revisions if one.metadata.labels.get(HASH_LABEL) in hashes}
        live[self.found.revision.metadata.name] = None
        return tuple(
            act.Delete(
                resource=history.RESOURCE,
                namespace=one.metadata.namespace,
                name=one.metadata.name,
                uid=one.metadata.uid,
                resource_version=one.metadata.resource_version,
            )
            for one in history.beyond_limit(self.view.revisions, live, self.spec.revision_history_limit)
        )


def _age(pod: Pod) -> tuple[bool, str, str]:
    """Bound pods before others, then the oldest (podByCreationTimestampAndPhase)."""
    return not (pod.spec is not None and pod.spec.node_name), pod.metadata.creation_timestamp, pod.metadata.name


def failed_deletions(wanted: Iterable[act.Action], pods: Mapping[str, Pod]) -> list[str]:
    """The nodes whose failed pods these actions delete; `pods` by key."""
    doomed = [pods.get(object_key(PODS, one.namespace, one.name)) for one in wanted if isinstance(one, act.Delete) and one.resource == PODS]
    return [placement.target_of(pod) for pod in doomed if pod is not None and phase_of(pod) == "Failed"]
