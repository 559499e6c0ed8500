"""The subresource scale: a workload seen as an autoscaling/v1 Scale, which holds nothing but numbers of replicas and a selector. Pure.

Called by `reads` and `writes`. Source: kubernetes pkg/registry/apps/*/storage, apiextensions-apiserver pkg/registry/customresource/etcd.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from callboard.actors.apiserver.view import View
from callboard.models.api.meta import LabelSelector, ObjectMeta
from callboard.models.base import FrozenMap, decode_hook, freeze, replace
from callboard.models.errors import BadRequest, conflict, invalid, not_found
from callboard.models.generic import GenericObject
from callboard.models.kinds import DEFINITIONS, Resource
from callboard.models.messages.api import object_key
from callboard.models.validation import words

SCALE_DEFINITION = "io.k8s.api.autoscaling.v1.Scale"


class ScalePaths(msgspec.Struct, frozen=True, gc=False):
    """Where a kind keeps its numbers, and its selector as text ("" if it has one in the usual place)."""

    wanted: str = ".spec.replicas"
    present: str = ".status.replicas"
    selector: str = ""


def paths_of(resource: Resource, name: str, view: View) -> ScalePaths:
    """Where this kind keeps what a Scale shows.

    Raises:
        NotFound: it has no such subresource.
    """
    if not resource.has_scale:
        raise not_found(f"{resource.name}/scale", name)
    if resource.definition:
        return ScalePaths()
    definition = view.get(object_key(DEFINITIONS, "", resource.name))
    for version in definition.spec.versions if definition is not None and definition.spec is not None else ():
        if version.name == resource.version and version.subresources is not None and version.subresources.scale is not None:
            scale = version.subresources.scale
            return ScalePaths(scale.spec_replicas_path, scale.status_replicas_path, scale.label_selector_path)
    raise not_found(f"{resource.name}/scale", name)


def scale_of(obj: Any, paths: ScalePaths) -> GenericObject:
    """A stored workload as a Scale."""
    tree = obj.to_dict()
    status: dict[str, Any] = {"replicas": _at(tree, paths.present) or 0}
    selector = _at(tree, paths.selector) if paths.selector else _selector_text((tree.get("spec") or {}).get("selector"))
    if selector:
        status["selector"] = selector
    meta = obj.metadata
    mine = ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        resource_version=meta.resource_version,
        creation_timestamp=meta.creation_timestamp,
    )
    content = freeze({"spec": {"replicas": _at(tree, paths.wanted) or 0}, "status": status})
    return GenericObject(api_version="autoscaling/v1", kind="Scale", metadata=mine, content=content)


def scaled(current: Any, scale: Mapping[str, Any], resource: Resource, paths: ScalePaths) -> Any:
    """A stored workload with the number that a Scale, as a tree, wants.

    Raises:
        BadRequest: it is no Scale.
        Invalid: the number is none, or negative.
        Conflict: it was made from another revision, or of another object.
    """
    if scale.get("kind", "Scale") != "Scale" or scale.get("apiVersion", "autoscaling/v1") != "autoscaling/v1":
        raise BadRequest(f"cannot handle {scale.get('apiVersion')}, Kind={scale.get('kind')}: expected autoscaling/v1, Kind=Scale")
    meta, name = scale.get("metadata") or {}, current.metadata.name
    revision = str(meta.get("resourceVersion") or "")
    if revision and revision != str(current.metadata.resource_version):
        raise conflict(resource.name, name)
    uid = meta.get("uid") or current.metadata.uid
    if uid != current.metadata.uid:
        raise conflict(resource.name, name, f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current.metadata.uid}")
    wanted = (scale.get("spec") or {}).get("replicas", 0)
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise BadRequest(f"Scale in version v1 cannot be handled as a Scale: spec.replicas: expected integer, got {wanted!r}")
    if wanted < 0:
        raise invalid("Scale", "autoscaling", name, (words.invalid("spec.replicas", wanted, words.NEGATIVE),))
    if not isinstance(current, GenericObject):
        return replace(current, spec=replace(current.spec, replicas=wanted))
    return replace(current, content=_with(current.content, paths.wanted.strip(".").split("."), wanted))


def _at(tree: Any, path: str) -> Any:
    for name in path.strip(".").split("."):
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _with(tree: Mapping[str, Any], path: list[str], value: Any) -> FrozenMap:
    inner = value if len(path) == 1 else _with(tree.get(path[0]) or {}, path[1:], value)
    return FrozenMap({**tree, path[0]: inner})


def _selector_text(selector: Any) -> str:
    """A label selector in its text form, sorted by key, as Kubernetes prints it."""
    if not selector:
        return ""
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    parsed = msgspec.convert(selector, LabelSelector, dec_hook=decode_hook)
    terms = [(key, f"{key}={value}") for key, value in parsed.match_labels.items()]
    for one in parsed.match_expressions:
        values = ",".join(sorted(one.values))
        text = {"In": f"{one.key} in ({values})", "NotIn": f"{one.key} notin ({values})", "DoesNotExist": f"!{one.key}"}
        terms.append((one.key, text.get(one.operator, one.key)))
    return ",".join(text for _, text in sorted(terms))
