"""What the demos share: a claim with what was observed, and waiting for something to be so."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import psutil

if TYPE_CHECKING:
    from callboard import Cluster

STEP_TIMEOUT_S = 30.0
REFRESH_S = 0.1
LAST_CLAIM = "nothing is left behind"


class Step(msgspec.Struct, frozen=True):
    """One thing that the demo claims: whether it was observed, and what exactly."""

    claim: str
    observed: bool
    detail: str


def wait_for(met: Callable[[], Any], timeout_s: float = STEP_TIMEOUT_S) -> bool:
    """Whether something became so in time."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if met():
            return True
        time.sleep(REFRESH_S)
    return False


def is_ready(pod: Any) -> bool:
    """Whether a pod is Ready and stays."""
    if pod.metadata.deletion_timestamp or pod.status is None:
        return False
    return any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions)


def nodes_are_ready(cluster: Cluster, how: str = "") -> Step:
    """All three nodes are Ready."""
    began_s = time.monotonic()
    names = [cluster.wait(node, "Ready", timeout=STEP_TIMEOUT_S).metadata.name for node in cluster.list("nodes")]
    told = f"{', '.join(names)} Ready after {time.monotonic() - began_s:.2f} s"
    return Step("a three-node cluster is up", len(names) == 3, f"{told}{how}")


class Machine:
    """What this program had before the demo, to be compared with what it has afterwards."""

    def __init__(self) -> None:
        self._me = psutil.Process()
        self._children = {child.pid for child in self._me.children(recursive=True)}

    def nothing_is_left(self, url: str, folder: str | None) -> Step:
        """No process of ours, no listening socket at the address that was served, no folder."""
        left = [
            child
            for child in self._me.children(recursive=True)
            if child.pid not in self._children and child.status() != psutil.STATUS_ZOMBIE
        ]
        parts = urlsplit(url)
        with socket.socket() as probe:
            probe.settimeout(1.0)
            open_ = probe.connect_ex((parts.hostname or "", parts.port or 80)) == 0
        folder_left = folder is not None and os.path.exists(folder)
        detail = f"{len(left)} processes, {int(open_)} sockets, {int(folder_left)} folders"
        return Step(LAST_CLAIM, not left and not open_ and not folder_left, detail)
