"""Where a container's volumes appear and which part of each: a plan, from its spec and its environment. Pure.

Source of the rules: kubernetes pkg/kubelet/kubelet_pods.go (makeMounts), pkg/kubelet/container/helpers.go (ExpandContainerVolumeMounts).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from callboard.models.api import core

_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")


class PlanRefused(Exception):
    """What a pod's volumes or mounts must not say, or what can't be done here; the text says which and why."""


class PlannedMount(msgspec.Struct, frozen=True, gc=False):
    """A volume in a container. `path` has the parts of the mount path; `sub_path` those of a place inside the volume. `kind` is the
    volume's (see `PlannedVolume`)."""

    container: str
    volume: str
    path: tuple[str, ...]
    sub_path: tuple[str, ...] = ()
    read_only: bool = False
    kind: str = ""


def plan_mounts(
    container: core.Container, kinds: Mapping[str, str], variables: Mapping[str, str] | None, *, confined: bool
) -> tuple[PlannedMount, ...]:
    """Plan a container's mounts; those that lie inside others come after them.

    `kinds` holds the kinds of the pod's volumes by name ("" if one has none yet); `variables` the container's environment, None as long as
    that isn't known: then mounts with a subPathExpr are left out. `confined`: they are really mounted; else they become links, and can't
    lie inside everything. Raises `PlanRefused`.
    """
    if container.volume_devices:
        raise PlanRefused("volumeDevices are not supported with real processes")
    mounts: list[PlannedMount] = []
    for mount in container.volume_mounts:
        if mount.name not in kinds:
            raise PlanRefused(f'volumeMounts[].name: Not found: "{mount.name}"')
        if mount.mount_propagation not in ("", "None"):
            raise PlanRefused(f"mountPropagation {mount.mount_propagation} of mount {mount.mount_path!r} is not supported; leave it out")
        path = parts(mount.mount_path.lstrip("/"), "mountPath")
        if mount.sub_path_expr and variables is None:
            continue
        wanted = expanded_sub_path(mount.sub_path_expr, variables or {}) if mount.sub_path_expr else mount.sub_path
        sub_path = parts(wanted, "subPath") if wanted else ()
        kind = kinds[mount.name]
        read_only = bool(mount.read_only) or kind == "files"  # what the kubelet writes is never a container's to change
        mounts.append(PlannedMount(container.name, mount.name, path, sub_path, read_only, kind))
    mounts.sort(key=lambda mount: mount.path)
    _check_nested(mounts, confined)
    return tuple(mounts)


def expanded_sub_path(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` replaced from the container's environment. Raises `PlanRefused` where it has no such variable.

    >>> expanded_sub_path("logs/$(POD)", {"POD": "web-0"})
    'logs/web-0'
    """
    names = {match[1] for match in _REFERENCE.finditer(text) if match[0] != "$$"}
    missing = sorted(names - variables.keys())
    if missing:
        raise PlanRefused(f"subPathExpr {text!r}: missing value for {', '.join(missing)}")
    return _REFERENCE.sub(lambda match: "$" if match[0] == "$$" else variables[match[1]], text)


def nested(mounts: Iterable[PlannedMount]) -> list[tuple[PlannedMount, PlannedMount]]:
    """Pairs of one container's mounts of which the second lies inside the first, or at the same place. They must be in order."""
    ordered = list(mounts)
    return [
        (outer, inner)
        for position, outer in enumerate(ordered)
        for inner in ordered[position + 1 :]
        if inner.path[: len(outer.path)] == outer.path
    ]


def parts(path: str, field: str) -> tuple[str, ...]:
    """Parts of a relative path. Raises `PlanRefused` where it would lead out of its folder."""
    found = tuple(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or ".." in found or not found or "\0" in path:
        raise PlanRefused(f"{field} {path!r} must be a path below its folder, without '..'")
    return found


def _check_nested(mounts: list[PlannedMount], confined: bool) -> None:
    for outer, inner in nested(mounts):
        if inner.path == outer.path:
            raise PlanRefused(f"two mounts have the same mountPath /{'/'.join(inner.path)}")
        if not confined and outer.kind and (outer.kind != "empty" or outer.sub_path):
            raise PlanRefused(
                f"mountPath /{'/'.join(inner.path)} lies inside the mount /{'/'.join(outer.path)}, and at level C0 that is "
                "possible only inside an emptyDir without subPath; mount them side by side, or run the cluster at level C1, B or A"
            )
