"""Defaults of Deployments, ReplicaSets, StatefulSets and DaemonSets. Source: kubernetes 1.36 pkg/apis/apps/v1/defaults.go."""

from __future__ import annotations

from typing import Any

from callboard.models.api.apps import (
    DaemonSet,
    DaemonSetUpdateStrategy,
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    ReplicaSet,
    RollingUpdateDaemonSet,
    RollingUpdateDeployment,
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetUpdateStrategy,
)
from callboard.models.base import FrozenMap, replace
from callboard.models.defaults.pods import template_defaults

REPLICAS = 1
REVISION_HISTORY_LIMIT = 10
PROGRESS_DEADLINE_S = 600
MAX_SURGE = MAX_UNAVAILABLE = "25%"
_ROLLING = RollingUpdateDeployment(max_surge=MAX_SURGE, max_unavailable=MAX_UNAVAILABLE)
_STRATEGY = DeploymentStrategy(type="RollingUpdate", rolling_update=_ROLLING)
_RETAIN = StatefulSetPersistentVolumeClaimRetentionPolicy(when_deleted="Retain", when_scaled="Retain")


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


def statefulset_defaults(obj: StatefulSet) -> StatefulSet:
    """A StatefulSet with its defaults."""
    spec = obj.spec
    if spec is None:
        return obj
    changes: dict[str, Any] = {}
    if not spec.pod_management_policy:
        changes["pod_management_policy"] = "OrderedReady"
    if (strategy := _stateful_strategy(spec.update_strategy)) is not spec.update_strategy:
        changes["update_strategy"] = strategy
    if (policy := _retention(spec.persistent_volume_claim_retention_policy)) is not spec.persistent_volume_claim_retention_policy:
        changes["persistent_volume_claim_retention_policy"] = policy
    if spec.replicas is None:
        changes["replicas"] = REPLICAS
    if spec.revision_history_limit is None:
        changes["revision_history_limit"] = REVISION_HISTORY_LIMIT
    if (template := template_defaults(spec.template)) is not spec.template:
        changes["template"] = template
    claims = tuple(_claim(one) for one in spec.volume_claim_templates)
    if any(new is not old for new, old in zip(claims, spec.volume_claim_templates, strict=True)):
        changes["volume_claim_templates"] = claims
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


def _stateful_strategy(strategy: StatefulSetUpdateStrategy | None) -> StatefulSetUpdateStrategy:
    strategy = strategy or StatefulSetUpdateStrategy()
    rolling = strategy.rolling_update
    if not strategy.type:
        rolling = rolling or RollingUpdateStatefulSetStrategy()
        strategy = replace(strategy, type="RollingUpdate", rolling_update=rolling)
    if strategy.type == "RollingUpdate" and rolling is not None and rolling.partition is None:
        return replace(strategy, rolling_update=replace(rolling, partition=0))
    return strategy


def daemonset_defaults(obj: DaemonSet) -> DaemonSet:
    """A DaemonSet with its defaults."""
    spec = obj.spec
    if spec is None:
        return obj
    changes: dict[str, Any] = {}
    if (strategy := _daemon_strategy(spec.update_strategy)) is not spec.update_strategy:
        changes["update_strategy"] = strategy
    if spec.revision_history_limit is None:
        changes["revision_history_limit"] = REVISION_HISTORY_LIMIT
    if (template := template_defaults(spec.template)) is not spec.template:
        changes["template"] = template
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


def _daemon_strategy(strategy: DaemonSetUpdateStrategy | None) -> DaemonSetUpdateStrategy:
    strategy = strategy or DaemonSetUpdateStrategy()
    if strategy.type not in ("", "RollingUpdate"):
        return strategy
    rolling = strategy.rolling_update or RollingUpdateDaemonSet()
    if strategy.type and rolling.max_unavailable is not None and rolling.max_surge is not None:
        return strategy
    unavailable = 1 if rolling.max_unavailable is None else rolling.max_unavailable
    surge = 0 if rolling.max_surge is None else rolling.max_surge
    return replace(strategy, type="RollingUpdate", rolling_update=replace(rolling, max_unavailable=unavailable, max_surge=surge))


def _retention(policy: StatefulSetPersistentVolumeClaimRetentionPolicy | None) -> StatefulSetPersistentVolumeClaimRetentionPolicy:
    if policy is None:
        return _RETAIN
    if policy.when_deleted and policy.when_scaled:
        return policy
    return replace(policy, when_deleted=policy.when_deleted or "Retain", when_scaled=policy.when_scaled or "Retain")


def _claim(claim: FrozenMap) -> FrozenMap:
    """A claim template with its kind, its volumeMode and the phase that a claim begins with, as Kubernetes shows them."""
    spec, status = claim.get("spec") or FrozenMap(), claim.get("status") or FrozenMap()
    if claim.get("kind") and claim.get("apiVersion") and spec.get("volumeMode") and status.get("phase"):
        return claim
    return FrozenMap(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            **claim,
            "spec": FrozenMap({"volumeMode": "Filesystem", **spec}),
            "status": FrozenMap({"phase": "Pending", **status}),
        }
    )
