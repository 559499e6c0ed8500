"""What to do about a Deployment: pure functions of the Deployment, its ReplicaSets and what the controller remembers.

Source: kubernetes pkg/controller/deployment (sync.go, rolling.go, recreate.go, progress.go). One decision writes any object once at most,
with its resourceVersion as a precondition; the rest follows when the caches show it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callboard.actors import actions as act
from callboard.actors.deployment import revisions, sizes, status
from callboard.models.api.apps import Deployment, DeploymentStatus, ReplicaSet
from callboard.models.api.meta import OwnerReference
from callboard.models.base import FrozenMap, replace
from callboard.models.owners import owner_reference
from callboard.models.rollouts import DESIRED, REVISION
from callboard.models.selectors import Selector, selector_of

RESOURCE = "deployments.apps"
REPLICA_SETS = "replicasets.apps"


class View(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that a decision depends on. `replica_sets` are those that the Deployment owns."""

    deployment: Deployment
    replica_sets: tuple[ReplicaSet, ...] = ()
    orphans: tuple[ReplicaSet, ...] = ()
    """ReplicaSets without a controller that match the selector, and that were so when the Deployment was certainly alive."""
    created: str = ""
    """Name of the ReplicaSet that this controller created last and has not told of in a status."""
    create_error: str = ""
    """Why the last attempt to create the new ReplicaSet failed."""
    collided: bool = False
    """The name of the new ReplicaSet is taken by one of other content, with the present collisionCount."""


def decide(view: View, now: float) -> tuple[act.Action, ...]:
    """What to do now."""
    deployment = view.deployment
    if deployment.spec is None or deployment.spec.template is None:
        return ()
    selector = selector_of(deployment.spec.selector)
    if selector.empty:  # Kubernetes: a mistake; nothing is managed by it
        return _write_status(deployment, replace(status.status_of(deployment), observed_generation=deployment.metadata.generation))
    if not deployment.metadata.deletion_timestamp:
        claims = _claims(view, selector)
        if claims:
            return claims
        if view.collided:
            old = status.status_of(deployment)
            return _write_status(deployment, replace(old, collision_count=(old.collision_count or 0) + 1))
    return _Sync(view, now).actions()


def _claims(view: View, selector: Selector) -> tuple[act.Action, ...]:
    """Adopt orphans that match; release what does not match any more."""
    uid = view.deployment.metadata.uid
    released = tuple(
        _with_owners(one, tuple(owner for owner in one.metadata.owner_references if owner.uid != uid))
        for one in view.replica_sets
        if not selector.matches(one.metadata.labels)
    )
    reference = owner_reference(view.deployment)
    adopted = tuple(_with_owners(one, (*one.metadata.owner_references, reference)) for one in view.orphans)
    return (*released, *adopted)


def _with_owners(replica_set: ReplicaSet, owners: tuple[OwnerReference, ...]) -> act.Update:
    return act.Update(resource=REPLICA_SETS, obj=replace(replica_set, metadata=replace(replica_set.metadata, owner_references=owners)))


def _write_status(deployment: Deployment, new: DeploymentStatus) -> tuple[act.Action, ...]:
    if new == status.status_of(deployment):
        return ()
    meta = deployment.metadata
    return (
        act.SetStatus(
            resource=RESOURCE,
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            status=new,
            resource_version=meta.resource_version,
        ),
    )


class _Sync:
    """One decision under way. `sizes` and `annotations` hold what is to become of ReplicaSets, by UID."""

    def __init__(self, view: View, now: float) -> None:
        self.view, self.now = view, now
        self.deployment = view.deployment
        self.all = view.replica_sets
        self.new = revisions.new_of(self.deployment, self.all)
        self.old = tuple(one for one in self.all if one is not self.new)
        self.sizes: dict[str, int] = {}
        self.writes: list[act.Action] = []
        self.conditions = status.with_pause(self.deployment, now)

    def actions(self) -> tuple[act.Action, ...]:
        """What to do."""
        spec, meta = self.deployment.spec, self.deployment.metadata
        assert spec is not None
        if meta.deletion_timestamp:
            return self._with_counts()
        if spec.paused or self._is_scaling_event():
            self._scale()
            if spec.paused:
                self._clean_up()
            return self._finish(rollout=False)
        if sizes.is_rolling(self.deployment):
            self._roll()
        else:
            self._recreate()
        if not self.sizes and not self.writes and status.is_complete(self.deployment, status.status_of(self.deployment)):
            self._clean_up()
        return self._finish(rollout=True)

    # -- scaling --------------------------------------------------------------------------------------------------------------------

    def _active(self, replica_sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
        return [one for one in replica_sets if sizes.spec_replicas(one) > 0]

    def _is_scaling_event(self) -> bool:
        """Whether an active ReplicaSet was scaled for another size of the Deployment than it has now (isScalingEvent)."""
        wanted = sizes.desired_replicas(self.deployment)
        return any(sizes.number_of(one, DESIRED) not in (None, wanted) for one in self._active(self.all))

    def _scale(self) -> None:
        """Follow `spec.replicas` without changing what is rolled out (scale). The size annotations of active ReplicaSets are brought up
        to date even where the size stays, or the scaling event would never be over (kubernetes#43948)."""
        wanted = sizes.desired_replicas(self.deployment)
        active = self._active(self.all)
        if len(active) <= 1:
            alone = active[0] if active else self.new or max(self.old, key=sizes.age, default=None)
            if alone is not None:
                self._resize(alone, wanted)
        elif self._is_saturated():
            for one in self._active(self.old):
                self._resize(one, 0)
        elif sizes.is_rolling(self.deployment):
            planned = sizes.keeping_available(self.deployment, active, sizes.proportional(self.deployment, active))
            for one in active:
                self._resize(one, planned[one.metadata.uid])
        else:
            for one in active:
                self._resize(one, sizes.spec_replicas(one))

    def _is_saturated(self) -> bool:
        """Whether the new ReplicaSet alone is the whole Deployment already (IsSaturated)."""
        new, wanted = self.new, sizes.desired_replicas(self.deployment)
        if new is None or not sizes.is_observed(new):
            return False
        return sizes.spec_replicas(new) == wanted == sizes.number_of(new, DESIRED) and sizes.surely_available(new) == wanted

    def _resize(self, replica_set: ReplicaSet, replicas: int) -> None:
        annotations = replica_set.metadata.annotations
        if replicas != sizes.spec_replicas(replica_set) or revisions.with_size_annotations(annotations, self.deployment) is not annotations:
            self.sizes[replica_set.metadata.uid] = replicas

    # -- rolling out ------------------------------------------------------------------------------------------------------------------

    def _roll(self) -> None:
        """One step of a rolling update: more new pods if there is room, else fewer old ones (rolloutRolling)."""
        new = self.new
        if new is None:
            self._create()
            return
        own, wanted = sizes.spec_replicas(new), sizes.desired_replicas(self.deployment)
        if own != wanted:
            size = wanted if own > wanted else sizes.grown(self.deployment, own, self.all)
            if size != own:
                self._resize(new, size)
                return
        old = self._active(self.old)
        if old:
            planned = sizes.shrunk(self.deployment, new, old)
            for one in old:
                if one.metadata.uid in planned:
                    self._resize(one, planned[one.metadata.uid])

    def _recreate(self) -> None:
        """All old pods go, and only when they are gone new ones come (rolloutRecreate)."""
        active = self._active(self.old)
        for one in active:
            self._resize(one, 0)
        if active or any(_has_pods(one) for one in self.old):
            return
        if self.new is None:
            self._create()
        elif sizes.spec_replicas(self.new) != sizes.desired_replicas(self.deployment):
            self._resize(self.new, sizes.desired_replicas(self.deployment))

    def _create(self) -> None:
        replica_set = revisions.new_replica_set(self.deployment, self.old)
        replicas = sizes.spec_replicas(replica_set)
        told = self._scaled(replica_set, 0, replicas) if replicas > 0 else None
        self.writes.append(act.Create(resource=REPLICA_SETS, obj=replica_set, trusted=True, announce=told))

    def _clean_up(self) -> None:
        """Forget old revisions."""
        for one in revisions.beyond_history(self.deployment, self.old):
            meta = one.metadata
            self.writes.append(
                act.Delete(
                    resource=REPLICA_SETS,
                    namespace=meta.namespace,
                    name=meta.name,
                    uid=meta.uid,
                    resource_version=meta.resource_version,
                )
            )

    # -- writing --------------------------------------------------------------------------------------------------------------------

    def _finish(self, *, rollout: bool) -> tuple[act.Action, ...]:
        changed = [write for one in self.all if (write := self._update_of(one)) is not None]
        revision = self._revision()
        if revision:
            return (*changed, *self.writes, revision)  # the status follows when this write of the Deployment is seen
        return (*changed, *self.writes, *(self._with_progress() if rollout else self._with_counts()))

    def _update_of(self, replica_set: ReplicaSet) -> act.Update | None:
        """The one write of a ReplicaSet: its size, and if it is the new one its revision and minReadySeconds."""
        meta, spec = replica_set.metadata, replica_set.spec
        assert spec is not None
        assert self.deployment.spec is not None
        annotations, told = meta.annotations, None
        if replica_set is self.new and not meta.deletion_timestamp:
            annotations = revisions.with_revision(annotations, self.deployment, revisions.next_revision(self.old))
            spec = replace(spec, min_ready_seconds=self.deployment.spec.min_ready_seconds)
        size = self.sizes.get(meta.uid)
        if size is not None:
            before = sizes.spec_replicas(replica_set)
            annotations = revisions.with_size_annotations(annotations, self.deployment)
            spec = replace(spec, replicas=size)
            told = self._scaled(replica_set, before, size) if size != before else None
        changed = replace(replica_set, metadata=replace(meta, annotations=annotations), spec=spec)
        return None if changed == replica_set else act.Update(resource=REPLICA_SETS, obj=changed, announce=told)

    def _scaled(self, replica_set: ReplicaSet, before: int, after: int) -> act.TellUser:
        way = "up" if after > before else "down"
        message = f"Scaled {way} replica set {replica_set.metadata.name} from {before} to {after}"
        return act.TellUser(resource=RESOURCE, obj=self.deployment, type="Normal", reason="ScalingReplicaSet", message=message)

    def _revision(self) -> act.Action | None:
        """The Deployment's own revision annotation follows that of its new ReplicaSet."""
        meta = self.deployment.metadata
        wanted = self.new.metadata.annotations.get(REVISION, "") if self.new is not None else ""
        if not wanted or meta.annotations.get(REVISION) == wanted:
            return None
        patch = FrozenMap({"metadata": FrozenMap({"annotations": FrozenMap({REVISION: wanted})})})
        return act.Patch(resource=RESOURCE, namespace=meta.namespace, name=meta.name, uid=meta.uid, patch=patch)

    def _with_counts(self) -> tuple[act.Action, ...]:
        """Write the status of a Deployment that is paused, being scaled or deleted: counts, and whether it is available."""
        return _write_status(self.deployment, status.counted(self.deployment, self.conditions, self.new, self.all, self.now))

    def _with_progress(self) -> tuple[act.Action, ...]:
        """Write the status of a Deployment that rolls out or is at rest."""
        told = status.counted(self.deployment, self._conditions_of_creation(), self.new, self.all, self.now)
        if not (self.view.create_error and self.new is None):
            told = status.with_progress(self.deployment, told, self.new, self.now)
        told = status.with_failure(told, self.new, self.all)
        end_s = None
        if not status.is_complete(self.deployment, told):
            end_s = status.deadline_s(self.deployment, status.find(told.conditions, "Progressing"))
        again = () if end_s is None else (act.LookAgain(after_s=max(end_s - self.now, 0.0) + 1),)
        return (*again, *_write_status(self.deployment, told))

    def _conditions_of_creation(self) -> status.Conditions:
        """The conditions, with Progressing telling what became of the creation of the new ReplicaSet (getNewReplicaSet)."""
        if not status.has_deadline(self.deployment):
            return self.conditions
        new, present = self.new, status.find(self.conditions, "Progressing")
        if new is None:
            if not self.view.create_error:
                return self.conditions
            return status.with_new(
                self.conditions, status.made("Progressing", "False", "ReplicaSetCreateError", self.view.create_error, self.now)
            )
        name = new.metadata.name
        untold = present is None or f'"{name}"' not in present.message
        if untold and (name == self.view.created or (present is None and new.status is None)):
            condition = status.made("Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"', self.now)
            return status.with_new(status.without(self.conditions, "Progressing"), condition)
        if present is None:
            message = f'Found new replica set "{name}"'
            return status.with_new(self.conditions, status.made("Progressing", "True", "FoundNewReplicaSet", message, self.now))
        return self.conditions


def _has_pods(replica_set: ReplicaSet) -> bool:
    """Whether pods of a ReplicaSet that should have none may still run, terminating ones included."""
    if not sizes.is_observed(replica_set):
        return True
    terminating = replica_set.status.terminating_replicas if replica_set.status is not None else None
    return sizes.actual_replicas(replica_set) > 0 or bool(terminating)
