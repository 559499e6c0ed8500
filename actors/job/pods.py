"""Pods of a Job: what they are called, what they are made of, which of them go first, which have come to their end. Pure.

Sources: kubernetes pkg/controller/job/job_controller.go (manageJob, activePodsForRemoval, isPodFailed), indexed_job_utils.go.

The name of a pod is its number through a permutation keyed with the Job's UID, the lowest number that no pod of the Job has: a creation
that is tried again, or that arrives late, meets the pod that is there. With an index, each index counts its own.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from hashlib import blake2b
from itertools import count

from callboard.actors.replicaset.ranking import first_to_go
from callboard.models.api.batch import Job
from callboard.models.api.core import Container as PodContainer
from callboard.models.api.core import EnvVar, EnvVarSource, ObjectFieldSelector, Pod, PodSpec, PodTemplateSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.jobs import (
    COMPLETION_INDEX,
    CONTROLLER_UID,
    JOB_NAME,
    LEGACY_CONTROLLER_UID,
    LEGACY_JOB_NAME,
    TRACKING,
    index_of,
    is_tracked,
)
from callboard.models.names import SUFFIX_LENGTH, SUFFIXES, child_suffix
from callboard.models.owners import owner_reference
from callboard.models.podstatus import is_active, is_finished, is_terminating, phase_of

NAME_LIMIT = 63 - SUFFIX_LENGTH
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
_INDEX_SOURCE = EnvVarSource(field_ref=ObjectFieldSelector(api_version="v1", field_path=f"metadata.labels['{COMPLETION_INDEX}']"))


def is_live(pod: Pod) -> bool:
    """Whether it counts as active: neither finished nor terminating, and not let go of."""
    return is_tracked(pod) and is_active(pod)


def is_leaving(pod: Pod) -> bool:
    """Whether it has been let go of and runs still: its Job wants it no longer, and its end, however it is, counts for nothing."""
    return not is_tracked(pod) and is_active(pod)


def is_ending(pod: Pod) -> bool:
    """Whether somebody has deleted it and something of it may run still."""
    return is_terminating(pod) and not is_finished(pod) and pod.metadata.deletion_grace_period_seconds != 0


def has_failed(pod: Pod, only_replace_failed: bool) -> bool:
    """Whether a pod counts as failed. A deleted one does at once, or with podReplacementPolicy Failed when nothing of it runs any more: it
    has ended, or nothing but finalizers keeps it."""
    if phase_of(pod) == "Failed":
        return True
    if not is_terminating(pod) or phase_of(pod) == "Succeeded":
        return False
    return not only_replace_failed or pod.metadata.deletion_grace_period_seconds == 0


# -- which go -----------------------------------------------------------------------------------------------------------------------------


def surplus(live: Iterable[Pod], number: int, indexed: bool, completions: int, completed: Container[int], now: float) -> list[Pod]:
    """At least `number` of the active pods: of an Indexed Job first those that have no index, a completed one, or that of an older pod."""
    staying = sorted(live, key=_age)
    doomed: list[Pod] = []
    if indexed:
        seen: dict[int, None] = {}
        for pod in list(staying):
            index = index_of(pod, completions)
            if index < 0 or index in completed or index in seen:
                doomed.append(pod)
                staying.remove(pod)
            seen[index] = None
    more = number - len(doomed)
    return doomed + first_to_go(staying, more, {}, now) if more > 0 else doomed


def _age(pod: Pod) -> tuple[str, str]:
    return pod.metadata.creation_timestamp, pod.metadata.name


# -- which come ---------------------------------------------------------------------------------------------------------------------------


def pending_indexes(completions: int, completed: Container[int], held: Container[int]) -> Iterator[int]:
    """The indexes that need a pod, the lowest first."""
    return (index for index in range(completions) if index not in completed and index not in held)


def free_names(job: Job, taken: Container[str]) -> Iterator[str]:
    """Names for pods without an index that none of `taken` has, in an order that is always the same."""
    prefix, uid = f"{job.metadata.name}-"[:NAME_LIMIT], job.metadata.uid
    return (name for number in range(SUFFIXES) if (name := prefix + child_suffix(uid, number)) not in taken)


def free_name(job: Job, index: int, taken: Container[str]) -> str:
    """The first name for the pod with an index that none of `taken` has."""
    prefix, uid = f"{job.metadata.name}-{index}-"[:NAME_LIMIT], job.metadata.uid
    for attempt in count():
        digest = blake2b(f"{index}/{attempt}".encode(), digest_size=8, person=b"callboard-job").digest()
        name = prefix + child_suffix(uid, int.from_bytes(digest, "big") % SUFFIXES)
        if name not in taken:
            return name
    raise AssertionError("unreachable")


def new_pod(job: Job, name: str, index: int = -1) -> Pod:
    """A pod as it is created: of the Job's template, with the finalizer that keeps it until it has been counted. Pods without an index
    share the template's spec; one with an index knows it by an annotation, a label, a variable and its host name."""
    template = (job.spec.template if job.spec is not None else None) or PodTemplateSpec()
    meta, spec = template.metadata or ObjectMeta(), template.spec or PodSpec()
    owner = job.metadata
    labels = {
        CONTROLLER_UID: owner.uid,
        JOB_NAME: owner.name,
        LEGACY_CONTROLLER_UID: owner.uid,
        LEGACY_JOB_NAME: owner.name,
        **meta.labels,
    }
    annotations = meta.annotations
    base = f"{owner.name}-"
    if index >= 0:
        labels[COMPLETION_INDEX] = str(index)
        annotations = FrozenMap({**annotations, COMPLETION_INDEX: str(index)})
        base = f"{owner.name}-{index}-"
        spec = _with_index(spec, f"{owner.name}-{index}")
    return Pod(
        metadata=ObjectMeta(
            name=name,
            generate_name=base,
            namespace=owner.namespace,
            labels=FrozenMap(labels),
            annotations=annotations,
            finalizers=tuple(dict.fromkeys((*meta.finalizers, TRACKING))),
            owner_references=(owner_reference(job),),
        ),
        spec=spec,
    )


def _with_index(spec: PodSpec, host: str) -> PodSpec:
    return replace(
        spec,
        hostname=spec.hostname or host,
        containers=tuple(_knowing(one) for one in spec.containers),
        init_containers=tuple(_knowing(one) for one in spec.init_containers),
    )


def _knowing(container: PodContainer) -> PodContainer:
    if any(one.name == INDEX_VARIABLE for one in container.env):
        return container
    return replace(container, env=(*container.env, EnvVar(name=INDEX_VARIABLE, value_from=_INDEX_SOURCE)))
