"""From what users write to what is stored: YAML text to plain trees, plain trees to typed objects, with every error at its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import yaml

from callboard.models.api.meta import ObjectMeta
from callboard.models.base import decode_hook, freeze
from callboard.models.errors import ApiError, BadRequest, FieldError, YamlError, invalid
from callboard.models.generic import GenericObject
from callboard.models.kinds import Resource, Scheme
from callboard.models.schema import check_tree, definition

_META_DEFINITION = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class Document(msgspec.Struct, frozen=True):
    """One YAML document: its plain tree and the line (from 1) at which it begins."""

    tree: dict[str, Any]
    line: int


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """YAML as Kubernetes reads it: times stay text, a key given twice is an error."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    tree: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float):
            raise yaml.constructor.ConstructorError("", node.start_mark, "a key must be text", key_node.start_mark)
        if not isinstance(key, str):  # as Kubernetes reads it: `8080: x` has the key "8080", `on: x` the key "true"
            key = str(key).lower() if isinstance(key, bool) else str(key)
        if key in tree:
            raise yaml.constructor.ConstructorError("", node.start_mark, f'the key "{key}" is given twice', key_node.start_mark)
        tree[key] = loader.construct_object(value_node, deep=True)
    return tree


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def load_yaml(text: str, name: str) -> list[Document]:
    """All documents of a text, lists expanded; `name` is what errors call it.

    Raises:
        YamlError: the text is no YAML; begins with `name:line:column`.
        BadRequest: a document is no object.
    """
    documents: list[Document] = []
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            line = node.start_mark.line + 1
            tree = _constructed(loader, node, f"{name}:{line}")
            documents.extend(_documents(tree, line, name))
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark is not None else name
        raise YamlError(f"{place}: {problem.problem or problem.context or 'no YAML'}") from None
    except yaml.reader.ReaderError as problem:
        line, column = _line_and_column(text, problem.position)
        raise YamlError(f"{name}:{line}:{column}: {problem.reason}") from None
    finally:
        loader.dispose()
    return documents


def _constructed(loader: Any, node: Any, place: str) -> Any:
    """PyYAML lets pass what Python says of a scalar that is not what its tag claims."""
    try:
        return loader.construct_document(node)
    except (ValueError, KeyError, OverflowError) as problem:
        if isinstance(problem, yaml.YAMLError):
            raise
        raise YamlError(f"{place}: a value is not what its tag says: {problem}") from None


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - before.rfind("\n")


def _documents(tree: Any, line: int, name: str) -> Iterator[Document]:
    if tree is None:
        return
    if not isinstance(tree, dict):
        raise BadRequest(f"{name}:{line}: expected an object with apiVersion and kind, got {type(tree).__name__}")
    if str(tree.get("kind", "")).endswith("List") and isinstance(tree.get("items"), list):
        for item in tree["items"]:
            yield from _documents(item, line, name)
    else:
        yield Document(tree, line)


def from_dict(tree: Mapping[str, Any], scheme: Scheme, *, strict: bool = True) -> Any:
    """A plain tree as the object that is stored.

    Raises:
        UnknownKind: no such kind is served.
        BadRequest: with `strict`, a field that the kind doesn't have (Kubernetes' "strict decoding error").
        Invalid: a field of wrong type; names its path and what was expected.
    """
    for field in ("apiVersion", "kind"):
        if not isinstance(tree.get(field), str) or not tree[field]:
            raise BadRequest(f"{field} is missing; every object says which kind it is")
    return decode_as(tree, scheme.resource(tree["apiVersion"], tree["kind"]), strict=strict)


def decode_as(tree: Mapping[str, Any], resource: Resource, *, strict: bool = True) -> Any:
    """As `from_dict`, for a resource that is known already."""
    errors = check_tree(tree, resource.definition) if resource.definition else _check_user_defined(tree)
    if not strict:
        errors = tuple(error for error in errors if error.reason != "FieldValueUnknown")
    errors = tuple(error for error in errors if error.reason != "FieldValueRequired")  # defaults and validation come later
    if resource.kind == "Secret" and not resource.group:
        errors = tuple(_discreet(error) for error in errors)
    if errors:
        raise _refusal(tree, resource, errors)
    return _typed(tree, resource)


def _discreet(error: FieldError) -> FieldError:
    """What is wrong with a Secret's content, without that content."""
    if error.reason != "FieldValueTypeInvalid" or error.path.partition(".")[0] not in ("data", "stringData"):
        return error
    return msgspec.structs.replace(error, message=f"{error.message.partition(', got ')[0]}, got something else")


def _check_user_defined(tree: Mapping[str, Any]) -> tuple[FieldError, ...]:
    found = check_tree(tree.get("metadata") or {}, _META_DEFINITION)
    return tuple(msgspec.structs.replace(error, path=f"metadata.{error.path}") for error in found)


def _refusal(tree: Mapping[str, Any], resource: Resource, errors: tuple[FieldError, ...]) -> ApiError:
    unknown = [error.message for error in errors if error.reason == "FieldValueUnknown"]
    if len(unknown) == len(errors):
        kind = resource.kind
        return BadRequest(
            f'{kind} in version "{resource.version}" cannot be handled as a {kind}: strict decoding error: {", ".join(unknown)}'
        )
    meta = tree.get("metadata")
    name = str(meta.get("name", "")) if isinstance(meta, Mapping) else ""
    return invalid(resource.kind, resource.group, name, errors)


def _typed(tree: Mapping[str, Any], resource: Resource) -> Any:
    body = {key: value for key, value in tree.items() if key not in ("apiVersion", "kind")}
    meta = _metadata(body.pop("metadata", None) or {}, resource)
    if resource.type is GenericObject:
        return GenericObject(api_version=resource.api_version, kind=resource.kind, metadata=meta, content=freeze(body))
    try:
        obj = msgspec.convert(_without_nulls(body, resource.definition), resource.type, dec_hook=decode_hook)
    except msgspec.ValidationError as problem:
        raise invalid(resource.kind, resource.group, meta.name, (FieldError("", str(problem)),)) from None
    return msgspec.structs.replace(obj, metadata=meta)


def _metadata(tree: Mapping[str, Any], resource: Resource) -> ObjectMeta:
    version = tree.get("resourceVersion") or "0"
    if not str(version).isdigit():
        error = FieldError("metadata.resourceVersion", f'Invalid value: "{version}": not one of ours')
        raise invalid(resource.kind, resource.group, str(tree.get("name", "")), (error,))
    fixed = {**tree, "resourceVersion": int(version)}
    return msgspec.convert(_without_nulls(fixed, _META_DEFINITION), ObjectMeta, dec_hook=decode_hook)


def _without_nulls(tree: Mapping[str, Any], name: str) -> Any:
    """Kubernetes reads a null as an absent field, but for nulls inside of what is free-form (the default in a schema, say)."""
    fields = definition(name).fields
    if not fields:
        return tree
    out: dict[str, Any] = {}
    for key, value in tree.items():
        type_ = fields.get(key)
        if value is None and not _is_free_form(type_):
            continue
        out[key] = _value_without_nulls(value, type_) if isinstance(type_, dict) else value
    return out


def _is_free_form(type_: Any) -> bool:
    return isinstance(type_, dict) and "ref" in type_ and not definition(type_["ref"]).fields


def _value_without_nulls(value: Any, type_: dict[str, Any]) -> Any:
    if "ref" in type_:
        return _without_nulls(value, type_["ref"]) if isinstance(value, Mapping) else value
    if "list" in type_:
        item = type_["list"]
        return [_value_without_nulls(one, item) for one in value] if isinstance(item, dict) else value
    return {key: one for key, one in value.items() if one is not None}
