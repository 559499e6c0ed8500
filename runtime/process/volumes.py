"""Which files and links a pod's volumes are: a plan, from the pod and the ConfigMaps and Secrets it names. Pure; nothing is written here.

Called by the process container runtime before a pod's first container and whenever a ConfigMap or Secret has changed; `podfolder.py`
carries the plan out. Where volumes cannot be mounted (level C0), each container gets a folder of its own, `root/<container>/`, whose path
it finds in `CALLBOARD_ROOT` and in which they appear at their mount paths as links: `/etc/web` is `$CALLBOARD_ROOT/etc/web`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from callboard.models.api import core
from callboard.models.base import EMPTY_MAP
from callboard.models.quantity import to_bytes
from callboard.models.volumes import sources_of, unsupported
from callboard.runtime.process.volumemounts import PlannedMount, PlanRefused, parts, plan_mounts

ConfigMaps = Mapping[str, core.ConfigMap | None]
Secrets = Mapping[str, core.Secret | None]
Downward = Mapping[str, Mapping[str, str]]
DEFAULT_MODE = 0o644
GROUP_READS = 0o440
ROOTS = "root"
VOLUMES = "volumes"


class PlannedFile(msgspec.Struct, frozen=True, gc=False):
    """One file of a ConfigMap, Secret or projected volume; `path` is relative, with "/" between its parts."""

    path: str
    content: bytes
    mode: int


class PlannedVolume(msgspec.Struct, frozen=True, gc=False):
    """One volume. `kind`: `files` (swapped in atomically), `empty` (a folder that pods write into; `memory` if it is to lie there, of at
    most `size_bytes`, 0: no limit) or `host` (`host_path`)."""

    name: str
    kind: str
    files: tuple[PlannedFile, ...] = ()
    host_path: str = ""
    host_type: str = ""
    memory: bool = False
    size_bytes: int = 0


class VolumePlan(msgspec.Struct, frozen=True, gc=False):
    """All of a pod's volumes and mounts; mounts that lie inside others come after them. Those with a subPathExpr are not among them: they
    are known once their container starts. `fs_group` owns what the kubelet makes (None: no group in particular)."""

    containers: tuple[str, ...]
    volumes: tuple[PlannedVolume, ...]
    mounts: tuple[PlannedMount, ...]
    fs_group: int | None = None

    def kinds(self) -> dict[str, str]:
        """The kinds of the volumes by name."""
        return {volume.name: volume.kind for volume in self.volumes}


class MissingReferences(msgspec.Struct, frozen=True, gc=False):
    """What must exist before the pod can start, in Kubernetes' words (`configmap "web" not found`). Try again later."""

    messages: tuple[str, ...]


class VolumesRefused(msgspec.Struct, frozen=True, gc=False):
    """What this runtime cannot do, or what the pod's spec must not say. Trying again is of no use."""

    messages: tuple[str, ...]


class _Missing(Exception):
    pass


def plan_volumes(
    pod: core.Pod, configmaps: ConfigMaps, secrets: Secrets, downward: Downward = EMPTY_MAP, *, confined: bool = False
) -> VolumePlan | MissingReferences | VolumesRefused:
    """Plan a pod's volumes. `configmaps` and `secrets` hold, by name, those of the pod's namespace (absent or None: there is none);
    `downward` what the downward API shows, by volume and path; `confined`: they are really mounted."""
    refused: list[str] = []
    missing: list[str] = []
    volumes: list[PlannedVolume] = []
    spec = pod.spec or core.PodSpec()
    for volume in spec.volumes:
        try:
            volumes.append(_plan_volume(volume, spec, configmaps, secrets, downward.get(volume.name, EMPTY_MAP)))
        except PlanRefused as error:
            refused.append(f'volume "{volume.name}": {error}')
        except _Missing as error:
            missing.append(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}')
    containers = [*spec.init_containers, *spec.containers]
    kinds = {volume.name: "" for volume in spec.volumes} | {volume.name: volume.kind for volume in volumes}
    mounts: list[PlannedMount] = []
    for container in containers:
        try:
            mounts += plan_mounts(container, kinds, None, confined=confined)
        except PlanRefused as error:
            refused.append(f'container "{container.name}": {error}')
    if refused:
        return VolumesRefused(tuple(refused))
    if missing:
        return MissingReferences(tuple(missing))
    group = spec.security_context.fs_group if spec.security_context is not None else None
    planned = tuple(_for_group(volume) if group is not None else volume for volume in volumes)
    return VolumePlan(tuple(container.name for container in containers), planned, tuple(mounts), group)


def bare_volumes(pod: core.Pod) -> tuple[PlannedVolume, ...]:
    """A pod's volumes without the content of files, which is not needed for mounting them. Raises `PlanRefused`."""
    spec = pod.spec or core.PodSpec()
    bare = []
    for volume in spec.volumes:
        if volume.host_path is not None:
            bare.append(_plan_host_path(volume.name, volume.host_path))
        elif any(one is not None for one in (volume.config_map, volume.secret, volume.projected, volume.downward_api)):
            bare.append(PlannedVolume(volume.name, "files"))
        else:
            bare.append(_plan_empty_dir(volume.name, volume.empty_dir or core.EmptyDirVolumeSource(), spec))
    return tuple(bare)


def _for_group(volume: PlannedVolume) -> PlannedVolume:
    """Files that the group may read, whatever their modes said (kubernetes pkg/volume/volume_linux.go, roMask)."""
    files = tuple(msgspec.structs.replace(file, mode=file.mode | GROUP_READS) for file in volume.files)
    return msgspec.structs.replace(volume, files=files)


def _plan_volume(
    volume: core.Volume, spec: core.PodSpec, configmaps: ConfigMaps, secrets: Secrets, shown: Mapping[str, str]
) -> PlannedVolume:
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
        raise PlanRefused(why)
    else:
        return _plan_empty_dir(volume.name, volume.empty_dir or core.EmptyDirVolumeSource(), spec)
    return PlannedVolume(volume.name, "files", _without_repeats(files))


def _plan_empty_dir(name: str, source: core.EmptyDirVolumeSource, spec: core.PodSpec) -> PlannedVolume:
    """An emptyDir. One in memory is no larger than the pod's memory limit (kubernetes pkg/volume/emptydir, calculateEmptyDirMemorySize)."""
    if source.medium not in ("", "Memory"):
        raise PlanRefused(f"emptyDir.medium {source.medium!r} is not supported; use Memory, or leave it out")
    size = 0 if source.size_limit is None else to_bytes(source.size_limit)
    if source.medium != "Memory":
        return PlannedVolume(name, "empty", size_bytes=size)
    limits = [container.resources.limits.get("memory") if container.resources is not None else None for container in spec.containers]
    whole = sum(to_bytes(limit) for limit in limits if limit is not None) if None not in limits else 0
    return PlannedVolume(name, "empty", memory=True, size_bytes=min((one for one in (size, whole) if one > 0), default=0))


def _plan_host_path(name: str, source: core.HostPathVolumeSource) -> PlannedVolume:
    if not source.path.startswith("/") or ".." in source.path.split("/"):
        raise PlanRefused(f"hostPath.path {source.path!r} must be absolute and without '..'")
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
        files.append(PlannedFile("/".join(parts(item.path, "items[].path")), content, mode if item.mode is None else item.mode))
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
            raise PlanRefused(
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
        files.append(PlannedFile("/".join(parts(item.path, "items[].path")), content[item.key], mode if item.mode is None else item.mode))
    return files


def _check_name(name: str) -> None:
    if not name or "/" in name or name in (".", "..") or "\0" in name:
        raise PlanRefused("its name cannot be a folder's name")


def _without_repeats(files: Iterable[PlannedFile]) -> tuple[PlannedFile, ...]:
    """The last file of a path wins, as in a projected volume; a path may not be a file and a folder at once."""
    by_path = {file.path: file for file in files}
    for path in by_path:
        if path.split("/")[0].startswith(".."):
            raise PlanRefused(f"the path {path!r} must not begin with '..'")
        parts = path.split("/")
        for count in range(1, len(parts)):
            if "/".join(parts[:count]) in by_path:
                raise PlanRefused(f"{'/'.join(parts[:count])!r} would be a file and a folder at once")
    return tuple(by_path.values())


def _decoded(value: str | bytes, owner: str, key: str) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PlanRefused(f"{owner}: the value of {key!r} is not base64: {error}") from error


def _mode(mode: int | None) -> int:
    return DEFAULT_MODE if mode is None else mode
