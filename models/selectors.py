"""Label and field selectors: kubectl's string forms and the struct form, compiled to small frozen objects.

Sources: apimachinery pkg/labels/selector.go and pkg/fields/selector.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from callboard.models.api.meta import LabelSelector, LabelSelectorRequirement
from callboard.models.base import decode_hook, to_snake
from callboard.models.errors import BadRequest

_KEY = r"(?P<key>[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?)"
_SET = re.compile(rf"{_KEY}\s+(?P<operator>in|notin)\s*\((?P<values>[-A-Za-z0-9_.,\s]*)\)")
_EQUAL = re.compile(rf"{_KEY}\s*(?P<operator>!=|==|=)\s*(?P<value>[-A-Za-z0-9_.]*)")
_COMPARE = re.compile(rf"{_KEY}\s*(?P<operator>[<>])\s*(?P<value>-?[0-9]+)")
_EXISTS = re.compile(rf"(?P<negated>!?)\s*{_KEY}")
_WHOLE = re.compile("-?[0-9]+")
_COMMAS = re.compile(r",(?![^(]*\))")


class Requirement(msgspec.Struct, frozen=True, gc=False):
    """One requirement; `operator` is In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it. NotIn is fulfilled by a missing key, as in Kubernetes."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value is not None and value in self.values
        if self.operator == "NotIn":
            return value is None or value not in self.values
        if self.operator in ("Gt", "Lt"):
            return _is_beyond(value, self.operator, int(self.values[0]))
        return (value is not None) == (self.operator == "Exists")


def _is_beyond(value: str | None, operator: str, limit: int) -> bool:
    """Whether a label is a whole number above (Gt) or below (Lt) the limit."""
    if value is None or not _WHOLE.fullmatch(value):
        return False
    return int(value) > limit if operator == "Gt" else int(value) < limit


class Selector(msgspec.Struct, frozen=True, gc=False):
    """A conjunction of requirements: `pairs` are the equalities, `others` the rest. An empty selector matches everything."""

    pairs: tuple[tuple[str, str], ...] = ()
    others: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil all of it."""
        for key, value in self.pairs:
            if labels.get(key) != value:
                return False
        return all(requirement.matches(labels) for requirement in self.others)

    @property
    def empty(self) -> bool:
        """Whether it selects everything."""
        return not self.pairs and not self.others


EVERYTHING = Selector()
NOTHING = Selector((), (Requirement("", "In"),))
"""Selects nothing: no label is called "" or has one of no values."""


@lru_cache(maxsize=2048)
def parse_labels(text: str) -> Selector:
    """Compile `a=b,c!=d,e in (f,g),h,!i`.

    Raises:
        BadRequest: it is no selector.
    """
    pairs: list[tuple[str, str]] = []
    others: list[Requirement] = []
    for part in (piece.strip() for piece in _COMMAS.split(text) if piece.strip()):
        if (found := _SET.fullmatch(part)) is not None:
            values = tuple(value.strip() for value in found["values"].split(","))
            others.append(Requirement(found["key"], "In" if found["operator"] == "in" else "NotIn", values))
        elif (found := _EQUAL.fullmatch(part)) is not None:
            if found["operator"] == "!=":
                others.append(Requirement(found["key"], "NotIn", (found["value"],)))
            else:
                pairs.append((found["key"], found["value"]))
        elif (found := _COMPARE.fullmatch(part)) is not None:
            others.append(Requirement(found["key"], "Gt" if found["operator"] == ">" else "Lt", (found["value"],)))
        elif (found := _EXISTS.fullmatch(part)) is not None:
            others.append(Requirement(found["key"], "DoesNotExist" if found["negated"] else "Exists"))
        else:
            raise BadRequest(f'unable to parse requirement: "{part}" of the label selector "{text}"; write a=b, a!=b, a in (b,c), a or !a')
    return Selector(tuple(pairs), tuple(others))


def label_selector(tree: Mapping[str, Any]) -> LabelSelector:
    """The struct form of a selector that is given as a tree, as objects hold it that are no structs. Null is as good as absent.

    Raises:
        msgspec.ValidationError: it is none.
    """
    told = _told(tree)
    if isinstance(expressions := told.get("matchExpressions"), list | tuple):
        told["matchExpressions"] = [_told(one) if isinstance(one, Mapping) else one for one in expressions]
    return msgspec.convert(told, LabelSelector, dec_hook=decode_hook)


def _told(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if value is not None}


def compile_selector(selector: LabelSelector | None) -> Selector:
    """Compile the struct form. None selects nothing in Kubernetes, which callers must judge themselves; here it selects everything."""
    if selector is None:
        return EVERYTHING
    return _compiled(tuple(selector.match_labels.items()), selector.match_expressions)


def selector_of(selector: LabelSelector | None) -> Selector:
    """Compile the struct form as Kubernetes reads it in specs: None selects nothing, an empty one everything."""
    return NOTHING if selector is None else compile_selector(selector)


@lru_cache(maxsize=8192)
def _compiled(pairs: tuple[tuple[str, str], ...], expressions: tuple[LabelSelectorRequirement, ...]) -> Selector:
    return Selector(pairs, tuple(Requirement(one.key, one.operator, one.values) for one in expressions))


def selector_of_map(labels: Mapping[str, str]) -> Selector:
    """The selector of a Service or ReplicationController: equalities only."""
    return Selector(tuple(labels.items()))


class FieldSelector(msgspec.Struct, frozen=True, gc=False):
    """A conjunction of (path, equal?, value) on fields of an object."""

    terms: tuple[tuple[tuple[str, ...], bool, str], ...] = ()

    def matches(self, obj: Any) -> bool:
        """Whether an object fulfils all of it."""
        return all((field_value(obj, path) == value) == equal for path, equal, value in self.terms)

    def required(self, *path: str) -> str | None:
        """The value that the field at this path must have, if the selector says so: what an index can use."""
        for own, equal, value in self.terms:
            if equal and own == path:
                return value
        return None


@lru_cache(maxsize=16384)
def parse_fields(text: str) -> FieldSelector:
    """Compile `metadata.name=x,status.phase!=Running`.

    Raises:
        BadRequest: it is no field selector.
    """
    terms = []
    for part in (piece.strip() for piece in text.split(",") if piece.strip()):
        path, operator, value = _split_field(part, text)
        terms.append((tuple(to_snake(name) for name in path.split(".")), operator != "!=", value))
    return FieldSelector(tuple(terms))


def _split_field(part: str, text: str) -> tuple[str, str, str]:
    for operator in ("!=", "==", "="):
        path, found, value = part.partition(operator)
        if found and path:
            return path.strip(), operator, value.strip()
    raise BadRequest(f'invalid selector: "{text}"; can\'t understand "{part}"; write metadata.name=x or status.phase!=Running')


def field_value(obj: Any, path: tuple[str, ...]) -> str:
    """The value of a field as a selector compares it; "" where there is none."""
    value: Any = obj
    for name in path:
        if value is None:
            return ""
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
