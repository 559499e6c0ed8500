"""Which ReplicaSet is the new one, what revision it is, and what a new one looks like. Pure.

Source: kubernetes pkg/controller/deployment/util/deployment_util.go and sync.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from callboard.actors.deployment.sizes import age, desired_replicas, grown, max_surge
from callboard.models.api.apps import Deployment, ReplicaSet, ReplicaSetSpec
from callboard.models.api.core import PodTemplateSpec
from callboard.models.api.meta import LabelSelector, ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.names import template_hash
from callboard.models.owners import owner_reference
from callboard.models.rollouts import (
    DESIRED,
    HASH_LABEL,
    MAXIMUM,
    NOT_COPIED,
    REVISION,
    REVISION_HISTORY,
    revision_of,
    same_template,
    template_of,
)

NAME_LIMIT = 253
HISTORY_LIMIT = 2000
"""Characters of the revision-history annotation at most."""


def new_of(deployment: Deployment, replica_sets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet of the present template; of several the oldest (FindNewReplicaSet)."""
    assert deployment.spec is not None
    template = deployment.spec.template
    return next((one for one in sorted(replica_sets, key=age) if same_template(template_of(one), template)), None)


def next_revision(old: Iterable[ReplicaSet]) -> int:
    """The revision of the new ReplicaSet, given the old ones."""
    return max((revision_of(one) for one in old), default=0) + 1


def with_size_annotations(annotations: FrozenMap, deployment: Deployment) -> FrozenMap:
    """The annotations that tell for which size of the Deployment a ReplicaSet was scaled; the same map if nothing changes."""
    wanted = desired_replicas(deployment)
    desired, maximum = str(wanted), str(wanted + max_surge(deployment))
    if annotations.get(DESIRED) == desired and annotations.get(MAXIMUM) == maximum:
        return annotations
    return FrozenMap({**annotations, DESIRED: desired, MAXIMUM: maximum})


def with_revision(annotations: FrozenMap, deployment: Deployment, revision: int) -> FrozenMap:
    """The annotations of the new ReplicaSet: the Deployment's, and the revision; a revision that it had before goes into its history.

    The same map comes back if nothing changes (SetNewReplicaSetAnnotations).
    """
    changed = {key: value for key, value in deployment.metadata.annotations.items() if key not in NOT_COPIED}
    text = annotations.get(REVISION, "")
    if (int(text) if text.isdigit() else 0) < revision:
        changed[REVISION] = str(revision)
        if text:
            changed[REVISION_HISTORY] = _history(annotations.get(REVISION_HISTORY, ""), text)
    if all(annotations.get(key) == value for key, value in changed.items()):
        return annotations
    return FrozenMap({**annotations, **changed})


def _history(history: str, revision: str) -> str:
    entries = [entry for entry in history.split(",") if entry]
    entries.append(revision)
    while len(entries) > 1 and len(",".join(entries)) > HISTORY_LIMIT:
        entries.pop(0)
    return ",".join(entries)


def new_replica_set(deployment: Deployment, old: Sequence[ReplicaSet]) -> ReplicaSet:
    """The ReplicaSet of the present template as it is created, with as many replicas as the surge allows beside the old ones."""
    spec, meta = deployment.spec, deployment.metadata
    assert spec is not None
    template = spec.template or PodTemplateSpec()
    collisions = (deployment.status.collision_count if deployment.status is not None else None) or 0
    hashed = template_hash((template, collisions) if collisions else template)
    of_template = template.metadata or ObjectMeta()
    labels = FrozenMap({**of_template.labels, HASH_LABEL: hashed})
    selector = spec.selector or LabelSelector()
    return ReplicaSet(
        metadata=ObjectMeta(
            name=f"{meta.name[: NAME_LIMIT - len(hashed) - 1]}-{hashed}",
            namespace=meta.namespace,
            labels=labels,
            annotations=with_size_annotations(with_revision(FrozenMap(), deployment, next_revision(old)), deployment),
            owner_references=(owner_reference(deployment),),
        ),
        spec=ReplicaSetSpec(
            replicas=grown(deployment, 0, old),
            min_ready_seconds=spec.min_ready_seconds,
            selector=replace(selector, match_labels=FrozenMap({**selector.match_labels, HASH_LABEL: hashed})),
            template=replace(template, metadata=replace(of_template, labels=labels)),
        ),
    )


def beyond_history(deployment: Deployment, old: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """The oldest ReplicaSets beyond revisionHistoryLimit, of which nothing is left (cleanupDeployment)."""
    limit = deployment.spec.revision_history_limit if deployment.spec is not None else None
    if limit is None:
        return []
    alive = sorted((one for one in old if not one.metadata.deletion_timestamp), key=lambda one: (revision_of(one), age(one)))
    return [one for one in alive[: max(len(alive) - limit, 0)] if _is_over(one)]


def _is_over(replica_set: ReplicaSet) -> bool:
    status, spec = replica_set.status, replica_set.spec
    if status is None or spec is None:
        return False
    return (
        spec.replicas == 0
        and not status.replicas
        and not status.terminating_replicas
        and (status.observed_generation or 0) >= replica_set.metadata.generation
    )
