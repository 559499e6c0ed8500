"""The ReplicaSet controller: which ReplicaSet an event concerns, what its decision sees, and what is remembered of its writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callboard.actors import actions as act
from callboard.actors.component import Port
from callboard.actors.controller import Controller
from callboard.actors.informer import ClientSettings
from callboard.actors.matching import SelectorIndex
from callboard.actors.replicaset.census import Census, Facts, index_of
from callboard.actors.replicaset.decision import RESOURCE, View, decide
from callboard.actors.replicaset.memory import Memory
from callboard.models.api.apps import ReplicaSet
from callboard.models.api.core import Pod
from callboard.models.base import EMPTY_MAP
from callboard.models.messages.api import Refused, Written, object_key
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_active, is_terminating, phase_of
from callboard.models.selectors import selector_of

ADOPTION_WAIT_S = 0.05
"""An orphan that can't be adopted yet is looked at again after this time."""


class ReplicaSetController(Controller):
    """Keys are ReplicaSets."""

    primary_resource = RESOURCE

    def __init__(self, port: Port, settings: ClientSettings) -> None:
        super().__init__(port, settings)
        self._census = Census()
        self._selectors = SelectorIndex()
        self._orphans: dict[str, dict[str, None]] = {}
        self._memories: dict[str, Memory] = {}
        self.replica_sets = self.inform(RESOURCE, self._replica_set_changed)
        self.replica_sets.add_index("controller", _controller)
        self.pods = self.inform("pods", self._pod_changed)
        self.pods.add_index("owner", _owner)
        self.pods.add_index("orphans", _orphaned_in)

    # -- what concerns whom ---------------------------------------------------------------------------------------------------------

    def _replica_set_changed(self, key: str, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._memories.pop(old.metadata.uid, None)
            self._orphans.pop(key, None)
        if new is None:
            self._selectors.drop(key)
            return
        if old is None or old.metadata.uid != new.metadata.uid:
            self._file(key, new)
        self.mark(key)

    def _file(self, key: str, replica_set: ReplicaSet) -> None:
        """A ReplicaSet that was not known: who might be adopted by it? Its selector can't change."""
        namespace = replica_set.metadata.namespace
        selector = selector_of(replica_set.spec.selector if replica_set.spec is not None else None)
        self._selectors.put(key, namespace, selector)
        if selector.empty:
            return
        for pod_key, pod in self.pods.by("orphans", namespace).items():
            if selector.matches(pod.metadata.labels):
                self._orphans.setdefault(key, {})[pod_key] = None

    def _pod_changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        before, after = self._census.change(key, new)
        if before is not after:
            namespace = key.split("/", 2)[1]
            if after is not None and new is not None:
                self._remember(before, after, old, new)
                self.mark(object_key(RESOURCE, namespace, after.owner_name))
            if before is not None and before.active and old is not None and (new is None or is_terminating(new)):
                index = index_of(old.metadata.name, before.owner_name, before.owner_uid)
                self._memory(before.owner_uid).pod_taken(index, before.ready, self.port.now())
            if before is not None and (after is None or after.owner_uid != before.owner_uid):
                self._left(before, object_key(RESOURCE, namespace, before.owner_name))
        self._orphan_changed(key, old, new)

    def _remember(self, before: Facts | None, after: Facts, old: Pod | None, new: Pod) -> None:
        memory = self._memory(after.owner_uid)
        index = index_of(new.metadata.name, after.owner_name, after.owner_uid)
        if before is None or before.owner_uid != after.owner_uid:
            memory.seen(index)
        if after.ready and (before is None or not before.ready):
            memory.pod_ready()
        if phase_of(new) == "Failed" and old is not None and phase_of(old) != "Failed":
            memory.pod_failed(index, self.port.now())

    def _left(self, before: Facts, owner_key: str) -> None:
        """A pod of this owner is gone, or has another owner now."""
        self.mark(owner_key)
        owner = self.replica_sets.objects.get(owner_key)
        if not self._census.of(before.owner_uid).pods and (owner is None or owner.metadata.uid != before.owner_uid):
            self._memories.pop(before.owner_uid, None)

    def _orphan_changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is None or not _orphaned_in(pod):
                continue
            for owner_key in self._selectors.matching(pod.metadata.namespace, pod.metadata.labels):
                if pod is new:
                    self._orphans.setdefault(owner_key, {})[key] = None
                    self.mark(owner_key)
                else:
                    self._orphans.get(owner_key, {}).pop(key, None)

    def _memory(self, uid: str) -> Memory:
        return self._memories.setdefault(uid, Memory())

    # -- decisions ------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        replica_set: ReplicaSet | None = self.replica_sets.objects.get(key)
        if replica_set is None or replica_set.spec is None:
            return ()
        uid = replica_set.metadata.uid
        tally = self._census.of(uid)
        memory = self._memory(uid)
        adoptable, waiting = self._adoptable(key)
        view = View(
            replica_set=replica_set,
            pods=self.pods.by("owner", uid),
            tally=tally,
            orphans=adoptable,
            waiting_orphans=waiting,
            neighbours=self._neighbours(replica_set) if tally.active + len(adoptable) > (replica_set.spec.replicas or 0) else EMPTY_MAP,
            highest_index=memory.highest_index,
            lost_indices=tuple(memory.lost_indices),
            failure=memory.failure,
            creates_limit=memory.creates_limit,
            create_not_before_s=memory.not_before_s(self.port.now()),
        )
        wanted = decide(view, self.port.now())
        for action in wanted:
            if isinstance(action, act.Delete):  # now, since the stream may tell of it before the answer does
                memory.doom(index_of(action.name, replica_set.metadata.name, uid))
        return (*wanted, act.LookAgain(after_s=ADOPTION_WAIT_S)) if waiting else wanted

    def _adoptable(self, key: str) -> tuple[tuple[Pod, ...], int]:
        """The orphans that may be adopted, and how many may be when this view of the ReplicaSets has come as far as the pods'.

        A pod may have been orphaned because its ReplicaSet is deleted with the Orphan policy: adopting it would kill it. So the
        ReplicaSet must be seen alive at a later revision than the pod's; Kubernetes reads it anew for the same reason.
        """
        found: list[Pod] = []
        waiting = 0
        for pod_key in self._orphans.get(key, ()):
            pod = self.pods.objects.get(pod_key)
            if pod is None or not _orphaned_in(pod):
                continue
            if pod.metadata.resource_version <= self.replica_sets.revision:
                found.append(pod)
            else:
                waiting += 1
                self.replica_sets.catch_up(pod.metadata.resource_version)
        return tuple(found), waiting

    def _neighbours(self, replica_set: ReplicaSet) -> Mapping[str, int]:
        """Active pods by node, of this ReplicaSet and of those with the same controller."""
        owner = controller_of(replica_set)
        siblings = self.replica_sets.by("controller", owner.uid).values() if owner is not None else (replica_set,)
        nodes: dict[str, int] = {}
        for sibling in siblings:
            for pod in self.pods.by("owner", sibling.metadata.uid).values():
                if is_active(pod) and pod.spec.node_name:
                    nodes[pod.spec.node_name] = nodes.get(pod.spec.node_name, 0) + 1
        return nodes

    # -- what came of them ------------------------------------------------------------------------------------------------------------

    def wrote(self, key: str, action: act.Action, answer: Written) -> None:
        if isinstance(action, act.Create):
            memory, index = self._of_created(action)
            memory.seen(index)

    def lost(self, key: str, action: act.Action) -> None:
        if isinstance(action, act.Create):
            memory, index = self._of_created(action)
            memory.lost(index)

    def refused(self, key: str, action: act.Action, answer: Refused) -> None:
        replica_set = self.replica_sets.objects.get(key)
        if replica_set is None or _namespace_ends(answer):
            return
        if isinstance(action, act.Create):
            memory, index = self._of_created(action)
            if answer.reason == "AlreadyExists":
                memory.seen(index)  # somebody else's pod has this name: the next try takes another
            self._tell_failure(replica_set, memory, "FailedCreate", f"Error creating: {answer.message}")
            memory.refused("FailedCreate", answer.message)
        elif isinstance(action, act.Delete) and answer.reason != "Conflict":
            memory = self._memory(replica_set.metadata.uid)
            self._tell_failure(replica_set, memory, "FailedDelete", f"Error deleting: {answer.message}")
            memory.refused("FailedDelete", answer.message)

    def _tell_failure(self, replica_set: ReplicaSet, memory: Memory, reason: str, message: str) -> None:
        if not memory.failed_now:  # the first one of a decision speaks for all
            self.tell_user(replica_set, RESOURCE, "Warning", reason, message)

    def settled(self, key: str, refused: bool) -> None:
        replica_set = self.replica_sets.objects.get(key)
        if replica_set is not None:
            self._memory(replica_set.metadata.uid).settled()

    def _of_created(self, action: act.Create) -> tuple[Memory, int]:
        owner = controller_of(action.obj)
        assert owner is not None
        return self._memory(owner.uid), index_of(action.obj.metadata.name, owner.name, owner.uid)


def _controller(obj: Any) -> tuple[str, ...]:
    owner = controller_of(obj)
    return () if owner is None else (owner.uid,)


def _owner(pod: Pod) -> tuple[str, ...]:
    owner = controller_of(pod)
    return (owner.uid,) if owner is not None and owner.kind == "ReplicaSet" else ()


def _orphaned_in(pod: Pod) -> tuple[str, ...]:
    """The namespace of an active pod that nobody controls."""
    return (pod.metadata.namespace,) if controller_of(pod) is None and is_active(pod) else ()


def _namespace_ends(answer: Refused) -> bool:
    """Whether a creation was refused since its namespace is being deleted: no failure of the ReplicaSet."""
    causes = (answer.details or EMPTY_MAP).get("causes", ())
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
