"""Manifests written by others, unmodified, come up with simulated containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard import Simulation

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "manifests"
FILES = sorted(FOLDER.glob("*.yaml")) if FOLDER.is_dir() else []


@pytest.mark.skipif(not FILES, reason="the folder of others' manifests does not stand beside the project")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_deployment_becomes_available(file: Path) -> None:
    with Simulation(nodes=3, seed=1) as s:
        applied = s.apply(file)
        deployments = [obj for obj in applied if type(obj).__name__ == "Deployment"]
        assert deployments
        for deployment in deployments:
            s.wait(deployment, "Available", timeout="10m")
            s.wait(deployment, timeout="10m")
