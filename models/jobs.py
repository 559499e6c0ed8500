"""Judgements on Jobs that the controllers, validation and the harness share: when one is finished, what its completion indexes are. Pure.

Sources: kubernetes pkg/controller/job/{indexed_job_utils,tracking_utils}.go, pkg/controller/job/util, pkg/apis/batch/types.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from callboard.models.api.batch import Job, JobCondition
from callboard.models.api.core import Pod
from callboard.models.api.meta import LabelSelector, ObjectMeta
from callboard.models.base import EMPTY_MAP, FrozenMap, replace
from callboard.models.podstatus import condition

JOBS, CRON_JOBS = "jobs.batch", "cronjobs.batch"
TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer that keeps a pod until it has been counted."""
CONTROLLER_UID, JOB_NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
LEGACY_CONTROLLER_UID, LEGACY_JOB_NAME = "controller-uid", "job-name"
COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
"""The annotation, and the label, of a pod of an Indexed Job."""
SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""The annotation of a Job that a CronJob has made: for which moment."""
COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
CRITERIA_MET, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"
"""Conditions of a Job whose end is decided, while pods of it are left."""
OWN_MANAGER = "kubernetes.io/job-controller"


def finished_condition(job: Job) -> JobCondition | None:
    """The condition `Complete` or `Failed`, if one of them is True."""
    for type_ in (COMPLETE, FAILED):
        found: JobCondition | None = condition(job, type_)
        if found is not None and found.status == "True":
            return found
    return None


def is_finished(job: Job) -> bool:
    """Whether it has come to its end: it is Complete or Failed."""
    return finished_condition(job) is not None


def is_managed_elsewhere(job: Job) -> bool:
    """Whether `spec.managedBy` names another controller than Kubernetes' own."""
    return job.spec is not None and job.spec.managed_by not in ("", OWN_MANAGER)


def is_indexed(job: Job) -> bool:
    """Whether each of its completions has an index."""
    return job.spec is not None and job.spec.completion_mode == "Indexed"


def is_tracked(pod: Pod) -> bool:
    """Whether its Job's controller has not let go of it yet."""
    return TRACKING in pod.metadata.finalizers


def index_of(pod: Pod, completions: int) -> int:
    """The completion index of a pod; -1 if it has none below `completions`."""
    text = pod.metadata.annotations.get(COMPLETION_INDEX, "")
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        return -1
    index = int(text)
    return index if index < completions else -1


def indexes_text(indexes: Iterable[int]) -> str:
    """Indexes as `status.completedIndexes` writes them.

    >>> indexes_text([7, 1, 3, 4, 5])
    '1,3-5,7'
    """
    parts: list[str] = []
    numbers = sorted(dict.fromkeys(indexes))
    begin = 0
    for place, number in enumerate(numbers):
        if place + 1 < len(numbers) and numbers[place + 1] == number + 1:
            continue
        first = numbers[begin]
        parts.append(str(number) if first == number else f"{first},{number}" if number == first + 1 else f"{first}-{number}")
        begin = place + 1
    return ",".join(parts)


def indexes_of(text: str, completions: int) -> tuple[int, ...]:
    """The indexes below `completions` that such a text names, in order. What is no index there is left out.

    >>> indexes_of("1,3-5,7", 6)
    (1, 3, 4, 5)
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (not last or last.isdigit()):
            found.update(dict.fromkeys(range(int(first), min(int(last or first), completions - 1) + 1)))
    return tuple(sorted(found))


def with_generated_selector(job: Job) -> Job:
    """A new Job with the selector and the labels of pods that nobody else's have: its UID. Labels that are there stay, for validation to
    judge (kubernetes pkg/registry/batch/job/strategy.go, generateSelector)."""
    spec = job.spec
    if spec is None or spec.manual_selector or spec.template is None:
        return job
    uid, name = job.metadata.uid, job.metadata.name
    labels = {CONTROLLER_UID: uid, JOB_NAME: name, LEGACY_CONTROLLER_UID: uid, LEGACY_JOB_NAME: name}
    meta = spec.template.metadata or ObjectMeta()
    template = replace(spec.template, metadata=replace(meta, labels=_added(meta.labels, labels)))
    selector = spec.selector or LabelSelector()
    selector = replace(selector, match_labels=_added(selector.match_labels, {CONTROLLER_UID: uid}))
    return replace(job, spec=replace(spec, template=template, selector=selector))


def _added(present: Mapping[str, str], labels: Mapping[str, str]) -> FrozenMap:
    return FrozenMap({**labels, **(present or EMPTY_MAP)})
