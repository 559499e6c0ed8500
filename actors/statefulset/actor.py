"""The StatefulSet controller: which StatefulSet an event concerns, what its decision sees, and how fresh that has to be.

Pods and revisions are watched only in namespaces that have StatefulSets. A decision that creates or deletes pods is carried out only if the
view of the pods has come at least as far as the StatefulSet's own: else a set that is seen scaled up may be judged by pods that were ready
before what it is scaled for (kubernetes#41889, #78209).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from callboard.actors import actions as act
from callboard.actors.component import Port
from callboard.actors.informer import ClientSettings, IndexFunction, Informer
from callboard.actors.scoped import ScopedController
from callboard.actors.statefulset.decision import PODS, RESOURCE, View, decide, is_of_pods
from callboard.actors.statefulset.identity import ordinal_in, parent_and_ordinal, pod_name, wanted_ordinals
from callboard.actors.statefulset.memory import Memory
from callboard.models import controllerrevisions as history
from callboard.models.api.apps import ControllerRevision, StatefulSet
from callboard.models.api.core import Pod
from callboard.models.messages.api import Refused, object_key
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_finished, is_ready, is_terminating
from callboard.models.selectors import Selector, selector_of

LAG_S = 0.1
"""A view that is older than it must be has so long to catch up before it is looked at again."""


class StatefulSetController(ScopedController):
    """Keys are StatefulSets."""

    primary_resource = RESOURCE

    def __init__(self, port: Port, client: ClientSettings) -> None:
        super().__init__(port, client)
        self._memories: dict[str, Memory] = {}
        self._late: dict[str, int] = {}

    # -- what concerns whom -------------------------------------------------------------------------------------------------------------

    def primary_changed(self, key: str, old: StatefulSet | None, new: StatefulSet | None) -> None:
        """See `ScopedController`."""
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._memories.pop(old.metadata.uid, None)
            self._late.pop(key, None)
        if new is None:
            assert old is not None
            if not self.own_of(old.metadata.namespace):
                self.stop_views(old.metadata.namespace)
            return
        namespace = new.metadata.namespace
        indexes: dict[str, IndexFunction] = {"owner": _owner, "orphans": _orphaned, "prefix": _prefix}
        self.view(namespace, PODS, partial(self._pod_changed, namespace), indexes)
        self.view(namespace, history.RESOURCE, partial(self._revision_changed, namespace), indexes)
        if old is None or _asks(old) != _asks(new):
            self._memory(new).needed_revision = new.metadata.resource_version
        self.mark(key)

    def first_shown(self, informer: Informer) -> None:
        """See `ScopedController`."""
        for key in self.own_of(informer.selection["namespace"]):
            self.mark(key)

    def caught_up(self, informer: Informer) -> None:
        for key, revision in list(self._late.items()):
            if informer.resource == PODS and informer.revision >= revision and informer.selection["namespace"] == key.split("/", 2)[1]:
                del self._late[key]
                self.mark(key)
        super().caught_up(informer)

    def _pod_changed(self, namespace: str, _key: str, old: Pod | None, new: Pod | None) -> None:
        """Its owners before and after are concerned; and who would have a pod of this name; and if it is an orphan, who may adopt it. The
        latter two are one: a StatefulSet adopts only pods that have names of its own."""
        known = new or old
        assert known is not None
        parent, ordinal = parent_and_ordinal(known.metadata.name)
        names = {parent: None} if ordinal >= 0 else {}
        for pod in (old, new):
            owner = controller_of(pod) if pod is not None else None
            if owner is not None and owner.kind == "StatefulSet":
                names[owner.name] = None
                if new is None:
                    self.taken(object_key(RESOURCE, namespace, owner.name), self.views[namespace][PODS])
        for name in names:
            self._mark(namespace, name)
        if new is not None and ordinal >= 0:
            self._remember(namespace, old, new, ordinal)

    def _remember(self, namespace: str, old: Pod | None, new: Pod, ordinal: int) -> None:
        owner = controller_of(new)
        stateful_set = self.primary.get(namespace, owner.name) if owner is not None and owner.kind == "StatefulSet" else None
        if owner is None or stateful_set is None or stateful_set.metadata.uid != owner.uid:
            return
        if is_finished(new) and old is not None and not is_finished(old):
            self._memory(stateful_set).pod_failed(ordinal, self.port.now())
        elif is_ready(new) and not is_finished(new):
            self._memory(stateful_set).pod_ready(ordinal)

    def _revision_changed(self, namespace: str, _key: str, old: ControllerRevision | None, new: ControllerRevision | None) -> None:
        """A revision concerns who controls it, or a namesake of that; an orphaned one whoever may adopt it."""
        for one in (old, new):
            owner = controller_of(one) if one is not None else None
            if owner is not None and owner.kind == "StatefulSet":
                if new is None:
                    self.taken(object_key(RESOURCE, namespace, owner.name), self.views[namespace][history.RESOURCE])
                self._mark(namespace, owner.name)
        if new is not None and controller_of(new) is None:
            for key in self.own_of(namespace):
                if _selector(self.primary.objects[key]).matches(new.metadata.labels):
                    self.mark(key)

    def _mark(self, namespace: str, name: str) -> None:
        key = object_key(RESOURCE, namespace, name)
        if key in self.primary.objects:
            self.mark(key)

    def _memory(self, stateful_set: StatefulSet) -> Memory:
        return self._memories.setdefault(stateful_set.metadata.uid, Memory())

    # -- decisions ----------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        stateful_set: StatefulSet | None = self.primary.objects.get(key)
        if stateful_set is None:
            return ()
        namespace = stateful_set.metadata.namespace
        views = self.views[namespace]
        pods, revisions = views[PODS], views[history.RESOURCE]
        if not (pods.synced and revisions.synced):
            return ()  # the first list of the last of them calls again
        if self._is_late(key, self.acquired, pods, revisions):
            return (act.LookAgain(after_s=LAG_S),)
        uncertain = self._uncertain(stateful_set, pods, revisions)
        if uncertain:
            self.primary.catch_up(uncertain)
            return (act.LookAgain(after_s=LAG_S),)
        memory = self._memory(stateful_set)
        wanted = decide(self._view(stateful_set, memory, pods, revisions), self.port.now())
        if any(is_of_pods(action) for action in wanted) and self._is_late(key, memory.needed_revision, pods):
            return (act.LookAgain(after_s=LAG_S),)
        return wanted

    def _is_late(self, key: str, revision: int, *views: Informer) -> bool:
        """Whether one of the views has not come to this revision; then it is made to, and the key is decided again when the pods' has."""
        late = [view for view in views if view.revision < revision]
        for view in late:
            view.catch_up(revision)
            if view.resource == PODS:
                self._late[key] = revision
        return bool(late)

    def _view(self, stateful_set: StatefulSet, memory: Memory, pods: Informer, revisions: Informer) -> View:
        uid, namespace = stateful_set.metadata.uid, stateful_set.metadata.namespace
        selector = _selector(stateful_set)
        own = pods.by("owner", uid)
        taken = {}
        for ordinal in wanted_ordinals(stateful_set):
            name = pod_name(stateful_set.metadata.name, ordinal)
            key = object_key(PODS, namespace, name)
            if key not in own and (holder := pods.objects.get(key)) is not None:
                taken[name] = holder
        return View(
            stateful_set=stateful_set,
            pods=tuple(own.values()),
            revisions=tuple(revisions.by("owner", uid).values()),
            named={one.metadata.name: one for one in revisions.by("prefix", stateful_set.metadata.name).values()},
            orphans=tuple(self._orphans(stateful_set, selector, pods)),
            orphaned_revisions=tuple(one for one in revisions.by("orphans", namespace).values() if selector.matches(one.metadata.labels)),
            taken=taken,
            not_before_s=memory.not_before_s(self.port.now()),
            creates_limit=memory.creates_limit,
        )

    @staticmethod
    def _orphans(stateful_set: StatefulSet, selector: Selector, pods: Informer) -> list[Pod]:
        alike = pods.by("prefix", stateful_set.metadata.name).values()
        orphans = [pod for pod in alike if _orphaned(pod)]
        return [pod for pod in orphans if selector.matches(pod.metadata.labels) and ordinal_in(stateful_set, pod) >= 0]

    def _uncertain(self, stateful_set: StatefulSet, pods: Informer, revisions: Informer) -> int:
        """The revision that the view of the StatefulSets must come to before orphans are adopted; 0 if it has come that far.

        They may have been orphaned because their StatefulSet is deleted with the Orphan policy: adopting them would kill them. So it must
        be seen alive at a later revision than theirs; Kubernetes reads it anew for the same reason.
        """
        selector = _selector(stateful_set)
        if selector.empty:
            return 0
        orphaned = revisions.by("orphans", stateful_set.metadata.namespace).values()
        found = [*self._orphans(stateful_set, selector, pods), *(one for one in orphaned if selector.matches(one.metadata.labels))]
        newest = max((int(one.metadata.resource_version) for one in found), default=0)
        return newest if newest > self.primary.revision else 0

    # -- what came of them ----------------------------------------------------------------------------------------------------------------

    def same_child(self, wanted: Any, existing: Any) -> bool:
        """A pod of a fixed name counts as created if it has the same owner; a revision if it has the same content too."""
        if isinstance(wanted, ControllerRevision):
            return history.same_child(wanted, existing)
        owner, other = controller_of(wanted), controller_of(existing)
        return owner is not None and other is not None and owner.uid == other.uid

    def refused(self, key: str, action: act.Action, answer: Refused) -> None:
        stateful_set = self.primary.objects.get(key)
        if stateful_set is None or not isinstance(action, act.Create | act.Delete) or action.resource != PODS:
            return
        name = action.obj.metadata.name if isinstance(action, act.Create) else action.name
        memory = self._memory(stateful_set)
        if isinstance(action, act.Delete):
            if answer.reason == "Conflict":
                return  # it has changed since it was looked at
            reason, verb = "FailedDelete", "delete"
        else:
            reason, verb = "FailedCreate", "create"
        if not memory.failed_now:  # the first one of a decision speaks for all
            message = f"{verb} Pod {name} in StatefulSet {stateful_set.metadata.name} failed error: {answer.message}"
            self.tell_user(stateful_set, RESOURCE, "Warning", reason, message)
        memory.refused()

    def settled(self, key: str, refused: bool) -> None:
        stateful_set = self.primary.objects.get(key)
        if stateful_set is not None:
            self._memory(stateful_set).settled()


def _asks(stateful_set: StatefulSet) -> tuple[str, int, str]:
    """What changes when somebody asks something else of a StatefulSet: not when its status does."""
    meta = stateful_set.metadata
    return meta.uid, meta.generation, meta.deletion_timestamp


def _selector(stateful_set: StatefulSet) -> Selector:
    return selector_of(stateful_set.spec.selector if stateful_set.spec is not None else None)


def _owner(obj: Any) -> tuple[str, ...]:
    owner = controller_of(obj)
    return (owner.uid,) if owner is not None and owner.kind == "StatefulSet" else ()


def _prefix(obj: Any) -> tuple[str, ...]:
    """Of a revision's name what its owner is called; of a pod's as well."""
    return (obj.metadata.name.rpartition("-")[0],)


def _orphaned(obj: Any) -> tuple[str, ...]:
    """The namespace of what nobody controls and nobody has deleted."""
    return (obj.metadata.namespace,) if controller_of(obj) is None and not is_terminating(obj) else ()
