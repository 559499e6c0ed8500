"""What scenarios are written with: drafts, manifests of usual objects, and images that behave in ways worth meeting."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from callboard.models.base import freeze
from callboard.models.behaviour import Behaviour
from callboard.runtime.faults import plan as p

IMAGES: Mapping[str, Behaviour] = {
    "slow:*": Behaviour(start="0.5s", ready_after="1.5s"),
    "crashing:*": Behaviour(exits=[1, 1], runs_for="2s"),
    "failing:*": Behaviour(exits=[1, 1, 1], runs_for="6s", ready_after="3s"),
    "broken:*": Behaviour(ready_after="24h"),
    "stubborn:*": Behaviour(stops_in="6s"),
    "task:*": Behaviour(exits=[0] * 9, runs_for="1s"),
    "faltering:*": Behaviour(exits=[1, *[0] * 9], runs_for="1s"),
}
"""How images behave in all scenarios; others start at once, are ready at once and run for ever."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule but for its faults and holds. Faults may begin until `lasts_s`; each node has `node_cpu` (a Kubernetes quantity)."""

    operations: tuple[p.AnyOperation, ...]
    nodes: int = 2
    apiservers: int = 1
    controllers: int = 1
    node_cpu: str = "4"
    lasts_s: float = 12.0


class Scenario(msgspec.Struct, frozen=True):
    """A kind of schedule: `draft(random)` makes one. `stirs` names the components that it is about: faults aim at these more often."""

    name: str
    summary: str
    draft: Callable[[random.Random], Draft]
    stirs: tuple[str, ...]


def apply(at_s: float, tree: dict[str, Any]) -> p.Apply:
    """Apply a document."""
    return p.Apply(at_s=round(at_s, 2), tree=freeze(tree))


def change(at_s: float, resource: str, name: str, patch: dict[str, Any], namespace: str = "default") -> p.Change:
    """Patch an object."""
    return p.Change(at_s=round(at_s, 2), resource=resource, name=name, patch=freeze(patch), namespace=namespace)


def remove(
    at_s: float, resource: str, name: str, namespace: str = "default", propagation: Any = "Background", grace_s: int = -1
) -> p.Remove:
    """Delete an object."""
    return p.Remove(at_s=round(at_s, 2), resource=resource, name=name, namespace=namespace, propagation=propagation, grace_s=grace_s)


def template(app: str, image: str = "web:1", grace_s: int = 1, **spec: Any) -> dict[str, Any]:
    """A pod template with one container."""
    container = {"name": "web", "image": image, "ports": [{"containerPort": 80}], **spec.pop("container", {})}
    return {"metadata": {"labels": {"app": app}}, "spec": {"terminationGracePeriodSeconds": grace_s, "containers": [container], **spec}}


def pod(name: str, image: str = "web:1", grace_s: int = 1, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """A bare pod."""
    made = template(name, image, grace_s, **spec)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, **made["metadata"]}, "spec": made["spec"]}


def deployment(app: str, replicas: int, image: str = "web:1", strategy: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A Deployment of one container."""
    made = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": app}},
        "template": template(app, image, **spec.pop("pod", {})),
        **spec,
    }
    if strategy is not None:
        made["strategy"] = {"rollingUpdate": strategy}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": app}, "spec": made}


def service(app: str, **spec: Any) -> dict[str, Any]:
    """A Service before the pods of an app."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": app},
        "spec": {"selector": {"app": app}, "ports": [{"port": 80}], **spec},
    }


def image(at_s: float, resource: str, name: str, to: str) -> p.Change:
    """Give a workload another image."""
    return change(at_s, resource, name, {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": to}]}}}})


def scale(at_s: float, resource: str, name: str, replicas: int) -> p.Change:
    """Give a workload another size."""
    return change(at_s, resource, name, {"spec": {"replicas": replicas}})


def moments(rng: random.Random, count: int, until_s: float, first_s: float = 1.0) -> list[float]:
    """So many moments in order; some come right after another, as people's second thoughts do."""
    found: list[float] = []
    for _ in range(count):
        near = found and rng.random() < 0.3
        found.append(found[-1] + rng.random() * 0.5 if near else first_s + rng.random() * (until_s - first_s))
    return sorted(round(one, 2) for one in found)
