"""Objects as kubectl writes them for `-o yaml`, `-o json` and `-o name`. Pure; used by the command line.

Sources: cli-runtime pkg/printers (json.go, yaml.go, name.go, managedfields.go), kubectl pkg/cmd/get (several objects become one List).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from callboard.models.base import thaw, yaml_of
from callboard.models.columns.tables import kind_name
from callboard.models.kinds import Resource
from callboard.models.look import look

OutputFormat = Literal["yaml", "json", "name"]
MACHINE_FORMATS = ("yaml", "json", "name")


def shown(obj: Any) -> dict[str, Any]:
    """An object as a plain tree with its keys sorted, without `metadata.managedFields`, which nobody reads."""
    tree: dict[str, Any] = thaw(obj) if isinstance(obj, dict) else obj.to_dict()
    meta = tree.get("metadata")
    if isinstance(meta, dict):
        meta.pop("managedFields", None)
    ordered: dict[str, Any] = _sorted(tree)
    return ordered


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(one) for one in value] if isinstance(value, list | tuple) else value


def one_or_list(objects: Sequence[Any], *, many: bool) -> dict[str, Any]:
    """The tree to write: the object itself, or a List of them if many were asked for (even if there are none, or one)."""
    if not many and len(objects) == 1:
        return shown(objects[0])
    return {"apiVersion": "v1", "items": [shown(one) for one in objects], "kind": "List", "metadata": {"resourceVersion": ""}}


def object_name(resource: Resource, obj: Any) -> str:
    """`pod/web`, `deployment.apps/web`."""
    return f"{kind_name(resource)}/{look(obj).name}"


def written(objects: Sequence[tuple[Resource, Any]], form: OutputFormat, *, many: bool) -> str:
    """Objects of any kinds in a form that a program may read, with the line end that ends it; `many` as in `one_or_list`."""
    if form == "name":
        return "".join(f"{object_name(resource, obj)}\n" for resource, obj in objects)
    tree = one_or_list([obj for _resource, obj in objects], many=many)
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(tree), indent=4).decode() + "\n"
    return yaml_of(tree)
