"""Jobs and CronJobs: their specs, and what an update may not change. Source: kubernetes pkg/apis/batch/validation/validation.go
(ValidateJob, ValidateJobSpecUpdate, ValidateCronJob).

What the Job controller here doesn't do is refused in plain words rather than left undone: a Job that goes on where its user wrote that it
has to stop is worse than none.
"""

from __future__ import annotations

from callboard.models import cron
from callboard.models.api.batch import CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec
from callboard.models.api.core import PodSpec, PodTemplateSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import replace
from callboard.models.jobs import CONTROLLER_UID, JOB_NAME, LEGACY_CONTROLLER_UID, LEGACY_JOB_NAME, is_indexed
from callboard.models.selectors import compile_selector
from callboard.models.validation import formats, words
from callboard.models.validation.failurepolicies import check_failure_policy
from callboard.models.validation.meta import Errors, check_int32, check_not_negative, check_selector
from callboard.models.validation.pods import check_template

MODES = ("Indexed", "NonIndexed")
REPLACEMENTS = ("Failed", "TerminatingOrFailed")
RESTARTS = ("OnFailure", "Never")
CONCURRENCY = ("Allow", "Forbid", "Replace")
CRON_NAME_LIMIT = 52
"""A Job's name is that of its CronJob, a hyphen and ten digits."""
INDEXED_PARALLELISM_LIMIT = 100_000
UNSUPPORTED = (
    ("success_policy", "successPolicy"),
    ("backoff_limit_per_index", "backoffLimitPerIndex"),
    ("max_failed_indexes", "maxFailedIndexes"),
)
_KEPT = (
    ("completion_mode", "completionMode"),
    ("managed_by", "managedBy"),
    ("manual_selector", "manualSelector"),
    ("pod_failure_policy", "podFailurePolicy"),
)
_COUNTS = (
    ("parallelism", "parallelism"),
    ("completions", "completions"),
    ("active_deadline_seconds", "activeDeadlineSeconds"),
    ("backoff_limit", "backoffLimit"),
    ("ttl_seconds_after_finished", "ttlSecondsAfterFinished"),
)


def check_job(obj: Job, old: Job | None, errors: Errors) -> None:
    """A Job that is to be created or updated."""
    spec = obj.spec
    if spec is None:
        errors.append(words.required("spec.template"))
        return
    _check_generated(obj, spec, errors)
    before = old.spec if old is not None else None
    _check_spec(spec, before, "spec", errors)
    _check_selector(spec, errors)
    if is_indexed(obj):
        _check_names(obj, spec, errors)
    if before is not None and old is not None:
        _check_kept(spec, before, old, errors)


def _check_generated(job: Job, spec: JobSpec, errors: Errors) -> None:
    """Labels that were not written by hand are as they are generated."""
    if spec.manual_selector or spec.selector is None or spec.template is None:
        return
    meta = spec.template.metadata or ObjectMeta()
    wanted = {
        LEGACY_CONTROLLER_UID: job.metadata.uid,
        LEGACY_JOB_NAME: job.metadata.name,
        CONTROLLER_UID: job.metadata.uid,
        JOB_NAME: job.metadata.name,
    }
    for label, value in wanted.items():
        present = meta.labels.get(label)
        path = "spec.template.metadata.labels"
        if present is None:
            errors.append(words.required(path, f"must be '{value}'"))
        elif present != value:
            errors.append(words.invalid(path, meta.labels, f"must be '{value}'"))
    if not compile_selector(spec.selector).matches(wanted):
        errors.append(words.invalid("spec.selector", spec.selector, "`selector` not auto-generated"))


def _check_spec(spec: JobSpec, old: JobSpec | None, path: str, errors: Errors) -> None:
    """What Jobs and templates of Jobs share."""
    for name, wire in _COUNTS:
        check_not_negative(getattr(spec, name), f"{path}.{wire}", errors)
        check_int32(getattr(spec, name), f"{path}.{wire}", errors)
    for name, wire in UNSUPPORTED:
        if getattr(spec, name) is not None:
            errors.append(words.forbidden(f"{path}.{wire}", f"Callboard's Job controller doesn't act on {wire}: leave it out"))
    if spec.completion_mode and spec.completion_mode not in MODES:
        errors.append(words.unsupported(f"{path}.completionMode", spec.completion_mode, MODES))
    if spec.completion_mode == "Indexed":
        if spec.completions is None:
            errors.append(words.required(f"{path}.completions", "when completion mode is Indexed"))
        if (spec.parallelism or 0) > INDEXED_PARALLELISM_LIMIT:
            detail = f"must be less than or equal to {INDEXED_PARALLELISM_LIMIT} when completion mode is Indexed"
            errors.append(words.invalid(f"{path}.parallelism", spec.parallelism, detail))
    if spec.pod_replacement_policy and spec.pod_replacement_policy not in REPLACEMENTS:
        errors.append(words.unsupported(f"{path}.podReplacementPolicy", spec.pod_replacement_policy, REPLACEMENTS))
    if spec.managed_by and "/" not in spec.managed_by:
        errors.append(words.invalid(f"{path}.managedBy", spec.managed_by, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    check_failure_policy(spec, path, errors)
    if spec.template is None:
        errors.append(words.required(f"{path}.template"))
    elif old is None or spec.template != old.template:  # what is stored was found valid
        check_template(spec.template, f"{path}.template", errors)
        policy = (spec.template.spec or PodSpec()).restart_policy
        if policy not in RESTARTS:
            place = f"{path}.template.spec.restartPolicy"
            errors.append(words.unsupported(place, policy, RESTARTS) if policy else words.required(place, "valid values: OnFailure, Never"))


def _check_selector(spec: JobSpec, errors: Errors) -> None:
    if spec.selector is None:
        errors.append(words.required("spec.selector"))
        return
    check_selector(spec.selector, "spec.selector", errors)
    meta = (spec.template or PodTemplateSpec()).metadata or ObjectMeta()
    if not compile_selector(spec.selector).matches(meta.labels):
        detail = "`selector` does not match template `labels`"
        errors.append(words.invalid("spec.template.metadata.labels", meta.labels or None, detail))


def _check_names(job: Job, spec: JobSpec, errors: Errors) -> None:
    """The host name of the pod with the highest index must be one."""
    name = f"{job.metadata.name}-{max((spec.completions or 0) - 1, 0)}"
    if job.metadata.name and formats.label(name):
        detail = f'will not able to create pod with invalid DNS label: "{name}"'
        errors.append(words.invalid("metadata.name", job.metadata.name, detail))


def _check_kept(spec: JobSpec, before: JobSpec, old: Job, errors: Errors) -> None:
    """What can't change. The number of completions of an Indexed Job may, together with its parallelism; where pods may run, and what they
    are called, may until a suspended Job has begun."""
    if spec.completions != before.completions:
        elastic = spec.completion_mode == "Indexed" and spec.completions is not None
        if not elastic:
            errors.append(words.invalid("spec.completions", spec.completions, words.IMMUTABLE))
        elif spec.completions != spec.parallelism or before.completions != before.parallelism:
            detail = "can only be modified in tandem with spec.parallelism"
            errors.append(words.invalid("spec.completions", spec.completions, detail))
    if spec.selector != before.selector:
        errors.append(words.invalid("spec.selector", spec.selector, words.IMMUTABLE))
    template = spec.template
    if template is not None and before.template is not None and old.spec is not None and old.spec.suspend:
        if old.status is None or not old.status.start_time:
            template = _with_scheduling_of(template, before.template)
    if template != before.template:
        errors.append(words.invalid("spec.template", spec.template, words.IMMUTABLE))
    for name, wire in _KEPT:
        if getattr(spec, name) != getattr(before, name):
            errors.append(words.invalid(f"spec.{wire}", getattr(spec, name), words.IMMUTABLE))


def _with_scheduling_of(template: PodTemplateSpec, other: PodTemplateSpec) -> PodTemplateSpec:
    """The template with the scheduling directives of another one: labels, annotations, node selector and affinity, tolerations, gates."""
    meta, old_meta = template.metadata or ObjectMeta(), other.metadata or ObjectMeta()
    pod, old_pod = template.spec, other.spec
    if pod is None or old_pod is None:
        return template
    affinity = pod.affinity
    if affinity is not None or old_pod.affinity is not None:
        node = old_pod.affinity.node_affinity if old_pod.affinity is not None else None
        affinity = replace(affinity, node_affinity=node) if affinity is not None else old_pod.affinity
    spec = replace(
        pod,
        node_selector=old_pod.node_selector,
        tolerations=old_pod.tolerations,
        scheduling_gates=old_pod.scheduling_gates,
        affinity=affinity,
    )
    return replace(template, spec=spec, metadata=replace(meta, labels=old_meta.labels, annotations=old_meta.annotations))


# -- CronJobs -----------------------------------------------------------------------------------------------------------------------------


def check_cronjob(obj: CronJob, old: CronJob | None, errors: Errors) -> None:
    """A CronJob that is to be created or updated."""
    if len(obj.metadata.name) > CRON_NAME_LIMIT and old is None:
        errors.append(words.invalid("metadata.name", obj.metadata.name, f"must be no more than {CRON_NAME_LIMIT} characters"))
    spec = obj.spec
    if spec is None:
        errors.extend((words.required("spec.schedule"), words.required("spec.jobTemplate")))
        return
    before = old.spec if old is not None else None
    _check_schedule(spec, errors)
    check_not_negative(spec.starting_deadline_seconds, "spec.startingDeadlineSeconds", errors)
    if spec.concurrency_policy not in CONCURRENCY:
        wrong = words.unsupported("spec.concurrencyPolicy", spec.concurrency_policy, CONCURRENCY)
        errors.append(wrong if spec.concurrency_policy else words.required("spec.concurrencyPolicy"))
    check_not_negative(spec.successful_jobs_history_limit, "spec.successfulJobsHistoryLimit", errors)
    check_not_negative(spec.failed_jobs_history_limit, "spec.failedJobsHistoryLimit", errors)
    _check_job_template(spec.job_template, before.job_template if before is not None else None, errors)


def _check_schedule(spec: CronJobSpec, errors: Errors) -> None:
    if not spec.schedule:
        errors.append(words.required("spec.schedule"))
    elif "TZ" in spec.schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        errors.append(words.invalid("spec.schedule", spec.schedule, detail))
    else:
        try:
            cron.parse(spec.schedule)
        except ValueError as problem:
            errors.append(words.invalid("spec.schedule", spec.schedule, str(problem)))
    if spec.time_zone.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errors.append(words.invalid("spec.timeZone", spec.time_zone, detail))
    else:
        try:
            cron.zone_of(spec.time_zone)
        except ValueError as problem:
            errors.append(words.invalid("spec.timeZone", spec.time_zone, str(problem)))


def _check_job_template(template: JobTemplateSpec | None, old: JobTemplateSpec | None, errors: Errors) -> None:
    path = "spec.jobTemplate"
    if template is None or template.spec is None:
        errors.append(words.required(f"{path}.spec.template"))
        return
    _check_spec(template.spec, old.spec if old is not None else None, f"{path}.spec", errors)
    if template.spec.selector is not None:
        errors.append(words.invalid(f"{path}.spec.selector", template.spec.selector, "`selector` will be auto-generated"))
    if template.spec.manual_selector:
        errors.append(words.unsupported(f"{path}.spec.manualSelector", template.spec.manual_selector, ("nil", "false")))
