"""kubectl's `-o jsonpath=` and `-o custom-columns=`, by the paths that `models/columns/jsonpath.py` understands.

Sources: client-go util/jsonpath (the template language), kubectl pkg/cmd/get/customcolumn.go. Understood: text, `{.path}`, `{"text"}`,
`{range .path}...{end}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import click

from callboard.models.columns.jsonpath import find, parse_path

_PIECE = re.compile(r"\{((?:\"(?:\\.|[^\"])*\"|'(?:\\.|[^'])*'|[^{}])*)\}")
_QUOTED = re.compile(r"\"((?:\\.|[^\"])*)\"|'((?:\\.|[^'])*)'")
_BRACKETS = re.compile(r"\[[^\]]*\]")
_SPACE = re.compile(r"(?<!\\)\s")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
Part = tuple[str, Any]


class Template:
    """One template, parsed. Raises `click.UsageError` where it is none."""

    def __init__(self, text: str) -> None:
        self._parts = _parse(text if "{" in text else f"{{{relaxed(_between(text))}}}")

    def render(self, tree: Any) -> str:
        """The text for one object."""
        return _render(self._parts, tree, tree)

    def as_json(self, tree: Any) -> str:
        """What each part finds, as a JSON array of its own (kubectl's jsonpath-as-json)."""
        arrays = [_values(part, tree, tree) for part in self._parts]
        return "".join(f"{json.dumps(array, indent=4, ensure_ascii=False)}\n" for array in arrays)


def relaxed(path: str) -> str:
    """A path without the braces and the first dot that kubectl lets one leave away (RelaxedJSONPathExpression). Raises as `Template`."""
    plain = path.strip().removeprefix("{").removesuffix("}")
    return _path(plain if plain.startswith((".", "[", "$", "@")) else f".{plain}")


def _parse(text: str) -> list[Part]:
    open_: list[list[Part]] = [[]]
    paths: list[str] = []
    at = 0
    for piece in _PIECE.finditer(text):
        if text[at : piece.start()]:
            open_[-1].append(("text", _between(text[at : piece.start()])))
        at = piece.end()
        inside = piece[1].strip()
        quoted = _QUOTED.fullmatch(inside)
        if quoted is not None:
            open_[-1].append(("text", _unescaped(quoted[1] if quoted[1] is not None else quoted[2])))
        elif inside.startswith("range "):
            paths.append(_path(inside.removeprefix("range ").strip()))
            open_.append([])
        elif inside == "end":
            if not paths:
                raise click.UsageError("jsonpath: there is an {end} without a {range}")
            body = open_.pop()
            open_[-1].append(("range", (paths.pop(), body)))
        else:
            open_[-1].append(("path", _path(inside)))
    if paths:
        raise click.UsageError("jsonpath: a {range} has no {end}")
    if text[at:]:
        open_[-1].append(("text", _between(text[at:])))
    return open_[0]


def _between(text: str) -> str:
    """Text outside of braces. Raises `click.UsageError` if a brace in it begins or ends nothing."""
    if "{" in text:
        raise click.UsageError(f"error parsing jsonpath: unclosed action: {text[text.index('{') :]} has no closing brace")
    if "}" in text:
        raise click.UsageError(f"error parsing jsonpath: {text} has a closing brace that nothing has opened")
    return text


def _path(text: str) -> str:
    if text in ("@", "$", "."):
        return "."
    path = text.removeprefix("@")
    if parse_path(path) is None or _SPACE.search(_BRACKETS.sub("", path)):
        raise click.UsageError(
            f"jsonpath: {text} is no path that is understood here; write for example .status.phase or .items[*].metadata.name"
        )
    return path


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)


def _render(parts: Sequence[Part], tree: Any, root: Any) -> str:
    out = []
    for kind, content in parts:
        if kind == "text":
            out.append(content)
        elif kind == "path":
            start = root if content.startswith("$") else tree
            out.append(" ".join(text_of(value) for value in ([start] if content == "." else find(start, content))))
        else:
            path, body = content
            out.extend(_render(body, item, root) for item in find(tree, path))
    return "".join(out)


def _values(part: Part, tree: Any, root: Any) -> list[Any]:
    kind, content = part
    if kind == "text":
        return [content]
    if kind == "path":
        return [tree] if content == "." else [*find(root if content.startswith("$") else tree, content)]
    path, body = content
    return [value for item in find(tree, path) for one in body for value in _values(one, item, root)]


def text_of(value: Any) -> str:
    """A value as a template shows it: text as it is, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def columns_of_spec(spec: str) -> list[tuple[str, str]]:
    """Headers and paths of `NAME:.metadata.name,NODE:.spec.nodeName`. Raises `click.UsageError`."""
    columns = []
    for part in spec.split(","):
        header, colon, path = part.partition(":")
        if not colon or not header or not path:
            raise click.UsageError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        columns.append((header, relaxed(path)))
    return columns


def cell_of(tree: Any, path: str) -> str:
    """What a column of one's own shows of an object."""
    return ",".join(text_of(value) for value in find(tree, path)) or "<none>"
