"""The pytest plugin as a user's project sees it: a pytest of its own, with nothing but the installed package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest
from callboard.chaos import ControllerRestart, chaos


def test_a_simulation_has_three_nodes_and_the_seed(simulation):
    assert (len(simulation.nodes), simulation.seed) == (3, 11)


@pytest.mark.callboard(nodes=1)
def test_a_cluster_is_made_as_marked(cluster):
    assert [node.metadata.name for node in cluster.list("nodes")] == ["node-1"]


@pytest.fixture
def fruit():
    return "apple"


class Twice:
    def __init__(self):
        self.lives = 0

    def reconcile(self, view, now):
        self.lives = self.lives or now
        from callboard.controllers import Create
        if view.obj is not None and "copy" not in view.name:
            tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"copy-{int(self.lives * 1000) % 100000}"}}
            yield Create(tree, owner=view.obj)


@chaos(nodes=1, faults=[ControllerRestart], schedules=40)
def test_copies(fruit, simulation):
    simulation.add(Twice, watches=["configmaps"])
    simulation.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": fruit}})
    simulation.invariant(lambda view: len(view.list("configmaps")) <= 2)
    simulation.advance("10s")
"""


def _pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_fixtures_options_and_failures_work_in_a_project_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(TESTS)
    said = _pytest(tmp_path, "--callboard-seed=11")
    assert "1 failed, 2 passed" in said.stdout, said.stdout + said.stderr
    assert "oldest first everywhere except:" in said.stdout
    assert "ControllerRestart target controller/twice" in said.stdout
    (file,) = (tmp_path / "chaos-failures").iterdir()
    again = _pytest(tmp_path, "-k", "test_copies", f"--callboard-replay={file}")
    assert "replayed from" in again.stdout, again.stdout + again.stderr
    assert "1 failed, 2 deselected" in again.stdout


def test_a_file_that_is_no_replay_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(TESTS)
    (tmp_path / "notes.txt").write_text("hello\n")
    said = _pytest(tmp_path, "-k", "test_copies", "--callboard-replay=notes.txt")
    assert "notes.txt:1: this is no replay file of callboard" in said.stdout, said.stdout
