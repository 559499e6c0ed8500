"""Looking into real processes as a user does: logs of each life, followers, commands, mounted files, gRPC probes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from callboard import BadRequest, Cluster, NotFound, Timeout
from callboard.runtime.process.launch import state_folder, stop_durable

WAIT = "60s"
GRPC_SERVER = """
import os
from concurrent.futures import ThreadPoolExecutor
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
server = grpc.server(ThreadPoolExecutor(2))
servicer = health.HealthServicer()
states = health_pb2.HealthCheckResponse
servicer.set("shop", states.NOT_SERVING)
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
server.add_insecure_port(os.environ["POD_IP"] + ":5000")
server.start()
open(os.environ["GO"]).read()
servicer.set("shop", states.SERVING)
server.wait_for_termination()
"""


@pytest.fixture(scope="module")
def c() -> Iterator[Cluster]:
    with Cluster(nodes=1, containers="process", isolation="C0", timing="fast") as cluster:
        yield cluster


def pod(name: str, *command: str, **more: Any) -> dict[str, Any]:
    spec = more.pop("spec", {})
    container = {"name": "main", "image": "own", "command": list(command), **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def shell(name: str, script: str, **more: Any) -> dict[str, Any]:
    return pod(name, "sh", "-c", script, **more)


def test_the_log_of_a_crashed_life_is_told_beside_the_newest(c: Cluster, tmp_path: Path) -> None:
    marker = tmp_path / "been"
    script = f'if [ -e {marker} ]; then echo "second life"; exec sleep 1000; fi; touch {marker}; echo "first life" >&2; exit 3'
    c.apply(shell("crashed", script))
    c.wait("pod/crashed", lambda it: it.status.container_statuses and it.status.container_statuses[0].restart_count == 1, timeout=WAIT)
    assert c.logs("pod/crashed", previous=True) == "first life\n"
    assert next(c.logs("pod/crashed", follow=True)) == "second life"
    with pytest.raises(BadRequest, match="output of real processes goes straight into a file, without times"):
        c.logs("pod/crashed", timestamps=True)


def test_a_follower_hears_lines_as_they_come_and_ends_with_the_container(c: Cluster, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = f"mkfifo {go}; echo one; read word < {go}; echo two $word; printf 'no end \\377'; exit 0"
    c.apply(shell("talker", script, spec={"restartPolicy": "Never"}))
    c.wait("pod/talker", lambda it: it.status.phase in ("Running", "Succeeded"), timeout=WAIT)
    lines = c.logs("pod/talker", follow=True)
    assert next(lines) == "one"
    go.write_text("hello\n")  # not by `exec`: a command ends with its container, which may be faster
    assert list(lines) == ["two hello", "no end \ufffd"]
    c.wait("pod/talker", lambda it: it.status.phase == "Succeeded", timeout=WAIT)
    assert c.logs("pod/talker", tail=2).startswith("two hello\nno end")
    c.delete("pod/talker", wait=True)
    with pytest.raises(NotFound):
        c.logs("pod/talker")


def test_a_log_larger_than_one_answer_is_told_whole(c: Cluster) -> None:
    c.apply(shell("large", "seq 1 200000", spec={"restartPolicy": "Never"}))
    c.wait("pod/large", lambda it: it.status.phase == "Succeeded", timeout=WAIT)
    assert c.logs("pod/large") == "".join(f"{number}\n" for number in range(1, 200001))
    assert c.logs("pod/large", tail=2) == "199999\n200000\n"


def test_a_command_reads_what_is_mounted_and_writes_what_it_is_given(c: Cluster) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "blue"}}
    volumes = {"volumes": [{"name": "settings", "configMap": {"name": "settings"}}]}
    mounts = [{"name": "settings", "mountPath": "/etc/settings"}]
    c.apply([config, pod("reader", "sleep", "1000", volumeMounts=mounts, env=[{"name": "WHO", "value": "me"}], spec=volumes)])
    c.wait("pod/reader", timeout=WAIT)
    done = c.exec("pod/reader", ["sh", "-c", 'cat "$CALLBOARD_ROOT/etc/settings/colour"; echo; echo "$WHO"; cat'], stdin=b"given")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "blue\nme\ngiven", "")
    assert c.exec("pod/reader", ["cat", "etc/settings/colour"]).stdout == "blue"  # from its working directory
    assert c.exec("pod/reader", ["no-such-program"]).exit_code == 127


def test_a_command_that_takes_too_long_leaves_no_process(c: Cluster, tmp_path: Path) -> None:
    c.apply(pod("patient", "sleep", "1000"))
    c.wait("pod/patient", timeout=WAIT)
    pids = tmp_path / "pids"
    script = f"echo $$ >> {pids}; sleep 1000 & echo $! >> {pids}; setsid sh -c 'echo $$ >> {pids}; exec sleep 1000' & wait"
    with pytest.raises(Timeout, match="timeout 5s exceeded: context deadline exceeded"):
        c.exec("pod/patient", ["sh", "-c", script], timeout="5s")
    started = [int(line) for line in pids.read_text().split()]
    assert len(started) == 3
    left = []
    for pid in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.append(psutil.Process(pid))
    gone, alive = psutil.wait_procs(left, timeout=20)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE], gone


def test_the_death_of_a_kubelet_ends_the_wait_for_a_long_command_soon_and_its_container_lives_on(c: Cluster, tmp_path: Path) -> None:
    c.apply(pod("long", "sleep", "1000"))
    c.wait("pod/long", timeout=WAIT)
    began = tmp_path / "began"
    os.mkfifo(began)
    with ThreadPoolExecutor(1) as pool:
        command = pool.submit(c.exec, "pod/long", ["sh", "-c", f"echo now > {began}; exec sleep 1000"], timeout="1h")
        assert began.read_text() == "now\n"
        c.components["kubelet/node-1"].crash()
        with pytest.raises(Timeout, match="kubelet/node-1 did not answer within 4.8 s; whether the command was carried out is unknown"):
            command.result(60)
    c.components["kubelet/node-1"].restart()
    assert c.exec("pod/long", ["echo", "here"], timeout="60s").stdout == "here\n"
    assert c.get("pod/long").status.container_statuses[0].restart_count == 0


def test_a_grpc_probe_asks_the_named_service(c: Cluster, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    ready = {"grpc": {"port": 5000, "service": "shop"}, "periodSeconds": 1}
    alive = {"grpc": {"port": 5000}, "periodSeconds": 1, "failureThreshold": 60}
    env = [{"name": "GO", "value": str(go)}]
    c.apply(pod("grpc", sys.executable, "-c", GRPC_SERVER, readinessProbe=ready, startupProbe=alive, env=env))
    c.wait("pod/grpc", lambda it: it.status.container_statuses and it.status.container_statuses[0].started, timeout=WAIT)
    assert not c.get("pod/grpc").status.container_statuses[0].ready
    assert c.exec("pod/grpc", ["sh", "-c", 'echo now > "$GO"']).exit_code == 0
    c.wait("pod/grpc", "Ready", timeout=WAIT)


def test_after_a_restart_of_the_whole_program_logs_and_commands_are_those_of_the_container_that_ran_on(tmp_path: Path) -> None:
    try:
        with Cluster(nodes=1, containers="process", isolation="C0", timing="fast", data=tmp_path) as first:
            first.apply(shell("web", "echo $$$$; exec sleep 1000", env=[{"name": "WHO", "value": "me"}]))
            first.wait("pod/web", timeout=WAIT)
            said = next(first.logs("pod/web", follow=True))
        with Cluster(nodes=1, containers="process", isolation="C0", timing="fast", data=tmp_path) as second:
            second.wait("pod/web", timeout=WAIT)
            assert second.logs("pod/web") == f"{said}\n"
            done = second.exec("pod/web", ["sh", "-c", f'echo "$WHO"; kill -0 {said} && pwd'])
            assert done.stdout.splitlines() == ["me", second.exec("pod/web", ["sh", "-c", 'echo "$CALLBOARD_ROOT"']).stdout.strip()]
            assert second.get("pod/web").status.container_statuses[0].restart_count == 0
    finally:
        stop_durable(state_folder(tmp_path))
