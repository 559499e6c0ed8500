"""Values against a structural openAPIV3Schema, in the words of kube-openapi's validator. Used through `userdefined` and `validation`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from callboard.models import times
from callboard.models.errors import FieldError
from callboard.models.validation import words

Errors = list[FieldError]
INT_OR_STRING = "x-kubernetes-int-or-string"
_INTEGER_BITS = {"int32": 31, "int64": 63}


def check(tree: Any, schema: Mapping[str, Any], path: str = "") -> tuple[FieldError, ...]:
    """Everything that is wrong with a tree; paths begin with `path`."""
    errors: Errors = []
    _check(tree, schema, path, errors)
    return tuple(errors)


def _check(value: Any, schema: Mapping[str, Any], path: str, errors: Errors) -> None:
    if value is None:
        if not schema.get("nullable") and schema.get("type"):
            errors.append(_mistyped(path, "null", str(schema["type"])))
        return
    problem = _type_problem(value, schema)
    if problem:
        errors.append(_mistyped(path, _name(value), problem))
        return
    options = schema.get("enum")
    if options and not any(_equal(value, option) for option in options):
        errors.append(words.unsupported(path, value, options))
    if isinstance(value, dict):
        _check_map(value, schema, path, errors)
    elif isinstance(value, list | tuple):
        _check_list(value, schema, path, errors)
    elif isinstance(value, str):
        _check_text(value, schema, path, errors)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(value, schema, path, errors)
    if any(field in schema for field in ("allOf", "anyOf", "oneOf", "not")):
        _check_logic(value, schema, path, errors)


def _mistyped(path: str, got: str, wanted: str) -> FieldError:
    detail = f"{path} in body must be of type {wanted}: {words.shown(got)}"
    return FieldError(path, f"Invalid value: {words.shown(got)}: {detail}", "FieldValueTypeInvalid")


def _wrong(path: str, value: Any, rule: str) -> FieldError:
    return words.invalid(path, value, f"{path} in body {rule}")


def _name(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "object" if isinstance(value, dict) else "array"


def _type_problem(value: Any, schema: Mapping[str, Any]) -> str:
    """The type that was wanted, if the value has another one."""
    if schema.get(INT_OR_STRING):
        return "" if isinstance(value, int | str) and not isinstance(value, bool) else "integer or string"
    wanted = schema.get("type")
    found = _name(value)
    if not wanted or wanted == found or (wanted == "number" and found == "integer"):
        return ""
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        return ""
    return str(wanted)


def _equal(value: Any, option: Any) -> bool:
    return bool(value == option) and isinstance(value, bool) == isinstance(option, bool)


def _check_map(value: dict[str, Any], schema: Mapping[str, Any], path: str, errors: Errors) -> None:
    for name in schema.get("required") or ():
        if name not in value:
            errors.append(words.required(f"{path}.{name}" if path else str(name)))
    low, high = schema.get("minProperties"), schema.get("maxProperties")
    if low is not None and len(value) < low:
        errors.append(_wrong(path, len(value), f"should have at least {low} properties"))
    if high is not None and len(value) > high:
        errors.append(words.too_many(path, len(value), high))
    known = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    for key, one in value.items():
        below = known.get(key, others)
        if isinstance(below, Mapping):
            _check(one, below, f"{path}.{key}" if path else str(key), errors)


def _check_list(value: Any, schema: Mapping[str, Any], path: str, errors: Errors) -> None:
    low, high = schema.get("minItems"), schema.get("maxItems")
    if low is not None and len(value) < low:
        errors.append(_wrong(path, len(value), f"should have at least {low} items"))
    if high is not None and len(value) > high:
        errors.append(words.too_many(path, len(value), high))
    items = schema.get("items")
    if isinstance(items, Mapping):
        for index, one in enumerate(value):
            _check(one, items, f"{path}[{index}]", errors)
    kind = schema.get("x-kubernetes-list-type")
    if kind == "set":
        _check_unique(value, list(value), path, errors)
    elif kind == "map":
        keys = schema.get("x-kubernetes-list-map-keys") or ()
        _check_unique(value, [{key: one.get(key) for key in keys} if isinstance(one, dict) else one for one in value], path, errors)


def _check_unique(value: Any, identities: list[Any], path: str, errors: Errors) -> None:
    seen: dict[str, None] = {}
    for index, identity in enumerate(identities):
        text = words.shown(identity)
        if text in seen:
            errors.append(words.duplicate(f"{path}[{index}]", identity))
        seen[text] = None


def _check_text(value: str, schema: Mapping[str, Any], path: str, errors: Errors) -> None:
    low, high, pattern = schema.get("minLength"), schema.get("maxLength"), schema.get("pattern")
    if low is not None and len(value) < low:
        errors.append(_wrong(path, value, f"should be at least {low} chars long"))
    if high is not None and len(value) > high:
        errors.append(words.too_long(path, high))
    if pattern is not None and not _compiled(pattern).search(value):
        errors.append(_wrong(path, value, f"should match '{pattern}'"))
    if schema.get("format") == "date-time":
        try:
            times.parse(value)
        except ValueError:
            errors.append(_wrong(path, value, f"must be of type date-time: {words.shown(value)}"))


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _check_number(value: float, schema: Mapping[str, Any], path: str, errors: Errors) -> None:
    low, high, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if low is not None:
        if schema.get("exclusiveMinimum") and value <= low:
            errors.append(_wrong(path, value, f"should be greater than {low}"))
        elif value < low:
            errors.append(_wrong(path, value, f"should be greater than or equal to {low}"))
    if high is not None:
        if schema.get("exclusiveMaximum") and value >= high:
            errors.append(_wrong(path, value, f"should be less than {high}"))
        elif value > high:
            errors.append(_wrong(path, value, f"should be less than or equal to {high}"))
    if step and not math.isclose(math.remainder(value, step), 0.0, abs_tol=1e-9):
        errors.append(_wrong(path, value, f"should be a multiple of {step}"))
    bits = _INTEGER_BITS.get(schema.get("format") or "")
    if bits is not None and not -(2**bits) <= value < 2**bits:
        errors.append(_wrong(path, value, f"must be of type {schema['format']}"))


def _check_logic(value: Any, schema: Mapping[str, Any], path: str, errors: Errors) -> None:
    for below in schema.get("allOf") or ():
        _check(value, below, path, errors)
    any_of, one_of, no = schema.get("anyOf"), schema.get("oneOf"), schema.get("not")
    if any_of and not any(not check(value, below, path) for below in any_of):
        errors.append(words.invalid(path, value, f"{words.shown(path)} must validate at least one schema (anyOf)"))
    if one_of:
        valid = sum(not check(value, below, path) for below in one_of)
        if valid != 1:
            found = "Found none valid" if not valid else f"Found {valid} valid alternatives"
            errors.append(words.invalid(path, value, f"{words.shown(path)} must validate one and only one schema (oneOf). {found}"))
    if no is not None and not check(value, no, path):
        errors.append(words.invalid(path, value, f"{words.shown(path)} must not validate the schema (not)"))
