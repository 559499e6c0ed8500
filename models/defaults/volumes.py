"""Defaults of a pod's volumes. Source: kubernetes 1.36 pkg/apis/core/v1/defaults.go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.models.api import core
from callboard.models.api.core import DownwardAPIVolumeFile, EmptyDirVolumeSource, Volume, VolumeProjection
from callboard.models.base import replace
from callboard.models.defaults.images import pull_policy

MODE = 0o644
SERVICE_ACCOUNT_TOKEN_S = 3600
POD_CERTIFICATE_S = 86400
_NO_EMPTY_DIR = EmptyDirVolumeSource()
_SOURCES = tuple(field for field in Volume.__struct_fields__ if field != "name")


def volume_defaults(volume: Volume) -> Volume:
    """A volume with its defaults; one without a source is an emptyDir."""
    if volume.empty_dir is not None or volume.persistent_volume_claim is not None or volume.host_path is not None:
        return volume
    for field in _SOURCES:
        source = getattr(volume, field)
        if source is not None:
            change = _CHANGES.get(field)
            new = source if change is None else change(source)
            return volume if new is source else replace(volume, **{field: new})
    return replace(volume, empty_dir=_NO_EMPTY_DIR)


def _fill(**values: Any) -> Callable[[Any], Any]:
    """What gives fields their values where they have none."""
    pairs = tuple(values.items())

    def change(source: Any) -> Any:
        missing = {field: value for field, value in pairs if getattr(source, field) in (None, "")}
        return replace(source, **missing) if missing else source

    return change


_mode = _fill(default_mode=MODE)


def _downward(source: core.DownwardAPIVolumeSource) -> core.DownwardAPIVolumeSource:
    source = _mode(source)
    items = _files(source.items)
    return source if items is source.items else replace(source, items=items)


def _files(items: tuple[DownwardAPIVolumeFile, ...]) -> tuple[DownwardAPIVolumeFile, ...]:
    if all(item.field_ref is None or item.field_ref.api_version for item in items):
        return items
    return tuple(
        item if item.field_ref is None or item.field_ref.api_version else replace(item, field_ref=replace(item.field_ref, api_version="v1"))
        for item in items
    )


def _projected(source: core.ProjectedVolumeSource) -> core.ProjectedVolumeSource:
    source = _mode(source)
    sources = tuple(_projection(one) for one in source.sources)
    if all(new is old for new, old in zip(sources, source.sources, strict=True)):
        return source
    return replace(source, sources=sources)


_token = _fill(expiration_seconds=SERVICE_ACCOUNT_TOKEN_S)
_certificate = _fill(max_expiration_seconds=POD_CERTIFICATE_S)


def _projection(one: VolumeProjection) -> VolumeProjection:
    changes: dict[str, Any] = {}
    if one.service_account_token is not None and (token := _token(one.service_account_token)) is not one.service_account_token:
        changes["service_account_token"] = token
    if one.pod_certificate is not None and (certificate := _certificate(one.pod_certificate)) is not one.pod_certificate:
        changes["pod_certificate"] = certificate
    if one.downward_api is not None and (items := _files(one.downward_api.items)) is not one.downward_api.items:
        changes["downward_api"] = replace(one.downward_api, items=items)
    return replace(one, **changes) if changes else one


def _image(source: core.ImageVolumeSource) -> core.ImageVolumeSource:
    if source.pull_policy:
        return source
    return replace(source, pull_policy=pull_policy(source.reference))


_CHANGES: dict[str, Callable[[Any], Any]] = {
    "config_map": _mode,
    "secret": _mode,
    "downward_api": _downward,
    "projected": _projected,
    "image": _image,
    "iscsi": _fill(iscsi_interface="default"),
    "rbd": _fill(pool="rbd", user="admin", keyring="/etc/ceph/keyring"),
    "azure_disk": _fill(caching_mode="ReadWrite", kind="Shared", fs_type="ext4", read_only=False),
    "scale_io": _fill(storage_mode="ThinProvisioned", fs_type="xfs"),
}
