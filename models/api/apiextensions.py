"""Structs of API group apiextensions, generated from the schema of Kubernetes 1.36 by `python -m callboard.models.codegen`."""

from __future__ import annotations

from typing import Any, ClassVar

from callboard.models.api import meta
from callboard.models.base import EMPTY_MAP, FrozenMap, Kind, Model

__all__ = ["CustomResourceColumnDefinition", "CustomResourceConversion", "CustomResourceDefinition", "CustomResourceDefinitionCondition", "CustomResourceDefinitionNames", "CustomResourceDefinitionSpec", "CustomResourceDefinitionStatus", "CustomResourceDefinitionVersion", "CustomResourceSubresourceScale", "CustomResourceSubresources", "CustomResourceValidation", "SelectableField", "ServiceReference", "WebhookClientConfig", "WebhookConversion"]


class ServiceReference(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""
    namespace: str = ""
    path: str = ""
    port: int | None = None


class WebhookClientConfig(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    ca_bundle: str = ""
    service: ServiceReference | None = None
    url: str = ""


class WebhookConversion(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    client_config: WebhookClientConfig | None = None
    conversion_review_versions: tuple[str, ...] = ()


class CustomResourceConversion(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    strategy: str = ""
    webhook: WebhookConversion | None = None


class CustomResourceDefinitionNames(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    categories: tuple[str, ...] = ()
    kind: str = ""
    list_kind: str = ""
    plural: str = ""
    short_names: tuple[str, ...] = ()
    singular: str = ""


class CustomResourceColumnDefinition(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    description: str = ""
    format: str = ""
    json_path: str = ""
    name: str = ""
    priority: int | None = None
    type: str = ""


class CustomResourceValidation(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    open_apiv3_schema: FrozenMap | None = None


class SelectableField(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    json_path: str = ""


class CustomResourceSubresourceScale(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    label_selector_path: str = ""
    spec_replicas_path: str = ""
    status_replicas_path: str = ""


class CustomResourceSubresources(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    scale: CustomResourceSubresourceScale | None = None
    status: FrozenMap | None = None


class CustomResourceDefinitionVersion(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    additional_printer_columns: tuple[CustomResourceColumnDefinition, ...] = ()
    deprecated: bool | None = None
    deprecation_warning: str = ""
    name: str = ""
    schema: CustomResourceValidation | None = None
    selectable_fields: tuple[SelectableField, ...] = ()
    served: bool | None = None
    storage: bool | None = None
    subresources: CustomResourceSubresources | None = None


class CustomResourceDefinitionSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    conversion: CustomResourceConversion | None = None
    group: str = ""
    names: CustomResourceDefinitionNames | None = None
    preserve_unknown_fields: bool | None = None
    scope: str = ""
    versions: tuple[CustomResourceDefinitionVersion, ...] = ()


class CustomResourceDefinitionCondition(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    last_transition_time: str = ""
    message: str = ""
    observed_generation: int | None = None
    reason: str = ""
    status: str = ""
    type: str = ""


class CustomResourceDefinitionStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    accepted_names: CustomResourceDefinitionNames | None = None
    conditions: tuple[CustomResourceDefinitionCondition, ...] = ()
    observed_generation: int | None = None
    stored_versions: tuple[str, ...] = ()


class CustomResourceDefinition(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "apiextensions.k8s.io/v1"
    KIND: ClassVar[str] = "CustomResourceDefinition"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: CustomResourceDefinitionSpec | None = None
    status: CustomResourceDefinitionStatus | None = None
