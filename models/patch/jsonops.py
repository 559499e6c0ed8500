"""JSON patch, RFC 6902: a list of operations, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException
from jsonpointer import JsonPointerException

from callboard.models.base import thaw
from callboard.models.errors import BadRequest, FieldError, Invalid
from callboard.models.schema import describe

MAX_OPERATIONS = 10_000
"""More are refused, as in Kubernetes."""
_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")


def json_ops(tree: Any, ops: Sequence[Any]) -> dict[str, Any]:
    """`tree` after these operations.

    Raises:
        BadRequest: they are no JSON patch.
        Invalid: one can't be carried out (its path is absent, a test fails); says which and why.
    """
    if not isinstance(ops, list | tuple):
        raise BadRequest(f"error decoding patch: expected a list of operations, got {describe(ops)}")
    if len(ops) > MAX_OPERATIONS:
        raise BadRequest(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(ops)}")
    operations = [_checked(thaw(one), index) for index, one in enumerate(ops)]
    out: Any = thaw(tree)
    for operation in operations:
        try:
            out = JsonPatch([operation]).apply(out, in_place=True)
        except (JsonPatchException, JsonPointerException, TypeError, KeyError, IndexError):
            raise _refused(operation) from None  # their own words show the whole document
    if not isinstance(out, dict):
        raise BadRequest(f"after the patch the object is {describe(out)}")
    return out


def _checked(operation: Any, index: int) -> dict[str, Any]:
    if not isinstance(operation, dict):
        raise BadRequest(f"error decoding patch: operation {index} must be an object, got {describe(operation)}")
    kind = operation.get("op")
    if kind not in _OPERATIONS:
        raise BadRequest(f'Unexpected kind: "{kind}"; operation {index} must be one of {", ".join(_OPERATIONS)}')
    for field in ("path", "from") if kind in ("move", "copy") else ("path",):
        pointer = operation.get(field)
        if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
            raise BadRequest(f'{kind} operation {index} needs a "{field}" that begins with a slash, got {describe(pointer)}')
    if kind in ("add", "replace", "test") and "value" not in operation:
        raise BadRequest(f'{kind} operation {index} at "{operation["path"]}" has no value')
    return operation


def _refused(operation: dict[str, Any]) -> Invalid:
    kind, path = operation["op"], operation["path"] if operation["op"] not in ("move", "copy") else operation["from"]
    if kind == "test":
        why = f"testing value {path} failed: test failed"
    else:
        what = "key" if kind == "replace" else "path"
        why = f"{kind} operation does not apply: doc is missing {what}: {path}: missing value"
    return Invalid(f"the server rejected our request due to an error in our request: {why}", None, (FieldError(path, why),))
