"""How errors are told on the command line: in kubectl's words. Source: kubectl pkg/cmd/util/helpers.go (checkErr, StandardErrorMessage)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callboard.models.errors import ApiError, Invalid, NotFound, UnknownKind
from callboard.runtime.face.connection import FROM_CLUSTER


def words_of(error: ApiError) -> str:
    """`Error from server (NotFound): pods "x" not found`, or `error: ...` for what this side found out itself."""
    if isinstance(error, Invalid):
        return _invalid(error)
    answered = FROM_CLUSTER in getattr(error, "__notes__", ()) or (isinstance(error, NotFound) and error.details)
    if answered and not isinstance(error, UnknownKind):
        return f"Error from server ({error.reason}): {error.message}"
    return f"error: {error.message}"


def _invalid(error: Invalid) -> str:
    details: Mapping[str, Any] = error.details or {}
    kind = details.get("kind", "")
    if details.get("group"):
        kind = f"{kind}.{details['group']}"
    if not kind and not details.get("name"):
        return f"The request is invalid: {error.message}"
    head = f'The {kind.partition(".")[0]} "{details.get("name", "")}" is invalid'
    causes = [f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in details.get("causes", ())]
    if not causes:
        return f"{head}: {error.message}"
    return f"{head}: {causes[0]}" if len(causes) == 1 else "\n* ".join([f"{head}: ", *causes])
