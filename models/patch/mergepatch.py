"""JSON merge patch, RFC 7386."""

from __future__ import annotations

from typing import Any

from callboard.models.base import thaw
from callboard.models.errors import BadRequest
from callboard.models.schema import describe


def merge(tree: Any, patch: Any) -> dict[str, Any]:
    """`tree` with `patch` merged in: maps are merged, null deletes, all else (lists too) replaces.

    Raises:
        BadRequest: the patch is no object.
    """
    if not isinstance(patch, dict):
        raise BadRequest(f"error decoding patch: expected an object, got {describe(patch)}")
    return _merged(tree, patch)


def _merged(tree: Any, patch: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {key: thaw(value) for key, value in tree.items() if key not in patch} if isinstance(tree, dict) else {}
    for key, value in patch.items():
        if isinstance(value, dict):
            out[key] = _merged(tree.get(key) if isinstance(tree, dict) else None, value)
        elif value is not None:
            out[key] = thaw(value)
    return out
