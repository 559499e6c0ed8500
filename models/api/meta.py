"""Structs of API group meta, generated from the schema of Kubernetes 1.36 by `python -m callboard.models.codegen`."""

from __future__ import annotations

from typing import Any, ClassVar

from callboard.models.base import EMPTY_MAP, FrozenMap, Kind, Model

__all__ = ["Condition", "LabelSelector", "LabelSelectorRequirement", "ListMeta", "ManagedFieldsEntry", "ObjectMeta", "OwnerReference", "ShardInfo", "Status", "StatusCause", "StatusDetails"]


class ManagedFieldsEntry(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    api_version: str = ""
    fields_type: str = ""
    fields_v1: FrozenMap | None = None
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: str = ""


class OwnerReference(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    api_version: str = ""
    block_owner_deletion: bool | None = None
    controller: bool | None = None
    kind: str = ""
    name: str = ""
    uid: str = ""


class ObjectMeta(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    annotations: FrozenMap = EMPTY_MAP
    creation_timestamp: str = ""
    deletion_grace_period_seconds: int | None = None
    deletion_timestamp: str = ""
    finalizers: tuple[str, ...] = ()
    generate_name: str = ""
    generation: int = 0
    labels: FrozenMap = EMPTY_MAP
    managed_fields: tuple[ManagedFieldsEntry, ...] = ()
    name: str = ""
    namespace: str = ""
    owner_references: tuple[OwnerReference, ...] = ()
    resource_version: int = 0
    self_link: str = ""
    uid: str = ""


class LabelSelectorRequirement(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class LabelSelector(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
    match_labels: FrozenMap = EMPTY_MAP


class Condition(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    last_transition_time: str = ""
    message: str = ""
    observed_generation: int | None = None
    reason: str = ""
    status: str = ""
    type: str = ""


class StatusCause(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    field: str = ""
    message: str = ""
    reason: str = ""


class StatusDetails(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    causes: tuple[StatusCause, ...] = ()
    group: str = ""
    kind: str = ""
    name: str = ""
    retry_after_seconds: int | None = None
    uid: str = ""


class ShardInfo(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    selector: str = ""


class ListMeta(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    continue_: str = ""
    remaining_item_count: int | None = None
    resource_version: str = ""
    self_link: str = ""
    shard_info: ShardInfo | None = None


class Status(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "v1"
    KIND: ClassVar[str] = "Status"
    code: int | None = None
    details: StatusDetails | None = None
    message: str = ""
    metadata: ListMeta = ListMeta()
    reason: str = ""
    status: str = ""
