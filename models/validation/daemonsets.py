"""DaemonSets: their specs, and what an update may not change. Source: kubernetes pkg/apis/apps/validation/validation.go
(ValidateDaemonSetSpec, ValidateRollingUpdateDaemonSet, ValidateDaemonSetUpdate).
"""

from __future__ import annotations

from callboard.models.api.apps import DaemonSet, DaemonSetSpec, RollingUpdateDaemonSet
from callboard.models.api.core import PodSpec, PodTemplateSpec
from callboard.models.api.meta import LabelSelector
from callboard.models.selectors import compile_selector
from callboard.models.validation import formats, words
from callboard.models.validation.meta import Errors, check_not_negative, check_selector
from callboard.models.validation.pods import check_template

STRATEGIES = ("RollingUpdate", "OnDelete")


def check_daemonset(obj: DaemonSet, old: DaemonSet | None, errors: Errors) -> None:
    """A DaemonSet that is to be created or updated."""
    spec = obj.spec
    if spec is None:
        errors.extend((words.required("spec.selector"), words.required("spec.template")))
        return
    before = old.spec if old is not None else None
    _check_pods(spec.selector, spec.template, before.template if before is not None else None, errors)
    check_not_negative(spec.min_ready_seconds, "spec.minReadySeconds", errors)
    _check_strategy(spec, errors)
    check_not_negative(spec.revision_history_limit, "spec.revisionHistoryLimit", errors)
    if before is not None and spec.selector != before.selector:
        errors.append(words.invalid("spec.selector", spec.selector, words.IMMUTABLE))


def _check_pods(selector: LabelSelector | None, template: PodTemplateSpec | None, old: PodTemplateSpec | None, errors: Errors) -> None:
    if selector is None:
        errors.append(words.required("spec.selector"))
    else:
        check_selector(selector, "spec.selector", errors)
        if not selector.match_labels and not selector.match_expressions:
            errors.append(words.invalid("spec.selector", selector, "empty selector is invalid for daemonset"))
    if template is None:
        errors.append(words.required("spec.template"))
        return
    labels = template.metadata.labels if template.metadata is not None else None
    if selector is not None and not compile_selector(selector).matches(labels or {}):
        errors.append(words.invalid("spec.template.metadata.labels", labels or None, "`selector` does not match template `labels`"))
    if template is old or template == old:
        return  # it was found valid when it was stored
    check_template(template, "spec.template", errors)
    spec = template.spec or PodSpec()
    if spec.restart_policy in ("OnFailure", "Never"):
        errors.append(words.unsupported("spec.template.spec.restartPolicy", spec.restart_policy, ("Always",)))
    if spec.active_deadline_seconds is not None:
        detail = "activeDeadlineSeconds in DaemonSet is not Supported"
        errors.append(words.forbidden("spec.template.spec.activeDeadlineSeconds", detail))


def _check_strategy(spec: DaemonSetSpec, errors: Errors) -> None:
    strategy, path = spec.update_strategy, "spec.updateStrategy"
    if strategy is None or strategy.type not in STRATEGIES:
        errors.append(words.unsupported(path, strategy.type if strategy is not None else "", STRATEGIES))
    elif strategy.type == "RollingUpdate":
        if strategy.rolling_update is None:
            errors.append(words.required(f"{path}.rollingUpdate"))
        else:
            _check_rolling(strategy.rolling_update, f"{path}.rollingUpdate", errors)


def _check_rolling(rolling: RollingUpdateDaemonSet, path: str, errors: Errors) -> None:
    """One of the two limits is given, and only one."""
    unavailable = _share(rolling.max_unavailable, f"{path}.maxUnavailable", errors)
    surge = _share(rolling.max_surge, f"{path}.maxSurge", errors)
    if unavailable and surge:
        errors.append(words.invalid(f"{path}.maxSurge", rolling.max_surge, "may not be set when maxUnavailable is non-zero"))
    elif unavailable == 0 and surge == 0:
        errors.append(words.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))


def _share(value: int | str | None, path: str, errors: Errors) -> int | None:
    """The number of a count or percentage that is not negative; None if it is neither."""
    if not isinstance(value, str):
        check_not_negative(value, path, errors)
        return value or 0
    problems = formats.percent(value)
    errors.extend(words.invalid(path, value, one) for one in problems)
    if problems:
        return None
    share = int(value.removesuffix("%"))
    if share > 100:
        errors.append(words.invalid(path, value, "must not be greater than 100%"))
    return share
