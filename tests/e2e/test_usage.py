"""Real processes are measured, and evicted for what they use."""

from __future__ import annotations

import sys
from typing import Any

from callboard import Cluster
from callboard.models.timing import FAST

MI = 2**20
HOG = """
import time
held = bytearray(48 * 2**20)
end = time.monotonic() + 600
while time.monotonic() < end:
    sum(range(10_000))
"""
FILLER = """
import os, time
with open(os.path.join(os.environ["CALLBOARD_ROOT"], "cache", "file"), "wb") as out:
    out.write(b"x" * 4_000_000)
time.sleep(600)
"""


def pod(name: str, program: str, **spec: Any) -> Any:
    container = {"name": "c", "image": "program", "command": [sys.executable, "-S", "-c", program], **spec.pop("container", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def test_processes_are_measured_and_one_that_fills_its_volume_is_evicted() -> None:
    with Cluster(nodes=1, containers="process", isolation="C0", timing=FAST) as c:
        c.apply([pod("hog", HOG), pod("calm", "import time; time.sleep(600)")])
        c.wait("pod/hog", "Ready")
        c.wait("pod/calm", "Ready")
        hog, calm = _settled(c)
        assert hog.memory_bytes - calm.memory_bytes > 40 * MI
        node = c.top("nodes")[0]
        assert node.cpu_milli >= hog.cpu_milli // 2
        assert node.memory_bytes > 48 * MI

        c.apply(
            pod(
                "filler",
                FILLER,
                volumes=[{"name": "cache", "emptyDir": {"sizeLimit": "1Mi"}}],
                container={"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]},
            )
        )
        gone = c.wait("pod/filler", lambda one: one is not None and one.status is not None and one.status.phase == "Failed")
        assert gone.status.reason == "Evicted"
        assert gone.status.message == 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". '
        assert c.get("pod/hog").status.phase == "Running"


def _settled(c: Cluster) -> tuple[Any, Any]:
    """The usage of both, once the hog holds what it will hold and the start of the calm one is over: metrics may be older than that."""

    def used(_pod: Any) -> bool:
        hog, calm = c.top("pod/hog")[0], c.top("pod/calm")[0]
        return bool(hog.memory_bytes > 48 * MI and hog.cpu_milli > 10 * calm.cpu_milli)

    c.wait("pod/hog", used)
    return c.top("pod/hog")[0], c.top("pod/calm")[0]
