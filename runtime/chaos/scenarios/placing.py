"""Scenarios of nodes and of what the store keeps: places that run out, names that come again, owners that go."""

from __future__ import annotations

import random
from typing import Any

from callboard.runtime.chaos.scenarios.drafting import Draft, Scenario, apply, change, deployment, moments, pod, remove, scale, service
from callboard.runtime.faults import plan as p

CROWDED_CPU = "1"
"""A node of this size holds two pods of `PART`."""
LAST_S = 11.9
"""What comes later would be there when everything is removed that there may be no room for."""
PART = {"resources": {"requests": {"cpu": "450m"}}}
WHOLE = {"resources": {"requests": {"cpu": "900m"}}}


def places(rng: random.Random) -> Draft:
    """Small nodes, pods of two priorities, and more of them than there is room for."""
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000}
    operations: list[p.AnyOperation] = [apply(0.0, priority)]
    nodes = rng.randint(1, 2)
    names = [f"low-{number}" for number in range(rng.randint(1, 2 * nodes))]
    operations += [apply(0.0, pod(name, rng.choice(("web:1", "stubborn:1")), rng.choice((1, 8)), container=PART)) for name in names]
    operations.append(apply(2.0, deployment("web", rng.randint(1, 2), pod={"container": PART})))
    for number, at_s in enumerate(moments(rng, rng.randint(2, 4), 11.0, first_s=2.5)):
        act = rng.choice(("high", "high", "again", "size"))
        if act == "high":
            names.append(f"high-{number}")
            operations.append(apply(at_s, pod(f"high-{number}", priorityClassName="high", container=rng.choice((PART, WHOLE)))))
            if rng.random() < 0.5:  # who comes while others are removed for that one
                names.append(f"late-{number}")
                operations.append(apply(min(at_s + rng.choice((0.2, 2.0)), LAST_S), pod(f"late-{number}", container=PART)))
        elif act == "again":
            name = rng.choice([one for one in names if one.startswith("low")])
            again_s = min(at_s + rng.choice((0.1, 1.5)), LAST_S)
            operations += [remove(at_s, "pods", name), apply(again_s, pod(name, container=PART))]
        else:
            operations.append(scale(at_s, "deployments.apps", "web", rng.randint(0, 3)))
    operations += [remove(12.0, "pods", name) for name in names]  # in the end there is room for all
    operations.append(scale(12.0, "deployments.apps", "web", 1))
    return Draft(
        operations=tuple(operations), nodes=nodes, node_cpu=CROWDED_CPU, apiservers=rng.randint(1, 2), controllers=rng.choice((1, 2))
    )


def names(rng: random.Random) -> Draft:
    """Bare pods behind a Service, whose names come again at once, on tainted and untainted nodes, some slow to end."""
    taint = {"key": "maintenance", "value": "yes", "effect": "NoExecute"}
    tolerant = {"tolerations": [{"key": "maintenance", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3}]}

    def made(name: str) -> dict[str, Any]:
        spec: dict[str, Any] = {**(tolerant if rng.random() < 0.5 else {}), "restartPolicy": rng.choice(("Always", "Always", "Never"))}
        if rng.random() < 0.5:
            spec["container"] = {"readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1}}
        tree = pod(name, rng.choice(("web:1", "stubborn:1", "crashing:1", "slow:1", "failing:1")), rng.choice((1, 8)), **spec)
        tree["metadata"]["labels"] = {"app": "names"}
        return tree

    known = [f"pod-{number}" for number in range(rng.randint(2, 3))]
    operations: list[p.AnyOperation] = [
        apply(0.0, service("names", publishNotReadyAddresses=False)),
        *(apply(0.0, made(name)) for name in known),
    ]
    for at_s in moments(rng, rng.randint(3, 6), 11.0, first_s=1.5):
        act = rng.choice(("again", "again", "force", "taint", "taint", "gone"))
        name = rng.choice(known)
        if act == "force":
            operations += [remove(at_s, "pods", name, grace_s=0), apply(at_s + rng.choice((0.0, 0.1)), made(name))]
        elif act == "again":
            operations += [remove(at_s, "pods", name), apply(at_s + rng.choice((0.0, 0.1, 1.5)), made(name))]
        elif act == "taint":
            operations.append(change(at_s, "nodes", "node-1", {"spec": {"taints": [taint]}}, namespace=""))
            operations.append(change(at_s + rng.choice((0.5, 2.0, 4.0)), "nodes", "node-1", {"spec": {"taints": []}}, namespace=""))
        else:
            operations.append(remove(at_s, "pods", name))
    operations.append(change(14.0, "nodes", "node-1", {"spec": {"taints": []}}, namespace=""))
    return Draft(operations=tuple(operations), nodes=rng.randint(1, 3), apiservers=rng.randint(1, 2), lasts_s=14.0)


def owners(rng: random.Random) -> Draft:
    """Namespaces, owners and what they own: deleted in every way, made again, filled while they go."""

    def thing(name: str, namespace: str = "default") -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "data": {"k": str(rng.random())},
        }

    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    operations: list[p.AnyOperation] = [apply(0.0, space), apply(0.5, thing("a", "shop")), apply(0.0, thing("top"))]
    inside = deployment("inside", 1)
    inside["metadata"]["namespace"] = "shop"
    operations += [apply(0.2, deployment("web", 1)), apply(0.2, service("web")), apply(0.6, inside)]
    for number, at_s in enumerate(moments(rng, rng.randint(4, 7), 11.0, first_s=1.0)):
        act = rng.choice(("fill", "space", "space", "owner", "change"))
        if act == "fill":
            operations.append(apply(at_s, thing(f"thing-{number}", rng.choice(("shop", "default")))))
        elif act == "space":
            operations += [
                remove(at_s, "namespaces", "shop", namespace=""),
                *(apply(at_s + late_s, thing(f"late-{number}-{late_s}", "shop")) for late_s in rng.sample((0.1, 0.9, 1.8, 2.7, 3.5), 3)),
                apply(at_s + 4.0, space),
            ]
        elif act == "owner":
            how = rng.choice(("Background", "Foreground", "Orphan"))
            operations += [remove(at_s, "deployments.apps", "web", propagation=how), remove(at_s, "services", "web")]
            operations += [apply(at_s + rng.choice((0.1, 2.0)), deployment("web", rng.randint(1, 2))), apply(at_s + 2.0, service("web"))]
        else:
            operations.append(change(at_s, "configmaps", "top", {"data": {"k": str(rng.random())}}))
    return Draft(operations=tuple(operations), nodes=1, apiservers=rng.choice((1, 2, 2)), lasts_s=16.0)


PLACES = (
    Scenario("places", "more pods of two priorities than there is room for", places, ("scheduler", "kubelet/node-1")),
    Scenario(
        "names",
        "pods whose names come again at once, on nodes that are tainted",
        names,
        ("kubelet/node-1", "controller/nodelifecycle", "controller/endpointslice"),
    ),
    Scenario(
        "owners",
        "namespaces and owners that go and come again",
        owners,
        ("controller/garbagecollector", "controller/namespace", "apiserver-0"),
    ),
)
