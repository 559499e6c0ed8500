"""Kubernetes' words for each type of field error. Source: apimachinery pkg/util/validation/field/errors.go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from callboard.models.errors import FieldError

NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"
IMMUTABLE = "field is immutable"
NO_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def shown(value: Any) -> str:
    """A value as an error shows it: text in quotes, structs and maps as JSON, nothing as null."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    return msgspec.json.encode(value, order="sorted").decode()


def _body(type_: str, detail: str) -> str:
    return f"{type_}: {detail}" if detail else type_


def required(path: str, detail: str = "") -> FieldError:
    """A field that must be there is not."""
    return FieldError(path, _body("Required value", detail), "FieldValueRequired")


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """A value that breaks a rule."""
    return FieldError(path, _body(f"Invalid value: {shown(value)}", detail), "FieldValueInvalid")


def unsupported(path: str, value: Any, options: Iterable[str]) -> FieldError:
    """A value that is none of the options."""
    listed = ", ".join(shown(option) for option in options)
    return FieldError(path, f"Unsupported value: {shown(value)}: supported values: {listed}", "FieldValueNotSupported")


def duplicate(path: str, value: Any) -> FieldError:
    """A value that must be unique and is not."""
    return FieldError(path, f"Duplicate value: {shown(value)}", "FieldValueDuplicate")


def not_found(path: str, value: Any) -> FieldError:
    """A name of something that the object does not have."""
    return FieldError(path, f"Not found: {shown(value)}", "FieldValueNotFound")


def forbidden(path: str, detail: str) -> FieldError:
    """A field that may not be set or changed here."""
    return FieldError(path, f"Forbidden: {detail}", "FieldValueForbidden")


def too_long(path: str, limit: int) -> FieldError:
    """More than `limit` bytes."""
    return FieldError(path, f"Too long: may not be more than {limit} bytes", "FieldValueTooLong")


def too_many(path: str, count: int, limit: int) -> FieldError:
    """More than `limit` items."""
    return FieldError(path, f"Too many: {count}: must have at most {limit} items", "FieldValueTooMany")


def in_range(low: int, high: int) -> str:
    """`must be between 1 and 65535, inclusive`."""
    return f"must be between {low} and {high}, inclusive"
