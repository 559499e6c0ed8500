"""A page of text as `kubectl describe` writes it: titles and values in columns, indented by level; and the lists that many kinds share.

Source: kubectl pkg/describe/describe.go (PrefixWriter, printLabelsMultiline, printAnnotationsMultiline and their siblings).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from callboard.models.columns.column import VISIBLE
from callboard.models.look import Look
from callboard.models.quantity import canonical_quantity
from callboard.models.spans import long_moment
from callboard.models.tabulate import tabulated

NONE, UNSET = "<none>", "<unset>"
ANNOTATION_LIMIT = 140
"""Characters of an annotation's line; what is longer is cut."""
HIDDEN_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)
_KEPT = (ord("\t"), ord("\n"))
_ESCAPES = {code: text for code, text in VISIBLE.items() if code not in _KEPT} | {ord("\r"): "\\r"}


class Page:
    """Text that grows line by line; a tab ends a cell, and the cells of neighbouring lines are aligned at the end."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def line(self, text: str = "", level: int = 0) -> None:
        """One line (or several), `level` steps of two spaces to the right."""
        self._parts.append("  " * level + text.translate(_ESCAPES) + "\n")

    def field(self, title: str, value: Any, level: int = 0) -> None:
        """`title:` and its value."""
        self.line(f"{title}:\t{value}", level)

    def fields(self, pairs: Iterable[tuple[str, Any]], level: int = 0) -> None:
        """Several of them; those without a value ("" or None) are left out."""
        for title, value in pairs:
            if value not in ("", None):
                self.field(title, value, level)

    def lines(self, title: str, values: list[str], indent: str = "") -> None:
        """A title with a value on its line, and more values below; `<none>` without any."""
        self.line(f"{indent}{title}:\t{values[0] if values else NONE}")
        for value in values[1:]:
            self.line(f"{indent}\t{value}")

    def end_columns(self) -> None:
        """What follows has columns of its own."""
        self._parts.append("\f")

    def text(self) -> str:
        """The page, laid out."""
        return tabulated("".join(self._parts))


def begin(page: Page, obj: Look, *, namespaced: bool = True) -> None:
    """Name, namespace, labels and annotations."""
    page.field("Name", obj.name)
    if namespaced:
        page.field("Namespace", obj.namespace)
    write_labels(page, obj)
    write_annotations(page, "Annotations", obj.map("metadata", "annotations"))


def write_labels(page: Page, obj: Look) -> None:
    """The object's labels, one a line."""
    page.lines("Labels", pairs(obj.map("metadata", "labels")))


def pairs(values: Mapping[str, Any]) -> list[str]:
    """`a=b` of each entry."""
    return [f"{key}={value}" for key, value in values.items()]


def write_annotations(page: Page, title: str, values: Mapping[str, Any]) -> None:
    """Annotations, one a line, long ones cut; the last applied configuration is nobody's reading."""
    shown = {key: str(value).removesuffix("\n") for key, value in values.items() if key not in HIDDEN_ANNOTATIONS}
    texts: list[str] = []
    for key, value in shown.items():
        if len(key) + len(value) + 2 > ANNOTATION_LIMIT or "\n" in value:
            texts.append(f"{key}:")
            texts.extend(f"  {_short(line, ANNOTATION_LIMIT - 2)}" for line in value.split("\n"))
        else:
            texts.append(f"{key}: {value}")
    page.lines(title, texts)


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "..."


def quantities(page: Page, title: str, values: Mapping[str, Any], level: int) -> None:
    """A list of resources under a title; nothing if there are none."""
    if values:
        page.line(f"{title}:", level)
    for name, value in values.items():
        page.field(name, canonical_quantity(value), level + 1)


def conditions(page: Page, obj: Look) -> None:
    """Type, status and reason of each condition of a workload."""
    found = obj.items("status", "conditions")
    if not found:
        return
    page.line("Conditions:")
    page.line("Type\tStatus\tReason", 1)
    page.line("----\t------\t------", 1)
    for one in found:
        page.line(f"{one.text('type')} \t{one.text('status')}\t{one.text('reason')}", 1)


def controlled_by(page: Page, obj: Look) -> None:
    """The owner that manages the object, if one does."""
    owner = obj.controller()
    if owner.tree is not None:
        page.field("Controlled By", f"{owner.text('kind')}/{owner.text('name')}")


def moment(obj: Look, *path: str) -> str:
    """A moment in long form."""
    return long_moment(obj.text(*path))


def yes(value: bool) -> str:
    """True or False."""
    return "True" if value else "False"


def tolerations(page: Page, values: list[Look], indent: str = "") -> None:
    """Tolerations, sorted by key."""
    page.lines("Tolerations", [_toleration(one) for one in sorted(values, key=lambda one: one.text("key"))], indent)


def _toleration(one: Look) -> str:
    key, value, effect = one.text("key"), one.text("value"), one.text("effect")
    text = key + (f"={value}" if value else "") + (f":{effect}" if effect else "")
    if one.text("operator") == "Exists" and not value:
        text += " op=Exists" if text else "op=Exists"
    seconds = one.at("tolerationSeconds")
    return f"{text} for {seconds}s" if isinstance(seconds, int) else text


def taint_text(one: Look) -> str:
    """`key=value:effect`, `key:effect`, `key=value`."""
    key, value, effect = one.text("key"), one.text("value"), one.text("effect")
    text = f"{key}={value}" if value else key
    return f"{text}:{effect}" if effect else text
