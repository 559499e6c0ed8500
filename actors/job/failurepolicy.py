"""What a Job's podFailurePolicy says of a failed pod: it fails the whole Job, counts for nothing, or counts as usual. Pure.

Source: kubernetes pkg/controller/job/pod_failure_policy.go (matchPodFailurePolicy).
"""

from __future__ import annotations

from collections.abc import Iterator

from callboard.models.api.batch import PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule
from callboard.models.api.core import Pod

FAIL_JOB, IGNORE, COUNT = "FailJob", "Ignore", "Count"


def judged(policy: PodFailurePolicy | None, pod: Pod) -> tuple[str, str]:
    """The action of the first rule that matches a pod that counts as failed, with the reason in Kubernetes' words. `Count`, "" if no rule
    does."""
    if policy is None:
        return COUNT, ""
    meta = pod.metadata
    for number, rule in enumerate(policy.rules):
        place = f"{rule.action} rule at index {number}"
        if rule.on_exit_codes is not None:
            for name, code in _failures(rule.on_exit_codes, pod):
                return rule.action, f"Container {name} for pod {meta.namespace}/{meta.name} failed with exit code {code} matching {place}"
        elif type_ := _has_condition(rule, pod):
            return rule.action, f"Pod {meta.namespace}/{meta.name} has condition {type_} matching {place}"
    return COUNT, ""


def _failures(wanted: PodFailurePolicyOnExitCodesRequirement, pod: Pod) -> Iterator[tuple[str, int]]:
    """The containers that have ended in failure with such a code, with the codes. Code 0 is no failure, whatever the operator is."""
    statuses = (*pod.status.container_statuses, *pod.status.init_container_statuses) if pod.status is not None else ()
    for one in statuses:
        ended = one.state.terminated if one.state is not None else None
        if ended is None or not ended.exit_code or wanted.container_name not in ("", one.name):
            continue
        if (ended.exit_code in wanted.values) == (wanted.operator == "In"):
            yield one.name, ended.exit_code


def _has_condition(rule: PodFailurePolicyRule, pod: Pod) -> str:
    """The type of the first condition of a pod that a rule names; "" if it has none of them."""
    conditions = pod.status.conditions if pod.status is not None else ()
    for wanted in rule.on_pod_conditions:
        if any(one.type == wanted.type and one.status == (wanted.status or "True") for one in conditions):
            return wanted.type
    return ""
