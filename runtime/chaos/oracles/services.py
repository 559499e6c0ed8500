"""What holds of Services at rest: endpoints are the ready pods, each in one slice, and proxies send to them and nobody else."""

from __future__ import annotations

from typing import Any

from callboard.models.podstatus import is_active, is_ready
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong


def _ready_addresses(world: World, service: Any) -> list[str]:
    """The addresses of the ready pods that a Service selects, in order."""
    selector, namespace = service.spec.selector, service.metadata.namespace
    return sorted(
        pod.status.pod_ip
        for key, pod in world.objects.items()
        if key.startswith(f"pods/{namespace}/")
        and all(pod.metadata.labels.get(name) == value for name, value in selector.items())
        and is_active(pod)
        and is_ready(pod)
    )


class EndpointsAreReadyPods(Oracle):
    """At rest: the slices of a Service list the addresses of its ready pods, each once (k8s#127429, k8s#92928)."""

    name = "endpoints are the ready pods"

    def at_rest(self, world: World) -> Wrong | None:
        listed: dict[tuple[str, str], list[str]] = {}
        for key, piece in world.objects.items():
            if key.startswith("endpointslices.discovery.k8s.io/"):
                name = (piece.metadata.namespace, piece.metadata.labels.get("kubernetes.io/service-name", ""))
                if f"services/{name[0]}/{name[1]}" not in world.objects:
                    return Wrong(key, f"it is of a Service {name[1]} that is gone")
                here = listed.setdefault(name, [])
                here += [address for end in piece.endpoints if end.conditions.ready for address in end.addresses]
        for key, service in world.objects.items():
            if key.startswith("services/") and service.spec.selector:
                told = sorted(listed.get((service.metadata.namespace, service.metadata.name), []))
                ready = _ready_addresses(world, service)
                if told != ready:
                    return Wrong(key, f"its slices list {told}, ready are {ready}")
        return None


class ProxiesFollow(Oracle):
    """At rest: the table of every node's proxy has the ready pods of every Service, and no others (k8s#28674)."""

    name = "proxies send to the ready pods"

    def at_rest(self, world: World) -> Wrong | None:
        services = [
            obj for key, obj in world.objects.items() if key.startswith("services/") and obj.spec.selector and obj.spec.cluster_ip != "None"
        ]
        if not services:
            return None
        for node in world.nodes:
            proxy = world.component(f"proxy/{node}")
            if proxy is None:
                return Wrong(f"nodes//{node}", "its proxy does not run")
            table = {
                entry.service_key.partition("/")[2].partition(":")[0]: sorted(ip for ip, _ in entry.endpoints)
                for entry in proxy.current_table().services
            }
            for service in services:
                sends, ready = table.get(service.metadata.name, []), _ready_addresses(world, service)
                if sends != ready:
                    return Wrong(
                        f"services/{service.metadata.namespace}/{service.metadata.name}",
                        f"the proxy of {node} sends to {sends}, ready are {ready}",
                    )
        return None


ORACLES: tuple[type[Oracle], ...] = (EndpointsAreReadyPods, ProxiesFollow)
