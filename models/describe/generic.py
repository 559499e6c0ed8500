"""Any object as a tree of titles and values: user-defined kinds, and those without a description of their own.

Source: kubectl pkg/describe/describe.go (genericDescriber, printUnstructuredContent, smartLabelFor).
"""

from __future__ import annotations

import re
from typing import Any

from callboard.models.describe.events import events_section
from callboard.models.describe.page import Page, begin
from callboard.models.describe.related import Related
from callboard.models.look import Look

_SKIPPED = (
    ("metadata", "managedFields"),
    ("metadata", "name"),
    ("metadata", "namespace"),
    ("metadata", "labels"),
    ("metadata", "annotations"),
)
_ACRONYMS = ("API", "URL", "UID", "GUID")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z][^A-Z\-]*|[^A-Z\-]+|-")
DEPTH_LIMIT = 40


def describe_generic(obj: Look, related: Related, now_s: float) -> str:
    """Everything that an object says, and its events."""
    page = Page()
    begin(page, obj)
    _tree(page, obj.map(), 0, ())
    events_section(page, related.events, now_s)
    return page.text()


def _tree(page: Page, tree: dict[str, Any], level: int, path: tuple[str, ...]) -> None:
    for name in sorted(tree, key=str):
        here = (*path, name)
        if here in _SKIPPED:
            continue
        value, title = tree[name], title_of(str(name))
        if isinstance(value, dict | list | tuple):
            page.line(f"{title}:", level)
            _below(page, value, level + 1, here)
        else:
            page.field(title, _plain(value), level)


def _below(page: Page, value: Any, level: int, path: tuple[str, ...]) -> None:
    if level > DEPTH_LIMIT:
        page.line("...", level)
    elif isinstance(value, dict):
        _tree(page, value, level, path)
    else:
        for one in value:
            if isinstance(one, dict):
                _tree(page, one, level, path)
            else:
                page.line(str(one) if isinstance(one, list | tuple) else _plain(one), level)


def _plain(value: Any) -> str:
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)


def title_of(field: str) -> str:
    """A field's name as a title: `observedGeneration` is `Observed Generation`; names with other signs stay as they are."""
    if not field or not all(letter.isalpha() or letter == "-" for letter in field):
        return field
    words = []
    for word in _WORDS.findall(field):
        if word.upper() in _ACRONYMS:
            words.append(word.upper())
        else:
            words.append(word.title() if word.lower() == word else word)
    return " ".join(words)
