"""`python -m callboard.models.codegen`: writes `models/api/*.py`, `models/wirenames.py` and the condensed schema of Kubernetes 1.36.

A tool for maintainers; its output is committed, and `--check` compares the two. The schema is that of the package `kubernetes-validate`.
"""

from __future__ import annotations

import gzip
import json
import keyword
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from callboard.models.codegen.condense import condensed

VERSION = "v1.36.0-local"
PREFIXES = {
    "io.k8s.api.core.v1.": ("core", "v1"),
    "io.k8s.api.apps.v1.": ("apps", "apps/v1"),
    "io.k8s.api.batch.v1.": ("batch", "batch/v1"),
    "io.k8s.api.discovery.v1.": ("discovery", "discovery.k8s.io/v1"),
    "io.k8s.api.coordination.v1.": ("coordination", "coordination.k8s.io/v1"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.": ("apiextensions", "apiextensions.k8s.io/v1"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.": ("meta", "v1"),
}
ROOTS = (
    *(f"io.k8s.api.core.v1.{kind}" for kind in ("Pod", "Node", "Service", "ConfigMap", "Secret", "Namespace", "Event", "ServiceAccount")),
    "io.k8s.api.apps.v1.ReplicaSet",
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.apps.v1.StatefulSet",
    "io.k8s.api.apps.v1.DaemonSet",
    "io.k8s.api.apps.v1.ControllerRevision",
    "io.k8s.api.batch.v1.Job",
    "io.k8s.api.batch.v1.CronJob",
    "io.k8s.api.discovery.v1.EndpointSlice",
    "io.k8s.api.coordination.v1.Lease",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
)
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
TIMES = ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime")
FREE_FORM = (
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
    "io.k8s.api.core.v1.PersistentVolumeClaim",
)
SCALARS = {
    "string": ("str", '""'),
    "integer": ("int | None", "None"),
    "boolean": ("bool | None", "None"),
    "number": ("float | None", "None"),
}
HEADER = '"""Structs of API group {group}, generated from the schema of Kubernetes 1.36 by `python -m callboard.models.codegen`."""'


def definitions() -> dict[str, Any]:
    """All definitions of the schema by full name."""
    folder = files("kubernetes_validate").joinpath("kubernetes-json-schema").joinpath(VERSION)
    found: dict[str, Any] = json.loads(folder.joinpath("_definitions.json").read_text(encoding="utf-8"))["$defs"]
    return found


def snake(wire: str) -> str:
    """The attribute of a wire name: `clusterIPs` is `cluster_ips`; Python's keywords get an underscore."""
    text = re.sub(r"([A-Z]{2,})s(?=$|[A-Z])", lambda found: found.group(1).capitalize() + "s", wire)
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text).lower().replace("$", "")
    return f"{text}_" if keyword.iskeyword(text) else text


def camel(name: str) -> str:
    """The wire name that an attribute has by the plain rule."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def reference_of(schema: dict[str, Any]) -> str:
    """Full name of the definition that a schema refers to, or ""."""
    ref = schema.get("$ref") or next((part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), "")
    return str(ref).removeprefix("#/$defs/").removeprefix("#/definitions/")


class Generator:
    """Collects the closure of the roots and writes a module per group."""

    def __init__(self, defs: dict[str, Any]) -> None:
        self.defs = defs
        self.wire_names: dict[str, str] = {}
        self.order: list[str] = []
        for root in ROOTS:
            self._collect(root, ())

    def _collect(self, name: str, path: tuple[str, ...]) -> None:
        if name in self.order or name in path:
            return
        for schema in self.defs[name].get("properties", {}).values():
            for ref in self._references(schema):
                self._collect(ref, (*path, name))
        self.order.append(name)

    def _references(self, schema: dict[str, Any]) -> list[str]:
        ref = reference_of(schema)
        if ref:
            return [ref] if self._is_struct(ref) else []
        inner = schema.get("items") or schema.get("additionalProperties")
        return self._references(inner) if isinstance(inner, dict) else []

    def _is_struct(self, name: str) -> bool:
        if name in (QUANTITY, INT_OR_STRING, *TIMES, *FREE_FORM):
            return False
        return "properties" in self.defs[name]

    def annotation(self, schema: dict[str, Any], group: str) -> tuple[str, str]:
        """Type and default of a field."""
        ref = reference_of(schema)
        if ref == QUANTITY:
            return "str | int | float | None", "None"
        if ref == INT_OR_STRING:
            return "int | str | None", "None"
        if ref in TIMES:
            return "str", '""'
        if ref:
            return f"{self._class(ref, group) if self._is_struct(ref) else 'FrozenMap'} | None", "None"
        kinds = schema.get("type")
        kind = next((one for one in kinds if one != "null"), "") if isinstance(kinds, list) else kinds
        if kind == "array":
            return f"tuple[{self._item(schema['items'], group)}, ...]", "()"
        if kind == "object":
            return "FrozenMap", "EMPTY_MAP"
        return SCALARS.get(str(kind), ("Any", "None"))

    def _item(self, schema: dict[str, Any], group: str) -> str:
        kind, _ = self.annotation(schema, group)
        return kind.removesuffix(" | None")

    def _class(self, ref: str, group: str) -> str:
        owner, short = self.place(ref)
        return short if owner == group else f"{owner}.{short}"

    def place(self, name: str) -> tuple[str, str]:
        """Module and class of a definition."""
        for prefix, (module, _) in PREFIXES.items():
            if name.startswith(prefix):
                return module, name.removeprefix(prefix)
        raise KeyError(f"{name} is in no group that has a module")

    def module(self, group: str) -> str:
        """The text of one module."""
        classes = [self._struct(name, group) for name in self.order if self.place(name)[0] == group]
        body = "\n\n\n".join(classes)
        others = sorted({owner for owner in ("core", "meta") if owner != group and re.search(rf"\b{owner}\.[A-Z]", body)})
        lines = [HEADER.format(group=group), "", "from __future__ import annotations", "", "from typing import Any, ClassVar", ""]
        lines += [f"from callboard.models.api import {owner}" for owner in others]
        lines = [*lines[:5], "import msgspec", "", *lines[5:]] if "msgspec.field" in body else lines
        lines += ["from callboard.models.base import EMPTY_MAP, FrozenMap, Kind, Model", ""]
        lines += [f"__all__ = [{', '.join(self._names(group))}]", "", ""]
        return "\n".join(lines) + "\n" + body + "\n"

    def _names(self, group: str) -> list[str]:
        return sorted(f'"{self.place(name)[1]}"' for name in self.order if self.place(name)[0] == group)

    def _struct(self, name: str, group: str) -> str:
        schema = self.defs[name]
        kinds = schema.get("x-kubernetes-group-version-kind", ())
        _, short = self.place(name)
        top = len(kinds) == 1 and "metadata" in schema["properties"]
        base = "Kind" if top else "Model"
        lines = [f"class {short}({base}, frozen=True, gc=False, kw_only=True, omit_defaults=True):"]
        if top:
            version = next(version for prefix, (_, version) in PREFIXES.items() if name.startswith(prefix))
            lines += [f'    API_VERSION: ClassVar[str] = "{version}"', f'    KIND: ClassVar[str] = "{short}"']
        for wire, field in schema["properties"].items():
            if top and wire in ("apiVersion", "kind"):
                continue
            attribute = snake(wire)
            if wire[0].isupper():  # DaemonEndpoint.Port is the only one
                lines.append(f'    {attribute}: {self.annotation(field, group)[0]} = msgspec.field(default=None, name="{wire}")')
                continue
            if camel(attribute) != wire:
                assert self.wire_names.setdefault(attribute, wire) == wire, f"{attribute} has two wire names"
            kind, default = self.annotation(field, group)
            if short == "ObjectMeta" and wire == "resourceVersion":
                kind, default = "int", "0"
            if short == "ObjectMeta" and wire == "generation":
                kind, default = "int", "0"
            if top and wire == "metadata":
                kind = kind.removesuffix(" | None")
                default = f"{kind}()"
            lines.append(f"    {attribute}: {kind} = {default}")
        return "\n".join(lines)


def outputs() -> dict[str, str]:
    """Every generated file, by its path below `models/`."""
    generator = Generator(definitions())
    groups = list(dict.fromkeys(generator.place(name)[0] for name in generator.order))
    texts = {f"api/{group}.py": generator.module(group) for group in groups}
    texts["api/__init__.py"] = '"""Structs of the kinds that Callboard acts on, one module per API group, generated."""\n'
    names = "\n".join(f'    "{name}": "{wire}",' for name, wire in sorted(generator.wire_names.items()))
    texts["wirenames.py"] = (
        '"""Wire names that plain camel case would get wrong, generated by `python -m callboard.models.codegen`."""\n\n'
        f"WIRE_NAMES = {{\n{names}\n}}\n"
    )
    return texts


def files_to_write() -> dict[str, bytes]:
    """Every generated file with its content, by its path below `models/`; the condensed schema is one of them."""
    texts = {path: text.encode() for path, text in outputs().items()}
    return {**texts, "data/schema-1.36.json.gz": condensed(definitions())}


def differing(room: Path) -> list[str]:
    """The generated files below `room` that are absent or not what the schema says. Compressed data is compared unpacked."""
    return [path for path, content in files_to_write().items() if not _same(room / path, content)]


def _same(path: Path, content: bytes) -> bool:
    if not path.is_file():
        return False
    present = path.read_bytes()
    return gzip.decompress(present) == gzip.decompress(content) if path.suffix == ".gz" else present == content


def main() -> int:
    """Write the files; with `--check` only compare them, and fail if one differs."""
    room = Path(__file__).resolve().parents[1]
    stale = differing(room)
    if "--check" in sys.argv[1:]:
        print("\n".join(f"models/{path} is not what the schema says" for path in stale) or "up to date", file=sys.stderr)
        return 1 if stale else 0
    contents = files_to_write()
    for path in stale:
        target = room / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(contents[path])
        print(f"wrote models/{path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
