"""A program that is killed, and the next one in the same data folder: a Service is reached at the same addresses, at every level."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from callboard.runtime.process.launch import state_folder, stop_durable
from tests.e2e.levels.conftest import level

__all__ = ["level"]
PROGRAM = """
import sys
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
    for _ in range(100):
        try:
            answered = c.request("service/web", port=port, timeout=10).status
            break
        except Unavailable:
            pass
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
