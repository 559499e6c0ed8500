"""Whatever goes wrong while pods of a high priority take the places of others: no node is ever overfilled, nobody goes for one who isn't
more important, and afterwards all of the important pods run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from callboard import NodeSpec, Simulation
from callboard.models.podstatus import is_active, is_finished, is_ready
from tests.properties.worlds import Fault, let_happen

NODES = ("node-1", "node-2", "node-3")
CORES = 2
CONVERGES_WITHIN_S = 150.0
CHUNKS = 2
EXAMPLES = 6
"""Per chunk."""


def _class(name: str, value: int) -> dict[str, Any]:
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value}


def _deployment(name: str, replicas: int) -> dict[str, Any]:
    container = {"name": "main", "image": "web:1", "resources": {"requests": {"cpu": "1"}}}
    spec = {"priorityClassName": name, "terminationGracePeriodSeconds": 1, "containers": [container]}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def not_overfilled(s: Simulation) -> bool:
    """The invariant: the pods bound to a node never ask for more cores than it has, terminating ones included."""
    used: dict[str, int] = {}
    for pod in s.list("pods"):
        if pod.spec.node_name and not is_finished(pod):
            used[pod.spec.node_name] = used.get(pod.spec.node_name, 0) + 1
    return all(cores <= CORES for cores in used.values())


def _all_well(s: Simulation, wanted: int) -> str:
    pods = [pod for pod in s.list("pods", selector="app=high") if is_active(pod)]
    ready = [pod for pod in pods if is_ready(pod)]
    if len(pods) != wanted or len(ready) != wanted:
        return f"{wanted} important pods are wanted, {len(pods)} are there, {len(ready)} of them ready"
    leftover = len(NODES) * CORES - wanted
    others = [pod for pod in s.list("pods", selector="app=low") if is_active(pod) and is_ready(pod)]
    return "" if len(others) == leftover else f"{leftover} others have room, {len(others)} run"


faults = st.lists(
    st.one_of(
        st.builds(Fault, st.just("restart"), st.floats(0, 3), st.just(0.0), st.just("scheduler")),
        st.builds(Fault, st.just("down"), st.floats(0, 3), st.floats(0.1, 5), st.just("scheduler")),
        st.builds(Fault, st.just("deaf"), st.floats(0, 3), st.floats(0.1, 5), st.just("scheduler")),
        st.builds(Fault, st.just("slow"), st.floats(0, 3), st.floats(0.1, 5), st.just("scheduler"), st.integers(1, 3000)),
        st.builds(Fault, st.just("answers-lost"), st.floats(0, 3), st.floats(0.1, 5), st.just("scheduler"), st.integers(1, 3)),
        st.builds(Fault, st.just("watch-loss"), st.floats(0, 3), st.floats(0.1, 5), st.just("scheduler"), st.integers(1, 3)),
        st.builds(Fault, st.just("node-crash"), st.floats(0, 3), st.floats(0.5, 8), st.sampled_from(NODES)),
    ),
    min_size=1,
    max_size=3,
)


def _play(number: int, important: int, wrong: list[Fault]) -> None:
    nodes = [NodeSpec(name=name, cpu=str(CORES)) for name in NODES]
    with Simulation(nodes=nodes, seed=number, timing="chaos") as s:
        s.invariant(not_overfilled)
        s.apply([_class("low", 1), _class("high", 10), _deployment("low", len(NODES) * CORES)])
        s.advance(5.0)
        s.apply(_deployment("high", important))
        let_happen(s, tuple(wrong))
        deadline_s = s.now + CONVERGES_WITHIN_S
        while (said := _all_well(s, important)) and s.now < deadline_s:
            s.advance(1.0)
        assert not said, said
        gone = [one for one in s.list("events") if one.reason == "Preempted"]
        assert all(one.involved_object.name.startswith("low-") for one in gone)
        evictions = sum(one.count or 1 for one in gone)
        assert evictions <= 4 * important, f"{evictions} pods were removed for {important}"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_important_pods_get_their_places_and_no_node_is_overfilled(chunk: int) -> None:
    @seed(chunk)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    @given(st.integers(0, 2**16), st.integers(1, 5), faults)
    def run(number: int, important: int, wrong: list[Fault]) -> None:
        _play(number, important, wrong)

    run()
