"""Objects as bytes and back, without losing anything: how the journal keeps them.

Called by the journal driver. An object is the msgpack of its struct with Kubernetes' names, beside the name of its type:
`apps/v1/Deployment` for a typed kind, `*` for all others. Any msgpack library reads it. What msgpack has no place for (numbers beyond
64 bits, text with lone surrogates, both of which a program may put into an object) is kept in byte strings; such an object's type name
ends with `!`, and decoding it is slower.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_type_hints

import msgspec

from callboard.models.base import Kind, decode_hook, freeze
from callboard.models.errors import ApiError
from callboard.models.generic import GenericObject
from callboard.models.kinds import TYPED, Scheme

GENERIC = "*"
AWKWARD = "!"
"""Ends the type name of an object whose byte strings stand for something else, which their first byte tells."""
_BYTES, _INTEGER, _TEXT = b"b", b"i", b"t"

replace = msgspec.structs.replace


class Undecodable(ValueError):
    """These bytes are no object of that type; the text says why."""


_TYPES: dict[str, Any] = {f"{api_version}/{kind}": type_ for (api_version, kind), type_ in TYPED.items()}
_NAMES: dict[type[Any], str] = {type_: name for name, type_ in _TYPES.items()}
_encoder = msgspec.msgpack.Encoder()


def encode(obj: Kind | GenericObject) -> tuple[str, bytes]:
    """Type name and bytes of an object.

    Raises:
        TypeError: it is no API object, or holds something that has no place in one.
    """
    type_ = type(obj)
    name = GENERIC if type_ is GenericObject else _NAMES.get(type_)
    if name is None:
        raise TypeError(f"a {type_.__name__} is no API object")
    try:
        return name, _encoder.encode(obj)
    except (OverflowError, UnicodeEncodeError):
        return name + AWKWARD, _encoder.encode(_wrap(msgspec.to_builtins(obj, builtin_types=(bytes,))))


def decode(type_name: str, data: bytes) -> Any:
    """The object that `encode` was given, deeply immutable.

    Raises:
        Undecodable: the bytes are no such object, or the type is unknown (a newer version may have written it).
    """
    plain_name = type_name.removesuffix(AWKWARD)
    type_ = GenericObject if plain_name == GENERIC else _TYPES.get(plain_name)
    if type_ is None:
        raise Undecodable(f"objects of type {type_name} are unknown to this version")
    try:
        if type_name.endswith(AWKWARD):
            obj = msgspec.convert(_unwrap(msgspec.msgpack.decode(data)), type_, dec_hook=decode_hook)
        else:
            obj = _decoder(type_).decode(data)
    except (msgspec.DecodeError, ValueError, TypeError) as problem:
        raise Undecodable(f"no {type_name}: {problem}") from problem
    return _tighten(obj) if type_ is not GenericObject else _as_struct(obj)


def _as_struct(obj: GenericObject) -> Any:
    """An object as its kind is held now: an earlier version may have kept it as a tree, where this one has a struct.

    Raises:
        Undecodable: it doesn't fit the struct.
    """
    if (obj.api_version, obj.kind) not in TYPED:
        return obj
    from callboard.models.decode import decode_as  # reads YAML too, which few programs need

    try:
        return decode_as(obj.to_dict(), Scheme.builtin().resource(obj.api_version, obj.kind), strict=False)
    except ApiError as problem:
        raise Undecodable(f"no {obj.kind}: {problem.message}") from problem


@cache
def _decoder(type_: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(type_, dec_hook=decode_hook)


# -- what msgpack has no place for --------------------------------------------------------------------------------------------------


def _wrap(tree: Any) -> Any:
    """A plain tree with byte strings in place of what msgpack can't hold, and of byte strings."""
    if isinstance(tree, dict):
        return {_wrap(key): _wrap(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_wrap(value) for value in tree]
    if isinstance(tree, bytes):
        return _BYTES + tree
    if isinstance(tree, int) and not -(1 << 63) <= tree < 1 << 64:
        return _INTEGER + format(tree, "x").encode()
    if isinstance(tree, str):
        try:
            tree.encode()
        except UnicodeEncodeError:
            return _TEXT + tree.encode("utf-8", "surrogatepass")
    return tree


def is_number(content: bytes) -> bool:
    """Whether a byte string of an awkward object stands for a number beyond 64 bits: its hexadecimal digits follow the first byte."""
    return content[:1] == _INTEGER


def _unwrap(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {_unwrap(key): _unwrap(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_unwrap(value) for value in tree]
    if not isinstance(tree, bytes):
        return tree
    kind, content = tree[:1], tree[1:]
    if kind == _BYTES:
        return content
    if kind == _INTEGER:
        return int(content, 16)
    if kind == _TEXT:
        return content.decode("utf-8", "surrogatepass")
    raise ValueError(f"a byte string of unknown kind {kind!r}")


# -- fields that may hold anything --------------------------------------------------------------------------------------------------
# msgspec makes plain dicts and lists of them; they are frozen here. Very few objects hold any.


def _tighten(obj: Any) -> Any:
    """The object with every field that may hold anything frozen; the same object if none of them is set."""
    type_: Any = type(obj)
    changes: dict[str, Any] = {}
    for name, freezer in _loose_fields(type_):
        value = getattr(obj, name)
        if value is not None and value != ():
            frozen = freezer(value)
            if frozen is not value:
                changes[name] = frozen
    return replace(obj, **changes) if changes else obj


def _tighten_all(values: tuple[Any, ...]) -> tuple[Any, ...]:
    tight = tuple(_tighten(value) for value in values)
    return tight if any(new is not old for new, old in zip(tight, values, strict=True)) else values


@cache
def _loose_fields(type_: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """The fields of a struct that lead to something untyped, each with what freezes its value."""
    found: list[tuple[str, Callable[[Any], Any]]] = []
    for name, hint in get_type_hints(type_).items():
        if name not in type_.__struct_fields__:
            continue
        if hint is Any:
            found.append((name, freeze))
            continue
        for inner in (hint, *get_args(hint)):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and _leads_to_loose(inner):
                found.append((name, _tighten_all if get_args(hint)[-1:] == (Ellipsis,) else _tighten))
    return tuple(found)


@cache
def _leads_to_loose(type_: Any) -> bool:
    return bool(_loose_fields(type_))


__all__ = ["AWKWARD", "GENERIC", "Undecodable", "decode", "encode", "is_number"]
