"""The user of a schedule: what he is to do happens."""

from __future__ import annotations

from typing import Any

from callboard.models.base import freeze
from callboard.runtime.chaos.oracles import every
from callboard.runtime.chaos.scenarios.drafting import apply, deployment, pod, remove
from callboard.runtime.chaos.schedule import Run
from callboard.runtime.faults.plan import AnyOperation, Evict, Orphan, Plan


def _played(*operations: AnyOperation, apiservers: int = 1) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Which requests the user has sent, to whom, and what is stored in the end."""
    run = Run(Plan(scenario="x", seed=1, nodes=1, apiservers=apiservers, operations=operations), None, every())
    said: list[tuple[str, str]] = []
    stored: dict[str, Any] = {}
    system: Any = run.simulation._system

    def look() -> None:
        _, sender, receiver, kind, _ = system.last
        if sender.startswith("user"):
            said.append((receiver.partition("#")[0], kind))

    system.on_step.append(look)
    outcome = run.play(lambda: stored.update(run.world.objects))
    assert outcome.finding is None
    return said, stored


def test_who_evicts_several_pods_asks_several_apiservers() -> None:
    said, stored = _played(apply(0.0, deployment("web", 3)), Evict(at_s=3.0, labels="app=web", count=2), apiservers=2)
    assert sorted(server for server, kind in said if kind == "EvictPod") == ["apiserver-0", "apiserver-1"]
    assert sum(key.startswith("pods/") for key in stored) == 3, "those that went have been replaced"


def test_who_orphans_a_pod_gives_it_other_labels() -> None:
    _, stored = _played(apply(0.0, deployment("web", 1)), Orphan(at_s=3.0, labels="app=web", patch=freeze({"app": "other"})))
    labels = sorted(obj.metadata.labels["app"] for key, obj in stored.items() if key.startswith("pods/"))
    assert labels == ["other", "web"]


def test_who_deletes_by_force_waits_for_no_kubelet() -> None:
    stubborn = pod("a", "stubborn:1", 8)
    run = Run(Plan(scenario="x", seed=1, nodes=1, operations=(apply(0.0, stubborn), remove(3.0, "pods", "a", grace_s=0))), None, every())
    system: Any = run.simulation._system
    gone_s: list[float] = []

    def look() -> None:
        if system.now() - run._began_s >= 3.0 and not gone_s and "pods/default/a" not in run.world.objects:
            gone_s.append(system.now() - run._began_s)

    system.on_step.append(look)
    assert run.play().finding is None
    assert gone_s
    assert gone_s[0] < 3.1
