"""StatefulSets: their specs, and what an update may not change. Source: kubernetes pkg/apis/apps/validation/validation.go
(ValidateStatefulSetSpec, ValidateStatefulSetUpdate), which for historical reasons doesn't look into the template beyond its metadata, its
restart policy and its deadline; what else is wrong there is told of the pods.
"""

from __future__ import annotations

from callboard.models.api.apps import RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec
from callboard.models.api.core import PodSpec, PodTemplateSpec
from callboard.models.api.meta import LabelSelector
from callboard.models.base import replace
from callboard.models.selectors import compile_selector
from callboard.models.validation import formats, words
from callboard.models.validation.meta import Errors, check_annotations, check_int32, check_labels, check_not_negative, check_selector

POLICIES = ("OrderedReady", "Parallel")
STRATEGIES = ("RollingUpdate", "OnDelete")
RETENTIONS = ("Retain", "Delete")
CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "update_strategy",
    "revision_history_limit",
    "persistent_volume_claim_retention_policy",
    "min_ready_seconds",
)
FORBIDDEN_CHANGE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
    "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def check_statefulset(obj: StatefulSet, old: StatefulSet | None, errors: Errors) -> None:
    """A StatefulSet that is to be created or updated."""
    spec = obj.spec
    if spec is None:
        errors.extend((words.required("spec.selector"), words.required("spec.template")))
        return
    if spec.pod_management_policy not in POLICIES:
        detail = f"must be '{POLICIES[0]}' or '{POLICIES[1]}'"
        errors.append(words.invalid("spec.podManagementPolicy", spec.pod_management_policy, detail))
    _check_strategy(spec, errors)
    _check_retention(spec, errors)
    check_not_negative(spec.replicas, "spec.replicas", errors)
    check_int32(spec.replicas, "spec.replicas", errors)
    check_not_negative(spec.min_ready_seconds, "spec.minReadySeconds", errors)
    check_not_negative(spec.revision_history_limit, "spec.revisionHistoryLimit", errors)
    if spec.ordinals is not None:
        check_not_negative(spec.ordinals.start, "spec.ordinals.start", errors)
    _check_selector(spec.selector, errors)
    _check_template(spec.selector, spec.template, errors)
    _check_claims(spec, errors)
    if old is not None and old.spec is not None:
        kept = replace(spec, **{field: getattr(old.spec, field) for field in CHANGEABLE})
        if kept != old.spec:
            errors.append(words.forbidden("spec", FORBIDDEN_CHANGE))


def _check_strategy(spec: StatefulSetSpec, errors: Errors) -> None:
    strategy, path = spec.update_strategy, "spec.updateStrategy"
    if strategy is None or not strategy.type:
        errors.append(words.required(path))
    elif strategy.type not in STRATEGIES:
        errors.append(words.invalid(path, strategy, f"must be '{STRATEGIES[0]}' or '{STRATEGIES[1]}'"))
    elif strategy.rolling_update is not None:
        if strategy.type == "OnDelete":
            detail = f"only allowed for updateStrategy '{STRATEGIES[0]}'"
            errors.append(words.invalid(f"{path}.rollingUpdate", strategy.rolling_update, detail))
        else:
            _check_rolling(strategy.rolling_update, f"{path}.rollingUpdate", errors)


def _check_rolling(rolling: RollingUpdateStatefulSetStrategy, path: str, errors: Errors) -> None:
    check_not_negative(rolling.partition, f"{path}.partition", errors)
    most, place = rolling.max_unavailable, f"{path}.maxUnavailable"
    if most is None:
        return
    if isinstance(most, str):
        problems = formats.percent(most)
        errors.extend(words.invalid(place, most, one) for one in problems)
        share = 0 if problems else int(most.removesuffix("%"))
        if share > 100:
            errors.append(words.invalid(place, most, "must not be greater than 100%"))
    else:
        check_not_negative(most, place, errors)
        share = most
    if share == 0:
        errors.append(words.invalid(place, most, "cannot be 0"))


def _check_retention(spec: StatefulSetSpec, errors: Errors) -> None:
    policy, path = spec.persistent_volume_claim_retention_policy, "spec.persistentVolumeClaimRetentionPolicy"
    if policy is None:
        return
    for field, value in (("whenDeleted", policy.when_deleted), ("whenScaled", policy.when_scaled)):
        if value not in RETENTIONS:
            errors.append(words.unsupported(f"{path}.{field}", value, RETENTIONS))


def _check_selector(selector: LabelSelector | None, errors: Errors) -> None:
    if selector is None:
        errors.append(words.required("spec.selector"))
        return
    check_selector(selector, "spec.selector", errors)
    if not selector.match_labels and not selector.match_expressions:
        errors.append(words.invalid("spec.selector", selector, "empty selector is invalid for statefulset"))


def _check_template(selector: LabelSelector | None, template: PodTemplateSpec | None, errors: Errors) -> None:
    path = "spec.template"
    if template is None:
        errors.append(words.required(path))
        return
    meta = template.metadata
    labels = meta.labels if meta is not None else None
    if selector is not None and not compile_selector(selector).matches(labels or {}):
        errors.append(words.invalid(f"{path}.metadata.labels", labels or None, "`selector` does not match template `labels`"))
    if meta is not None:
        check_labels(meta.labels, f"{path}.labels", errors)
        check_annotations(meta.annotations, f"{path}.annotations", errors)
    pod = template.spec or PodSpec()
    if pod.restart_policy != "Always":
        errors.append(words.unsupported(f"{path}.spec.restartPolicy", pod.restart_policy, ("Always",)))
    if pod.active_deadline_seconds is not None:
        detail = "activeDeadlineSeconds in StatefulSet is not Supported"
        errors.append(words.forbidden(f"{path}.spec.activeDeadlineSeconds", detail))


def _check_claims(spec: StatefulSetSpec, errors: Errors) -> None:
    """Claim templates are not validated in Kubernetes, but one without a name can't be referred to."""
    for index, claim in enumerate(spec.volume_claim_templates):
        name = (claim.get("metadata") or {}).get("name")
        if not isinstance(name, str) or not name:
            errors.append(words.required(f"spec.volumeClaimTemplates[{index}].metadata.name"))
