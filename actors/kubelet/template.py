"""What a pod's spec means to a kubelet, worked out once for all pods of one template.

Pods of one ReplicaSet share their `containers`, `init_containers` and `volumes`, so templates are known again by identity.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from callboard.actors.kubelet.eviction import limits_storage
from callboard.models.api.core import Container, PodSpec
from callboard.models.podresources import pod_requests
from callboard.models.volumes import unsupported

TEMPLATES_KEPT = 16
Kind = Literal["init", "sidecar", "main"]


class Part(msgspec.Struct, frozen=True, gc=False):
    """One container and what it is: an init container, a restartable one, or one of the pod's own."""

    spec: Container
    kind: Kind


class ConfigReference(msgspec.Struct, frozen=True, gc=False):
    """A ConfigMap or Secret that a pod needs; `volume` is the volume that shows it, "" for environments."""

    resource: str
    name: str
    optional: bool
    volume: str = ""


class Template(msgspec.Struct, frozen=True, gc=False):
    """`requests` is what the pod takes of its node; `references` what it needs before it can start."""

    spec: PodSpec
    parts: tuple[Part, ...]
    requests: tuple[tuple[str, int], ...]
    references: tuple[ConfigReference, ...]
    has_init: bool
    limits_storage: bool = False
    """Whether its pods may be evicted for the storage that they use themselves."""
    unmountable: str = ""
    """Why its volumes can't be mounted anywhere here; "" if they can."""


class Templates:
    """The templates of a node's pods, newest first."""

    def __init__(self) -> None:
        self._kept: list[Template] = []

    def of(self, spec: PodSpec) -> Template:
        """The template of a pod's spec."""
        for kept in self._kept:
            known = kept.spec
            if known.containers is spec.containers and known.init_containers is spec.init_containers and known.volumes is spec.volumes:
                if known.overhead is spec.overhead and known.resources is spec.resources:
                    return kept
        made = template_of(spec)
        self._kept.insert(0, made)
        del self._kept[TEMPLATES_KEPT:]
        return made


def template_of(spec: PodSpec) -> Template:
    """Work a pod's spec out."""
    init = tuple(Part(one, "sidecar" if one.restart_policy == "Always" else "init") for one in spec.init_containers)
    parts = (*init, *(Part(one, "main") for one in spec.containers))
    references = (*_of_volumes(spec), *(reference for part in parts for reference in _of_environment(part.spec)))
    failed = [f'MountVolume.SetUp failed for volume "{volume.name}" : {why}' for volume in spec.volumes if (why := unsupported(volume))]
    return Template(
        spec=spec,
        parts=parts,
        requests=tuple(pod_requests(spec).items()),
        references=tuple(dict.fromkeys(references)),
        has_init=bool(init),
        limits_storage=limits_storage(spec),
        unmountable="; ".join(failed),
    )


def _of_volumes(spec: PodSpec) -> list[ConfigReference]:
    found = []
    for volume in spec.volumes:
        if volume.config_map is not None:
            found.append(ConfigReference("configmaps", volume.config_map.name, bool(volume.config_map.optional), volume.name))
        if volume.secret is not None:
            found.append(ConfigReference("secrets", volume.secret.secret_name, bool(volume.secret.optional), volume.name))
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.config_map is not None:
                found.append(ConfigReference("configmaps", source.config_map.name, bool(source.config_map.optional), volume.name))
            if source.secret is not None:
                found.append(ConfigReference("secrets", source.secret.name, bool(source.secret.optional), volume.name))
    return found


def _of_environment(container: Container) -> list[ConfigReference]:
    named: list[tuple[str, Any]] = []
    for source in container.env_from:
        named += [("configmaps", source.config_map_ref), ("secrets", source.secret_ref)]
    for variable in container.env:
        if variable.value_from is not None:
            named += [("configmaps", variable.value_from.config_map_key_ref), ("secrets", variable.value_from.secret_key_ref)]
    return [ConfigReference(resource, one.name, bool(one.optional)) for resource, one in named if one is not None]
