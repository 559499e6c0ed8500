"""Manifests written by others, unmodified, come up with simulated containers, and their probes are carried out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard import Behaviour, Simulation
from callboard.models.messages.runtime import ProbeContainer
from callboard.models.podstatus import is_ready, ready_since
from callboard.models.times import parse

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "manifests"
FILES = sorted(FOLDER.glob("*.yaml")) if FOLDER.is_dir() else []
PURPOSES = ("startup", "liveness", "readiness")
SLOW_S = 12.0
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
pytestmark = pytest.mark.skipif(not FILES, reason="the folder of others' manifests does not stand beside the project")


def deployments(applied: Any) -> list[Any]:
    found = [obj for obj in applied if type(obj).__name__ == "Deployment"]
    assert found
    return found


def declared(pods: list[Any]) -> Iterator[tuple[str, str, str]]:
    """Which probes the pods' containers ask for: uid, container, purpose."""
    for pod in pods:
        for container in pod.spec.containers:
            for purpose in PURPOSES:
                if getattr(container, f"{purpose}_probe") is not None:
                    yield pod.metadata.uid, container.name, purpose


@each_file
def test_every_workload_becomes_available_with_its_probes_carried_out(file: Path) -> None:
    probed: dict[tuple[str, str, str], int] = {}

    def listen(_passage: Any, message: Any) -> bool:
        if isinstance(message, ProbeContainer):
            key = (message.pod_uid, message.name, message.purpose)
            probed[key] = probed.get(key, 0) + 1
        return False

    with Simulation(nodes=3, seed=1) as s:
        s.links.drop("kubelet/*", "runtime/*", listen)
        for deployment in deployments(s.apply(file)):
            s.wait(deployment, "Available", timeout="10m")
            s.wait(deployment, timeout="10m")
        s.advance("2m")
        pods = s.list("pods")
        assert all(is_ready(pod) for pod in pods)
        assert {one.restart_count for pod in pods for one in pod.status.container_statuses} == {0}
        assert sorted(probed) == sorted(declared(pods))
        assert all(count > 1 for count in probed.values()), "probes are carried out again and again"


@each_file
def test_nobody_is_ready_before_its_readiness_probe_says_so(file: Path) -> None:
    slow = Behaviour(ready_after=SLOW_S)
    with Simulation(nodes=3, seed=1, images={"*": slow, "busybox*": Behaviour(exits=[0])}) as s:
        for deployment in deployments(s.apply(file)):
            s.wait(deployment, "Available", timeout="10m")
        for pod in s.list("pods"):
            since_s = ready_since(pod)
            assert since_s is not None
            for container, status in zip(pod.spec.containers, pod.status.container_statuses, strict=True):
                started_s = parse(status.state.running.started_at)
                probe = container.readiness_probe
                assert since_s >= started_s + max(SLOW_S - 1, 0 if probe is None else probe.initial_delay_seconds or 0)
