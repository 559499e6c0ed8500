"""Structs of API group apps, generated from the schema of Kubernetes 1.36 by `python -m callboard.models.codegen`."""

from __future__ import annotations

from typing import Any, ClassVar

from callboard.models.api import core
from callboard.models.api import meta
from callboard.models.base import EMPTY_MAP, FrozenMap, Kind, Model

__all__ = ["ControllerRevision", "DaemonSet", "DaemonSetCondition", "DaemonSetSpec", "DaemonSetStatus", "DaemonSetUpdateStrategy", "Deployment", "DeploymentCondition", "DeploymentSpec", "DeploymentStatus", "DeploymentStrategy", "ReplicaSet", "ReplicaSetCondition", "ReplicaSetSpec", "ReplicaSetStatus", "RollingUpdateDaemonSet", "RollingUpdateDeployment", "RollingUpdateStatefulSetStrategy", "StatefulSet", "StatefulSetCondition", "StatefulSetOrdinals", "StatefulSetPersistentVolumeClaimRetentionPolicy", "StatefulSetSpec", "StatefulSetStatus", "StatefulSetUpdateStrategy"]


class ReplicaSetSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    min_ready_seconds: int | None = None
    replicas: int | None = None
    selector: meta.LabelSelector | None = None
    template: core.PodTemplateSpec | None = None


class ReplicaSetCondition(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    last_transition_time: str = ""
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class ReplicaSetStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    available_replicas: int | None = None
    conditions: tuple[ReplicaSetCondition, ...] = ()
    fully_labeled_replicas: int | None = None
    observed_generation: int | None = None
    ready_replicas: int | None = None
    replicas: int | None = None
    terminating_replicas: int | None = None


class ReplicaSet(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "apps/v1"
    KIND: ClassVar[str] = "ReplicaSet"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: ReplicaSetSpec | None = None
    status: ReplicaSetStatus | None = None


class RollingUpdateDeployment(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class DeploymentStrategy(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    rolling_update: RollingUpdateDeployment | None = None
    type: str = ""


class DeploymentSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    min_ready_seconds: int | None = None
    paused: bool | None = None
    progress_deadline_seconds: int | None = None
    replicas: int | None = None
    revision_history_limit: int | None = None
    selector: meta.LabelSelector | None = None
    strategy: DeploymentStrategy | None = None
    template: core.PodTemplateSpec | None = None


class DeploymentCondition(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    last_transition_time: str = ""
    last_update_time: str = ""
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class DeploymentStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    available_replicas: int | None = None
    collision_count: int | None = None
    conditions: tuple[DeploymentCondition, ...] = ()
    observed_generation: int | None = None
    ready_replicas: int | None = None
    replicas: int | None = None
    terminating_replicas: int | None = None
    unavailable_replicas: int | None = None
    updated_replicas: int | None = None


class Deployment(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "apps/v1"
    KIND: ClassVar[str] = "Deployment"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: DeploymentSpec | None = None
    status: DeploymentStatus | None = None


class StatefulSetOrdinals(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    start: int | None = None


class StatefulSetPersistentVolumeClaimRetentionPolicy(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    when_deleted: str = ""
    when_scaled: str = ""


class RollingUpdateStatefulSetStrategy(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    max_unavailable: int | str | None = None
    partition: int | None = None


class StatefulSetUpdateStrategy(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    rolling_update: RollingUpdateStatefulSetStrategy | None = None
    type: str = ""


class StatefulSetSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    min_ready_seconds: int | None = None
    ordinals: StatefulSetOrdinals | None = None
    persistent_volume_claim_retention_policy: StatefulSetPersistentVolumeClaimRetentionPolicy | None = None
    pod_management_policy: str = ""
    replicas: int | None = None
    revision_history_limit: int | None = None
    selector: meta.LabelSelector | None = None
    service_name: str = ""
    template: core.PodTemplateSpec | None = None
    update_strategy: StatefulSetUpdateStrategy | None = None
    volume_claim_templates: tuple[FrozenMap, ...] = ()


class StatefulSetCondition(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    last_transition_time: str = ""
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class StatefulSetStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    available_replicas: int | None = None
    collision_count: int | None = None
    conditions: tuple[StatefulSetCondition, ...] = ()
    current_replicas: int | None = None
    current_revision: str = ""
    observed_generation: int | None = None
    ready_replicas: int | None = None
    replicas: int | None = None
    update_revision: str = ""
    updated_replicas: int | None = None


class StatefulSet(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "apps/v1"
    KIND: ClassVar[str] = "StatefulSet"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: StatefulSetSpec | None = None
    status: StatefulSetStatus | None = None


class RollingUpdateDaemonSet(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class DaemonSetUpdateStrategy(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    rolling_update: RollingUpdateDaemonSet | None = None
    type: str = ""


class DaemonSetSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    min_ready_seconds: int | None = None
    revision_history_limit: int | None = None
    selector: meta.LabelSelector | None = None
    template: core.PodTemplateSpec | None = None
    update_strategy: DaemonSetUpdateStrategy | None = None


class DaemonSetCondition(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    last_transition_time: str = ""
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class DaemonSetStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    collision_count: int | None = None
    conditions: tuple[DaemonSetCondition, ...] = ()
    current_number_scheduled: int | None = None
    desired_number_scheduled: int | None = None
    number_available: int | None = None
    number_misscheduled: int | None = None
    number_ready: int | None = None
    number_unavailable: int | None = None
    observed_generation: int | None = None
    updated_number_scheduled: int | None = None


class DaemonSet(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "apps/v1"
    KIND: ClassVar[str] = "DaemonSet"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: DaemonSetSpec | None = None
    status: DaemonSetStatus | None = None


class ControllerRevision(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "apps/v1"
    KIND: ClassVar[str] = "ControllerRevision"
    data: FrozenMap | None = None
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    revision: int | None = None
