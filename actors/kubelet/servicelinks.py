"""Services as environment variables of containers: which there are, and the kubelet's part that knows them.

A pod gets those of the Services of its namespace that had an address when its container was started, unless its spec says
`enableServiceLinks: false`. Source: kubernetes pkg/kubelet/envvars/envvars.go, pkg/kubelet/kubelet_pods.go (getServiceEnvVarMap). Not
followed: `kubernetes` of the namespace default is no exception, since a cluster here has no such Service of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from callboard.actors.component import Port
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.kubelet.agent import NodeAgent
from callboard.actors.kubelet.pods import PodRecord
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.models.api.core import Service

_NONE: Mapping[str, str] = {}


def service_variables(services: Iterable[Service]) -> dict[str, str]:
    """The variables of Services that have an address of their own, in the order of their names."""
    found: dict[str, str] = {}
    for service in sorted(services, key=lambda one: one.metadata.name):
        spec = service.spec
        if spec is None or spec.cluster_ip in ("", "None") or not spec.ports:
            continue
        name, address = _as_variable(service.metadata.name), spec.cluster_ip
        host = f"[{address}]" if ":" in address else address
        found[f"{name}_SERVICE_HOST"] = address
        found[f"{name}_SERVICE_PORT"] = str(spec.ports[0].port)
        for port in spec.ports:
            if port.name:
                found[f"{name}_SERVICE_PORT_{_as_variable(port.name)}"] = str(port.port)
        for number, port in enumerate(spec.ports):
            protocol = (port.protocol or "TCP").lower()
            place = f"{protocol}://{host}:{port.port}"
            if number == 0:
                found[f"{name}_PORT"] = place
            prefix = f"{name}_PORT_{port.port}_{protocol.upper()}"
            found[prefix] = place
            found[f"{prefix}_PROTO"] = protocol
            found[f"{prefix}_PORT"] = str(port.port)
            found[f"{prefix}_ADDR"] = address
    return found


def _as_variable(name: str) -> str:
    return name.upper().replace("-", "_")


class ServiceLinks(NodeAgent):
    """See `Kubelet`. Services are watched from the first pod on that wants to know them."""

    def __init__(self, port: Port, client: ClientSettings, own: KubeletSettings) -> None:
        super().__init__(port, client, own)
        self._services: Informer | None = None
        self._variables: dict[str, dict[str, str]] = {}
        """By namespace, as long as nothing changes there."""
        self._unlinked: dict[str, None] = {}

    def links_of(self, pod: PodRecord) -> Mapping[str, str] | None:
        """The variables of Services that a pod's containers get; None if they are not known yet: see `linked_by`."""
        spec = pod.pod.spec
        if not self.own.service_links or (spec is not None and spec.enable_service_links is False):
            return _NONE
        if self._services is None:
            self._services = self.inform("services", self._service_changed)
            self._services.add_index("namespace", lambda service: (service.metadata.namespace,))
            self._services.start()
        if not self._services.synced:
            self._unlinked[pod.uid] = None
            return None
        namespace = pod.pod.metadata.namespace
        if namespace not in self._variables:
            self._variables[namespace] = service_variables(self._services.by("namespace", namespace).values())
        return self._variables[namespace]

    def linked_by(self, informer: Informer) -> list[str]:
        """An informer has handled a list or batch; the uids of pods that have waited for it and are to be looked at."""
        if informer is not self._services or not self._unlinked:
            return []
        waiting, self._unlinked = list(self._unlinked), {}
        return waiting

    def _service_changed(self, key: str, old: Any, new: Any) -> None:
        for service in (old, new):
            if service is not None:
                self._variables.pop(service.metadata.namespace, None)
