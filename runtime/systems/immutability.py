"""Whether a message can be changed by those who share it. Asked by simulations for everything that is sent."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import is_dataclass
from datetime import date, time, timedelta, tzinfo
from fractions import Fraction
from operator import attrgetter
from typing import Any

import msgspec

from callboard.models.base import FrozenMap
from callboard.runtime.systems.errors import MutableMessage

KNOWN_LIMIT = 50_000
"""Objects remembered as immutable; when there are more, all are forgotten and looked at again."""
_PLAIN = (str, int, float, bool, bytes, complex, type(None), date, time, timedelta, tzinfo, Fraction, enum.Enum, range)
_SCALARS = frozenset({str, int, float, bool, bytes})

Fields = Callable[[Any], tuple[Any, ...]]


class ImmutabilityCheck:
    """Looks into messages as deep as they go. An object that many messages share is looked at once."""

    def __init__(self) -> None:
        self._plain: dict[type, bool] = {}
        self._fields: dict[type, tuple[tuple[str, ...], Fields] | None] = {}
        self._known: dict[int, Any] = {}
        """By identity, and kept alive so that an identity is never reused."""

    def check(self, message: Any) -> None:
        """Raises:
        MutableMessage: it holds something that its receiver could change.
        """
        kind = message.__class__
        try:
            entry = self._fields[kind]
        except KeyError:
            entry = self._fields[kind] = self._plan(kind, type(message).__name__)
        if entry is not None:
            plain = self._plain
            for value in entry[1](message):
                if not plain.get(value.__class__):
                    self._look(value, message)

    def _look(self, value: Any, message: Any) -> None:
        """A field of a message that isn't plainly a scalar."""
        known = self._known
        if id(value) in known:
            return
        waiting: list[tuple[Any, str]] = [(value, self._where(message, value))]
        while waiting:
            item, path = waiting.pop()
            kind = item.__class__
            if self._is_plain(kind) or id(item) in known:
                continue
            if isinstance(item, tuple | frozenset):
                waiting += [(part, f"{path}[{index}]") for index, part in enumerate(item)]
            elif isinstance(item, FrozenMap):
                waiting += [(part, f"{path}[{key!r}]") for key, part in item.items()]
            else:
                entry = self._fields.get(kind)
                if entry is None and kind not in self._fields:
                    entry = self._fields[kind] = self._plan(kind, path)
                if entry is not None:
                    waiting += [(part, f"{path}.{name}") for name, part in zip(entry[0], entry[1](item), strict=True)]
            if len(known) >= KNOWN_LIMIT:
                known.clear()
            known[id(item)] = item

    def _is_plain(self, kind: type) -> bool:
        plain = self._plain.get(kind)
        if plain is None:
            plain = self._plain[kind] = issubclass(kind, _PLAIN) and not issubclass(kind, dict)
        return plain

    def _where(self, message: Any, value: Any) -> str:
        names = message.__struct_fields__
        return f"{type(message).__name__}." + next((name for name in names if getattr(message, name) is value), "?")

    def _plan(self, kind: type, path: str) -> tuple[tuple[str, ...], Fields] | None:
        """Which fields of a class can hold something that may be mutable; None if none can."""
        if issubclass(kind, msgspec.Struct):
            if not kind.__struct_config__.frozen:
                raise MutableMessage(f"{path} is a {kind.__name__}, which can be changed; make it `frozen=True`")
            names = tuple(_interesting(kind))
        elif is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            names = tuple(kind.__dataclass_fields__)
        else:
            raise MutableMessage(
                f"{path} is a {kind.__name__}, which can be changed by whoever receives it; "
                "use a tuple for a list, a FrozenMap for a dict, a frozen msgspec.Struct for an object"
            )
        if not names:
            return None
        get = attrgetter(*names)
        return names, (get if len(names) > 1 else lambda item: (get(item),))


def _interesting(kind: type[msgspec.Struct]) -> list[str]:
    try:
        fields = msgspec.structs.fields(kind)
    except NameError:  # its annotations name what was local to a function: then all its fields are looked at
        return list(kind.__struct_fields__)
    return [field.name for field in fields if field.type not in _SCALARS]
