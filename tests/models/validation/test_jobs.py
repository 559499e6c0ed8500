"""Jobs and CronJobs get Kubernetes' defaults; those that break a rule are refused in its own words, and so are forbidden changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.base import FrozenMap, replace
from callboard.models.defaults import with_defaults
from callboard.models.jobs import CONTROLLER_UID, with_generated_selector

Reader = Callable[[str], Any]
Checker = Callable[..., list[str]]

JOB = """
apiVersion: batch/v1
kind: Job
metadata: {{name: sum, namespace: default, uid: u-1}}
spec:
  {fields}
  template:
    metadata: {{labels: {labels}}}
    spec: {{{pods} containers: [{{name: sum, image: busybox}}]}}
"""
CRON = """
apiVersion: batch/v1
kind: CronJob
metadata: {{name: {name}, namespace: default}}
spec:
  schedule: "{schedule}"
  {fields}
  jobTemplate:
    spec:
      {inner}
      template:
        spec: {{restartPolicy: Never, containers: [{{name: sum, image: busybox}}]}}
"""


def job(fields: str = "", labels: str = "{}", pods: str = "restartPolicy: Never,") -> str:
    return JOB.format(fields=fields, labels=labels, pods=pods)


def policy(rule: str, restarts: str = "Never") -> str:
    """A Job whose podFailurePolicy has one rule."""
    return job(f"podFailurePolicy: {{rules: [{rule}]}}", pods=f"restartPolicy: {restarts},")


def cron_job(schedule: str = "*/5 * * * *", fields: str = "", inner: str = "", name: str = "nightly") -> str:
    return CRON.format(schedule=schedule, fields=fields, inner=inner, name=name)


@pytest.fixture
def admitted(read: Reader) -> Reader:
    """A new Job as admission completes it."""
    return lambda text: with_defaults(with_generated_selector(read(text)))


def test_a_job_gets_kubernetes_defaults_and_a_selector_of_its_own(admitted: Reader) -> None:
    made = admitted(job())
    spec = made.spec
    assert (spec.completions, spec.parallelism, spec.backoff_limit, spec.completion_mode) == (1, 1, 6, "NonIndexed")
    assert (spec.suspend, spec.manual_selector, spec.pod_replacement_policy) == (False, False, "TerminatingOrFailed")
    assert spec.selector.match_labels == {CONTROLLER_UID: "u-1"}
    labels = {
        "batch.kubernetes.io/controller-uid": "u-1",
        "batch.kubernetes.io/job-name": "sum",
        "controller-uid": "u-1",
        "job-name": "sum",
    }
    assert spec.template.metadata.labels == labels == made.metadata.labels


def test_a_job_whose_completions_are_not_counted_keeps_them_so(admitted: Reader) -> None:
    spec = admitted(job("parallelism: 3")).spec
    assert (spec.completions, spec.parallelism) == (None, 3)
    assert admitted(job("completions: 3")).spec.parallelism == 1


def test_a_failure_policy_waits_for_ends_and_means_conditions_that_are_true(admitted: Reader, problems: Checker) -> None:
    made = admitted(policy("{action: Ignore, onPodConditions: [{type: DisruptionTarget}]}"))
    assert made.spec.pod_replacement_policy == "Failed"
    assert made.spec.pod_failure_policy.rules[0].on_pod_conditions[0].status == "True"
    assert problems(made) == []


def test_a_selector_by_hand_is_left_alone(admitted: Reader, problems: Checker) -> None:
    made = admitted(job("manualSelector: true\n  selector: {matchLabels: {app: sum}}", "{app: sum}"))
    assert made.spec.selector.match_labels == {"app": "sum"}
    assert problems(made) == []


def test_a_cron_job_gets_kubernetes_defaults(stored: Reader, problems: Checker) -> None:
    made = stored(cron_job())
    spec = made.spec
    assert (spec.concurrency_policy, spec.suspend) == ("Allow", False)
    assert (spec.successful_jobs_history_limit, spec.failed_jobs_history_limit) == (3, 1)
    assert spec.job_template.spec.template.spec.termination_grace_period_seconds == 30
    assert spec.job_template.spec.backoff_limit is None
    assert problems(made) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (job(pods=""), 'spec.template.spec.restartPolicy: Unsupported value: "Always": supported values: "OnFailure", "Never"'),
        (job("parallelism: -1"), "spec.parallelism: Invalid value: -1: must be greater than or equal to 0"),
        (job("completions: -1"), "spec.completions: Invalid value: -1: must be greater than or equal to 0"),
        (job("backoffLimit: -1"), "spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0"),
        (job("activeDeadlineSeconds: -1"), "spec.activeDeadlineSeconds: Invalid value: -1"),
        (job("ttlSecondsAfterFinished: -1"), "spec.ttlSecondsAfterFinished: Invalid value: -1"),
        (job("completionMode: Sorted"), 'spec.completionMode: Unsupported value: "Sorted": supported values: "Indexed", "NonIndexed"'),
        (job("completionMode: Indexed\n  parallelism: 1"), "spec.completions: Required value: when completion mode is Indexed"),
        (job("podReplacementPolicy: Never"), 'spec.podReplacementPolicy: Unsupported value: "Never"'),
        (job("selector: {matchLabels: {app: sum}}", "{app: sum}"), "`selector` not auto-generated"),
        (job(labels="{job-name: other}"), "must be 'sum'"),
        (job("manualSelector: true"), "spec.selector: Required value"),
        (job("manualSelector: true\n  selector: {matchLabels: {a: b}}"), "`selector` does not match template `labels`"),
        (job("managedBy: me"), 'must be a domain-prefixed path (such as "acme.io/foo")'),
        (job("successPolicy: {rules: []}"), "spec.successPolicy: Forbidden: Callboard's Job controller doesn't act on successPolicy"),
        (policy("{action: Ignore}"), "specifying one of OnExitCodes and OnPodConditions is required"),
        (policy("{action: Stop, onPodConditions: [{type: X}]}"), 'Unsupported value: "Stop": supported values: "Count"'),
        (policy("{action: FailIndex, onPodConditions: [{type: X}]}"), "requires the backoffLimitPerIndex to be set"),
        (policy("{action: Count, onExitCodes: {operator: In, values: [0]}}"), "must not be 0 for the In operator"),
        (policy("{action: Count, onExitCodes: {operator: In, values: [3, 2]}}"), "must be ordered"),
        (policy("{action: Count, onExitCodes: {operator: In, values: []}}"), "at least one value is required"),
        (policy("{action: Count, onExitCodes: {operator: Of, values: [1]}}"), 'supported values: "In", "NotIn"'),
        (policy("{action: Count, onExitCodes: {operator: In, values: [1], containerName: x}}"), "must be one of the container or init"),
        (policy("{action: Count, onPodConditions: [{status: 'True'}]}"), "onPodConditions[0].type: Required value"),
        (policy("{action: Count, onPodConditions: [{type: X}]}", "OnFailure"), 'only "Never" is supported when podFailurePolicy'),
        (job("backoffLimitPerIndex: 1"), "spec.backoffLimitPerIndex: Forbidden"),
    ],
)
def test_a_job_that_breaks_a_rule_is_refused(admitted: Reader, problems: Checker, text: str, problem: str) -> None:
    found = problems(admitted(text))
    assert any(problem in one for one in found), found


def test_an_indexed_job_whose_pods_would_have_no_host_name_is_refused(admitted: Reader, problems: Checker) -> None:
    text = job("completionMode: Indexed\n  completions: 1000").replace("name: sum,", f"name: {'s' * 60},", 1)
    assert any("will not able to create pod with invalid DNS label" in one for one in problems(admitted(text)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (cron_job("* * * *"), 'spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]'),
        (cron_job("TZ=UTC 0 0 * * *"), "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
        (cron_job(""), "spec.schedule: Required value"),
        (cron_job(fields="timeZone: Nowhere"), 'spec.timeZone: Invalid value: "Nowhere": unknown time zone Nowhere'),
        (cron_job(fields="timeZone: Local"), "timeZone must be an explicit time zone"),
        (cron_job(fields="concurrencyPolicy: Maybe"), 'supported values: "Allow", "Forbid", "Replace"'),
        (cron_job(fields="startingDeadlineSeconds: -1"), "spec.startingDeadlineSeconds: Invalid value: -1"),
        (cron_job(fields="failedJobsHistoryLimit: -1"), "spec.failedJobsHistoryLimit: Invalid value: -1"),
        (cron_job(inner="selector: {}"), "spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be auto-generated"),
        (cron_job(inner="parallelism: -1"), "spec.jobTemplate.spec.parallelism: Invalid value: -1"),
        (cron_job(name="n" * 53), "must be no more than 52 characters"),
    ],
)
def test_a_cron_job_that_breaks_a_rule_is_refused(stored: Reader, problems: Checker, text: str, problem: str) -> None:
    found = problems(stored(text))
    assert any(problem in one for one in found), found


def changed(made: Any, **spec: Any) -> Any:
    return replace(made, spec=replace(made.spec, **spec))


def test_what_a_job_is_about_can_not_change(admitted: Reader, problems: Checker) -> None:
    made = admitted(job("completions: 2"))
    other = replace(made.spec.template, metadata=replace(made.spec.template.metadata, annotations=FrozenMap({"a": "b"})))
    for change, field in (({"completions": 3}, "completions"), ({"selector": None}, "selector"), ({"template": other}, "template")):
        found = problems(changed(made, **change), made)
        assert any(one.startswith(f"spec.{field}") for one in found), found
    assert problems(changed(made, parallelism=5, suspend=True, backoff_limit=1, active_deadline_seconds=9), made) == []


def test_where_pods_run_can_change_until_a_suspended_job_has_begun(admitted: Reader, problems: Checker) -> None:
    made = admitted(job("suspend: true"))
    spec = made.spec.template.spec
    moved = replace(made.spec.template, spec=replace(spec, node_selector=FrozenMap({"disk": "ssd"})))
    assert problems(changed(made, template=moved, suspend=False), made) == []
    running = changed(made, suspend=False)
    assert any("field is immutable" in one for one in problems(changed(running, template=moved), running))


def test_an_indexed_job_grows_with_its_parallelism(admitted: Reader, problems: Checker) -> None:
    made = admitted(job("completionMode: Indexed\n  completions: 2\n  parallelism: 2"))
    assert problems(changed(made, completions=4, parallelism=4), made) == []
    assert any("in tandem" in one for one in problems(changed(made, completions=4), made))
