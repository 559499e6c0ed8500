"""What `kubectl apply` does: a change of what a user manages, that leaves alone what others have written meanwhile.

Sources: CreateThreeWayMergePatch in apimachinery pkg/util/strategicpatch/patch.go, and jsonmergepatch for user-defined kinds. There the
patch is computed and then applied; here the outcome is computed at once.
"""

from __future__ import annotations

from typing import Any

from callboard.models.base import thaw
from callboard.models.patch.order import normalized
from callboard.models.patch.types import FieldType, field_type, identities


def three_way(current: Any, modified: Any, original: Any, definition: str) -> dict[str, Any]:
    """`current` made to say what `modified` says, without what `original` said and `modified` no longer does.

    `original` is what was applied last (None or {}: nothing). `definition` names the schema definition, whose merge keys match the items of
    lists; "" replaces lists whole.

    Raises:
        BadRequest: an item of a list lacks its merge key.
    """
    return _map(_dict(current), _dict(modified), _dict(original), definition, retain_keys=False)


def _dict(tree: Any) -> dict[str, Any]:
    return tree if isinstance(tree, dict) else {}


def _map(current: dict[str, Any], modified: dict[str, Any], original: dict[str, Any], owner: str, *, retain_keys: bool) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field, value in current.items():
        if field not in modified and field not in original and not retain_keys:
            out[field] = thaw(value)
        elif modified.get(field) is not None:
            out[field] = _value(value, modified[field], original.get(field), field_type(owner, field))
    for field, value in modified.items():
        if value is not None and field not in out:
            out[field] = _value(None, value, original.get(field), field_type(owner, field))
    return out


def _value(current: Any, modified: Any, original: Any, type_: FieldType) -> Any:
    if isinstance(modified, dict):
        now = {} if type_.replaced else _dict(current)
        return _map(now, modified, _dict(original), type_.below, retain_keys=type_.retain_keys)
    if not isinstance(modified, list | tuple):
        return modified
    if not type_.merged:
        return thaw(modified)
    now_listed = current if isinstance(current, list | tuple) else ()
    once_listed = original if isinstance(original, list | tuple) else ()
    if not type_.key:
        return _scalars(list(now_listed), list(modified), list(once_listed))
    return _items(list(now_listed), list(modified), list(once_listed), type_)


def _scalars(current: list[Any], modified: list[Any], original: list[Any]) -> list[Any]:
    kept = [one for one in current if one in modified or one not in original]
    merged = list(dict.fromkeys([*kept, *modified]))
    return normalized(merged, modified, current, lambda one: one)


def _items(current: list[Any], modified: list[Any], original: list[Any], type_: FieldType) -> list[Any]:
    identity = identities((current, modified, original), type_)
    wanted = {identity(item): item for item in modified}
    if len(wanted) != len(modified):
        return [thaw(item) for item in modified]  # even all keys don't tell the items apart, so nothing can be merged
    now = {identity(item): item for item in current}
    once = {identity(item): item for item in original}
    merged = [thaw(item) for key, item in now.items() if key not in wanted and key not in once]
    for key, item in wanted.items():
        merged.append(_map(now.get(key, {}), item, once.get(key, {}), type_.below, retain_keys=type_.retain_keys))
    return normalized(merged, list(wanted), [identity(item) for item in current], identity)
