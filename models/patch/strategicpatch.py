"""Strategic merge patch: lists are merged by the keys that the schema names. Source: apimachinery pkg/util/strategicpatch/patch.go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.models.base import thaw
from callboard.models.errors import BadRequest
from callboard.models.patch.mergepatch import merge
from callboard.models.patch.order import normalized
from callboard.models.patch.types import FieldType, describe_map, field_type, identities
from callboard.models.schema import describe

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM_LIST = "$deleteFromPrimitiveList/"
ELEMENT_ORDER = "$setElementOrder/"


def strategic(tree: Any, patch: Any, definition: str) -> dict[str, Any]:
    """`tree` with `patch` merged in, by the schema definition of this name; "" (a kind without one) is a plain merge patch.

    Raises:
        BadRequest: the patch is no object, or a directive or list item of it has no sense.
    """
    if not definition:
        return merge(tree, patch)
    if not isinstance(patch, dict):
        raise BadRequest(f"error decoding patch: expected an object, got {describe(patch)}")
    return _map(tree if isinstance(tree, dict) else {}, patch, definition)


def _map(tree: dict[str, Any], patch: dict[str, Any], owner: str) -> dict[str, Any]:
    if DIRECTIVE in patch:
        return _directed(patch)
    kept = _retained(tree, patch)
    orders = {key.removeprefix(ELEMENT_ORDER): value for key, value in patch.items() if key.startswith(ELEMENT_ORDER)}
    removals = {key.removeprefix(DELETE_FROM_LIST): value for key, value in patch.items() if key.startswith(DELETE_FROM_LIST)}
    out: dict[str, Any] = {key: value for key, value in kept.items() if key not in patch}
    for field, removed in removals.items():
        if isinstance(kept.get(field), list | tuple):
            out[field] = [one for one in kept[field] if one not in _list(removed, field)]
    for field, value in patch.items():
        if value is None or field.startswith("$") or _deletes_nothing(value, kept.get(field)):
            continue
        old = out[field] if field in removals and field in out else kept.get(field)
        out[field] = _value(old, value, field_type(owner, field), orders.get(field), field)
    for field, order in orders.items():
        if field in out and patch.get(field) is None:
            out[field] = _ordered(out[field], kept[field], order, field_type(owner, field), field)
    return {key: thaw(value) for key, value in out.items()}


def _deletes_nothing(value: Any, old: Any) -> bool:
    return isinstance(value, dict) and value.get(DIRECTIVE) == "delete" and not isinstance(old, dict)


def _directed(patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch[DIRECTIVE]
    if directive == "replace":
        return {key: _plain(value) for key, value in patch.items() if key != DIRECTIVE}
    if directive == "delete":
        return {}
    raise BadRequest(f"unknown patch type '{directive}' in map: {describe_map(patch)}")


def _retained(tree: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    names = patch.get(RETAIN_KEYS)
    if names is None:
        return tree
    listed = _list(names, RETAIN_KEYS)
    if any(not key.startswith("$") and key not in listed and value is not None for key, value in patch.items()):
        raise BadRequest(f"invalid patch format of retainKeys: {describe_map(names)} must name every field of {describe_map(patch)}")
    return {key: value for key, value in tree.items() if key in listed}


def _value(old: Any, new: Any, type_: FieldType, order: Any, field: str) -> Any:
    if isinstance(new, dict):
        if isinstance(old, dict) and not type_.replaced:
            return _map(old, new, type_.below)
        return _map({}, new, type_.below)
    if not isinstance(new, list | tuple):
        return new
    if not type_.merged:
        return _plain(new)
    former = list(old) if isinstance(old, list | tuple) else []
    if not type_.key:
        return _scalars(former, list(new), order, field)
    return _items(former, list(new), type_, order, field)


def _scalars(former: list[Any], new: list[Any], order: Any, field: str) -> list[Any]:
    merged = list(dict.fromkeys([*former, *(_scalar(one, field) for one in new)]))
    wanted = _list(order, ELEMENT_ORDER + field) if order is not None else new
    return normalized(merged, wanted, former, lambda one: one)


def _scalar(value: Any, field: str) -> Any:
    if isinstance(value, dict | list | tuple):
        raise BadRequest(f"expected a scalar in the list {field}, got {describe(value)}")
    return value


def _items(former: list[Any], new: list[Any], type_: FieldType, order: Any, field: str) -> list[Any]:
    changes: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    replaced = False
    for item in new:
        directive = item.get(DIRECTIVE) if isinstance(item, dict) else None
        if directive == "delete":
            gone.append(item)
        elif directive == "replace":
            replaced = True
        elif directive in (None, "merge"):
            changes.append({key: value for key, value in item.items() if key != DIRECTIVE} if directive else item)
        else:
            raise BadRequest(f"unknown patch type '{directive}' in map: {describe_map(item)}")
    if replaced:
        return [_plain(item) for item in changes]
    identity = identities((former, changes), type_)
    merged = {identity(item): item for item in former}
    for item in gone:
        for key in [key for key, one in merged.items() if _same(one, item, type_)]:
            del merged[key]
    for item in changes:
        key = identity(item)
        merged[key] = _map(merged.get(key, {}), item, type_.below)
    wanted = [identity(item) for item in changes]
    if order is not None:
        return _ordered(list(merged.values()), former, order, type_, field)
    return normalized(list(merged.values()), wanted, [identity(item) for item in former], identity)


def _same(item: dict[str, Any], deletion: dict[str, Any], type_: FieldType) -> bool:
    """Whether a deletion means this item: by the merge key, and by other keys of the list where the deletion names them."""
    if item.get(type_.key) != deletion.get(type_.key):
        return False
    return all(name not in deletion or item.get(name) == deletion[name] for name in type_.map_keys)


def _ordered(merged: Any, former: Any, order: Any, type_: FieldType, field: str) -> list[Any]:
    wanted = _list(order, ELEMENT_ORDER + field)
    key = type_.key
    identity: Callable[[Any], Any] = (lambda one: one.get(key) if isinstance(one, dict) else one) if key else (lambda one: one)
    return normalized(list(merged), [identity(one) for one in wanted], [identity(one) for one in former], identity)


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise BadRequest(f"expected a list at {name}, got {describe(value)}")
    return list(value)


def _plain(value: Any) -> Any:
    """A new value without directives and nulls, which have nothing to act on."""
    if isinstance(value, dict):
        return _map({}, value, "")
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value if not (isinstance(one, dict) and one.get(DIRECTIVE) == "delete")]
    return value
