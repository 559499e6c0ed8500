"""What `apply` takes: a path, YAML text, a plain tree, a typed object, or a list of these; made into documents with a name each.

The file system is touched here and nowhere else in the face, so that a simulation may apply text and trees without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from callboard.models.errors import BadRequest


class Manifest(msgspec.Struct, frozen=True):
    """One document: its plain tree, and where it came from in words (`app.yaml:12`)."""

    tree: dict[str, Any]
    origin: str


def manifests(source: Any) -> list[Manifest]:
    """All documents of a source, in order.

    Raises:
        YamlError: text that does not parse; says file, line and column.
        BadRequest: something that is no manifest, or a file that can't be read.
    """
    found = list(_manifests(source, "the given object"))
    if not found and isinstance(source, str | Path):
        raise BadRequest(f"no objects passed to apply: {'the given text' if _is_text(source) else source} holds none")
    return found


def of_text(text: str, name: str) -> list[Manifest]:
    """All documents of YAML or JSON text, which errors call `name`. Raises as `manifests`."""
    found = [*_of_text(text, name)]
    if not found:
        raise BadRequest(f"no objects passed to apply: {name} holds none")
    return found


def _is_text(source: str | Path) -> bool:
    return isinstance(source, str) and ("\n" in source or ": " in source or not source.strip())


def _manifests(source: Any, origin: str) -> Iterator[Manifest]:
    if isinstance(source, Path):
        yield from _of_file(source)
    elif isinstance(source, str):
        if _is_text(source):
            yield from _of_text(source, "the given text")
        else:
            yield from _of_file(Path(source))
    elif isinstance(source, Manifest):
        yield source
    elif isinstance(source, dict):
        yield Manifest(dict(source), origin)
    elif hasattr(source, "to_dict"):
        yield Manifest(source.to_dict(), origin)
    elif isinstance(source, list | tuple):
        for index, item in enumerate(source):
            yield from _manifests(item, f"item {index}")
    else:
        raise BadRequest(f"can't apply a {type(source).__name__}; give a path, YAML text, a dict, an object, or a list of these")


def _of_file(path: Path) -> Iterator[Manifest]:
    try:
        if path.is_dir():
            files = sorted(child for child in path.iterdir() if child.suffix in (".yaml", ".yml", ".json"))
            if not files:
                raise BadRequest(f"{path}: the folder holds no .yaml, .yml or .json file")
            for file in files:
                yield from _of_text(file.read_text(encoding="utf-8"), str(file))
            return
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadRequest(f"{path}: no such file; give the path of a manifest, or YAML text") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise BadRequest(f"{path}: can't be read: {problem}") from None
    yield from _of_text(text, str(path))


def _of_text(text: str, name: str) -> Iterator[Manifest]:
    from callboard.models.decode import load_yaml  # the parser and the schema: commands that apply nothing start without them

    for document in load_yaml(text, name):
        yield Manifest(document.tree, f"{name}:{document.line}")
