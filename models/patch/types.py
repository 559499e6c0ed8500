"""How a patch must treat a field: what the schema says about it, and how items of lists are told apart."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from callboard.models.errors import BadRequest
from callboard.models.schema import as_list, definition, describe

DEFAULT_KEYS = {"protocol": "TCP"}
"""What a key of a list is when an item leaves it out (the only such default in the schema's map lists)."""


class FieldType(msgspec.Struct, frozen=True):
    """One field under a strategic merge patch.

    `below` names the definition of the field's value, or of its items ("" if there is none). `merged` tells whether a list is merged
    (else replaced); `key` and `map_keys` tell its items apart, without a `key` they are scalars. `replaced` and `retain_keys` are the
    strategies of the same names, of a map or of a list's items.
    """

    below: str = ""
    merged: bool = False
    key: str = ""
    map_keys: tuple[str, ...] = ()
    replaced: bool = False
    retain_keys: bool = False


UNKNOWN = FieldType()
"""A field of a free-form or user-defined object: maps are merged, lists replaced."""


@lru_cache(maxsize=8192)
def field_type(owner: str, field: str) -> FieldType:
    """The type of a field of the definition named `owner`."""
    type_ = definition(owner).fields.get(field) if owner else None
    if not isinstance(type_, dict):
        return UNKNOWN
    found = as_list(type_)
    if found is None:
        strategies = str(type_.get("strategy", "")).split(",")
        return FieldType(type_.get("ref", ""), replaced="replace" in strategies, retain_keys="retainKeys" in strategies)
    strategies = found.strategy.split(",")
    below = found.item.get("ref", "") if isinstance(found.item, dict) else ""
    return FieldType(below, "merge" in strategies, found.merge_key, found.map_keys, retain_keys="retainKeys" in strategies)


def merge_key(item: Any, type_: FieldType) -> Any:
    """What tells an item of a merged list of maps from the others.

    Raises:
        BadRequest: it is no map, or lacks the key.
    """
    if not isinstance(item, dict):
        raise BadRequest(f"expected an object with the field {type_.key} in a list, got {describe(item)}")
    value = item.get(type_.key)
    if value is None or isinstance(value, dict | list | tuple):
        raise BadRequest(f"map: {describe_map(item)} does not contain declared merge key: {type_.key}")
    return value


def identities(lists: tuple[Any, ...], type_: FieldType) -> Any:
    """The function that tells items of these lists apart.

    That is the merge key; but where one list has it twice (port 53 over TCP and UDP), it is all keys that the schema names, where
    Kubernetes would lose one of the two (kubernetes#39188).
    """
    for items in lists:
        keys = [merge_key(item, type_) for item in items]
        if len(frozenset(keys)) != len(keys):
            return lambda item: (merge_key(item, type_), *(item.get(name, DEFAULT_KEYS.get(name)) for name in type_.map_keys))
    return lambda item: merge_key(item, type_)


def describe_map(tree: Any) -> str:
    """A map as Go prints it: `map[name:x port:80]`."""
    if isinstance(tree, dict):
        return f"map[{' '.join(f'{key}:{describe_map(tree[key])}' for key in sorted(tree, key=str))}]"
    if isinstance(tree, list | tuple):
        return f"[{' '.join(describe_map(one) for one in tree)}]"
    return "<nil>" if tree is None else str(tree).lower() if isinstance(tree, bool) else str(tree)
