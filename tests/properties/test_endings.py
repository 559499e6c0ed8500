"""Namespaces and owners come to their end under faults: what waits for others is never gone before them, and in the end nothing is left but
what was orphaned."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from callboard import Simulation
from callboard.models.errors import NotFound
from callboard.models.messages.api import Propagation
from callboard.models.podstatus import is_active
from tests.properties.judges import running
from tests.properties.worlds import App, Fault, begin_fault, manifests

KINDS = ("pods", "replicasets", "deployments", "services", "endpointslices", "configmaps", "serviceaccounts")
COMPONENTS = ("controller/garbagecollector", "controller/namespace", "controller/replicaset", "controller/deployment", "kubelet/node-1")
OVER_WITHIN_S = 150.0
EXAMPLES = int(os.environ.get("CALLBOARD_EXAMPLES", "32"))


class Ending(msgspec.Struct, frozen=True):
    """What is deleted (a namespace, or a Deployment in one of three ways), and what goes wrong meanwhile."""

    seed: int
    apiservers: int
    what: str
    faults: tuple[Fault, ...]


@st.composite
def endings(draw: st.DrawFn) -> Ending:
    """Up to three faults that begin within 3 s of the deletion."""
    at, long = st.floats(0, 3).map(lambda s: round(s, 2)), st.floats(0.1, 8).map(lambda s: round(s, 2))
    who = st.sampled_from(COMPONENTS)
    fault = st.one_of(
        st.builds(Fault, st.just("restart"), at, st.just(0.0), who),
        st.builds(Fault, st.just("down"), at, long, who),
        st.builds(Fault, st.just("slow"), at, long, who, st.integers(1, 3000)),
        st.builds(Fault, st.just("watch-loss"), at, long, who, st.integers(1, 4)),
        st.builds(Fault, st.just("answers-lost"), at, long, who, st.integers(1, 4)),
        st.builds(Fault, st.just("deaf"), at, long, who),
        st.builds(Fault, st.just("stale-server"), at, long, st.just("apiserver-0")),
        st.builds(Fault, st.just("compact"), at),
    )
    return Ending(
        seed=draw(st.integers(0, 2**32 - 1)),
        apiservers=draw(st.integers(1, 2)),
        what=draw(st.sampled_from(["namespace", "Background", "Foreground", "Orphan"])),
        faults=tuple(sorted(draw(st.lists(fault, max_size=3)), key=lambda one: one.at_s)),
    )


def _is_gone(s: Simulation, what: str) -> bool:
    try:
        s.get(what)
    except NotFound:
        return True
    return False


def _content(s: Simulation) -> list[str]:
    return [f"{kind}/{one.metadata.name}" for kind in KINDS for one in s.list(kind, namespace="shop")]


def _in_order(s: Simulation) -> bool:
    """Nothing is gone before what it waits for."""
    if _is_gone(s, "namespace/shop"):
        left = _content(s)
        assert not left, f"the namespace is gone and holds {left}"
    return True


def _foreground(s: Simulation) -> bool:
    """Foreground deletion: the owner goes last."""
    shop = s.namespace("shop")
    if not shop.list("deployments"):
        left = [*shop.list("replicasets"), *shop.list("pods")]
        assert not left, f"the Deployment is gone before {[one.metadata.name for one in left]}"
    return True


def _wrong(s: Simulation, ending: Ending, pods: set[str]) -> str:
    shop = s.namespace("shop")
    if ending.what == "namespace":
        return "" if _is_gone(s, "namespace/shop") and not any(running(s).values()) else f"left: {_content(s)}, {running(s)}"
    if shop.list("deployments"):
        return "the Deployment is still there"
    if ending.what == "Orphan":
        sets = shop.list("replicasets")
        now = {pod.metadata.uid for pod in shop.list("pods") if is_active(pod)}
        owners = [one.metadata.owner_references for one in sets]
        return "" if owners == [()] and now == pods else f"orphaned ReplicaSets have the owners {owners}, pods {pods} became {now}"
    left = [*shop.list("replicasets"), *shop.list("pods")]
    return f"left: {[one.metadata.name for one in left]}" if left or any(running(s).values()) else ""


def comes_to_its_end(ending: Ending) -> None:
    """Play an ending; fail with what is left, or was gone too early."""
    with Simulation(nodes=1, seed=ending.seed, timing="chaos", apiservers=ending.apiservers) as s:
        s.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        shop = s.namespace("shop")
        shop.apply([*manifests(App("app-0", 2)), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "page"}}])
        shop.wait("deployment/app-0", timeout="60s")
        pods = {pod.metadata.uid for pod in shop.list("pods")}
        s.invariant(_in_order)
        if ending.what == "Foreground":
            s.invariant(_foreground)
        _let_happen(s, ending)
        deadline_s = s.now + OVER_WITHIN_S
        while (wrong := _wrong(s, ending, pods)) and s.now < deadline_s:
            s.advance(1.0)
        assert not wrong, f"{OVER_WITHIN_S:g} s after the last fault: {wrong}"
        s.advance(10.0)
        assert not _wrong(s, ending, pods), _wrong(s, ending, pods)


def _let_happen(s: Simulation, ending: Ending) -> None:
    propagations: dict[str, Propagation] = {"Background": "Background", "Foreground": "Foreground", "Orphan": "Orphan"}
    began_s = s.now
    due: list[tuple[float, int, Any]] = [(fault.at_s, number, fault) for number, fault in enumerate(ending.faults)]
    due.append((1.0, len(due), lambda: _delete(s, ending.what, propagations.get(ending.what, "Background"))))
    while due:
        due.sort(key=lambda entry: entry[:2])
        at_s, number, what = due.pop(0)
        if began_s + at_s > s.now:
            s.advance(began_s + at_s - s.now)
        if isinstance(what, Fault):
            end: Callable[[], None] = begin_fault(s, what)
            due.append((at_s + what.for_s, number, end))
        else:
            what()


def _delete(s: Simulation, what: str, propagation: Propagation) -> None:
    if what == "namespace":
        s.delete("namespace/shop")
    else:
        s.namespace("shop").delete("deployment/app-0", propagation=propagation)


@pytest.mark.parametrize("what", ["namespace", "Background", "Foreground", "Orphan"])
def test_without_faults_it_comes_to_its_end(what: str) -> None:
    comes_to_its_end(Ending(1, 1, what, ()))


@seed(11)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)
@given(endings())
def test_whatever_goes_wrong_it_comes_to_its_end_in_order(ending: Ending) -> None:
    comes_to_its_end(ending)
