"""Deployments, ReplicaSets and ControllerRevisions. Source: kubernetes pkg/apis/apps/validation."""

from __future__ import annotations

from callboard.models.api.apps import ControllerRevision, Deployment, DeploymentSpec, ReplicaSet, RollingUpdateDeployment
from callboard.models.api.core import PodTemplateSpec
from callboard.models.api.meta import LabelSelector
from callboard.models.selectors import compile_selector
from callboard.models.validation import formats, words
from callboard.models.validation.meta import Errors, check_int32, check_not_negative, check_selector
from callboard.models.validation.pods import check_template

STRATEGIES = ("Recreate", "RollingUpdate")
_MISMATCH = "`selector` does not match template `labels`"
_EMPTY = "empty selector is invalid for deployment"


def check_replicaset(obj: ReplicaSet, old: ReplicaSet | None, errors: Errors) -> None:
    """A ReplicaSet that is to be created or updated."""
    spec = obj.spec
    if spec is None:
        errors.extend((words.required("spec.selector"), words.required("spec.template")))
        return
    check_not_negative(spec.replicas, "spec.replicas", errors)
    check_int32(spec.replicas, "spec.replicas", errors)
    check_not_negative(spec.min_ready_seconds, "spec.minReadySeconds", errors)
    before = old.spec if old is not None else None
    _check_pods(spec.selector, spec.template, before.template if before is not None else None, errors)
    if before is not None:
        _check_selector_kept(spec.selector, before.selector, errors)


def check_deployment(obj: Deployment, old: Deployment | None, errors: Errors) -> None:
    """A Deployment that is to be created or updated."""
    spec = obj.spec
    if spec is None:
        errors.extend((words.required("spec.selector"), words.required("spec.template")))
        return
    check_not_negative(spec.replicas, "spec.replicas", errors)
    check_int32(spec.replicas, "spec.replicas", errors)
    before = old.spec if old is not None else None
    _check_pods(spec.selector, spec.template, before.template if before is not None else None, errors)
    _check_strategy(spec, errors)
    check_not_negative(spec.min_ready_seconds, "spec.minReadySeconds", errors)
    check_not_negative(spec.revision_history_limit, "spec.revisionHistoryLimit", errors)
    deadline_s = spec.progress_deadline_seconds
    if deadline_s is not None:
        check_not_negative(deadline_s, "spec.progressDeadlineSeconds", errors)
        if deadline_s <= (spec.min_ready_seconds or 0):
            errors.append(words.invalid("spec.progressDeadlineSeconds", deadline_s, "must be greater than minReadySeconds"))
    if before is not None:
        _check_selector_kept(spec.selector, before.selector, errors)


def check_controller_revision(obj: ControllerRevision, old: ControllerRevision | None, errors: Errors) -> None:
    """A ControllerRevision that is to be created or updated; of an existing one only the number may change."""
    if obj.data is None:
        errors.append(words.required("data", "data is mandatory"))
    check_not_negative(obj.revision, "revision", errors)
    if old is not None and obj.data != old.data:
        errors.append(words.invalid("data", obj.data, words.IMMUTABLE))


def _check_selector_kept(new: LabelSelector | None, old: LabelSelector | None, errors: Errors) -> None:
    if new != old:
        errors.append(words.invalid("spec.selector", new, words.IMMUTABLE))


def _check_pods(selector: LabelSelector | None, template: PodTemplateSpec | None, old: PodTemplateSpec | None, errors: Errors) -> None:
    if selector is None:
        errors.append(words.required("spec.selector"))
    else:
        check_selector(selector, "spec.selector", errors)
        if not selector.match_labels and not selector.match_expressions:
            errors.append(words.invalid("spec.selector", selector, _EMPTY))
    if template is None:
        errors.append(words.required("spec.template"))
        return
    labels = template.metadata.labels if template.metadata is not None else None
    if selector is not None and not compile_selector(selector).matches(labels or {}):
        errors.append(words.invalid("spec.template.metadata.labels", labels or None, _MISMATCH))
    if template is old or template == old:
        return  # it was found valid when it was stored
    check_template(template, "spec.template", errors)
    spec = template.spec
    if spec is not None and spec.restart_policy in ("OnFailure", "Never"):
        errors.append(words.unsupported("spec.template.spec.restartPolicy", spec.restart_policy, ("Always",)))
    if spec is not None and spec.active_deadline_seconds is not None:
        detail = "activeDeadlineSeconds in ReplicaSet is not Supported"
        errors.append(words.forbidden("spec.template.spec.activeDeadlineSeconds", detail))


def _check_strategy(spec: DeploymentSpec, errors: Errors) -> None:
    strategy = spec.strategy
    path = "spec.strategy"
    if strategy is None or strategy.type not in STRATEGIES:
        errors.append(words.unsupported(f"{path}.type", strategy.type if strategy is not None else "", STRATEGIES))
    elif strategy.type == "Recreate":
        if strategy.rolling_update is not None:
            errors.append(words.forbidden(f"{path}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"))
    elif strategy.rolling_update is None:
        errors.append(words.required(f"{path}.rollingUpdate", "this should be defaulted and never be nil"))
    else:
        _check_rolling(strategy.rolling_update, f"{path}.rollingUpdate", errors)


def _check_rolling(rolling: RollingUpdateDeployment, path: str, errors: Errors) -> None:
    unavailable = _share(rolling.max_unavailable, f"{path}.maxUnavailable", errors)
    surge = _share(rolling.max_surge, f"{path}.maxSurge", errors)
    if unavailable == 0 and surge == 0:
        detail = "may not be 0 when `maxSurge` is 0"
        errors.append(words.invalid(f"{path}.maxUnavailable", rolling.max_unavailable or 0, detail))
    if isinstance(rolling.max_unavailable, str) and unavailable is not None and unavailable > 100:
        errors.append(words.invalid(f"{path}.maxUnavailable", rolling.max_unavailable, "must not be greater than 100%"))


def _share(value: int | str | None, path: str, errors: Errors) -> int | None:
    """The number of a count or percentage that is not negative; None if it is neither."""
    if isinstance(value, str):
        problems = formats.percent(value)
        errors.extend(words.invalid(path, value, one) for one in problems)
        return None if problems else int(value.removesuffix("%"))
    check_not_negative(value, path, errors)
    return value or 0
