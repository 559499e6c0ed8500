"""Metadata of all kinds, and label selectors. Source: apimachinery pkg/api/validation/objectmeta.go, pkg/apis/meta/v1/validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from callboard.models.api.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta, OwnerReference
from callboard.models.errors import FieldError
from callboard.models.kinds import Resource
from callboard.models.validation import formats, words

ANNOTATIONS_BYTES = 256 * 1024
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_BANNED_OWNERS = frozenset({("v1", "Event")})
_NAMES: dict[str, Callable[[str], formats.Problems]] = {
    "Namespace": formats.label,
    "Service": formats.label_1035,
    "StatefulSet": formats.label,
    "ClusterTrustBundle": formats.path_segment,
    "IPAddress": formats.path_segment,
}
_RBAC = "rbac.authorization.k8s.io"

Errors = list[FieldError]


def check_meta(obj: Any, resource: Resource, old: Any, errors: Errors) -> None:
    """Everything about `metadata` that a client may set."""
    meta: ObjectMeta = obj.metadata
    check_name = formats.path_segment if resource.group == _RBAC else _NAMES.get(resource.kind, formats.subdomain)
    if meta.generate_name and old is None:
        prefix = formats.masked(meta.generate_name)
        errors.extend(words.invalid("metadata.generateName", meta.generate_name, one) for one in check_name(prefix))
    if not meta.name:
        errors.append(words.required("metadata.name", "name or generateName is required"))
    else:
        errors.extend(words.invalid("metadata.name", meta.name, one) for one in check_name(meta.name))
    if not resource.namespaced:
        if meta.namespace:
            errors.append(words.forbidden("metadata.namespace", "not allowed on this type"))
    elif not meta.namespace:
        errors.append(words.required("metadata.namespace"))
    else:
        errors.extend(words.invalid("metadata.namespace", meta.namespace, one) for one in formats.label(meta.namespace))
    if meta.labels:
        check_labels(meta.labels, "metadata.labels", errors)
    if meta.annotations:
        check_annotations(meta.annotations, "metadata.annotations", errors)
    if meta.owner_references:
        _check_owners(meta.owner_references, errors)
    if meta.finalizers:
        _check_finalizers(meta.finalizers, old, errors)


def check_labels(labels: Mapping[str, str], path: str, errors: Errors) -> None:
    """Keys and values of labels."""
    for key, value in labels.items():
        for one in formats.qualified_name(key):
            errors.append(words.invalid(path, key, one))
        for one in formats.label_value(value):
            errors.append(words.invalid(path, value, one))


def check_annotations(annotations: Mapping[str, str], path: str, errors: Errors) -> None:
    """Keys of annotations, and the size of all together."""
    size = 0
    for key, value in annotations.items():
        for one in formats.qualified_name(key.lower()):
            errors.append(words.invalid(path, key, one))
        size += len(key) + len(value)
    if size * 4 > ANNOTATIONS_BYTES:  # only then may the bytes, at most four a letter, be too many
        size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
        if size > ANNOTATIONS_BYTES:
            errors.append(words.too_long(path, ANNOTATIONS_BYTES))


def _check_owners(references: tuple[OwnerReference, ...], errors: Errors) -> None:
    controller = ""
    for index, one in enumerate(references):
        path = f"metadata.ownerReferences[{index}]"
        for field, value in (("apiVersion", one.api_version), ("kind", one.kind), ("name", one.name), ("uid", one.uid)):
            if not value:
                errors.append(words.required(f"{path}.{field}", "must not be empty"))
        if one.api_version.count("/") > 1 or one.api_version.endswith("/"):
            errors.append(words.invalid(f"{path}.apiVersion", one.api_version, "must be <group>/<version> or <version>"))
        if (one.api_version, one.kind) in _BANNED_OWNERS:
            errors.append(words.invalid(path, one, f"/{one.api_version}, Kind={one.kind} is disallowed from being an owner"))
        if one.controller:
            name = f"{one.kind}/{one.name}"
            if controller:
                detail = f'Only one reference can have Controller set to true. Found "true" in references for {controller} and {name}'
                errors.append(words.invalid("metadata.ownerReferences", references, detail))
            controller = controller or name


def _check_finalizers(finalizers: tuple[str, ...], old: Any, errors: Errors) -> None:
    path = "metadata.finalizers"
    for name in finalizers:
        errors.extend(words.invalid(path, name, one) for one in formats.qualified_name(name))
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        errors.append(words.invalid(path, finalizers, f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"))
    if old is not None and old.metadata.deletion_timestamp:
        added = sorted({name for name in finalizers if name not in old.metadata.finalizers})
        if added:
            listed = "[]string{" + ", ".join(words.shown(name) for name in added) + "}"
            detail = f"no new finalizers can be added if the object is being deleted, found new finalizers {listed}"
            errors.append(words.forbidden(path, detail))


def check_selector(selector: LabelSelector, path: str, errors: Errors) -> None:
    """A label selector in its struct form."""
    check_labels(selector.match_labels, f"{path}.matchLabels", errors)
    for index, one in enumerate(selector.match_expressions):
        _check_requirement(one, f"{path}.matchExpressions[{index}]", errors)


def _check_requirement(one: LabelSelectorRequirement, path: str, errors: Errors) -> None:
    if one.operator in ("In", "NotIn"):
        if not one.values:
            errors.append(words.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif one.operator in ("Exists", "DoesNotExist"):
        if one.values:
            errors.append(words.forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    else:
        errors.append(words.invalid(f"{path}.operator", one.operator, "not a valid selector operator"))
    errors.extend(words.invalid(f"{path}.key", one.key, problem) for problem in formats.qualified_name(one.key))
    for index, value in enumerate(one.values):
        errors.extend(words.invalid(f"{path}.values[{index}]", value, problem) for problem in formats.label_value(value))


INT32_MAX = 2**31 - 1


def check_not_negative(value: int | None, path: str, errors: Errors) -> None:
    """A number that may be absent, but not negative."""
    if value is not None and value < 0:
        errors.append(words.invalid(path, value, words.NEGATIVE))


def check_int32(value: int | None, path: str, errors: Errors) -> None:
    """A number that Kubernetes keeps in 32 bits."""
    if value is not None and value > INT32_MAX:
        errors.append(words.invalid(path, value, f"must be less than or equal to {INT32_MAX}"))
