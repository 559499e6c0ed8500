"""The demo as a user runs it: a shop of real programs under load, or three web servers where its programs are missing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from callboard.cli import demo
from callboard.cli.demosteps import LAST_CLAIM, Step


def _demo(folder: Path, *args: str) -> tuple[dict[str, Any], subprocess.CompletedProcess[str]]:
    command = [sys.executable, "-m", "callboard", "demo", "--json", *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    return json.loads(done.stdout), done


@pytest.mark.needs("nginx", "redis-server")
def test_the_demo_observes_all_that_it_claims_of_the_shop(tmp_path: Path) -> None:
    said, done = _demo(tmp_path)
    assert [step for step in said["steps"] if not step["observed"]] == [], done.stdout + done.stderr
    assert [step["claim"] for step in said["steps"]] == [
        "a three-node cluster is up",
        "the shop is open",
        "every part answers through the Ingress",
        "a changed ConfigMap reaches running containers",
        "a broken version gets no customers",
        "rolled back",
        "a lost node costs what was in flight to it, and no more",
        "scaled to five and to two, and the requests follow",
        "nothing is left behind",
    ]
    assert done.returncode == 0


def test_the_small_demo_needs_nothing_but_python(tmp_path: Path) -> None:
    said, done = _demo(tmp_path, "--small", "--isolation", "C0")
    assert [step["claim"] for step in said["steps"] if not step["observed"]] == [], done.stdout + done.stderr
    assert len(said["steps"]) == 7
    assert done.returncode == 0


def test_without_the_shops_programs_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[bool] = []

    def observed(_console: Console, _isolation: str, small: bool) -> Iterator[Step]:
        asked.append(small)
        yield Step(LAST_CLAIM, True, "")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(demo, "SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr(demo, "_observed", observed)
    said = CliRunner().invoke(demo.command, ["--json"], standalone_mode=False)
    (line,) = said.stderr.splitlines()[:1]
    assert line.startswith("The shop needs nginx (apt-get install nginx-light), redis-server (apt-get install redis-server)")
    assert asked == [True]
