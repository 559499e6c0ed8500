"""Objects of any kind as plain trees that can be read without surprises: what is absent, or of another type, is the default.

For what shows objects to people (columns, descriptions): it must never fail on an object, however little of it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from callboard.models.base import Kind
from callboard.models.generic import GenericObject


class Look:
    """A view of one tree. Every method takes the path below it, as wire names."""

    __slots__ = ("judged", "tree")

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.judged: Any = None
        """What somebody made of the whole tree and asks for again, cell by cell."""

    def at(self, *path: str) -> Any:
        """Whatever is there; None if nothing is."""
        value = self.tree
        for name in path:
            if not isinstance(value, Mapping):
                return None
            value = value.get(name)
        return value

    def has(self, *path: str) -> bool:
        """Whether something is there."""
        return self.at(*path) is not None

    def below(self, *path: str) -> Look:
        """The view of a part; of nothing if it isn't there."""
        return Look(self.at(*path))

    def text(self, *path: str, default: str = "") -> str:
        """A text, `default` if it is absent or empty. Numbers become text, so that both forms of ports and percentages do."""
        value = self.at(*path)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return default
        return str(value) or default

    def number(self, *path: str, default: int = 0) -> int:
        """A whole number."""
        value = self.at(*path)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def flag(self, *path: str, default: bool = False) -> bool:
        """True or False."""
        value = self.at(*path)
        return value if isinstance(value, bool) else default

    def items(self, *path: str) -> list[Look]:
        """The views of a list's items that are objects."""
        value = self.at(*path)
        return [Look(one) for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []

    def texts(self, *path: str) -> list[str]:
        """A list of texts."""
        value = self.at(*path)
        return [str(one) for one in value if isinstance(one, str | int)] if isinstance(value, list | tuple) else []

    def map(self, *path: str) -> dict[str, Any]:
        """A map, sorted by key."""
        value = self.at(*path)
        return {str(key): value[key] for key in sorted(value, key=str)} if isinstance(value, Mapping) else {}

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return self.text("metadata", "name")

    @property
    def namespace(self) -> str:
        """`metadata.namespace`."""
        return self.text("metadata", "namespace")

    def condition(self, type_: str, *path: str) -> Look:
        """The condition of this type in a list of conditions (`status.conditions` unless a path says otherwise)."""
        for one in self.items(*(path or ("status", "conditions"))):
            if one.text("type") == type_:
                return one
        return Look(None)

    def controller(self) -> Look:
        """The owner reference that manages the object; of nothing if none does."""
        for one in self.items("metadata", "ownerReferences"):
            if one.flag("controller"):
                return one
        return Look(None)


def look(obj: Any) -> Look:
    """The view of an object as it is stored, or of a plain tree."""
    if isinstance(obj, Look):
        return obj
    if isinstance(obj, Kind):
        return Look({"apiVersion": obj.API_VERSION, "kind": obj.KIND, **msgspec.to_builtins(obj)})
    if isinstance(obj, GenericObject):
        meta = msgspec.to_builtins(obj.metadata)
        return Look({"apiVersion": obj.api_version, "kind": obj.kind, **obj.content, "metadata": meta})
    return Look(msgspec.to_builtins(obj) if isinstance(obj, msgspec.Struct) else obj)
