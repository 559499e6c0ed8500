"""What every API object is made of: frozen structs with Kubernetes' wire names, frozen maps, and the way to plain trees and back.

The structs in `callboard.models.api` are generated on top of this. Objects are immutable from the moment they exist: a change makes a
new one with `replace` that shares what did not change.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

import msgspec

from callboard.models.wirenames import WIRE_NAMES

replace = msgspec.structs.replace


class FrozenMap(dict[str, Any]):
    """A dict without mutators; encoded as a map."""

    __slots__ = ()

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError("a FrozenMap can't be changed; make a new one: FrozenMap({**old, key: value})")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __copy__(self) -> FrozenMap:
        return self

    def __deepcopy__(self, _memo: Any) -> FrozenMap:
        return self

    def __reduce__(self) -> tuple[type[FrozenMap], tuple[dict[str, Any]]]:
        return FrozenMap, (dict(self),)


EMPTY_MAP = FrozenMap()


def freeze(tree: Any) -> Any:
    """A plain tree made deeply immutable: dicts become `FrozenMap`, lists tuples."""
    if isinstance(tree, FrozenMap):
        return tree
    if isinstance(tree, dict):
        return FrozenMap({key: freeze(value) for key, value in tree.items()})
    if isinstance(tree, list | tuple):
        return tuple(freeze(value) for value in tree)
    return tree


def thaw(tree: Any) -> Any:
    """A frozen tree as plain dicts and lists, which the caller may change."""
    if isinstance(tree, dict):
        return {key: thaw(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [thaw(value) for value in tree]
    return tree


def wire_name(name: str) -> str:
    """Kubernetes' name of an attribute: `cluster_ips` is `clusterIPs`, `from_` is `from`."""
    known = WIRE_NAMES.get(name)
    if known is not None:
        return known
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


class Model(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename=wire_name):
    """Base of all API structs."""


class Kind(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename=wire_name):
    """Base of the structs that are kinds of their own: `API_VERSION` and `KIND` belong to the class, not to its instances."""

    API_VERSION: ClassVar[str] = ""
    KIND: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """The object as a plain tree with Kubernetes' names, apiVersion and kind first."""
        return {"apiVersion": self.API_VERSION, "kind": self.KIND, **plain(self)}

    def to_yaml(self) -> str:
        """The object as YAML."""
        return yaml_of(self.to_dict())


def plain(obj: Any) -> Any:
    """A struct as a plain tree of dicts and lists; `metadata.resourceVersion` becomes a string as it is outside."""
    tree = msgspec.to_builtins(obj, enc_hook=_encode_unknown)
    tree = thaw(tree)
    meta = tree.get("metadata") if isinstance(tree, dict) else None
    if isinstance(meta, dict) and "resourceVersion" in meta:
        meta["resourceVersion"] = str(meta["resourceVersion"])
    return tree


def _encode_unknown(value: Any) -> Any:
    raise TypeError(f"a {type(value).__name__} has no place in an API object")


def decode_hook(wanted: Any, value: Any) -> Any:
    """For msgspec: how a plain value becomes one of our own types."""
    if wanted is FrozenMap:
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, got {type(value).__name__}")
        return freeze(value)
    raise TypeError(f"no way to make a {wanted!r}")


def yaml_of(tree: Any) -> str:
    """A plain tree as YAML text in Kubernetes' usual style."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(tree, Dumper=dumper, sort_keys=False, default_flow_style=False, allow_unicode=True)
    return text


_ATTRIBUTES = {wire: name for name, wire in WIRE_NAMES.items()}


def to_snake(wire: str) -> str:
    """The attribute of a wire name: `nodeName` is `node_name`."""
    known = _ATTRIBUTES.get(wire)
    if known is not None:
        return known
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in wire)
