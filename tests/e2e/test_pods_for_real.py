"""Pods of real processes: their life, their health, their end, and what survives what. One cluster for all that doesn't end it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard import Cluster
from callboard.models.podstatus import is_ready
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.launch import state_folder, stop_durable

TIMEOUT = "60s"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(nodes=1, containers="process", isolation="C0", timing="fast") as c:
        yield c


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": list(containers), **spec},
    }


def shell(name: str, script: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "sh", "command": ["sh", "-c", script], **fields}


def mounted(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "mountPath": f"/{name}"} for name in names]


def status_of(c: Cluster, name: str, container: str) -> Any:
    found = c.get(f"pod/{name}").status
    return next(one for one in (*found.init_container_statuses, *found.container_statuses) if one.name == container)


def test_init_containers_a_sidecar_and_the_downward_api(cluster: Cluster) -> None:
    data = '"$CALLBOARD_ROOT"/data'
    labels = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    cpu = {"path": "cpu", "resourceFieldRef": {"containerName": "app", "resource": "limits.cpu", "divisor": "1m"}}
    app = shell(
        "app",
        f'cat {data}/steps; echo "$WHO"; cat "$CALLBOARD_ROOT"/me/labels; echo; cat "$CALLBOARD_ROOT"/me/cpu',
        volumeMounts=mounted("data", "me"),
        env=[{"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        resources={"limits": {"cpu": "250m"}},
    )
    before = [
        shell("first", f"echo first >> {data}/steps", volumeMounts=mounted("data")),
        shell("proxy", f"echo proxy >> {data}/steps; exec sleep 1000", volumeMounts=mounted("data"), restartPolicy="Always"),
        shell(
            "second", f"until grep -q proxy {data}/steps; do sleep 0.02; done; echo second >> {data}/steps", volumeMounts=mounted("data")
        ),
    ]
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "me", "downwardAPI": {"items": [labels, cpu]}}]
    cluster.apply(pod("life", app, initContainers=before, volumes=volumes, restartPolicy="Never"))
    cluster.wait("pod/life", lambda one: one.status is not None and one.status.phase == "Succeeded", timeout=TIMEOUT)
    assert cluster.logs("pod/life", container="app").splitlines() == ["first", "proxy", "second", "life", 'app="life"', "250"]
    assert status_of(cluster, "life", "proxy").state.terminated is not None, "a sidecar ends with its pod"


def test_probes_decide_on_readiness_and_life(cluster: Cluster) -> None:
    """The first life becomes ready after a while and dies of its liveness probe; the second one stays."""
    data = '"$CALLBOARD_ROOT"/data'
    script = f"""
    echo life >> {data}/lives
    touch {data}/alive {data}/ready
    if [ "$(wc -l < {data}/lives)" = 1 ]; then until [ -e {data}/seen ]; do sleep 0.02; done; rm {data}/alive; fi
    exec sleep 1000
    """
    probes = {
        "startupProbe": {"exec": {"command": ["sh", "-c", f"test -e {data}/alive"]}, "periodSeconds": 1, "failureThreshold": 30},
        "livenessProbe": {"exec": {"command": ["sh", "-c", f"test -e {data}/alive"]}, "periodSeconds": 1, "failureThreshold": 1},
        "readinessProbe": {"exec": {"command": ["sh", "-c", f"test -e {data}/ready"]}, "periodSeconds": 1},
    }
    web = shell("web", script, volumeMounts=mounted("data"), **probes)
    cluster.apply(pod("health", web, volumes=[{"name": "data", "emptyDir": {}}]))
    cluster.wait("pod/health", "Ready", timeout=TIMEOUT)
    assert status_of(cluster, "health", "web").restart_count == 0
    cluster.exec("pod/health", ["sh", "-c", f"touch {data}/seen"])
    cluster.wait("pod/health", lambda one: one.status.container_statuses[0].restart_count == 1 and is_ready(one), timeout=TIMEOUT)
    assert status_of(cluster, "health", "web").last_state.terminated is not None
    messages = {event.message for event in cluster.events("pod/health")}
    assert "Container web failed liveness probe, will be restarted" in messages


def test_a_pod_ends_by_hook_signal_and_at_last_by_force(cluster: Cluster, tmp_path: Path) -> None:
    told = tmp_path / "told"
    hook = {"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", f"echo hook >> {told}"]}}}}
    polite = shell("polite", f"trap 'echo signal >> {told}; exit 0' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done", **hook)
    deaf = shell("deaf", f"trap '' TERM; touch {tmp_path}/deaf; while :; do sleep 0.05; done")
    made = pod("end", polite, deaf)
    made["metadata"]["finalizers"] = ["example.org/keep"]
    cluster.apply(made)
    cluster.wait("pod/end", lambda one: is_ready(one) and (tmp_path / "up").exists() and (tmp_path / "deaf").exists(), timeout=TIMEOUT)
    cluster.delete("pod/end")
    cluster.wait("pod/end", lambda one: one.status.phase == "Failed", timeout=TIMEOUT)
    assert told.read_text().split() == ["hook", "signal"]
    assert status_of(cluster, "end", "polite").state.terminated.exit_code == 0
    assert status_of(cluster, "end", "deaf").state.terminated.exit_code == 137
    cluster.patch("pod/end", {"metadata": {"finalizers": None}}, type="merge")
    cluster.wait("pod/end", "Deleted", timeout=TIMEOUT)


def test_containers_that_died_with_the_process_daemon_are_restarted_under_another_one() -> None:
    with Cluster(nodes=1, containers="process", isolation="C0", timing="fast") as c:
        c.apply(pod("web", shell("web", "exec sleep 1000")))
        before = c.wait("pod/web", "Ready", timeout=TIMEOUT)
        assert c._processes is not None
        os.kill(c._processes._daemon.hello.pid, signal.SIGKILL)
        after = c.wait("pod/web", lambda one: one.status.container_statuses[0].restart_count > 0 and is_ready(one), timeout=TIMEOUT)
        assert (after.metadata.uid, after.status.pod_ip) == (before.metadata.uid, before.status.pod_ip)
        c.apply(pod("other", shell("web", "exec sleep 1000")))
        c.wait("pod/other", "Ready", timeout=TIMEOUT)


# -- the whole program is killed ---------------------------------------------------------------------------------------

PROGRAM = """
import itertools, json, sys
from callboard import Cluster

template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "sh", "command": ["sleep", "1000"]}]}}
spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}
with Cluster(nodes=2, containers="process", isolation="C0", timing="fast", data=sys.argv[1]) as c:
    c.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
    c.wait("deployment/web", timeout="60s")
    for number in itertools.count():
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"kept-{number}"}, "data": {"number": str(number)}}
        (stored,) = c.apply(config)
        print(json.dumps([stored.metadata.name, stored.metadata.uid]), flush=True)
"""


def processes(data: Path) -> dict[str, int]:
    """The containers that run under the daemon of a data folder, and their process ids."""
    daemon = ProcessDaemon.connect(state_folder(data), lambda message: None)
    found = {one.container_id: one.pid for one in daemon.list_now().containers if one.running}
    daemon.disconnect()
    return found


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder; what lives on there ends with the test."""
    folder = tmp_path / "data"
    yield folder
    stop_durable(state_folder(folder))


def test_kill_9_of_the_whole_program_costs_no_process_no_restart_and_nothing_acknowledged(data: Path) -> None:
    acknowledged: list[tuple[str, str]] = []
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(data)], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        for line in program.stdout:
            acknowledged.append(tuple(json.loads(line)))
            if len(acknowledged) == 25:
                program.kill()  # while it goes on writing: what it still says was acknowledged too
    before = processes(data)
    assert len(before) == 3
    assert len(acknowledged) >= 25
    for _ in range(2):  # the first of these ends cleanly, and that costs nothing either
        with Cluster(nodes=2, containers="process", isolation="C0", timing="fast", data=data) as c:
            c.wait("deployment/web", timeout=TIMEOUT)
            pods = c.list("pods", selector="app=web")
            assert {one.restart_count for found in pods for one in found.status.container_statuses} == {0}
            assert sorted(one.container_id for found in pods for one in found.status.container_statuses) == sorted(before)
            for name, uid in acknowledged:
                assert c.get(f"configmap/{name}").metadata.uid == uid
        assert processes(data) == before
    with Cluster(nodes=2, containers="process", isolation="C0", timing="fast", data=data) as c:
        c.delete("deployment/web", wait=True, timeout=TIMEOUT)
        for found in pods:
            c.wait(f"pod/{found.metadata.name}", "Deleted", timeout=TIMEOUT)
    assert processes(data) == {}


def test_the_same_processes_run_after_two_programs_in_a_row_were_killed(data: Path) -> None:
    seen = []
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", PROGRAM, str(data)], stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            program.stdout.readline()
            program.kill()
        seen.append(processes(data))
    assert len(seen[0]) == 3
    assert seen[0] == seen[1]
