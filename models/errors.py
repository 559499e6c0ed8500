"""What can be wrong with a request: Kubernetes' own reasons, codes and words, as exceptions and as `Status` bodies.

Raised by pure functions of this room and at the edge (`Cluster`, `Simulation`, the command line); between components the same travels as
the message `Refused`. Source of the texts: apimachinery pkg/api/errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from callboard.models.base import FrozenMap, freeze


class FieldError(msgspec.Struct, frozen=True, gc=False):
    """One thing wrong at one place: the path of the field, Kubernetes' type of error, and the words."""

    path: str
    message: str
    reason: str = "FieldValueInvalid"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ApiError(Exception):
    """Base of all refusals of the API. `code` and `reason` are Kubernetes'; `details` is the rest of the Status body."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(self, message: str, details: FrozenMap | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def to_status(self) -> dict[str, Any]:
        """Kubernetes' Status body as a plain tree."""
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message}
        body["reason"] = self.reason
        if self.details:
            body["details"] = dict(self.details)
        return {**body, "code": self.code}


class BadRequest(ApiError):
    """The request can't be understood."""

    code, reason = 400, "BadRequest"


class Forbidden(ApiError):
    """The request is understood, and not allowed."""

    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    """There is no such object."""

    code, reason = 404, "NotFound"


class UnknownKind(NotFound):
    """Neither the schema nor a stored CustomResourceDefinition declares this kind."""


class MethodNotAllowed(ApiError):
    """This can't be done with resources of that kind, or not now."""

    code, reason = 405, "MethodNotAllowed"


class AlreadyExists(ApiError):
    """There is an object of this name already."""

    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    """The object has changed since it was read, or is another one."""

    code, reason = 409, "Conflict"


class Gone(ApiError):
    """The revision asked for has been compacted."""

    code, reason = 410, "Expired"


class Invalid(ApiError):
    """The object is not valid; `causes` names each field."""

    code, reason = 422, "Invalid"

    def __init__(self, message: str, details: FrozenMap | None = None, causes: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message, details)
        self.causes = causes


class TooManyRequests(ApiError):
    """The server has too much to do; try again later."""

    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    """Something is wrong with the server."""


class Unavailable(ApiError):
    """Nobody can serve this now."""

    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    """No answer in time; the outcome is unknown."""

    code, reason = 504, "Timeout"


class WaitTimeout(ApiError):
    """What was waited for did not happen in time; says what was last seen."""

    code, reason = 504, "WaitTimeout"


class YamlError(BadRequest):
    """Text that is no YAML; the message begins with file:line:column."""


_BY_REASON: dict[str, type[ApiError]] = {
    kind.reason: kind
    for kind in (
        BadRequest,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        AlreadyExists,
        Conflict,
        Gone,
        Invalid,
        TooManyRequests,
        InternalError,
        Unavailable,
        Timeout,
    )
}
_BY_CODE: dict[int, type[ApiError]] = {kind.code: kind for kind in reversed(list(_BY_REASON.values())) if kind is not AlreadyExists}


def error_of(code: int, reason: str, message: str, details: Any = None) -> ApiError:
    """The exception for a refusal that came as a message or a Status body."""
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code, InternalError)
    return kind(message, freeze(details) if details else None)


def _details(resource: str, name: str, causes: Iterable[FieldError] = ()) -> FrozenMap:
    plural, _, group = resource.partition(".")
    tree: dict[str, Any] = {"name": name, "group": group, "kind": plural}
    listed = [{"reason": cause.reason, "message": cause.message, "field": cause.path} for cause in causes]
    if listed:
        tree["causes"] = listed
    frozen: FrozenMap = freeze({key: value for key, value in tree.items() if value})
    return frozen


def not_found(resource: str, name: str) -> NotFound:
    """`pods "x" not found`."""
    return NotFound(f'{resource} "{name}" not found', _details(resource, name))


def already_exists(resource: str, name: str) -> AlreadyExists:
    """`deployments.apps "web" already exists`."""
    return AlreadyExists(f'{resource} "{name}" already exists', _details(resource, name))


def conflict(resource: str, name: str, why: str = "") -> Conflict:
    """The optimistic lock's refusal, or another precondition's."""
    words = why or "the object has been modified; please apply your changes to the latest version and try again"
    return Conflict(f'Operation cannot be fulfilled on {resource} "{name}": {words}', _details(resource, name))


def forbidden(resource: str, name: str, why: str) -> Forbidden:
    """`pods "x" is forbidden: ...`."""
    return Forbidden(f'{resource} "{name}" is forbidden: {why}', _details(resource, name))


def invalid(kind: str, group: str, name: str, causes: tuple[FieldError, ...]) -> Invalid:
    """`Deployment.apps "web" is invalid: spec.replicas: ...`; several causes stand in brackets."""
    listed = ", ".join(str(cause) for cause in causes)
    words = listed if len(causes) == 1 else f"[{listed}]"
    full = f"{kind}.{group}" if group else kind
    details = _details(full, name, causes)
    return Invalid(f'{full} "{name}" is invalid: {words}', details, causes)


def gone(revision: int, oldest: int) -> Gone:
    """`too old resource version: 1 (5)`."""
    return Gone(f"too old resource version: {revision} ({oldest})")
