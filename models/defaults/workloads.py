"""Defaults of Deployments and ReplicaSets. Source: kubernetes 1.36 pkg/apis/apps/v1/defaults.go."""

from __future__ import annotations

from typing import Any

from callboard.models.api.apps import Deployment, DeploymentSpec, DeploymentStrategy, ReplicaSet, RollingUpdateDeployment
from callboard.models.base import replace
from callboard.models.defaults.pods import template_defaults

REPLICAS = 1
REVISION_HISTORY_LIMIT = 10
PROGRESS_DEADLINE_S = 600
MAX_SURGE = MAX_UNAVAILABLE = "25%"
_ROLLING = RollingUpdateDeployment(max_surge=MAX_SURGE, max_unavailable=MAX_UNAVAILABLE)
_STRATEGY = DeploymentStrategy(type="RollingUpdate", rolling_update=_ROLLING)


def replicaset_defaults(obj: ReplicaSet) -> ReplicaSet:
    """A ReplicaSet with its defaults."""
    spec = obj.spec
    if spec is None:
        return obj
    changes: dict[str, Any] = {}
    if spec.replicas is None:
        changes["replicas"] = REPLICAS
    if (template := template_defaults(spec.template)) is not spec.template:
        changes["template"] = template
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


def deployment_defaults(obj: Deployment) -> Deployment:
    """A Deployment with its defaults."""
    spec = obj.spec
    if spec is None:
        return obj
    changes: dict[str, Any] = {}
    if spec.replicas is None:
        changes["replicas"] = REPLICAS
    if spec.revision_history_limit is None:
        changes["revision_history_limit"] = REVISION_HISTORY_LIMIT
    if spec.progress_deadline_seconds is None:
        changes["progress_deadline_seconds"] = PROGRESS_DEADLINE_S
    if (strategy := _strategy(spec)) is not spec.strategy:
        changes["strategy"] = strategy
    if (template := template_defaults(spec.template)) is not spec.template:
        changes["template"] = template
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


def _strategy(spec: DeploymentSpec) -> DeploymentStrategy:
    strategy = spec.strategy
    if strategy is None:
        return _STRATEGY
    if strategy.type not in ("", "RollingUpdate"):
        return strategy
    rolling = strategy.rolling_update
    if strategy.type and rolling is not None and rolling.max_surge is not None and rolling.max_unavailable is not None:
        return strategy
    if rolling is None:
        rolling = _ROLLING
    else:
        surge = MAX_SURGE if rolling.max_surge is None else rolling.max_surge
        rolling = replace(rolling, max_surge=surge, max_unavailable=_unavailable(rolling))
    return replace(strategy, type="RollingUpdate", rolling_update=rolling)


def _unavailable(rolling: RollingUpdateDeployment) -> int | str:
    return MAX_UNAVAILABLE if rolling.max_unavailable is None else rolling.max_unavailable
