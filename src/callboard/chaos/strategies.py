"""Strategies for Hypothesis: topologies, workloads, faults, whole schedules. `pip install callboard[chaos]` brings Hypothesis along.

Hypothesis generates what happens; it never decides about single messages: what it would make smaller there, `callboard chaos shrink` does
better.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from callboard.models.base import freeze
from callboard.runtime.chaos import drawing
from callboard.runtime.faults.plan import Apply, Plan
from callboard.runtime.faults.strategies import PORTFOLIO
from callboard.runtime.faults.vocabulary import AnyFault, Fault

LASTS_S = 12.0


@st.composite
def topologies(draw: st.DrawFn, max_nodes: int = 3) -> dict[str, int]:
    """Arguments of a `Simulation`: 1 to `max_nodes` nodes, one or two apiservers, controllers alone or in pairs."""
    return {"nodes": draw(st.integers(1, max_nodes)), "apiservers": draw(st.integers(1, 2)), "controllers": draw(st.integers(1, 2))}


@st.composite
def workloads(draw: st.DrawFn, max_apps: int = 2, max_replicas: int = 4) -> tuple[dict[str, Any], ...]:
    """Manifests: up to `max_apps` Deployments, each with its Service."""
    found: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, max_apps))):
        name = f"app-{number}"
        labels = {"app": name}
        pod = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "web", "image": draw(st.sampled_from(["web:1", "slow:1"]))}]}
        spec = {
            "replicas": draw(st.integers(0, max_replicas)),
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        found.append(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": labels, "ports": [{"port": 80}]}}
        )
        found.append({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})
    return tuple(found)


def faults(
    kinds: Sequence[type[Fault] | str] = (),
    *,
    nodes: int = 3,
    apiservers: int = 1,
    controllers: int = 1,
    about: Sequence[str] = (),
    lasts_s: float = LASTS_S,
) -> st.SearchStrategy[tuple[AnyFault, ...]]:
    """A handful of faults for a cluster of this size, in the order of their beginnings.

    Args:
        kinds: which may happen, as classes of `callboard.chaos`; none means all.
        about: components that are hit more often than others, such as "controller/my-operator".
        lasts_s: they begin within so many seconds.
    """
    names = tuple(kind if isinstance(kind, str) else kind.__name__ for kind in kinds)
    place = drawing.Place(nodes=nodes, apiservers=apiservers, copies=controllers, stirs=tuple(about), lasts_s=lasts_s)

    def made(source: random.Random) -> tuple[AnyFault, ...]:
        return drawing.handful(source, place, names)

    return st.randoms(use_true_random=False).map(made)


@st.composite
def plans(draw: st.DrawFn, kinds: Sequence[type[Fault] | str] = ()) -> Plan:
    """A whole schedule: topology, workloads that are applied at its beginning, faults, a strategy for messages."""
    size = draw(topologies())
    nodes, servers, copies = size["nodes"], size["apiservers"], size["controllers"]
    trees = draw(workloads())
    return Plan(
        scenario="hypothesis",
        seed=draw(st.integers(0, 2**31 - 1)),
        operations=tuple(Apply(at_s=0.0, tree=freeze(tree)) for tree in trees),
        faults=draw(faults(kinds, nodes=nodes, apiservers=servers, controllers=copies)),
        strategy=draw(st.sampled_from(PORTFOLIO)),
        nodes=nodes,
        apiservers=servers,
        controllers=copies,
    )
