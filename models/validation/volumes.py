"""Volumes of a pod. Source: ValidateVolumes and what it calls in kubernetes pkg/apis/core/validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.models.api.core import DownwardAPIVolumeFile, KeyToPath, ProjectedVolumeSource, Volume
from callboard.models.base import wire_name
from callboard.models.validation import formats, words
from callboard.models.validation.containers import check_local_path
from callboard.models.validation.meta import Errors
from callboard.models.validation.resources import check_quantity

MAX_MODE = 0o777
_MODE_WORDS = "must be a number between 0 and 0777 (octal), both inclusive"
_SOURCES = tuple((field, wire_name(field)) for field in Volume.__struct_fields__ if field != "name")
DOWNWARD_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_KEYED_FIELDS = ("metadata.annotations['", "metadata.labels['")


def check_volumes(volumes: tuple[Volume, ...], path: str, errors: Errors) -> dict[str, None]:
    """All volumes; gives their names."""
    names: dict[str, None] = {}
    for index, volume in enumerate(volumes):
        own = f"{path}[{index}]"
        if not volume.name:
            errors.append(words.required(f"{own}.name"))
        elif problems := formats.label(volume.name):
            errors.extend(words.invalid(f"{own}.name", volume.name, one) for one in problems)
        elif volume.name in names:
            errors.append(words.duplicate(f"{own}.name", volume.name))
        names[volume.name] = None
        _check_source(volume, own, errors)
    return names


def _check_source(volume: Volume, path: str, errors: Errors) -> None:
    given = False
    for field, wire in _SOURCES:
        source = getattr(volume, field)
        if source is None:
            continue
        if given:
            errors.append(words.forbidden(f"{path}.{wire}", "may not specify more than 1 volume type"))
        else:
            given = True
            check = _CHECKS.get(field)
            if check is not None:
                check(source, f"{path}.{wire}", errors)
    if not given:
        errors.append(words.required(path, "must specify a volume type"))


def _check_host_path(source: Any, path: str, errors: Errors) -> None:
    if not source.path:
        errors.append(words.required(f"{path}.path"))
    elif ".." in source.path.split("/"):
        errors.append(words.invalid(f"{path}.path", source.path, "must not contain '..'"))


def _check_empty_dir(source: Any, path: str, errors: Errors) -> None:
    if source.size_limit is not None:
        check_quantity(source.size_limit, f"{path}.sizeLimit", errors)


def _check_config_map(source: Any, path: str, errors: Errors) -> None:
    if not source.name:
        errors.append(words.required(f"{path}.name"))
    _check_mode(source.default_mode, f"{path}.defaultMode", errors)
    _check_keys(source.items, path, errors)


def _check_secret(source: Any, path: str, errors: Errors) -> None:
    if not source.secret_name:
        errors.append(words.required(f"{path}.secretName"))
    _check_mode(source.default_mode, f"{path}.defaultMode", errors)
    _check_keys(source.items, path, errors)


def _check_mode(mode: int | None, path: str, errors: Errors) -> None:
    if mode is not None and not 0 <= mode <= MAX_MODE:
        errors.append(words.invalid(path, mode, _MODE_WORDS))


def _check_keys(items: tuple[KeyToPath, ...], path: str, errors: Errors) -> None:
    for index, item in enumerate(items):
        own = f"{path}.items[{index}]"
        if not item.key:
            errors.append(words.required(f"{own}.key"))
        _check_file(item.path, item.mode, own, errors)


def _check_file(file: str, mode: int | None, path: str, errors: Errors) -> None:
    if not file:
        errors.append(words.required(f"{path}.path"))
    else:
        check_local_path(file, f"{path}.path", errors)
        if file.startswith("..") and not file.startswith("../") and file != "..":
            errors.append(words.invalid(f"{path}.path", file, "must not start with '..'"))
    _check_mode(mode, f"{path}.mode", errors)


def _check_downward(source: Any, path: str, errors: Errors) -> None:
    _check_mode(getattr(source, "default_mode", None), f"{path}.defaultMode", errors)
    for index, item in enumerate(source.items):
        _check_downward_file(item, f"{path}.items[{index}]", errors)


def _check_downward_file(item: DownwardAPIVolumeFile, path: str, errors: Errors) -> None:
    _check_file(item.path, item.mode, path, errors)
    if item.field_ref is not None:
        field = item.field_ref.field_path
        if field not in DOWNWARD_FIELDS and not (field.startswith(_KEYED_FIELDS) and field.endswith("']")):
            errors.append(words.unsupported(f"{path}.fieldRef.fieldPath", field, DOWNWARD_FIELDS))
        if item.resource_field_ref is not None:
            errors.append(words.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
    elif item.resource_field_ref is None:
        errors.append(words.required(path, "one of fieldRef and resourceFieldRef is required"))


def _check_projected(source: ProjectedVolumeSource, path: str, errors: Errors) -> None:
    _check_mode(source.default_mode, f"{path}.defaultMode", errors)
    for index, one in enumerate(source.sources):
        own = f"{path}.sources[{index}]"
        given = [field for field in one.__struct_fields__ if getattr(one, field) is not None]
        if not given:
            errors.append(words.required(own, "must specify a volume type"))
        for field in given[1:]:
            errors.append(words.forbidden(f"{own}.{wire_name(field)}", "may not specify more than 1 volume type"))
        if one.config_map is not None:
            _check_projection(one.config_map, f"{own}.configMap", errors)
        if one.secret is not None:
            _check_projection(one.secret, f"{own}.secret", errors)
        if one.downward_api is not None:
            _check_downward(one.downward_api, f"{own}.downwardAPI", errors)
        if one.service_account_token is not None and not one.service_account_token.path:
            errors.append(words.required(f"{own}.serviceAccountToken.path"))


def _check_projection(source: Any, path: str, errors: Errors) -> None:
    if not source.name:
        errors.append(words.required(f"{path}.name"))
    _check_keys(source.items, path, errors)


def _check_claim(source: Any, path: str, errors: Errors) -> None:
    if not source.claim_name:
        errors.append(words.required(f"{path}.claimName"))


def _check_nfs(source: Any, path: str, errors: Errors) -> None:
    if not source.server:
        errors.append(words.required(f"{path}.server"))
    if not source.path:
        errors.append(words.required(f"{path}.path"))
    elif not source.path.startswith("/"):
        errors.append(words.invalid(f"{path}.path", source.path, "must be an absolute path"))


_CHECKS: dict[str, Callable[[Any, str, Errors], None]] = {
    "host_path": _check_host_path,
    "empty_dir": _check_empty_dir,
    "config_map": _check_config_map,
    "secret": _check_secret,
    "downward_api": _check_downward,
    "projected": _check_projected,
    "persistent_volume_claim": _check_claim,
    "nfs": _check_nfs,
}
"""Sources of storage that no kubelet of ours mounts are checked against the schema only."""
