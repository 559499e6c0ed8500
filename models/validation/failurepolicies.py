"""A Job's podFailurePolicy. Source: kubernetes pkg/apis/batch/validation/validation.go (validatePodFailurePolicy)."""

from __future__ import annotations

from callboard.models.api.batch import (
    JobSpec,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
)
from callboard.models.api.core import PodSpec
from callboard.models.validation import words
from callboard.models.validation.meta import Errors

ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS = ("In", "NotIn")
STATUSES = ("False", "True", "Unknown")
RULES_LIMIT = PATTERNS_LIMIT = 20
VALUES_LIMIT = 255


def check_failure_policy(spec: JobSpec, path: str, errors: Errors) -> None:
    """The podFailurePolicy of a Job's spec, if it has one, and what it asks of the rest of the spec."""
    policy = spec.pod_failure_policy
    if policy is None:
        return
    pods = (spec.template.spec if spec.template is not None else None) or PodSpec()
    if pods.restart_policy != "Never":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(words.invalid(f"{path}.template.spec.restartPolicy", pods.restart_policy, detail))
    if spec.pod_replacement_policy not in ("", "Failed"):
        errors.append(words.unsupported(f"{path}.podReplacementPolicy", spec.pod_replacement_policy, ("Failed",)))
    place = f"{path}.podFailurePolicy.rules"
    if len(policy.rules) > RULES_LIMIT:
        errors.append(words.too_many(place, len(policy.rules), RULES_LIMIT))
    names = tuple(one.name for one in (*pods.containers, *pods.init_containers))
    for number, rule in enumerate(policy.rules):
        _check_rule(rule, names, f"{place}[{number}]", errors)


def _check_rule(rule: PodFailurePolicyRule, names: tuple[str, ...], path: str, errors: Errors) -> None:
    if not rule.action:
        errors.append(words.required(f"{path}.action", f"valid values: {', '.join(ACTIONS)}"))
    elif rule.action == "FailIndex":
        errors.append(words.invalid(f"{path}.action", rule.action, "requires the backoffLimitPerIndex to be set"))
    elif rule.action not in ACTIONS:
        errors.append(words.unsupported(f"{path}.action", rule.action, ACTIONS))
    if rule.on_exit_codes is not None:
        _check_exit_codes(rule.on_exit_codes, names, f"{path}.onExitCodes", errors)
    if len(rule.on_pod_conditions) > PATTERNS_LIMIT:
        errors.append(words.too_many(f"{path}.onPodConditions", len(rule.on_pod_conditions), PATTERNS_LIMIT))
    for number, pattern in enumerate(rule.on_pod_conditions):
        _check_pattern(pattern, f"{path}.onPodConditions[{number}]", errors)
    if rule.on_exit_codes is not None and rule.on_pod_conditions:
        errors.append(words.invalid(path, rule, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if rule.on_exit_codes is None and not rule.on_pod_conditions:
        errors.append(words.invalid(path, rule, "specifying one of OnExitCodes and OnPodConditions is required"))


def _check_exit_codes(wanted: PodFailurePolicyOnExitCodesRequirement, names: tuple[str, ...], path: str, errors: Errors) -> None:
    if not wanted.operator:
        errors.append(words.required(f"{path}.operator", f"valid values: {', '.join(OPERATORS)}"))
    elif wanted.operator not in OPERATORS:
        errors.append(words.unsupported(f"{path}.operator", wanted.operator, OPERATORS))
    if wanted.container_name and wanted.container_name not in names:
        detail = "must be one of the container or initContainer names in the pod template"
        errors.append(words.invalid(f"{path}.containerName", wanted.container_name, detail))
    values, place = wanted.values, f"{path}.values"
    if not values:
        errors.append(words.invalid(place, values, "at least one value is required"))
    elif len(values) > VALUES_LIMIT:
        errors.append(words.too_many(place, len(values), VALUES_LIMIT))
    seen: dict[int, None] = {}
    for number, value in enumerate(values):
        if wanted.operator == "In" and value == 0:
            errors.append(words.invalid(f"{place}[{number}]", value, "must not be 0 for the In operator"))
        if value in seen:
            errors.append(words.duplicate(f"{place}[{number}]", value))
        seen[value] = None
    if list(values) != sorted(values):
        errors.append(words.invalid(place, values, "must be ordered"))


def _check_pattern(pattern: PodFailurePolicyOnPodConditionsPattern, path: str, errors: Errors) -> None:
    if not pattern.type:
        errors.append(words.required(f"{path}.type"))
    if pattern.status not in STATUSES:
        wrong = words.unsupported(f"{path}.status", pattern.status, STATUSES)
        errors.append(wrong if pattern.status else words.required(f"{path}.status", f"valid values: {', '.join(STATUSES)}"))
