"""Columns of user-defined kinds: their `additionalPrinterColumns`.

Source: apiextensions-apiserver pkg/registry/customresource/tableconvertor.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.models.api.apiextensions import CustomResourceColumnDefinition
from callboard.models.base import thaw
from callboard.models.columns.column import AGE, NAME, Column, Value
from callboard.models.columns.jsonpath import find
from callboard.models.look import Look
from callboard.models.spans import INVALID, age, epoch_s


def user_columns(definitions: tuple[CustomResourceColumnDefinition, ...]) -> tuple[Column, ...]:
    """NAME and the columns that the kind's definition adds; NAME and AGE if it adds none."""
    if not definitions:
        return (NAME, AGE)
    return (NAME, *(_column(one) for one in definitions))


def _column(definition: CustomResourceColumnDefinition) -> Column:
    def read(obj: Look, now_s: float) -> Value:
        return _cell(next(find(obj.tree, definition.json_path), None), definition.type, now_s)

    return Column(
        definition.name,
        read,
        (definition.priority or 0) > 0,
        definition.type,
        definition.format,
        definition.description or f"The value at {definition.json_path}.",
    )


def _cell(value: Any, type_: str, now_s: float) -> Value:
    """The first value at the path, if it is of the column's type; else nothing."""
    if value is None:
        return None
    if type_ == "string":
        return _printed(value)
    if type_ == "date":
        if not isinstance(value, str):
            return None
        return age(value, now_s) if not value or epoch_s(value) is not None else INVALID
    if type_ == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if type_ == "integer" and abs(value) < 2**63 else float(value) if isinstance(value, float) else value


def _printed(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        return msgspec.json.encode(thaw(value)).decode()
    return str(value)
