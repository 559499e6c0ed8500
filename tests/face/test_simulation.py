"""A whole cluster on virtual time: one seed is one history."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from callboard import InvariantBroken, RealTimeOnly, Simulation
from callboard.models.podstatus import is_active

WEB = Path(__file__).resolve().parents[2] / "examples" / "web.yaml"
HISTORY = f"""
from callboard import Simulation
with Simulation(nodes=3, seed=11, apiservers=2, controllers=2, timing="chaos") as s:
    s.apply({str(WEB)!r})
    s.wait("deployment/web")
    s.nodes["node-2"].crash()
    s.links.delay("apiserver-*", "controller/*", 0.3)
    s.advance("40s")
    s.links.clear()
    s.nodes["node-2"].restart()
    s.scale("deployment/web", 5)
    s.wait("deployment/web", timeout="2m")
    print(s.trace_hash)
"""


def _history(hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", HISTORY], env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()[-1]


def test_one_seed_is_one_history_in_every_process_whatever_the_hash_seed() -> None:
    assert len({_history(hash_seed) for hash_seed in ("0", "1", "4242")}) == 1


def test_a_lost_node_s_pods_come_up_elsewhere_within_the_configured_times() -> None:
    with Simulation(nodes=3, seed=3) as s:
        s.apply(WEB)
        s.wait("deployment/web")
        s.nodes["node-1"].crash()
        s.advance("10m")
        s.settle()
        active = [pod for pod in s.list("pods", selector="app=web") if is_active(pod)]
        assert len(active) == 3
        assert "node-1" not in {pod.spec.node_name for pod in active}


def test_a_node_that_comes_back_runs_nothing_that_was_given_to_others() -> None:
    with Simulation(nodes=2, seed=3, timing="chaos") as s:
        s.apply(WEB)
        s.wait("deployment/web")
        s.nodes["node-1"].partition()
        s.advance("30s")
        s.nodes["node-1"].heal()
        s.settle()
        assert len(s.list("pods", selector="app=web")) == 3
        assert s.get("deployment/web").status.available_replicas == 3


def test_reads_and_invariants_take_no_step() -> None:
    def run(looking: bool) -> str:
        with Simulation(nodes=2, seed=5) as s:
            if looking:
                s.invariant(lambda view: len(view.list("pods")) <= 3)
            s.apply(WEB)
            for _ in range(5):
                s.advance("1s")
                if looking:
                    s.list("pods")
            return s.trace_hash

    assert run(True) == run(False)


def test_a_broken_invariant_names_the_function_the_time_and_the_seed() -> None:
    def no_pod_runs(view: Simulation) -> bool:
        return not view.list("pods", fields="status.phase=Running")

    with Simulation(nodes=1, seed=5) as s:
        s.invariant(no_pod_runs)
        s.apply(WEB)
        words = r"no_pod_runs does not hold at 2026-01-01T00:00:\d\dZ \(step \d+, revision \d+, seed 5\)"
        with pytest.raises(InvariantBroken, match=words):
            s.advance("1m")


def test_what_needs_real_time_is_refused() -> None:
    with pytest.raises(RealTimeOnly):
        Simulation(nodes=1, containers="process")  # type: ignore[arg-type]
    with pytest.raises(RealTimeOnly):
        Simulation(nodes=1, data="somewhere")
    with Simulation(nodes=1) as s:
        s.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
        with pytest.raises(RealTimeOnly):
            s.url("service/web")


def test_user_defined_kinds_are_served_as_soon_as_they_are_declared() -> None:
    names = {"plural": "gizmos", "singular": "gizmo", "kind": "Gizmo", "shortNames": ["gz"]}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gizmos.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    with Simulation(nodes=1, seed=1) as s:
        s.apply(definition)
        s.wait("crd/gizmos.example.com", "Established")
        s.apply({"apiVersion": "example.com/v1", "kind": "Gizmo", "metadata": {"name": "g"}, "spec": {"size": 3}})
        assert s.get("gz/g").to_dict()["spec"] == {"size": 3}
