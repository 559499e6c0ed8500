"""What a pod costs in memory is bounded: objects that the collector follows, and bytes. Measured as the benchmark does, but smaller."""

from __future__ import annotations

import json
import subprocess
import sys

KIB_PER_POD_LIMIT = 16.0
"""The aim is 12 at 50,000 pods; few pods carry a larger share of what grows in steps."""
TRACKED_PER_POD_LIMIT = 20.0


def test_a_pod_costs_few_kib_and_few_objects_for_the_collector() -> None:
    arguments = json.dumps({"nodes": 20, "pods": 1000, "more_pods": 3000})
    done = subprocess.run(
        [sys.executable, "-m", "callboard.bench.worker", "rollout", arguments], capture_output=True, text=True, check=True, timeout=110
    )
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["kib_per_pod"] < KIB_PER_POD_LIMIT, figures
    assert figures["tracked_per_pod"] < TRACKED_PER_POD_LIMIT, figures
