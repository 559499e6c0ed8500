"""What the revisions of a Deployment are, and what `kubectl rollout` makes of them. Pure; shared by the Deployment controller and the face.

Sources: kubectl pkg/polymorphichelpers (history.go, rollback.go, rollout_status.go, objectpauser.go, objectresumer.go,
objectrestarter.go), kubernetes pkg/controller/deployment/util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from callboard.models.api.apps import Deployment, ReplicaSet
from callboard.models.api.core import PodTemplateSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, plain, replace
from callboard.models.errors import ApiError, BadRequest, Conflict, NotFound, WaitTimeout
from callboard.models.owners import is_controlled_by

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
CHANGE_CAUSE = "kubernetes.io/change-cause"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
NOT_COPIED: tuple[str, ...] = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
)
"""Annotations that a Deployment and its ReplicaSets each have of their own (annotationsToSkip)."""


class Revision(msgspec.Struct, frozen=True):
    """One line of a rollout's history. `change_cause` is "" where nobody told one; `template` has no hash label."""

    revision: int
    change_cause: str
    template: PodTemplateSpec


class Progress(msgspec.Struct, frozen=True):
    """How far a rollout is, in kubectl's words; and the error to raise with them where it won't get done by itself."""

    done: bool
    words: str
    failure: type[ApiError] | None = None


# -- templates and numbers --------------------------------------------------------------------------------------------------------------


def template_of(replica_set: ReplicaSet) -> PodTemplateSpec | None:
    """The template of a ReplicaSet."""
    return replica_set.spec.template if replica_set.spec is not None else None


def same_template(one: PodTemplateSpec | None, other: PodTemplateSpec | None) -> bool:
    """Whether two templates differ in nothing but their hash label (EqualIgnoreHash)."""
    if one is None or other is None:
        return one is other
    return one.spec == other.spec and _meta_without_hash(one.metadata) == _meta_without_hash(other.metadata)


def _meta_without_hash(meta: ObjectMeta | None) -> ObjectMeta:
    if meta is None:
        return ObjectMeta()
    if HASH_LABEL not in meta.labels:
        return meta
    return replace(meta, labels=FrozenMap({key: value for key, value in meta.labels.items() if key != HASH_LABEL}))


def without_hash(template: PodTemplateSpec | None) -> PodTemplateSpec:
    """A template but for its hash label."""
    if template is None:
        return PodTemplateSpec()
    return replace(template, metadata=_meta_without_hash(template.metadata))


def revision_of(obj: Deployment | ReplicaSet) -> int:
    """The number in the revision annotation, 0 if there is none."""
    text = obj.metadata.annotations.get(REVISION, "")
    return int(text) if text.isascii() and text.isdigit() else 0


# -- history and rollback -----------------------------------------------------------------------------------------------------------------


def _numbered(deployment: Deployment, replica_sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    """The Deployment's own ReplicaSets that have a revision, in its order."""
    own = [one for one in replica_sets if is_controlled_by(one, deployment) and revision_of(one) > 0]
    return sorted(own, key=lambda one: (revision_of(one), one.metadata.name))


def history_of(deployment: Deployment, replica_sets: Iterable[ReplicaSet]) -> tuple[Revision, ...]:
    """All revisions that there are ReplicaSets of, oldest first (DeploymentHistoryViewer)."""
    return tuple(
        Revision(revision_of(one), one.metadata.annotations.get(CHANGE_CAUSE, ""), without_hash(template_of(one)))
        for one in _numbered(deployment, replica_sets)
    )


def at_revision(history: Iterable[Revision], wanted: int) -> Revision:
    """The revision of this number.

    Raises:
        NotFound: there is none, in kubectl's words.
    """
    for one in history:
        if one.revision == wanted:
            return one
    raise NotFound("unable to find the specified revision")


def rollback_target(deployment: Deployment, replica_sets: Iterable[ReplicaSet], to_revision: int = 0) -> ReplicaSet:
    """The ReplicaSet whose template a rollback restores: that of `to_revision`, or for 0 the one before the newest (deploymentRevision).

    Raises:
        NotFound: there is no such revision, or none before the newest.
        BadRequest: the Deployment is paused.
    """
    own = _numbered(deployment, replica_sets)
    name = deployment.metadata.name
    if to_revision == 0:
        newest = revision_of(own[-1]) if own else 0
        found = next((one for one in reversed(own) if revision_of(one) < newest), None)
        if found is None:
            raise NotFound(f'no rollout history found for deployment "{name}"')
    else:
        found = next((one for one in own if revision_of(one) == to_revision), None)
        if found is None:
            raise NotFound(f"unable to find specified revision {to_revision} in history")
    if deployment.spec is not None and deployment.spec.paused:
        resume = f"callboard rollout resume deployment/{name}"
        raise BadRequest(f"cannot rollback a paused deployment; resume it first with '{resume}' and try again")
    return found


def rollback_patch(deployment: Deployment, target: ReplicaSet) -> tuple[dict[str, Any], ...]:
    """The JSON patch of a rollback: the template of an older ReplicaSet and its annotations, but for those that each has of its own."""
    annotations = {key: value for key, value in deployment.metadata.annotations.items() if key in NOT_COPIED}
    annotations.update((key, value) for key, value in target.metadata.annotations.items() if key not in NOT_COPIED)
    return (
        {"op": "replace", "path": "/spec/template", "value": plain(without_hash(template_of(target)))},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    )


def skipped_words(to_revision: int) -> str:
    """What kubectl says where a rollback would change nothing."""
    return f"skipped rollback (current template already matches revision {to_revision})"


# -- progress -------------------------------------------------------------------------------------------------------------------------


def progress_of(deployment: Deployment, revision: int = 0) -> Progress:
    """How far the rollout of a Deployment is (DeploymentStatusViewer). `revision`: fail unless this is the one that rolls out."""
    meta, spec, status = deployment.metadata, deployment.spec, deployment.status
    name = meta.name
    if revision > 0 and revision != revision_of(deployment):
        running = revision_of(deployment)
        return Progress(False, f"desired revision ({revision}) is different from the running revision ({running})", Conflict)
    if spec is None or status is None or meta.generation > (status.observed_generation or 0):
        return Progress(False, "Waiting for deployment spec update to be observed...")
    if any(one.type == "Progressing" and one.reason == "ProgressDeadlineExceeded" for one in status.conditions):
        return Progress(False, f'deployment "{name}" exceeded its progress deadline', WaitTimeout)
    waiting = f'Waiting for deployment "{name}" rollout to finish:'
    replicas, updated, available = status.replicas or 0, status.updated_replicas or 0, status.available_replicas or 0
    if spec.replicas is not None and updated < spec.replicas:
        return Progress(False, f"{waiting} {updated} out of {spec.replicas} new replicas have been updated...")
    if replicas > updated:
        return Progress(False, f"{waiting} {replicas - updated} old replicas are pending termination...")
    if available < updated:
        return Progress(False, f"{waiting} {available} of {updated} updated replicas are available...")
    return Progress(True, f'deployment "{name}" successfully rolled out')
