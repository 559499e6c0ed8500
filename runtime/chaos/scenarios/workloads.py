"""Scenarios of workloads: rollouts, pods taken away under a budget, identities, daemons; tasks have a module of their own."""

from __future__ import annotations

import random
from typing import Any

from callboard.models.base import freeze
from callboard.runtime.chaos.scenarios.drafting import (
    Draft,
    Scenario,
    apply,
    change,
    deployment,
    image,
    moments,
    remove,
    scale,
    service,
    template,
)
from callboard.runtime.chaos.scenarios.tasks import TASKS
from callboard.runtime.faults import plan as p

DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS = "deployments.apps", "statefulsets.apps", "daemonsets.apps"


def rollouts(rng: random.Random) -> Draft:
    """A Deployment behind a Service, to which users do what they do: sizes, images, second thoughts, labels, all of it again."""
    surge, unavailable = rng.choice(((1, 0), (0, 1), (1, 1), ("25%", "25%"), (2, 0)))
    first = deployment(
        "web", rng.randint(1, 4), strategy={"maxSurge": surge, "maxUnavailable": unavailable}, minReadySeconds=rng.choice((0, 0, 1))
    )
    operations: list[p.AnyOperation] = [apply(0.0, service("web")), apply(0.0, first)]
    for at_s in moments(rng, rng.randint(3, 6), 11.0):
        act = rng.choice(("size", "size", "image", "image", "undo", "orphan", "again", "pause"))
        if act == "size":
            operations.append(scale(at_s, DEPLOYMENTS, "web", rng.randint(0, 5)))
        elif act == "image":
            operations.append(image(at_s, DEPLOYMENTS, "web", rng.choice(("web:1", "web:2", "web:3", "slow:1", "crashing:1", "broken:1"))))
        elif act == "undo":
            operations.append(p.Undo(at_s=at_s, name="web"))
        elif act == "orphan":
            operations.append(p.Orphan(at_s=at_s, labels="app=web", patch=freeze({"app": rng.choice(("other", "web-2"))})))
        elif act == "again":
            operations += [remove(at_s, DEPLOYMENTS, "web"), apply(at_s + rng.choice((0.0, 0.3, 2.0)), first)]
        else:
            operations += [
                change(at_s, DEPLOYMENTS, "web", {"spec": {"paused": True}}),
                change(at_s + 1.5, DEPLOYMENTS, "web", {"spec": {"paused": False}}),
            ]
    operations.append(image(12.0, DEPLOYMENTS, "web", rng.choice(("web:1", "web:4"))))  # nothing broken stays, so that rest can be judged
    return Draft(operations=tuple(operations), nodes=rng.randint(1, 3), apiservers=rng.randint(1, 2), controllers=1)


def replica_sets(rng: random.Random) -> Draft:
    """Two ReplicaSets of like labels: pods are orphaned, adopted, replaced; sets are deleted and made again under the same name."""

    def made(name: str, replicas: int) -> dict[str, Any]:
        spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template(name)}
        return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}, "spec": spec}

    sizes = {name: rng.randint(1, 3) for name in ("a", "b")}
    operations: list[p.AnyOperation] = [apply(0.0, made(name, sizes[name])) for name in sizes]
    operations.append(apply(0.0, service("a")))
    for at_s in moments(rng, rng.randint(3, 6), 11.0):
        name = rng.choice(("a", "b"))
        act = rng.choice(("size", "orphan", "again", "leave", "leave"))
        if act == "size":
            operations.append(scale(at_s, "replicasets.apps", name, rng.randint(0, 4)))
        elif act == "orphan":
            other = rng.choice(("a", "b", "c"))
            operations.append(p.Orphan(at_s=at_s, labels=f"app={name}", patch=freeze({"app": other})))
        elif act == "again":
            operations += [remove(at_s, "replicasets.apps", name), apply(at_s + rng.choice((0.0, 0.2, 1.0)), made(name, rng.randint(1, 3)))]
        else:
            operations += [remove(at_s, "replicasets.apps", name, propagation="Orphan"), apply(at_s + 1.0, made(name, sizes[name]))]
    return Draft(operations=tuple(operations), nodes=rng.randint(1, 2), apiservers=rng.randint(1, 2), controllers=1)


def budgets(rng: random.Random) -> Draft:
    """Pods under a disruption budget, and several who want to be rid of them at the same time."""
    replicas = rng.randint(2, 4)
    floor = rng.randint(1, replicas - 1)
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": floor, "selector": {"matchLabels": {"app": "web"}}},
    }
    first = deployment("web", replicas, image=rng.choice(("web:1", "slow:1")))
    operations: list[p.AnyOperation] = [apply(0.0, service("web")), apply(0.0, budget), apply(0.0, first)]
    for at_s in moments(rng, rng.randint(3, 7), 11.0, first_s=2.5):
        operations.append(p.Evict(at_s=at_s, labels="app=web", count=rng.randint(1, 2)))
        if rng.random() < 0.3:
            operations.append(change(at_s + 0.1, "nodes", "node-1", {"spec": {"unschedulable": rng.random() < 0.5}}, namespace=""))
    operations.append(change(12.0, "nodes", "node-1", {"spec": {"unschedulable": False}}, namespace=""))
    return Draft(operations=tuple(operations), nodes=2, apiservers=rng.randint(1, 2), controllers=1)


def identities(rng: random.Random) -> Draft:
    """A StatefulSet: each pod is one of its kind, comes in its turn, and never twice."""
    spec = {
        "replicas": rng.randint(1, 3),
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "podManagementPolicy": rng.choice(("OrderedReady", "OrderedReady", "Parallel")),
        "template": template("db", rng.choice(("web:1", "slow:1", "stubborn:1")), grace_s=rng.choice((1, 8))),
    }
    made = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}
    operations: list[p.AnyOperation] = [apply(0.0, service("db", clusterIP="None")), apply(0.0, made)]
    for at_s in moments(rng, rng.randint(3, 5), 11.0):
        act = rng.choice(("size", "image", "again", "lost"))
        if act == "size":
            operations.append(scale(at_s, STATEFUL_SETS, "db", rng.randint(0, 3)))
        elif act == "image":
            operations.append(image(at_s, STATEFUL_SETS, "db", rng.choice(("web:1", "web:2", "slow:1"))))
        elif act == "lost":
            operations.append(remove(at_s, "pods", f"db-{rng.randint(0, 2)}"))
        else:
            operations += [remove(at_s, STATEFUL_SETS, "db"), apply(at_s + rng.choice((0.0, 0.5)), made)]
    return Draft(operations=tuple(operations), nodes=rng.randint(1, 3), apiservers=rng.randint(1, 2), controllers=1)


def daemons(rng: random.Random) -> Draft:
    """A DaemonSet on nodes that come and go."""
    spec = {
        "selector": {"matchLabels": {"app": "agent"}},
        "template": template("agent", rng.choice(("web:1", "slow:1", "crashing:1"))),
        "updateStrategy": {"rollingUpdate": rng.choice(({"maxUnavailable": 1}, {"maxUnavailable": 0, "maxSurge": 1}))},
    }
    made = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": spec}
    operations: list[p.AnyOperation] = [apply(0.0, made)]
    for at_s in moments(rng, rng.randint(3, 5), 11.0):
        act = rng.choice(("image", "label", "lost", "again"))
        if act == "image":
            operations.append(image(at_s, DAEMON_SETS, "agent", rng.choice(("web:1", "web:2", "slow:1"))))
        elif act == "label":
            operations.append(
                change(at_s, DAEMON_SETS, "agent", {"spec": {"template": {"metadata": {"labels": {"v": str(rng.randint(1, 3))}}}}})
            )
        elif act == "lost":
            operations.append(p.Evict(at_s=at_s, labels="app=agent"))
        else:
            operations += [remove(at_s, DAEMON_SETS, "agent"), apply(at_s + rng.choice((0.0, 0.5)), made)]
    return Draft(operations=tuple(operations), nodes=rng.randint(2, 3), apiservers=rng.randint(1, 2), controllers=1)


WORKLOADS = (
    Scenario(
        "rollouts",
        "a Deployment behind a Service, changed again and again",
        rollouts,
        ("controller/deployment", "controller/replicaset", "controller/endpointslice"),
    ),
    Scenario(
        "replica-sets",
        "ReplicaSets that lose, adopt and replace pods",
        replica_sets,
        ("controller/replicaset", "controller/garbagecollector"),
    ),
    Scenario("budgets", "evictions under a disruption budget", budgets, ("controller/disruption", "controller/replicaset", "apiserver-0")),
    Scenario(
        "identities",
        "a StatefulSet whose pods are one of a kind",
        identities,
        ("controller/statefulset", "kubelet/node-1", "controller/nodelifecycle"),
    ),
    Scenario(
        "daemons", "a DaemonSet on nodes that come and go", daemons, ("controller/daemonset", "scheduler", "controller/nodelifecycle")
    ),
    *TASKS,
)
