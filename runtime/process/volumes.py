"""Which files and links a pod's volumes are: a plan, from the pod and the ConfigMaps and Secrets it names. Pure; nothing is written here.

Called by the process container runtime before a pod's first container and whenever a ConfigMap or Secret has changed; `podfolder.py`
carries the plan out. Without namespaces a volume cannot be mounted, so each container gets a folder of its own, `root/<container>/`, whose
path it finds in `CALLBOARD_ROOT` and in which the volumes appear at their mount paths as links: `/etc/web` is `$CALLBOARD_ROOT/etc/web`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from callboard.models.api import core
from callboard.models.base import EMPTY_MAP
from callboard.models.volumes import sources_of, unsupported

ConfigMaps = Mapping[str, core.ConfigMap | None]
Secrets = Mapping[str, core.Secret | None]
Downward = Mapping[str, Mapping[str, str]]
DEFAULT_MODE = 0o644
ROOTS = "root"
VOLUMES = "volumes"


class PlannedFile(msgspec.Struct, frozen=True, gc=False):
    """One file of a ConfigMap, Secret or projected volume; `path` is relative, with "/" between its parts."""

    path: str
    content: bytes
    mode: int


class PlannedVolume(msgspec.Struct, frozen=True, gc=False):
    """One volume. `kind`: `files` (swapped in atomically), `empty` (a folder that pods write into) or `host` (a link to `host_path`)."""

    name: str
    kind: str
    files: tuple[PlannedFile, ...] = ()
    host_path: str = ""
    host_type: str = ""


class PlannedMount(msgspec.Struct, frozen=True, gc=False):
    """A link in a container's root. `path` has the parts of the mount path; `sub_path` those of a place inside the volume."""

    container: str
    volume: str
    path: tuple[str, ...]
    sub_path: tuple[str, ...] = ()


class VolumePlan(msgspec.Struct, frozen=True, gc=False):
    """All of a pod's volumes and mounts; mounts that lie inside others come after them."""

    containers: tuple[str, ...]
    volumes: tuple[PlannedVolume, ...]
    mounts: tuple[PlannedMount, ...]


class MissingReferences(msgspec.Struct, frozen=True, gc=False):
    """What must exist before the pod can start, in Kubernetes' words (`configmap "web" not found`). Try again later."""

    messages: tuple[str, ...]


class VolumesRefused(msgspec.Struct, frozen=True, gc=False):
    """What this runtime cannot do, or what the pod's spec must not say. Trying again is of no use."""

    messages: tuple[str, ...]


class _Refused(Exception):
    pass


class _Missing(Exception):
    pass


def plan_volumes(
    pod: core.Pod, configmaps: ConfigMaps, secrets: Secrets, downward: Downward = EMPTY_MAP
) -> VolumePlan | MissingReferences | VolumesRefused:
    """Plan a pod's volumes. `configmaps` and `secrets` hold, by name, those of the pod's namespace (absent or None: there is none);
    `downward` what the downward API shows, by volume and path."""
    refused: list[str] = []
    missing: list[str] = []
    volumes: list[PlannedVolume] = []
    spec = pod.spec or core.PodSpec()
    for volume in spec.volumes:
        try:
            volumes.append(_plan_volume(volume, configmaps, secrets, downward.get(volume.name, EMPTY_MAP)))
        except _Refused as error:
            refused.append(f'volume "{volume.name}": {error}')
        except _Missing as error:
            missing.append(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}')
    containers = [*spec.init_containers, *spec.containers]
    declared = {volume.name for volume in spec.volumes}
    mounts: list[PlannedMount] = []
    for container in containers:
        try:
            mounts += _plan_mounts(container, declared, {volume.name: volume for volume in volumes})
        except _Refused as error:
            refused.append(f'container "{container.name}": {error}')
    if refused:
        return VolumesRefused(tuple(refused))
    if missing:
        return MissingReferences(tuple(missing))
    return VolumePlan(tuple(container.name for container in containers), tuple(volumes), tuple(mounts))


def _plan_volume(volume: core.Volume, configmaps: ConfigMaps, secrets: Secrets, shown: Mapping[str, str]) -> PlannedVolume:
    _check_name(volume.name)
    if volume.config_map is not None:
        files = _from_configmap(volume.config_map, configmaps, _mode(volume.config_map.default_mode))
    elif volume.secret is not None:
        files = _from_secret(volume.secret.secret_name, volume.secret, secrets, _mode(volume.secret.default_mode))
    elif volume.projected is not None:
        files = _from_projected(volume.projected, configmaps, secrets, shown)
    elif volume.downward_api is not None:
        files = _from_downward(volume.downward_api.items, shown, _mode(volume.downward_api.default_mode))
    elif volume.host_path is not None:
        return _plan_host_path(volume.name, volume.host_path)
    elif why := unsupported(volume):
        raise _Refused(why)
    else:
        return PlannedVolume(volume.name, "empty")
    return PlannedVolume(volume.name, "files", _without_repeats(files))


def _plan_host_path(name: str, source: core.HostPathVolumeSource) -> PlannedVolume:
    if not source.path.startswith("/") or ".." in source.path.split("/"):
        raise _Refused(f"hostPath.path {source.path!r} must be absolute and without '..'")
    return PlannedVolume(name, "host", host_path=source.path, host_type=source.type)


def _from_configmap(source: Any, configmaps: ConfigMaps, mode: int) -> list[PlannedFile]:
    configmap = configmaps.get(source.name)
    if configmap is None:
        if source.optional:
            return []
        raise _Missing(f'configmap "{source.name}" not found')
    content = {key: text.encode() for key, text in configmap.data.items()}
    content.update({key: _decoded(value, f'configmap "{source.name}"', key) for key, value in configmap.binary_data.items()})
    return _choose(content, source, mode, "configmap references non-existent config key")


def _from_secret(name: str, source: Any, secrets: Secrets, mode: int) -> list[PlannedFile]:
    secret = secrets.get(name)
    if secret is None:
        if source.optional:
            return []
        raise _Missing(f'secret "{name}" not found')
    content = {key: _decoded(value, f'secret "{name}"', key) for key, value in secret.data.items()}
    return _choose(content, source, mode, "references non-existent secret key")


def _from_downward(items: Iterable[core.DownwardAPIVolumeFile], shown: Mapping[str, str], mode: int) -> list[PlannedFile]:
    files = []
    for item in items:
        content = shown.get(item.path, "").encode()
        files.append(PlannedFile("/".join(_parts(item.path, "items[].path")), content, mode if item.mode is None else item.mode))
    return files


def _from_projected(
    projected: core.ProjectedVolumeSource, configmaps: ConfigMaps, secrets: Secrets, shown: Mapping[str, str]
) -> list[PlannedFile]:
    mode = _mode(projected.default_mode)
    files: list[PlannedFile] = []
    for source in projected.sources:
        if source.config_map is not None:
            files += _from_configmap(source.config_map, configmaps, mode)
        elif source.secret is not None:
            files += _from_secret(source.secret.name, source.secret, secrets, mode)
        elif source.downward_api is not None:
            files += _from_downward(source.downward_api.items, shown, mode)
        else:
            raise _Refused(
                f"projected {(sources_of(source) or ['empty'])[0]} sources are not supported with real processes; "
                "use configMap, secret and downwardAPI"
            )
    return files


def _choose(content: Mapping[str, bytes], source: Any, mode: int, unknown_key: str) -> list[PlannedFile]:
    """All keys, or those that `items` names, at the paths it gives. A named key that isn't there is missing unless it's optional."""
    if not source.items:
        return [PlannedFile(key, content[key], mode) for key in sorted(content)]
    files = []
    for item in source.items:
        if item.key not in content:
            if source.optional:
                continue
            raise _Missing(f"{unknown_key}: {item.key}")
        files.append(PlannedFile("/".join(_parts(item.path, "items[].path")), content[item.key], mode if item.mode is None else item.mode))
    return files


def _plan_mounts(container: core.Container, declared: set[str], volumes: Mapping[str, PlannedVolume]) -> list[PlannedMount]:
    if container.volume_devices:
        raise _Refused("volumeDevices are not supported with real processes")
    mounts: list[PlannedMount] = []
    for mount in container.volume_mounts:
        if mount.name not in declared:
            raise _Refused(f'volumeMounts[].name: Not found: "{mount.name}"')
        if mount.sub_path_expr:
            raise _Refused(f"subPathExpr of mount {mount.mount_path!r} is not supported with real processes; use subPath")
        path = _parts(mount.mount_path.lstrip("/"), "mountPath")
        sub_path = _parts(mount.sub_path, "subPath") if mount.sub_path else ()
        mounts.append(PlannedMount(container.name, mount.name, path, sub_path))
    mounts.sort(key=lambda mount: mount.path)
    for outer, inner in _nested(mounts):
        volume = volumes.get(outer.volume)
        if inner.path == outer.path:
            raise _Refused(f"two mounts have the same mountPath /{'/'.join(inner.path)}")
        if volume is not None and (volume.kind != "empty" or outer.sub_path):
            raise _Refused(
                f"mountPath /{'/'.join(inner.path)} lies inside the mount /{'/'.join(outer.path)}, and with real processes that is "
                "possible only inside an emptyDir without subPath; mount them side by side"
            )
    return mounts


def _nested(mounts: Iterable[PlannedMount]) -> list[tuple[PlannedMount, PlannedMount]]:
    ordered = list(mounts)
    return [
        (outer, inner)
        for position, outer in enumerate(ordered)
        for inner in ordered[position + 1 :]
        if inner.path[: len(outer.path)] == outer.path
    ]


def _parts(path: str, field: str) -> tuple[str, ...]:
    """Parts of a relative path. Raises `_Refused` where it would lead out of its folder."""
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or ".." in parts or not parts or "\0" in path:
        raise _Refused(f"{field} {path!r} must be a path below its folder, without '..'")
    return parts


def _check_name(name: str) -> None:
    if not name or "/" in name or name in (".", "..") or "\0" in name:
        raise _Refused("its name cannot be a folder's name")


def _without_repeats(files: Iterable[PlannedFile]) -> tuple[PlannedFile, ...]:
    """The last file of a path wins, as in a projected volume; a path may not be a file and a folder at once."""
    by_path = {file.path: file for file in files}
    for path in by_path:
        if path.split("/")[0].startswith(".."):
            raise _Refused(f"the path {path!r} must not begin with '..'")
        parts = path.split("/")
        for count in range(1, len(parts)):
            if "/".join(parts[:count]) in by_path:
                raise _Refused(f"{'/'.join(parts[:count])!r} would be a file and a folder at once")
    return tuple(by_path.values())


def _decoded(value: str | bytes, owner: str, key: str) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _Refused(f"{owner}: the value of {key!r} is not base64: {error}") from error


def _mode(mode: int | None) -> int:
    return DEFAULT_MODE if mode is None else mode
