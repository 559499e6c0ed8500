"""The Deployment controller: which Deployment an event concerns, what its decision sees, and what is remembered of its writes."""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.component import Port
from callboard.actors.controller import Controller
from callboard.actors.deployment.decision import REPLICA_SETS, RESOURCE, View, decide
from callboard.actors.informer import ClientSettings
from callboard.actors.matching import SelectorIndex
from callboard.models.api.apps import Deployment, ReplicaSet
from callboard.models.base import EMPTY_MAP
from callboard.models.messages.api import Refused, Written, object_key
from callboard.models.owners import controller_of, is_controlled_by
from callboard.models.rollouts import same_template, template_of
from callboard.models.selectors import selector_of

ADOPTION_WAIT_S = 0.05
"""An orphan that can't be adopted yet is looked at again after this time."""


class Memory(msgspec.Struct, gc=False):
    """What is remembered of one Deployment, by its UID; see `decision.View`. `collided_at` is the collisionCount that met a collision."""

    created: str = ""
    create_error: str = ""
    collided_at: int = -1


class DeploymentController(Controller):
    """Keys are Deployments."""

    primary_resource = RESOURCE

    def __init__(self, port: Port, settings: ClientSettings) -> None:
        super().__init__(port, settings)
        self._selectors = SelectorIndex()
        self._memories: dict[str, Memory] = {}
        self.deployments = self.inform(RESOURCE, self._deployment_changed)
        self.replica_sets = self.inform(REPLICA_SETS, self._replica_set_changed)
        self.replica_sets.add_index("owner", _owner)
        self.replica_sets.add_index("orphans", _orphaned_in)

    # -- what concerns whom ---------------------------------------------------------------------------------------------------------

    def _deployment_changed(self, key: str, old: Deployment | None, new: Deployment | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._memories.pop(old.metadata.uid, None)
        if new is None:
            self._selectors.drop(key)
            return
        if old is None or old.metadata.uid != new.metadata.uid:
            selector = selector_of(new.spec.selector if new.spec is not None else None)
            self._selectors.put(key, new.metadata.namespace, selector)
        self.mark(key)

    def _replica_set_changed(self, key: str, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        for one in (old, new):
            if one is None:
                continue
            owner = controller_of(one)
            namespace = one.metadata.namespace
            if owner is None:
                for owner_key in self._selectors.matching(namespace, one.metadata.labels):
                    self.mark(owner_key)
            elif owner.kind == "Deployment":
                if new is None:
                    self.taken(object_key(RESOURCE, namespace, owner.name), self.replica_sets)
                self.mark(object_key(RESOURCE, namespace, owner.name))

    def _memory(self, uid: str) -> Memory:
        return self._memories.setdefault(uid, Memory())

    # -- decisions ------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        deployment: Deployment | None = self.deployments.objects.get(key)
        if deployment is None:
            return ()
        orphans = self._orphans(deployment)
        adoptable = tuple(one for one in orphans if one.metadata.resource_version <= self.deployments.revision)
        if len(adoptable) < len(orphans):
            # one may have been orphaned because its Deployment is deleted: first see the Deployment alive at a later revision
            self.deployments.catch_up(max(one.metadata.resource_version for one in orphans))
            return (act.LookAgain(after_s=ADOPTION_WAIT_S),)
        memory = self._memory(deployment.metadata.uid)
        collisions = (deployment.status.collision_count if deployment.status is not None else None) or 0
        view = View(
            deployment=deployment,
            replica_sets=tuple(self.replica_sets.by("owner", deployment.metadata.uid).values()),
            orphans=adoptable,
            created=memory.created,
            create_error=memory.create_error,
            collided=memory.collided_at == collisions,
        )
        return decide(view, self.port.now())

    def _orphans(self, deployment: Deployment) -> tuple[ReplicaSet, ...]:
        selector = selector_of(deployment.spec.selector if deployment.spec is not None else None)
        if selector.empty or deployment.metadata.deletion_timestamp:
            return ()
        in_namespace = self.replica_sets.by("orphans", deployment.metadata.namespace).values()
        return tuple(one for one in in_namespace if selector.matches(one.metadata.labels))

    # -- what came of them ------------------------------------------------------------------------------------------------------------

    def same_child(self, wanted: Any, existing: Any) -> bool:
        """A ReplicaSet of this name counts as the new one only if it is this Deployment's and has this very template; else two templates
        have the same hash (kubernetes#29735)."""
        owner = controller_of(wanted)
        held = controller_of(existing)
        same_owner = owner is not None and held is not None and owner.uid == held.uid
        return same_owner and same_template(template_of(wanted), template_of(existing))

    def wrote(self, key: str, action: act.Action, answer: Written) -> None:
        deployment = self.deployments.objects.get(key)
        if deployment is None:
            return
        memory = self._memory(deployment.metadata.uid)
        if isinstance(action, act.Create) and is_controlled_by(action.obj, deployment):
            memory.created, memory.create_error = action.obj.metadata.name, ""
        elif isinstance(action, act.SetStatus):
            told = [one for one in action.status.conditions if one.type == "Progressing"]
            if memory.created and (not told or f'"{memory.created}"' in told[0].message):
                memory.created = ""

    def refused(self, key: str, action: act.Action, answer: Refused) -> None:
        deployment = self.deployments.objects.get(key)
        if deployment is None or not isinstance(action, act.Create) or not is_controlled_by(action.obj, deployment):
            return
        memory = self._memory(deployment.metadata.uid)
        if answer.reason == "AlreadyExists":
            memory.collided_at = (deployment.status.collision_count if deployment.status is not None else None) or 0
            return
        if any(cause.get("reason") == "NamespaceTerminating" for cause in (answer.details or EMPTY_MAP).get("causes", ())):
            return
        memory.create_error = f'Failed to create new replica set "{action.obj.metadata.name}": {answer.message}'
        self.tell_user(deployment, RESOURCE, "Warning", "ReplicaSetCreateError", memory.create_error)


def _owner(replica_set: ReplicaSet) -> tuple[str, ...]:
    owner = controller_of(replica_set)
    return (owner.uid,) if owner is not None and owner.kind == "Deployment" else ()


def _orphaned_in(replica_set: ReplicaSet) -> tuple[str, ...]:
    """The namespace of a ReplicaSet that nobody controls and nobody deletes."""
    meta = replica_set.metadata
    return (meta.namespace,) if not meta.deletion_timestamp and controller_of(replica_set) is None else ()
