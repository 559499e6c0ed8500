"""The demo as a user runs it: real processes, real requests, a node lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_the_demo_observes_all_that_it_claims(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "callboard", "demo", "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
    )
    said = json.loads(done.stdout)
    assert [step["claim"] for step in said["steps"] if not step["observed"]] == [], done.stdout + done.stderr
    assert len(said["steps"]) == 7
    assert done.returncode == 0
