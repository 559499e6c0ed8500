"""What Ctrl-C and SIGTERM do to `callboard up`: give up while it comes up, stop it in order, end it at once when asked again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from callboard.cli.live import LOOKS_BEFORE_PROBLEM, Changes
from callboard.models.api import core, meta
from callboard.models.base import freeze
from callboard.models.errors import Unavailable
from callboard.models.generic import GenericObject

PROGRAM = """
import sys, threading
from callboard.cli.up import _Stop
stop = _Stop()
stop.is_up = sys.argv[1] == "up"
try:
    print("begun", flush=True)
    stop.asked.wait()
    print("stopping", flush=True)
except KeyboardInterrupt:
    print("gave up", flush=True)
while sys.argv[2] == "hangs":
    threading.Event().wait()
"""


@contextmanager
def program(*args: str) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen([sys.executable, "-c", PROGRAM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.readline() == "begun\n"
    yield running
    running.stdout.close()
    running.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("state", "said"), [("up", "stopping\n"), ("starting", "gave up\n")])
def test_asked_once_it_stops_in_order(number: signal.Signals, state: str, said: str) -> None:
    with program(state, "ends") as running:
        running.send_signal(number)
        assert running.communicate(timeout=20)[0] == said
        assert running.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_again_while_it_hangs_it_ends_at_once(number: signal.Signals) -> None:
    with program("up", "hangs") as running:
        running.send_signal(number)
        assert running.stdout is not None
        assert running.stdout.readline() == "stopping\n"
        running.send_signal(number)
        assert "Ending at once." in running.communicate(timeout=20)[1]
        assert running.returncode == 128 + number


class ClusterOfTest:
    """Lists what it is told to, and knows an address of each Service or a problem with it."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Any]] = {"services": [], "ingresses": [], "pods": []}
        self.problem = ""

    def list(self, kind: str, **_: Any) -> Any:
        return self.objects.get(kind, [])

    def namespace(self, _name: str) -> Any:
        return self

    def url(self, _what: str, port: int = 80) -> str:
        if self.problem:
            raise Unavailable(self.problem)
        return f"http://127.70.128.1:{port}"


def service(namespace: str) -> core.Service:
    spec = core.ServiceSpec(cluster_ip="127.70.128.1", ports=(core.ServicePort(name="a", port=80), core.ServicePort(name="b", port=81)))
    return core.Service(metadata=meta.ObjectMeta(name="web", namespace=namespace), spec=spec)


def pod(phase: str) -> core.Pod:
    spec = core.PodSpec(containers=(core.Container(name="web"),), node_name="node-1")
    return core.Pod(metadata=meta.ObjectMeta(name="web-1", namespace="default"), spec=spec, status=core.PodStatus(phase=phase))


def test_changes_are_told_once_and_by_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = ClusterOfTest()
    changes = Changes(cluster, SimpleNamespace(is_set=lambda: False), told_services=True)  # type: ignore[arg-type]
    cluster.objects = {"services": [service("default"), service("shop")], "pods": [pod("Pending")]}
    for _ in range(2):
        changes.look()
    cluster.objects = {"services": [service("default")], "pods": [pod("Running")]}
    changes.look()
    cluster.objects["pods"] = []
    changes.look()
    urls = "http://127.70.128.1:80, http://127.70.128.1:81"
    assert capsys.readouterr().out.splitlines() == [
        f"service/web can be reached at {urls}",
        f"service/web in shop can be reached at {urls}",
        "pod/web-1 0/1 Pending, 0 restarts, <none> on node-1",
        "pod/web-1 0/1 Running, 0 restarts, <none> on node-1",
        "service/web in shop is gone",
        "pod/web-1 is gone",
    ]


def test_an_ingress_is_told_with_its_hosts_once_somebody_carries_it_out(capsys: pytest.CaptureFixture[str]) -> None:
    def ingress(status: dict[str, Any]) -> GenericObject:
        content = freeze({"spec": {"rules": [{"host": "shop.local"}, {}, {"host": "*.shop.local"}]}, "status": status})
        about = meta.ObjectMeta(name="web", namespace="default")
        return GenericObject(metadata=about, api_version="networking.k8s.io/v1", kind="Ingress", content=content)

    cluster = ClusterOfTest()
    changes = Changes(cluster, SimpleNamespace(is_set=lambda: False), told_services=True)  # type: ignore[arg-type]
    cluster.objects["ingresses"] = [ingress({})]
    changes.look()
    assert capsys.readouterr().out == ""
    cluster.objects["ingresses"] = [ingress({"loadBalancer": {"ingress": [{"ip": "127.70.255.1"}]}})]
    changes.look()
    assert capsys.readouterr().out == "ingress/web can be reached at http://127.70.128.1:80 for shop.local, *.shop.local\n"


def test_a_problem_with_a_service_is_told_only_when_it_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = ClusterOfTest()
    changes = Changes(cluster, SimpleNamespace(is_set=lambda: False), told_services=True)  # type: ignore[arg-type]
    cluster.objects["services"] = [service("default")]
    cluster.problem = "another program listens there"
    for _ in range(LOOKS_BEFORE_PROBLEM - 1):
        changes.look()
    assert capsys.readouterr().out == ""
    changes.look()
    assert capsys.readouterr().out == "service/web cannot be reached: another program listens there\n"
