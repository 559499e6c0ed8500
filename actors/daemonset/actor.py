"""The DaemonSet controller: which DaemonSet an event concerns, what its decision sees, and how fresh that has to be.

Pods and revisions are watched only in namespaces that have DaemonSets, nodes only if there is any.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from callboard.actors import actions as act
from callboard.actors.component import Port
from callboard.actors.daemonset.decision import PODS, RESOURCE, View, decide, failed_deletions
from callboard.actors.daemonset.memory import Memory
from callboard.actors.daemonset.placement import node_facts, target_of
from callboard.actors.informer import ClientSettings, IndexFunction, Informer
from callboard.actors.scoped import ScopedController
from callboard.models import controllerrevisions as history
from callboard.models.api.apps import ControllerRevision, DaemonSet
from callboard.models.api.core import Node, Pod
from callboard.models.messages.api import Refused, object_key
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_terminating
from callboard.models.selectors import Selector, selector_of

NODES = "nodes"
LAG_S = 0.1
"""A view that is older than it must be has so long to catch up before it is looked at again."""


class DaemonSetController(ScopedController):
    """Keys are DaemonSets."""

    primary_resource = RESOURCE

    def __init__(self, port: Port, client: ClientSettings) -> None:
        super().__init__(port, client)
        self._memories: dict[str, Memory] = {}
        self._late: dict[str, None] = {}

    # -- what concerns whom -------------------------------------------------------------------------------------------------------------

    def primary_changed(self, key: str, old: DaemonSet | None, new: DaemonSet | None) -> None:
        """See `ScopedController`."""
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._memories.pop(old.metadata.uid, None)
            self._late.pop(key, None)
        if new is None:
            assert old is not None
            if not self.own_of(old.metadata.namespace):
                self.stop_views(old.metadata.namespace)
            if not self.primary.objects:
                self.stop_views("")
            return
        namespace = new.metadata.namespace
        indexes: dict[str, IndexFunction] = {"owner": _owner, "orphans": _orphaned, "prefix": _prefix}
        self.view("", NODES, self._node_changed)
        self.view(namespace, PODS, partial(self._pod_changed, namespace), indexes)
        self.view(namespace, history.RESOURCE, partial(self._revision_changed, namespace), indexes)
        self.mark(key)

    def first_shown(self, informer: Informer) -> None:
        """See `ScopedController`."""
        namespace = informer.selection["namespace"]
        for key in self.own_of(namespace) if namespace else list(self.primary.objects):
            self.mark(key)

    def caught_up(self, informer: Informer) -> None:
        if informer is not self.primary:
            for key in list(self._late):
                del self._late[key]
                self.mark(key)
        super().caught_up(informer)

    def _node_changed(self, _key: str, old: Node | None, new: Node | None) -> None:
        if old is not None and new is not None and node_facts(old) == node_facts(new):
            return  # its status, as a rule
        if new is None and old is not None:
            for memory in self._memories.values():
                memory.node_gone(old.metadata.name)
        for key in self.primary.objects:
            self.mark(key)

    def _pod_changed(self, namespace: str, _key: str, old: Pod | None, new: Pod | None) -> None:
        """Its owners before and after are concerned; and if it is an orphan, who may adopt it."""
        self._concerns(namespace, PODS, old, new)

    def _revision_changed(self, namespace: str, _key: str, old: ControllerRevision | None, new: ControllerRevision | None) -> None:
        """A revision concerns who controls it, or a namesake of that; an orphaned one whoever may adopt it."""
        self._concerns(namespace, history.RESOURCE, old, new)

    def _concerns(self, namespace: str, resource: str, old: Any, new: Any) -> None:
        for one in (old, new):
            owner = controller_of(one) if one is not None else None
            if owner is not None and owner.kind == "DaemonSet":
                key = object_key(RESOURCE, namespace, owner.name)
                if key in self.primary.objects:
                    if new is None:
                        self.taken(key, self.views[namespace][resource])
                    self.mark(key)
        if new is not None and controller_of(new) is None:
            for key in self.own_of(namespace):
                if _selector(self.primary.objects[key]).matches(new.metadata.labels):
                    self.mark(key)

    def _memory(self, daemon_set: DaemonSet) -> Memory:
        return self._memories.setdefault(daemon_set.metadata.uid, Memory())

    # -- decisions ----------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        daemon_set: DaemonSet | None = self.primary.objects.get(key)
        if daemon_set is None:
            return ()
        views = self.views[daemon_set.metadata.namespace]
        nodes, pods, revisions = self.views[""][NODES], views[PODS], views[history.RESOURCE]
        if not (nodes.synced and pods.synced and revisions.synced):
            return ()  # the first list of the last of them calls again
        if self._is_late(key, nodes, pods, revisions):
            return (act.LookAgain(after_s=LAG_S),)
        uncertain = self._uncertain(daemon_set, pods, revisions)
        if uncertain:
            self.primary.catch_up(uncertain)
            return (act.LookAgain(after_s=LAG_S),)
        memory, now = self._memory(daemon_set), self.port.now()
        wanted = decide(self._view(daemon_set, memory, nodes, pods, revisions), now)
        for node in failed_deletions(wanted, pods.objects):
            memory.pod_failed(node, now)
        return wanted

    def _is_late(self, key: str, *views: Informer) -> bool:
        """Whether one of the views doesn't show all that former leaders have written; then it is made to."""
        late = [view for view in views if view.revision < self.acquired]
        for view in late:
            view.catch_up(self.acquired)
            self._late[key] = None
        return bool(late)

    def _view(self, daemon_set: DaemonSet, memory: Memory, nodes: Informer, pods: Informer, revisions: Informer) -> View:
        uid, namespace = daemon_set.metadata.uid, daemon_set.metadata.namespace
        selector = _selector(daemon_set)
        return View(
            daemon_set=daemon_set,
            nodes=tuple(node_facts(node) for node in nodes.objects.values()),
            pods=tuple(pods.by("owner", uid).values()),
            revisions=tuple(revisions.by("owner", uid).values()),
            named={one.metadata.name: one for one in revisions.by("prefix", daemon_set.metadata.name).values()},
            orphans=tuple(self._orphans(namespace, selector, pods)),
            orphaned_revisions=tuple(self._orphans(namespace, selector, revisions)),
            stored=pods.objects,
            not_before_s=memory.not_before_s(self.port.now()),
            creates_limit=memory.creates_limit,
        )

    @staticmethod
    def _orphans(namespace: str, selector: Selector, view: Informer) -> list[Any]:
        return [one for one in view.by("orphans", namespace).values() if selector.matches(one.metadata.labels)]

    def _uncertain(self, daemon_set: DaemonSet, pods: Informer, revisions: Informer) -> int:
        """The revision that the view of the DaemonSets must come to before orphans are adopted; 0 if it has come that far.

        They may have been orphaned because their DaemonSet is deleted with the Orphan policy: adopting them would kill them. So it must be
        seen alive at a later revision than theirs; Kubernetes reads it anew for the same reason.
        """
        selector = _selector(daemon_set)
        if selector.empty:
            return 0
        found = [one for view in (pods, revisions) for one in self._orphans(daemon_set.metadata.namespace, selector, view)]
        newest = max((int(one.metadata.resource_version) for one in found), default=0)
        return newest if newest > self.primary.revision else 0

    # -- what came of them ----------------------------------------------------------------------------------------------------------------

    def same_child(self, wanted: Any, existing: Any) -> bool:
        """A pod counts as created if it has the same owner and is for the same node; a revision if it has the same owner and content."""
        if isinstance(wanted, ControllerRevision):
            return history.same_child(wanted, existing)
        owner, other = controller_of(wanted), controller_of(existing)
        return owner is not None and other is not None and owner.uid == other.uid and target_of(wanted) == target_of(existing)

    def refused(self, key: str, action: act.Action, answer: Refused) -> None:
        daemon_set = self.primary.objects.get(key)
        if daemon_set is None or not isinstance(action, act.Create | act.Delete) or action.resource != PODS:
            return
        if isinstance(action, act.Delete) and answer.reason == "Conflict":
            return  # it has changed since it was looked at
        reason, verb = ("FailedDelete", "deleting") if isinstance(action, act.Delete) else ("FailedCreate", "creating")
        memory = self._memory(daemon_set)
        if not memory.failed_now:  # the first one of a decision speaks for all
            self.tell_user(daemon_set, RESOURCE, "Warning", reason, f"Error {verb}: {answer.message}")
        memory.refused()

    def settled(self, key: str, refused: bool) -> None:
        daemon_set = self.primary.objects.get(key)
        if daemon_set is not None:
            self._memory(daemon_set).settled()


def _selector(daemon_set: DaemonSet) -> Selector:
    return selector_of(daemon_set.spec.selector if daemon_set.spec is not None else None)


def _owner(obj: Any) -> tuple[str, ...]:
    owner = controller_of(obj)
    return (owner.uid,) if owner is not None and owner.kind == "DaemonSet" else ()


def _prefix(obj: Any) -> tuple[str, ...]:
    """Of a revision's name what its owner is called."""
    return (obj.metadata.name.rpartition("-")[0],)


def _orphaned(obj: Any) -> tuple[str, ...]:
    """The namespace of what nobody controls and nobody has deleted."""
    return (obj.metadata.namespace,) if controller_of(obj) is None and not is_terminating(obj) else ()
