"""Where the host reaches Services, at every level: where it did before, after its program was killed; not where a node is gone."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from callboard import Cluster
from callboard.runtime.process.launch import state_folder, stop_durable
from tests.e2e.levels.conftest import level

__all__ = ["level"]
PROGRAM = """
import sys
import time
from callboard import Cluster, Unavailable
level, data = sys.argv[1:]
listens = ["sh", "-c", "exec python3 -m http.server 8080 --bind $POD_IP"]
container = {"name": "web", "image": "python:3.11", "command": listens, "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}}, "spec": {"containers": [container]}}
spec = {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 8080, "nodePort": 30080}]}
service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
c = Cluster(nodes=1, containers="process", isolation=level, timing="fast", data=data)
c.apply([service, pod])
c.wait("pod/web", "Ready", timeout=30)
for port in ("8080", "30080"):
    deadline_s = time.monotonic() + 30
    while True:
        try:
            answered = c.request("service/web", port=port, timeout=10).status
            break
        except Unavailable:  # who is Ready is known to the proxy a moment later
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)
    print(c.url("service/web", port=port), answered, flush=True)
print([event.message for event in c.events("service/web")], flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(level: str, data: Path) -> list[str]:
    """Three lines of a program that is killed afterwards."""
    command = [sys.executable, "-c", PROGRAM, level, str(data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline().strip() for _ in range(3)]
        program.kill()
    return lines


def test_a_service_is_reached_at_the_same_addresses_by_the_next_program(level: str, data: Path) -> None:
    try:
        first = run(level, data)
        assert [line.split()[-1] for line in first[:2]] == ["200", "200"]
        assert first[2] == "[]", "nothing was refused"
        assert run(level, data) == first
    finally:
        stop_durable(state_folder(data))


def test_a_node_that_is_removed_gives_its_port_back(level: str) -> None:
    spec = {"type": "NodePort", "selector": {"app": "none"}, "ports": [{"port": 8080, "nodePort": 30080}]}
    with Cluster(nodes=2, containers="process", isolation=level, timing="fast") as c:
        c.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
        c.wait("node/node-2", "Ready", timeout=30)
        block = c.url("service/web").split(".")[1]
        address = f"127.{block}.2.1" if level in ("A", "B") else c.get("node/node-2").status.addresses[0].address
        _until(address, listens=True)
        c.nodes.remove("node-2")
        _until(address, listens=False)


def _until(address: str, listens: bool) -> None:
    deadline_s = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if (probe.connect_ex((address, 30080)) == 0) == listens:
                return
        assert time.monotonic() < deadline_s, f"{address}:30080 is {'closed' if listens else 'open'} still"
        time.sleep(0.05)
