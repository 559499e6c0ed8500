"""Objects of user-defined kinds against their own openAPIV3Schema: pruned, and completed with defaults, before `validate`.

Called by the apiserver. Trees are frozen; the very same one comes back if nothing changes. Rules in CEL (x-kubernetes-validations) are
stored and not evaluated. Source: apiextensions-apiserver pkg/apiserver/schema (pruning, defaulting).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.generic import GenericObject
from callboard.models.validation.structural import check

PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
ROOT_FIELDS = ("apiVersion", "kind", "metadata")


def completed(obj: GenericObject, schema: Mapping[str, Any] | None) -> GenericObject:
    """A user-defined object without the fields that its schema does not know, and with the schema's defaults."""
    if not schema:
        return obj
    content = apply_defaults(prune(obj.content, schema), schema)
    return obj if content is obj.content else replace(obj, content=content)


def prune(tree: Any, schema: Mapping[str, Any]) -> Any:
    """A tree without the fields that the schema does not know. apiVersion, kind and metadata stay at the root."""
    return _pruned(tree, schema, root=True)


def _pruned(tree: Any, schema: Any, *, root: bool = False) -> Any:
    if not isinstance(schema, Mapping):
        return tree
    if isinstance(tree, dict):
        return _pruned_map(tree, schema, root or bool(schema.get(EMBEDDED)))
    items = schema.get("items")
    if isinstance(tree, list | tuple) and isinstance(items, Mapping):
        out = [_pruned(one, items) for one in tree]
        return tree if all(new is old for new, old in zip(out, tree, strict=True)) else tuple(out)
    return tree


def _pruned_map(tree: dict[str, Any], schema: Mapping[str, Any], root: bool) -> Any:
    known = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    keep_all = bool(schema.get(PRESERVE)) or others is True or others == {}
    out: dict[str, Any] = {}
    for key, value in tree.items():
        if root and key in ROOT_FIELDS:
            out[key] = value
        elif key in known:
            out[key] = _pruned(value, known[key])
        elif isinstance(others, Mapping) and others:
            out[key] = _pruned(value, others)
        elif keep_all:
            out[key] = value
    same = len(out) == len(tree) and all(out[key] is value for key, value in tree.items())
    return tree if same else FrozenMap(out)


def apply_defaults(tree: Any, schema: Mapping[str, Any]) -> Any:
    """A tree with the schema's defaults; a null where the schema allows none and has a default counts as absent."""
    if isinstance(tree, dict):
        return _completed_map(tree, schema)
    items = schema.get("items")
    if isinstance(tree, list | tuple) and isinstance(items, Mapping):
        out = [apply_defaults(one, items) for one in tree]
        return tree if all(new is old for new, old in zip(out, tree, strict=True)) else tuple(out)
    return tree


def _completed_map(tree: dict[str, Any], schema: Mapping[str, Any]) -> Any:
    changes: dict[str, Any] = {}
    known = schema.get("properties") or {}
    for name, below in known.items():
        if not isinstance(below, Mapping):
            continue
        value = tree.get(name)
        if value is None and "default" in below and (name not in tree or not below.get("nullable")):
            value = freeze(below["default"])
        if value is not None:
            new = apply_defaults(value, below)
            if new is not tree.get(name):
                changes[name] = new
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping):
        for name, value in tree.items():
            if name not in known and (new := apply_defaults(value, others)) is not value:
                changes[name] = new
    return FrozenMap({**tree, **changes}) if changes else tree


__all__ = ["apply_defaults", "check", "completed", "prune"]
