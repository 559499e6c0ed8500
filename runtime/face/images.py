"""The table of images of real containers, as users write it: a mapping, or a YAML file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from callboard.models.errors import BadRequest
from callboard.models.images import ImageTable, Program
from callboard.models.programs import builtin
from callboard.runtime.process.installed import Installed

_NAMES = {"workingDir": "working_dir"}
"""Fields of the file that are written as Kubernetes writes them."""
_FIELDS = tuple(sorted(name for name in Program.__struct_fields__ if name != "working_dir")) + tuple(_NAMES)


def image_table(images: Mapping[str, Any] | str | os.PathLike[str] | None = None) -> ImageTable:
    """The table of a cluster: what the user says, then the images that are known without being told (`models/programs.py`).

    `images` maps names or patterns (`*`, `?`) to `Program`s, or is the path of a YAML file that does: `nginx: {command: [nginx, -g, daemon
    off;], install: apt-get install nginx}`, with the fields of `Program` (workingDir for working_dir).

    Raises:
        BadRequest: the file can't be read, or something in the table is no program; the text says what and where.
    """
    if images is None:
        own: dict[str, Program] = {}
    elif isinstance(images, Mapping):
        own = {_name(name, "images"): _program(value, f"images[{name!r}]") for name, value in images.items()}
    else:
        own = _from_file(Path(images))
    machine = Installed()
    return ImageTable(machine, tuple(own.items()), builtin(_python_path(machine)))


def _python_path(machine: Installed) -> str:
    """Where python's images look if nobody else would find one: first where the Python that runs this is installed; else ""."""
    if machine.find("python3", machine.path):
        return ""
    return f"{os.path.join(sys.base_exec_prefix, 'bin')}:{machine.path}"


def _from_file(path: Path) -> dict[str, Program]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BadRequest(f"images: {str(path)!r} can't be read: {problem.strerror}") from problem
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise BadRequest(f"images: {str(path)!r} is no YAML: {problem}") from problem
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise BadRequest(f"images: {str(path)!r} holds a {type(content).__name__}; it should map image names to programs")
    return {_name(name, str(path)): _program(value, f"{path}: {name}") for name, value in content.items()}


def _name(name: Any, where: str) -> str:
    if not isinstance(name, str) or not name:
        raise BadRequest(f"{where}: {name!r} is no name or pattern of images")
    return name


def _program(value: Any, where: str) -> Program:
    if isinstance(value, Program):
        return value
    if not isinstance(value, Mapping):
        raise BadRequest(f'{where} is a {type(value).__name__}; give a Program(["program", "argument"]), or its fields in a file')
    unknown = [str(name) for name in value if name not in _FIELDS]
    if unknown:
        raise BadRequest(f"{where}: a program has no field {unknown[0]!r}; there are {', '.join(_FIELDS)}")
    try:
        return msgspec.convert({_NAMES.get(name, name): field for name, field in value.items()}, Program)
    except (ValueError, msgspec.ValidationError) as problem:
        raise BadRequest(f"{where}: {problem}") from problem
