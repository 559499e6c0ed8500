"""With several apiservers, one that is gone, or has only half a link to somebody, costs no workload and no node."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from callboard import Cluster, Simulation
from callboard.models.podstatus import is_ready
from tests.properties.judges import CONVERGES_WITHIN_S, difference
from tests.properties.worlds import App, Fault, begin_fault, manifests

SERVERS = ("apiserver-0", "apiserver-1")
BOTH = pytest.mark.parametrize("gone", SERVERS)


def _watch_nodes(s: Simulation, lost: Counter[str]) -> None:
    def look(view: Simulation) -> bool:
        lost.update(node.metadata.name for node in view.list("nodes") if not _ready(node))
        return True

    s.invariant(look)


def _ready(node: Any) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)


def _phases(s: Simulation) -> Counter[str]:
    return Counter(pod.status.phase for pod in s.list("pods"))


@BOTH
@pytest.mark.parametrize("seed", range(3))
def test_a_workload_comes_up_while_one_of_two_apiservers_is_gone(seed: int, gone: str) -> None:
    with Simulation(nodes=4, seed=seed, apiservers=2) as s:
        s.advance("30s")
        s.components[gone].crash()
        s.apply(manifests(App("web", 8)))
        s.wait("deployment/web", "Available", timeout="2m")
        assert _phases(s) == {"Running": 8}


@BOTH
@pytest.mark.parametrize("timing", ["kubernetes", "fast", "chaos"])
def test_no_node_is_lost_with_an_apiserver(timing: str, gone: str) -> None:
    """Timing `fast` gives a request as long as it allows a node to be silent."""
    with Simulation(nodes=4, seed=1, apiservers=2, timing=timing) as s:
        s.apply(manifests(App("web", 8)))
        s.advance("30s")
        pods = {pod.metadata.uid for pod in s.list("pods")}
        lost: Counter[str] = Counter()
        _watch_nodes(s, lost)
        s.components[gone].crash()
        s.advance("3m")
        assert not lost
        assert {pod.metadata.uid for pod in s.list("pods")} == pods


@BOTH
def test_the_other_apiserver_is_enough_whichever_goes_next(gone: str) -> None:
    other = next(name for name in SERVERS if name != gone)
    with Simulation(nodes=2, seed=1, apiservers=2, timing="chaos", controllers=2) as s:
        s.apply(manifests(App("web", 2)))
        for number, (down, up) in enumerate(((gone, ""), (other, gone), (gone, other))):
            if up:
                s.components[up].restart()
                s.advance("5s")
            s.components[down].crash()
            s.scale("deployment/web", 3 + number)
            deadline_s = s.now + CONVERGES_WITHIN_S
            while (wrong := difference(s)) and s.now < deadline_s:
                s.advance(1.0)
            assert not wrong


@pytest.mark.parametrize("kind", ["unheard-ever", "unhearing-ever"])
@pytest.mark.parametrize("server", [0, 1])
def test_a_kubelet_with_half_a_link_to_one_apiserver_uses_the_other(kind: str, server: int) -> None:
    with Simulation(nodes=2, seed=1, apiservers=2) as s:
        lost: Counter[str] = Counter()
        _watch_nodes(s, lost)
        for node in ("node-1", "node-2"):
            begin_fault(s, Fault(kind, 0.0, 0.0, f"kubelet/{node}", server))
        s.apply(manifests(App("web", 4)))
        s.wait("deployment/web", "Available", timeout="2m")
        s.advance("5m")
        assert not lost
        assert _phases(s) == {"Running": 4}


def test_on_real_time_too_a_workload_comes_up_without_one_apiserver() -> None:
    with Cluster(nodes=4, timing="fast", apiservers=2) as c:
        c.components["apiserver-0"].crash()
        c.apply(manifests(App("web", 8)))
        c.wait("deployment/web", "Available", timeout="60s")
        pods = c.list("pods")
        assert len(pods) == 8
        assert all(is_ready(pod) for pod in pods)
