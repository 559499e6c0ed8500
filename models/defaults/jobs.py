"""Defaults of Jobs and CronJobs. Source: kubernetes 1.36 pkg/apis/batch/v1/defaults.go."""

from __future__ import annotations

from typing import Any

from callboard.models.api.batch import CronJob, Job, JobTemplateSpec, PodFailurePolicy
from callboard.models.base import replace
from callboard.models.defaults.pods import template_defaults

BACKOFF_LIMIT = 6
BACKOFF_LIMIT_OF_INDEXES = 2**31 - 1
"""Where each index has a limit of its own."""
SUCCESSFUL_HISTORY_LIMIT, FAILED_HISTORY_LIMIT = 3, 1


def job_defaults(obj: Job) -> Job:
    """A Job with its defaults."""
    spec = obj.spec
    if spec is None:
        return obj
    changes: dict[str, Any] = {}
    if spec.completions is None and spec.parallelism is None:
        changes["completions"] = 1
    if spec.parallelism is None:
        changes["parallelism"] = 1
    if spec.backoff_limit is None:
        changes["backoff_limit"] = BACKOFF_LIMIT if spec.backoff_limit_per_index is None else BACKOFF_LIMIT_OF_INDEXES
    if not spec.completion_mode:
        changes["completion_mode"] = "NonIndexed"
    if spec.suspend is None:
        changes["suspend"] = False
    if spec.manual_selector is None:
        changes["manual_selector"] = False
    if not spec.pod_replacement_policy:
        changes["pod_replacement_policy"] = "TerminatingOrFailed" if spec.pod_failure_policy is None else "Failed"
    if spec.pod_failure_policy is not None and (policy := _failure_policy(spec.pod_failure_policy)) != spec.pod_failure_policy:
        changes["pod_failure_policy"] = policy
    if (template := template_defaults(spec.template)) is not spec.template:
        changes["template"] = template
    if changes:
        obj = replace(obj, spec=replace(spec, **changes))
    labels = spec.template.metadata.labels if spec.template is not None and spec.template.metadata is not None else None
    if labels and not obj.metadata.labels:
        obj = replace(obj, metadata=replace(obj.metadata, labels=labels))
    return obj


def _failure_policy(policy: PodFailurePolicy) -> PodFailurePolicy:
    """A policy whose patterns say which status they mean."""
    rules = tuple(
        replace(rule, on_pod_conditions=tuple(one if one.status else replace(one, status="True") for one in rule.on_pod_conditions))
        for rule in policy.rules
    )
    return replace(policy, rules=rules)


def cronjob_defaults(obj: CronJob) -> CronJob:
    """A CronJob with its defaults; of the Jobs in it only the pods get theirs, as in Kubernetes."""
    spec = obj.spec
    if spec is None:
        return obj
    changes: dict[str, Any] = {}
    if not spec.concurrency_policy:
        changes["concurrency_policy"] = "Allow"
    if spec.suspend is None:
        changes["suspend"] = False
    if spec.successful_jobs_history_limit is None:
        changes["successful_jobs_history_limit"] = SUCCESSFUL_HISTORY_LIMIT
    if spec.failed_jobs_history_limit is None:
        changes["failed_jobs_history_limit"] = FAILED_HISTORY_LIMIT
    if (template := _job_template(spec.job_template)) is not spec.job_template:
        changes["job_template"] = template
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


def _job_template(template: JobTemplateSpec | None) -> JobTemplateSpec | None:
    if template is None or template.spec is None:
        return template
    pods = template_defaults(template.spec.template)
    return template if pods is template.spec.template else replace(template, spec=replace(template.spec, template=pods))
