"""Defaults of pods and pod templates. Source: kubernetes 1.36 pkg/apis/core/v1/defaults.go.

On the path of every create of a pod: each function gives back the very object it got if there is nothing to add.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from callboard.models.api.core import (
    Container,
    ContainerPort,
    EnvVar,
    EphemeralContainer,
    HTTPGetAction,
    Lifecycle,
    LifecycleHandler,
    Pod,
    PodSecurityContext,
    PodSpec,
    PodTemplateSpec,
    Probe,
    ResourceRequirements,
)
from callboard.models.base import FrozenMap, replace
from callboard.models.defaults.images import pull_policy
from callboard.models.defaults.volumes import volume_defaults

T = TypeVar("T")
TERMINATION_LOG = "/dev/termination-log"
GRACE_PERIOD_S = 30
_NO_CONTEXT = PodSecurityContext()


def pod_defaults(pod: Pod) -> Pod:
    """A pod with all its defaults."""
    if pod.spec is None:
        return pod
    spec = for_pod(spec_defaults(pod.spec))
    return pod if spec is pod.spec else replace(pod, spec=spec)


def template_defaults(template: PodTemplateSpec | None) -> PodTemplateSpec | None:
    """A template with the defaults that Kubernetes gives to templates: a pod's, but for those of `for_pod`."""
    if template is None or template.spec is None:
        return template
    spec = spec_defaults(template.spec)
    return template if spec is template.spec else replace(template, spec=spec)


def for_pod(spec: PodSpec) -> PodSpec:
    """What a pod gets beyond its template: requests from limits, service links, host ports.

    Kubernetes keeps these out of templates, so that a later change of a template's limits doesn't meet requests that nobody wrote. Whoever
    makes a pod of a template and skips `with_defaults` calls this.
    """
    changes: dict[str, Any] = {}
    host = spec.host_network is True
    for field, containers in (("containers", spec.containers), ("init_containers", spec.init_containers)):
        new = each(containers, _container_of_pod_on_host if host else _container_of_pod)
        if new is not containers:
            changes[field] = new
    if spec.enable_service_links is None:
        changes["enable_service_links"] = True
    return replace(spec, **changes) if changes else spec


def spec_defaults(spec: PodSpec) -> PodSpec:
    """The defaults that pods and templates share."""
    changes: dict[str, Any] = {}
    if not spec.dns_policy:
        changes["dns_policy"] = "ClusterFirst"
    if not spec.restart_policy:
        changes["restart_policy"] = "Always"
    if spec.termination_grace_period_seconds is None:
        changes["termination_grace_period_seconds"] = GRACE_PERIOD_S
    if not spec.scheduler_name:
        changes["scheduler_name"] = "default-scheduler"
    if spec.security_context is None:
        changes["security_context"] = _NO_CONTEXT
    if spec.service_account_name != spec.service_account:
        account = spec.service_account_name or spec.service_account
        changes["service_account_name"] = changes["service_account"] = account
    if (containers := each(spec.containers, _container)) is not spec.containers:
        changes["containers"] = containers
    if spec.init_containers and (containers := each(spec.init_containers, _container)) is not spec.init_containers:
        changes["init_containers"] = containers
    if spec.ephemeral_containers and (others := each(spec.ephemeral_containers, _container)) is not spec.ephemeral_containers:
        changes["ephemeral_containers"] = others
    if spec.volumes and (volumes := each(spec.volumes, volume_defaults)) is not spec.volumes:
        changes["volumes"] = volumes
    return replace(spec, **changes) if changes else spec


def each(items: tuple[T, ...], change: Callable[[T], T]) -> tuple[T, ...]:
    """All items changed; the same tuple if none did."""
    for index, item in enumerate(items):
        new = change(item)
        if new is not item:
            return (*items[:index], new, *(change(one) for one in items[index + 1 :]))
    return items


C = TypeVar("C", Container, EphemeralContainer)


def _container(container: C) -> C:
    changes: dict[str, Any] = {}
    if not container.image_pull_policy:
        changes["image_pull_policy"] = pull_policy(container.image)
    if not container.termination_message_path:
        changes["termination_message_path"] = TERMINATION_LOG
    if not container.termination_message_policy:
        changes["termination_message_policy"] = "File"
    if container.ports and (ports := each(container.ports, _port)) is not container.ports:
        changes["ports"] = ports
    if container.env and (env := each(container.env, _env)) is not container.env:
        changes["env"] = env
    if container.liveness_probe is not None and (probe := _probe(container.liveness_probe)) is not container.liveness_probe:
        changes["liveness_probe"] = probe
    if container.readiness_probe is not None and (probe := _probe(container.readiness_probe)) is not container.readiness_probe:
        changes["readiness_probe"] = probe
    if container.startup_probe is not None and (probe := _probe(container.startup_probe)) is not container.startup_probe:
        changes["startup_probe"] = probe
    if container.lifecycle is not None and (lifecycle := _lifecycle(container.lifecycle)) is not container.lifecycle:
        changes["lifecycle"] = lifecycle
    return replace(container, **changes) if changes else container


def _port(port: ContainerPort) -> ContainerPort:
    return port if port.protocol else replace(port, protocol="TCP")


def _env(one: EnvVar) -> EnvVar:
    source = one.value_from
    if source is None or source.field_ref is None or source.field_ref.api_version:
        return one
    return replace(one, value_from=replace(source, field_ref=replace(source.field_ref, api_version="v1")))


def _probe(probe: Probe) -> Probe:
    changes: dict[str, Any] = {}
    if not probe.timeout_seconds:
        changes["timeout_seconds"] = 1
    if not probe.period_seconds:
        changes["period_seconds"] = 10
    if not probe.success_threshold:
        changes["success_threshold"] = 1
    if not probe.failure_threshold:
        changes["failure_threshold"] = 3
    if probe.http_get is not None and (http := _http(probe.http_get)) is not probe.http_get:
        changes["http_get"] = http
    return replace(probe, **changes) if changes else probe


def _http(action: HTTPGetAction) -> HTTPGetAction:
    if action.path and action.scheme:
        return action
    return replace(action, path=action.path or "/", scheme=action.scheme or "HTTP")


def _lifecycle(lifecycle: Lifecycle) -> Lifecycle:
    before, after = _handler(lifecycle.pre_stop), _handler(lifecycle.post_start)
    if before is lifecycle.pre_stop and after is lifecycle.post_start:
        return lifecycle
    return replace(lifecycle, pre_stop=before, post_start=after)


def _handler(handler: LifecycleHandler | None) -> LifecycleHandler | None:
    if handler is None or handler.http_get is None:
        return handler
    http = _http(handler.http_get)
    return handler if http is handler.http_get else replace(handler, http_get=http)


def _container_of_pod(container: Container) -> Container:
    resources = container.resources
    if resources is None or not resources.limits:
        return container
    new = _requests(resources)
    return container if new is resources else replace(container, resources=new)


def _requests(resources: ResourceRequirements) -> ResourceRequirements:
    requests = resources.requests
    for name in resources.limits:
        if name not in requests:
            return replace(resources, requests=FrozenMap({**resources.limits, **requests}))
    return resources


def _container_of_pod_on_host(container: Container) -> Container:
    container = _container_of_pod(container)
    ports = each(container.ports, _host_port)
    return container if ports is container.ports else replace(container, ports=ports)


def _host_port(port: ContainerPort) -> ContainerPort:
    return port if port.host_port else replace(port, host_port=port.container_port)
