"""What a podFailurePolicy makes of failed pods: the first rule that matches decides."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.job.failurepolicy import judged
from callboard.models.api.batch import (
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
)
from callboard.models.api.core import ContainerState, ContainerStateTerminated, ContainerStatus, PodCondition
from callboard.models.base import replace
from tests.actors.job.kit import conditions, counted_out, created, decided, job, pod, status_in


def codes(action: str, operator: str, *values: int, container: str = "") -> PodFailurePolicyRule:
    wanted = PodFailurePolicyOnExitCodesRequirement(operator=operator, values=values, container_name=container)
    return PodFailurePolicyRule(action=action, on_exit_codes=wanted)


def disrupted(action: str, status: str = "True") -> PodFailurePolicyRule:
    pattern = PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget", status=status)
    return PodFailurePolicyRule(action=action, on_pod_conditions=(pattern,))


def failed(*exits: int, disruption: str = "") -> Any:
    """A failed pod whose containers c0, c1... have ended with these codes."""
    made = pod(job(), 0, "Failed")
    statuses = tuple(
        ContainerStatus(name=f"c{number}", state=ContainerState(terminated=ContainerStateTerminated(exit_code=code)))
        for number, code in enumerate(exits)
    )
    present = (PodCondition(type="DisruptionTarget", status=disruption),) if disruption else ()
    return replace(made, status=replace(made.status, container_statuses=statuses, conditions=present))


@pytest.mark.parametrize(
    ("rules", "one", "action"),
    [
        ((), failed(1), "Count"),
        ((codes("FailJob", "In", 1, 2),), failed(2), "FailJob"),
        ((codes("FailJob", "In", 1, 2),), failed(3), "Count"),
        ((codes("FailJob", "NotIn", 1, 2),), failed(3), "FailJob"),
        ((codes("FailJob", "NotIn", 1),), failed(0, 1), "Count"),
        ((codes("FailJob", "In", 1, container="c1"),), failed(1, 0), "Count"),
        ((codes("FailJob", "In", 1, container="c1"),), failed(0, 1), "FailJob"),
        ((disrupted("Ignore"),), failed(1, disruption="True"), "Ignore"),
        ((disrupted("Ignore"),), failed(1, disruption="False"), "Count"),
        ((disrupted("Ignore"), codes("FailJob", "In", 1)), failed(1, disruption="True"), "Ignore"),
        ((codes("Count", "In", 1), codes("FailJob", "In", 1)), failed(1), "Count"),
    ],
)
def test_the_first_rule_that_matches_decides(rules: tuple[PodFailurePolicyRule, ...], one: Any, action: str) -> None:
    assert judged(PodFailurePolicy(rules=rules), one)[0] == action


def test_a_pod_that_fails_its_job_is_counted_and_ends_it() -> None:
    made = job(pod_failure_policy=PodFailurePolicy(rules=(codes("FailJob", "In", 7),)))
    wanted = decided(made, failed(7))
    assert conditions(status_in(wanted)) == [("FailureTarget", "True", "PodFailurePolicy")]
    assert status_in(wanted).uncounted_terminated_pods.failed == ("uid-0",)
    name = failed(7).metadata.name
    message = f"Container c0 for pod default/{name} failed with exit code 7 matching FailJob rule at index 0"
    assert status_in(wanted).conditions[0].message == message


def test_a_pod_that_is_forgiven_loses_its_finalizer_and_another_comes() -> None:
    made = job(backoff_limit=0, pod_failure_policy=PodFailurePolicy(rules=(disrupted("Ignore"),)))
    wanted = decided(made, failed(143, disruption="True"))
    assert counted_out(wanted) == ["uid-0"]
    assert len(created(wanted)) == 1
    assert status_in(wanted).uncounted_terminated_pods.failed == ()
