"""The schema of Kubernetes 1.36 at run time: names, types and merge keys, from a condensed data file that is read at first use.

Used for strict checks of what users write, for strategic merge patches, and for the table of kinds. Made by `callboard.models.codegen`.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from callboard.models.errors import FieldError
from callboard.models.quantity import parse_quantity


class ListType(msgspec.Struct, frozen=True):
    """A list field: type of its items, and how a strategic merge patch treats it."""

    item: Any
    merge_key: str = ""
    strategy: str = ""
    list_type: str = "atomic"
    map_keys: tuple[str, ...] = ()


class Definition(msgspec.Struct, frozen=True):
    """One definition: type by wire name, and which are required. `fields` is empty for free-form ones."""

    fields: dict[str, Any]
    required: tuple[str, ...] = ()


class _File(msgspec.Struct):
    kinds: list[dict[str, Any]]
    definitions: dict[str, msgspec.Raw]


@cache
def _file() -> _File:
    data = files("callboard.models").joinpath("data/schema-1.36.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(data), type=_File)


def kinds_of_schema() -> list[dict[str, Any]]:
    """The kinds that the schema declares, as the data file has them."""
    return _file().kinds


@cache
def definition(name: str) -> Definition:
    """A definition by its full name; one without fields is free-form."""
    raw = _file().definitions.get(name)
    tree: dict[str, Any] = msgspec.json.decode(raw) if raw is not None else {}
    return Definition(tree.get("p", {}), tuple(tree.get("r", ())))


def as_list(type_: Any) -> ListType | None:
    """A list type as a struct, or None if it is no list."""
    if not isinstance(type_, dict) or "list" not in type_:
        return None
    return ListType(
        type_["list"], type_.get("key", ""), type_.get("strategy", ""), type_.get("type", "atomic"), tuple(type_.get("keys", ()))
    )


def check_tree(tree: Any, name: str) -> tuple[FieldError, ...]:
    """Everything that is wrong with the types and names of a plain tree, against a definition. apiVersion and kind pass."""
    errors: list[FieldError] = []
    _check_struct(tree, name, "", errors)
    return tuple(errors)


def _check_struct(tree: Any, name: str, path: str, errors: list[FieldError]) -> None:
    known = definition(name)
    if not known.fields:
        return
    if not isinstance(tree, dict):
        errors.append(FieldError(path, f"expected an object, got {describe(tree)}", "FieldValueTypeInvalid"))
        return
    for field, value in tree.items():
        below = f"{path}.{field}" if path else str(field)
        type_ = known.fields.get(field)
        if type_ is None:
            errors.append(FieldError(below, f'unknown field "{below}"', "FieldValueUnknown"))
        elif value is not None:
            _check_value(value, type_, below, errors)
    for field in known.required:
        if tree.get(field) is None:
            errors.append(FieldError(f"{path}.{field}" if path else field, "Required value", "FieldValueRequired"))


def _check_value(value: Any, type_: Any, path: str, errors: list[FieldError]) -> None:
    if isinstance(type_, dict):
        if "ref" in type_:
            _check_struct(value, type_["ref"], path, errors)
        elif "list" in type_:
            _check_list(value, type_["list"], path, errors)
        else:
            _check_map(value, type_["map"], path, errors)
        return
    problem = _SCALARS[type_](value)
    if problem:
        errors.append(FieldError(path, f"expected {problem}, got {describe(value)}", "FieldValueTypeInvalid"))


def _check_list(value: Any, item: Any, path: str, errors: list[FieldError]) -> None:
    if not isinstance(value, list | tuple):
        errors.append(FieldError(path, f"expected a list, got {describe(value)}", "FieldValueTypeInvalid"))
        return
    for index, one in enumerate(value):
        _check_value(one, item, f"{path}[{index}]", errors)


def _check_map(value: Any, inner: Any, path: str, errors: list[FieldError]) -> None:
    if not isinstance(value, dict):
        errors.append(FieldError(path, f"expected a map, got {describe(value)}", "FieldValueTypeInvalid"))
        return
    for key, one in value.items():
        below = f"{path}.{key}" if path else str(key)
        if not isinstance(key, str):
            errors.append(FieldError(below, f"expected text as key, got {describe(key)}", "FieldValueTypeInvalid"))
        elif one is not None or inner != "string":
            _check_value(one, inner, below, errors)


def describe(value: Any) -> str:
    """A value as an error shows it: `string "x"`, `integer 3`, `a list`."""
    if isinstance(value, str):
        return f'string "{value}"' if len(value) <= 64 else "a long string"
    if isinstance(value, bool):
        return f"boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"{'integer' if isinstance(value, int) else 'number'} {value}"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else "nothing" if value is None else type(value).__name__


INT64_MAX = 2**63 - 1


def _integer(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return "" if -INT64_MAX - 1 <= value <= INT64_MAX else "integer of at most 64 bits"
    return "integer"


def _number(value: Any) -> str:
    return "" if isinstance(value, int | float) and not isinstance(value, bool) else "number"


def _quantity(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "quantity"
    try:
        parse_quantity(value)
    except ValueError:
        return "quantity such as 250m, 512Mi or 2"
    return ""


_SCALARS: dict[str, Any] = {
    "any": lambda value: "",
    "string": lambda value: "" if isinstance(value, str) else "string",
    "boolean": lambda value: "" if isinstance(value, bool) else "boolean",
    "integer": _integer,
    "number": _number,
    "quantity": _quantity,
    "intstr": lambda value: "" if isinstance(value, int | str) and not isinstance(value, bool) else "integer or string",
}
