"""CustomResourceDefinitions. Source: apiextensions-apiserver pkg/apis/apiextensions/validation."""

from __future__ import annotations

import re
from typing import Any

from callboard.models.api.apiextensions import CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec
from callboard.models.validation import formats, words
from callboard.models.validation.meta import Errors

SCOPES = ("Cluster", "Namespaced")
TYPES = ("array", "boolean", "integer", "number", "object", "string")
_BELOW = ("properties", "patternProperties")


def check_definition(obj: CustomResourceDefinition, old: CustomResourceDefinition | None, errors: Errors) -> None:
    """A CustomResourceDefinition that is to be created or updated."""
    spec = obj.spec
    if spec is None:
        errors.append(words.required("spec.group"))
        return
    names = spec.names or CustomResourceDefinitionNames()
    if obj.metadata.name != f"{names.plural}.{spec.group}":
        errors.append(words.invalid("metadata.name", obj.metadata.name, 'must be spec.names.plural+"."+spec.group'))
    if not spec.group:
        errors.append(words.required("spec.group"))
    else:
        errors.extend(words.invalid("spec.group", spec.group, one) for one in formats.subdomain(spec.group))
        if "." not in spec.group:
            errors.append(words.invalid("spec.group", spec.group, "should be a domain with at least one dot"))
    if spec.scope not in SCOPES:
        errors.append(words.unsupported("spec.scope", spec.scope, SCOPES) if spec.scope else words.required("spec.scope"))
    _check_names(names, errors)
    _check_versions(spec, errors)
    if old is not None and old.spec is not None:
        _check_kept(spec, old.spec, errors)


def _check_names(names: CustomResourceDefinitionNames, errors: Errors) -> None:
    for field, value in (("plural", names.plural), ("singular", names.singular), ("kind", names.kind), ("listKind", names.list_kind)):
        path = f"spec.names.{field}"
        if not value:
            errors.append(words.required(path))
        else:
            lowered = value.lower() if field in ("kind", "listKind") else value
            errors.extend(words.invalid(path, value, one) for one in formats.label_1035(lowered))
    if names.kind and names.kind == names.list_kind:
        errors.append(words.invalid("spec.names.listKind", names.list_kind, "kind and listKind may not be the same"))
    for field, values in (("shortNames", names.short_names), ("categories", names.categories)):
        for index, value in enumerate(values):
            errors.extend(words.invalid(f"spec.names.{field}[{index}]", value, one) for one in formats.label_1035(value))


def _check_versions(spec: CustomResourceDefinitionSpec, errors: Errors) -> None:
    if not spec.versions:
        errors.append(words.required("spec.versions", "must have at least one version"))
        return
    seen: list[str] = []
    for index, version in enumerate(spec.versions):
        path = f"spec.versions[{index}]"
        errors.extend(words.invalid(f"{path}.name", version.name, one) for one in formats.label_1035(version.name))
        if version.name in seen:
            errors.append(words.invalid(f"{path}.name", version.name, "must be unique"))
        seen.append(version.name)
        schema = version.schema.open_apiv3_schema if version.schema is not None else None
        if not isinstance(schema, dict):
            errors.append(words.required(f"{path}.schema.openAPIV3Schema", "schemas are required"))
            continue
        if schema.get("type") != "object":
            errors.append(words.invalid(f"{path}.schema.openAPIV3Schema.type", schema.get("type", ""), "must be object at the root"))
        check_schema(schema, f"{path}.schema.openAPIV3Schema", errors)
    if sum(version.storage is True for version in spec.versions) != 1:
        names = [version.name for version in spec.versions if version.storage]
        errors.append(words.invalid("spec.versions", names, "must have exactly one version marked as storage version"))


def check_schema(schema: Any, path: str, errors: Errors) -> None:
    """What a schema must be so that objects can be checked, pruned and completed by it."""
    if not isinstance(schema, dict):
        errors.append(words.invalid(path, schema, "must be an object"))
        return
    kind = schema.get("type")
    if kind is not None and kind not in TYPES:
        errors.append(words.unsupported(f"{path}.type", kind, TYPES))
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        try:
            re.compile(pattern)
        except re.error as problem:
            errors.append(words.invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {problem}"))
    if schema.get("uniqueItems"):
        errors.append(
            words.forbidden(f"{path}.uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic")
        )
    if kind == "array" and not isinstance(schema.get("items"), dict):
        errors.append(words.required(f"{path}.items", "must be specified"))
    for field in _BELOW:
        for name, below in (schema.get(field) or {}).items():
            check_schema(below, f"{path}.{field}[{name}]", errors)
    for field in ("items", "not", "additionalProperties"):
        below = schema.get(field)
        if isinstance(below, dict):
            check_schema(below, f"{path}.{field}", errors)
    for field in ("allOf", "anyOf", "oneOf"):
        for index, below in enumerate(schema.get(field) or ()):
            check_schema(below, f"{path}.{field}[{index}]", errors)


def _check_kept(new: CustomResourceDefinitionSpec, old: CustomResourceDefinitionSpec, errors: Errors) -> None:
    fields = [("group", new.group, old.group), ("scope", new.scope, old.scope)]
    if new.names is not None and old.names is not None:
        fields += [("names.plural", new.names.plural, old.names.plural), ("names.kind", new.names.kind, old.names.kind)]
    errors.extend(words.invalid(f"spec.{field}", value, words.IMMUTABLE) for field, value, before in fields if value != before)
