"""Which selectors match an object's labels, without trying every selector: used by controllers that choose objects by their labels.

A selector with an equality is filed under one of its pairs, so that an object with five labels looks at five small drawers; one without
an equality is filed under its namespace.
"""

from __future__ import annotations

from collections.abc import Mapping

from callboard.models.selectors import Selector


class SelectorIndex:
    """Selectors by the key of the object that they belong to. An empty selector matches nothing here."""

    def __init__(self) -> None:
        self._drawers: dict[str, dict[str, Selector]] = {}
        self._drawer_of: dict[str, str] = {}

    def put(self, key: str, namespace: str, selector: Selector) -> None:
        """File a selector, in place of the one that `key` had."""
        self.drop(key)
        if selector.empty:
            return
        drawer = _drawer(namespace, *selector.pairs[0]) if selector.pairs else _rest(namespace)
        self._drawers.setdefault(drawer, {})[key] = selector
        self._drawer_of[key] = drawer

    def drop(self, key: str) -> None:
        """Forget the selector of `key`, if it has one."""
        drawer = self._drawer_of.pop(key, None)
        if drawer is not None:
            entries = self._drawers[drawer]
            del entries[key]
            if not entries:
                del self._drawers[drawer]

    def matching(self, namespace: str, labels: Mapping[str, str]) -> list[str]:
        """Keys of the selectors that match, in the order of the labels and then of filing."""
        found: list[str] = []
        for label, value in labels.items():
            entries = self._drawers.get(_drawer(namespace, label, value))
            if entries:
                found.extend(key for key, selector in entries.items() if selector.matches(labels))
        entries = self._drawers.get(_rest(namespace))
        if entries:
            found.extend(key for key, selector in entries.items() if selector.matches(labels))
        return found


def _drawer(namespace: str, label: str, value: str) -> str:
    return f"{namespace}/{label}={value}"


def _rest(namespace: str) -> str:
    return f"{namespace}/"
