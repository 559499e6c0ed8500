"""Structs of API group batch, generated from the schema of Kubernetes 1.36 by `python -m callboard.models.codegen`."""

from __future__ import annotations

from typing import Any, ClassVar

from callboard.models.api import core
from callboard.models.api import meta
from callboard.models.base import EMPTY_MAP, FrozenMap, Kind, Model

__all__ = ["CronJob", "CronJobSpec", "CronJobStatus", "Job", "JobCondition", "JobSpec", "JobStatus", "JobTemplateSpec", "PodFailurePolicy", "PodFailurePolicyOnExitCodesRequirement", "PodFailurePolicyOnPodConditionsPattern", "PodFailurePolicyRule", "SuccessPolicy", "SuccessPolicyRule", "UncountedTerminatedPods"]


class PodFailurePolicyOnExitCodesRequirement(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    container_name: str = ""
    operator: str = ""
    values: tuple[int, ...] = ()


class PodFailurePolicyOnPodConditionsPattern(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    status: str = ""
    type: str = ""


class PodFailurePolicyRule(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    action: str = ""
    on_exit_codes: PodFailurePolicyOnExitCodesRequirement | None = None
    on_pod_conditions: tuple[PodFailurePolicyOnPodConditionsPattern, ...] = ()


class PodFailurePolicy(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    rules: tuple[PodFailurePolicyRule, ...] = ()


class SuccessPolicyRule(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    succeeded_count: int | None = None
    succeeded_indexes: str = ""


class SuccessPolicy(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    rules: tuple[SuccessPolicyRule, ...] = ()


class JobSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    active_deadline_seconds: int | None = None
    backoff_limit: int | None = None
    backoff_limit_per_index: int | None = None
    completion_mode: str = ""
    completions: int | None = None
    managed_by: str = ""
    manual_selector: bool | None = None
    max_failed_indexes: int | None = None
    parallelism: int | None = None
    pod_failure_policy: PodFailurePolicy | None = None
    pod_replacement_policy: str = ""
    selector: meta.LabelSelector | None = None
    success_policy: SuccessPolicy | None = None
    suspend: bool | None = None
    template: core.PodTemplateSpec | None = None
    ttl_seconds_after_finished: int | None = None


class JobCondition(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    last_probe_time: str = ""
    last_transition_time: str = ""
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class UncountedTerminatedPods(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    failed: tuple[str, ...] = ()
    succeeded: tuple[str, ...] = ()


class JobStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    active: int | None = None
    completed_indexes: str = ""
    completion_time: str = ""
    conditions: tuple[JobCondition, ...] = ()
    failed: int | None = None
    failed_indexes: str = ""
    ready: int | None = None
    start_time: str = ""
    succeeded: int | None = None
    terminating: int | None = None
    uncounted_terminated_pods: UncountedTerminatedPods | None = None


class Job(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "batch/v1"
    KIND: ClassVar[str] = "Job"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: JobSpec | None = None
    status: JobStatus | None = None


class JobTemplateSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    metadata: meta.ObjectMeta | None = None
    spec: JobSpec | None = None


class CronJobSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    concurrency_policy: str = ""
    failed_jobs_history_limit: int | None = None
    job_template: JobTemplateSpec | None = None
    schedule: str = ""
    starting_deadline_seconds: int | None = None
    successful_jobs_history_limit: int | None = None
    suspend: bool | None = None
    time_zone: str = ""


class CronJobStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    active: tuple[core.ObjectReference, ...] = ()
    last_schedule_time: str = ""
    last_successful_time: str = ""


class CronJob(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "batch/v1"
    KIND: ClassVar[str] = "CronJob"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: CronJobSpec | None = None
    status: CronJobStatus | None = None
