"""Namespaces and owners on real processes: what is deleted ends its processes first, what is orphaned runs on."""

from __future__ import annotations

from pathlib import Path

import psutil

from callboard import Cluster
from tests.e2e.programs import all_gone

WEB = Path(__file__).resolve().parents[2] / "examples" / "web.yaml"
TIMEOUT_S = 60.0


def _servers() -> list[psutil.Process]:
    """The running servers of the example, whoever started them in this process."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any(part.endswith("/app/server.py") for part in process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_namespace_ends_with_all_its_processes_and_orphans_run_on() -> None:
    with Cluster(nodes=2, containers="process", timing="fast") as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        shop = cluster.namespace("shop")
        shop.apply(str(WEB))
        shop.wait("deployment/web", timeout=TIMEOUT_S)
        servers = _servers()
        assert len(servers) == 3

        shop.delete("deployment/web", propagation="Orphan", wait=True, timeout=TIMEOUT_S)
        (replica_set,) = shop.list("replicasets")
        assert not replica_set.metadata.owner_references
        shop.delete(replica_set, propagation="Orphan", wait=True, timeout=TIMEOUT_S)
        assert all(not pod.metadata.owner_references for pod in shop.list("pods"))
        assert [process.pid for process in _servers()] == [process.pid for process in servers], "nobody's pods run on"

        cluster.delete("namespace/shop", wait=True, timeout=TIMEOUT_S)
        assert all_gone(servers, timeout_s=0.0) == [], "a namespace is gone only after its processes"
        assert cluster.namespace("shop").list("pods") == []
