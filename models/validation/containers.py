"""Containers of a pod. Source: validateContainers and what it calls in kubernetes pkg/apis/core/validation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from callboard.models.api.core import Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource, EphemeralContainer, VolumeMount
from callboard.models.validation import formats, words
from callboard.models.validation.handlers import check_lifecycle, check_probe
from callboard.models.validation.meta import Errors
from callboard.models.validation.resources import check_resources

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_KEYED_FIELDS = ("metadata.annotations['", "metadata.labels['")
_INIT_WORDS = "may not be set for init containers without restartPolicy=Always"


class PodContext(msgspec.Struct):
    """What checks of a container need to know of its pod. `names` and `host_ports` fill up while containers are checked."""

    volumes: Collection[str]
    grace_s: int
    host_network: bool
    names: dict[str, None]
    host_ports: dict[str, None]


def check_container(container: Container | EphemeralContainer, path: str, pod: PodContext, errors: Errors, *, init: bool = False) -> None:
    """One container; `init` tells that it runs before the others."""
    name = container.name
    if not name:
        errors.append(words.required(f"{path}.name"))
    elif name in pod.names:
        errors.append(words.duplicate(f"{path}.name", name))
    elif problems := formats.label(name):
        errors.extend(words.invalid(f"{path}.name", name, one) for one in problems)
    pod.names[name] = None
    _check_image(container, path, errors)
    if container.ports:
        _check_ports(container.ports, f"{path}.ports", pod, errors)
    if container.env:
        for index, one in enumerate(container.env):
            _check_env(one, f"{path}.env[{index}]", errors)
    for index, source in enumerate(container.env_from):
        _check_env_from(source, f"{path}.envFrom[{index}]", errors)
    if container.volume_mounts:
        _check_mounts(container.volume_mounts, f"{path}.volumeMounts", pod.volumes, errors)
    if container.restart_policy and container.restart_policy not in RESTART_POLICIES:
        errors.append(words.unsupported(f"{path}.restartPolicy", container.restart_policy, RESTART_POLICIES))
    if init and container.restart_policy != "Always":
        _check_runs_once(container, path, errors)
    else:
        _check_handlers(container, path, pod, errors)
    if container.resources is not None:
        check_resources(container.resources, f"{path}.resources", errors)


def _check_image(container: Container | EphemeralContainer, path: str, errors: Errors) -> None:
    image = container.image
    if not image:
        errors.append(words.required(f"{path}.image"))
    elif image[0].isspace() or image[-1].isspace():
        errors.append(words.invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    _check_option(container.image_pull_policy, PULL_POLICIES, f"{path}.imagePullPolicy", errors)
    _check_option(container.termination_message_policy, MESSAGE_POLICIES, f"{path}.terminationMessagePolicy", errors)


def _check_option(value: str, options: tuple[str, ...], path: str, errors: Errors) -> None:
    if value not in options:
        errors.append(words.unsupported(path, value, options) if value else words.required(path))


def _check_handlers(container: Any, path: str, pod: PodContext, errors: Errors) -> None:
    if container.lifecycle is not None:
        check_lifecycle(container.lifecycle, f"{path}.lifecycle", pod.grace_s, errors)
    if container.liveness_probe is not None:
        check_probe(container.liveness_probe, f"{path}.livenessProbe", errors, kind="liveness")
    if container.readiness_probe is not None:
        check_probe(container.readiness_probe, f"{path}.readinessProbe", errors, kind="readiness")
    if container.startup_probe is not None:
        check_probe(container.startup_probe, f"{path}.startupProbe", errors, kind="startup")


def _check_runs_once(container: Any, path: str, errors: Errors) -> None:
    given = (
        ("lifecycle", container.lifecycle),
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    )
    errors.extend(words.forbidden(f"{path}.{field}", _INIT_WORDS) for field, value in given if value is not None)


def _check_ports(ports: tuple[ContainerPort, ...], path: str, pod: PodContext, errors: Errors) -> None:
    names: list[str] = []
    for index, port in enumerate(ports):
        if port.name:
            if problems := formats.port_name(port.name):
                errors.extend(words.invalid(f"{path}[{index}].name", port.name, one) for one in problems)
            elif port.name in names:
                errors.append(words.duplicate(f"{path}[{index}].name", port.name))
            names.append(port.name)
        number = port.container_port
        if not number:
            errors.append(words.required(f"{path}[{index}].containerPort"))
        elif not 1 <= number <= 65535:
            errors.append(words.invalid(f"{path}[{index}].containerPort", number, words.in_range(1, 65535)))
        _check_option(port.protocol, PROTOCOLS, f"{path}[{index}].protocol", errors)
        if port.host_port:
            _check_host_port(port, f"{path}[{index}]", pod, errors)


def _check_host_port(port: ContainerPort, path: str, pod: PodContext, errors: Errors) -> None:
    number = port.host_port or 0
    errors.extend(words.invalid(f"{path}.hostPort", number, one) for one in formats.port_number(number))
    if pod.host_network and number != port.container_port:
        errors.append(words.invalid(f"{path}.containerPort", port.container_port, "must match `hostPort` when `hostNetwork` is true"))
    key = f"{port.protocol}/{port.host_ip}/{number}"
    if key in pod.host_ports:
        errors.append(words.duplicate(f"{path}.hostPort", key))
    pod.host_ports[key] = None


def _check_env(one: EnvVar, path: str, errors: Errors) -> None:
    if not one.name:
        errors.append(words.required(f"{path}.name"))
    elif problems := formats.env_name(one.name):
        errors.extend(words.invalid(f"{path}.name", one.name, problem) for problem in problems)
    if one.value_from is not None:
        if one.value:
            errors.append(words.invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty"))
        _check_value_from(one.value_from, f"{path}.valueFrom", errors)


def _check_value_from(source: EnvVarSource, path: str, errors: Errors) -> None:
    given = 0
    if (field := source.field_ref) is not None:
        given += 1
        keyed = field.field_path.startswith(_KEYED_FIELDS) and field.field_path.endswith("']")
        if not field.field_path:
            errors.append(words.required(f"{path}.fieldRef.fieldPath"))
        elif not keyed and field.field_path not in ENV_FIELDS:
            errors.append(words.unsupported(f"{path}.fieldRef.fieldPath", field.field_path, ENV_FIELDS))
    if (resource := source.resource_field_ref) is not None:
        given += 1
        if not resource.resource:
            errors.append(words.required(f"{path}.resourceFieldRef.resource"))
    for name, selector in (("configMapKeyRef", source.config_map_key_ref), ("secretKeyRef", source.secret_key_ref)):
        if selector is None:
            continue
        given += 1
        if not selector.name:
            errors.append(words.required(f"{path}.{name}.name"))
        if not selector.key:
            errors.append(words.required(f"{path}.{name}.key"))
        else:
            errors.extend(words.invalid(f"{path}.{name}.key", selector.key, one) for one in formats.config_key(selector.key))
    given += source.file_key_ref is not None
    if given == 0:
        detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        errors.append(words.invalid(path, "", detail))
    elif given > 1:
        errors.append(words.invalid(path, "", "may not have more than one field specified at a time"))


def _check_env_from(source: EnvFromSource, path: str, errors: Errors) -> None:
    if source.prefix:
        errors.extend(words.invalid(f"{path}.prefix", source.prefix, one) for one in formats.env_name(source.prefix))
    if source.config_map_ref is None and source.secret_ref is None:
        errors.append(words.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
    elif source.config_map_ref is not None and source.secret_ref is not None:
        errors.append(words.invalid(path, "", "may not have more than one field specified at a time"))
    for name, ref in (("configMapRef", source.config_map_ref), ("secretRef", source.secret_ref)):
        if ref is not None and not ref.name:
            errors.append(words.required(f"{path}.{name}.name"))


def _check_mounts(mounts: tuple[VolumeMount, ...], path: str, volumes: Collection[str], errors: Errors) -> None:
    seen: list[str] = []
    for index, mount in enumerate(mounts):
        if not mount.name:
            errors.append(words.required(f"{path}[{index}].name"))
        elif mount.name not in volumes:
            errors.append(words.not_found(f"{path}[{index}].name", mount.name))
        if not mount.mount_path:
            errors.append(words.required(f"{path}[{index}].mountPath"))
        elif mount.mount_path in seen:
            errors.append(words.invalid(f"{path}[{index}].mountPath", mount.mount_path, "must be unique"))
        seen.append(mount.mount_path)
        if mount.sub_path:
            check_local_path(mount.sub_path, f"{path}[{index}].subPath", errors)
        if mount.sub_path_expr:
            if mount.sub_path:
                errors.append(
                    words.invalid(f"{path}[{index}].subPathExpr", mount.sub_path_expr, "subPathExpr and subPath are mutually exclusive")
                )
            check_local_path(mount.sub_path_expr, f"{path}[{index}].subPathExpr", errors)


def check_local_path(value: str, path: str, errors: Errors) -> None:
    """A path that stays below the folder it is meant for."""
    if value.startswith("/"):
        errors.append(words.invalid(path, value, "must be a relative path"))
    if ".." in value.split("/"):
        errors.append(words.invalid(path, value, "must not contain '..'"))
