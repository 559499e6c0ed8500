"""The part of kubectl's JSONPath that columns of user-defined kinds use: fields, indexes, `[*]`, slices and filters by one comparison.

Source: client-go util/jsonpath; apiextensions-apiserver tableconvertor (simple paths, first result).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_FIELD = re.compile(r"\.((?:\\.|[^.\[\\])+)")
_BRACKET = re.compile(r"""\[(?:'((?:\\.|[^'])*)'|"((?:\\.|[^"])*)"|(-?\d+)|(\*)|(-?\d*):(-?\d*))\]""")
_FILTER = re.compile(r"""\[\?\(\s*@((?:\.[^\s=!<>\])]+)*)\s*(?:(==|!=)\s*("(?:[^"]*)"|'(?:[^']*)'|[^\s)]+)\s*)?\)\]""")

Step = tuple[str, Any]


@lru_cache(maxsize=512)
def parse_path(path: str) -> tuple[Step, ...] | None:
    """The steps of a path such as `.spec.list[?(@.type=="Ready")].status`; None if it is none, or beyond what is understood here."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(text):
        if (found := _FIELD.match(text, at)) is not None:
            name = _plain(found[1])
            steps.append(("all", None) if name == "*" else ("field", name))
        elif (found := _FILTER.match(text, at)) is not None:
            below = tuple(_plain(part) for part in found[1].split(".") if part)
            steps.append(("filter", (below, found[2] or "", _literal(found[3]))))
        elif (found := _BRACKET.match(text, at)) is not None:
            steps.append(_bracket(found))
        elif text == ".":
            return ()
        else:
            return None
        at = found.end()
    return tuple(steps)


def _bracket(found: re.Match[str]) -> Step:
    single, double, index, star, begin, end = found.groups()
    if single is not None or double is not None:
        return "field", _plain(single if single is not None else double)
    if index is not None:
        return "index", int(index)
    if star is not None:
        return "all", None
    return "slice", (int(begin) if begin else None, int(end) if end else None)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _literal(text: str | None) -> Any:
    if text is None:
        return None
    if text[0] in "\"'":
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def find(tree: Any, path: str) -> Iterator[Any]:
    """All values at a path; none if the path is no path."""
    steps = parse_path(path)
    return iter(()) if steps is None else _walk(tree, steps)


def _walk(value: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    (kind, argument), rest = steps[0], steps[1:]
    for one in _step(value, kind, argument):
        yield from _walk(one, rest)


def _step(value: Any, kind: str, argument: Any) -> Iterator[Any]:
    if kind == "field":
        if isinstance(value, Mapping) and argument in value:
            yield value[argument]
        return
    items = [*value.values()] if isinstance(value, Mapping) else value
    if not isinstance(items, list | tuple):
        return
    if kind == "index":
        if -len(items) <= argument < len(items):
            yield items[argument]
    elif kind == "slice":
        yield from items[slice(*argument)]
    elif kind == "all":
        yield from items
    else:
        yield from (one for one in items if _passes(one, *argument))


def _passes(item: Any, below: tuple[str, ...], operator: str, wanted: Any) -> bool:
    value = item
    for name in below:
        if not isinstance(value, Mapping) or name not in value:
            return False
        value = value[name]
    if not operator:
        return value is not None
    same = value == wanted if isinstance(value, bool) == isinstance(wanted, bool) else False
    return same if operator == "==" else not same
