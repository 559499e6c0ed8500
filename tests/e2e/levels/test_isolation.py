"""Clusters side by side, ends of all kinds, and containers that outlive their program: each cluster here is a program of its own."""

from __future__ import annotations

import contextlib
import re
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from callboard import Cluster, connect
from callboard.runtime.face.verbs import Verbs
from callboard.runtime.process.launch import state_folder, stop_durable
from tests.e2e.levels.cells import Cell, row
from tests.e2e.levels.yard import Yard, container, pod, server, until
from tests.e2e.programs import Program, all_gone, program

UP = ("up", "--nodes", "2", "--timing", "fast")


@pytest.fixture(autouse=True)
def _sockets_of_this_test(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    monkeypatch.setenv("CALLBOARD_ISOLATION", level)


@row("two clusters side by side")
def test_two_clusters_do_not_meet(cell: Cell, level: str, yard: Yard) -> None:
    with cell.judged(), Cluster(nodes=1, containers="process", isolation=level, timing="fast") as other:
        other.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "there"}})
        there = Yard(other, "there")
        yard.run(pod("web", server("here"), nodeName="node-1"), pod("client", nodeName="node-1"))
        there.run(pod("web", server("there")), pod("client"))
        for one, name in ((yard, "here"), (there, "there")):
            assert one.fetch("client", f"http://{one.ip('web')}:8080/")[0].split()[0] == name


def _served(running: Program, *manifests: dict[str, object]) -> Verbs:
    """The verbs of a program's cluster, once it is up and these are Ready."""
    running.wait_line(lambda line: "The cluster is up" in line)
    verbs = connect()
    verbs.apply(list(manifests))
    for manifest in manifests:
        verbs.wait(f"pod/{manifest['metadata']['name']}", "Ready", timeout=30)  # type: ignore[index]
    return verbs


@pytest.fixture
def data(tmp_path: Path) -> Iterator[str]:
    """A data folder; what lives on there ends with the test, however it ends."""
    folder = tmp_path / "state"
    try:
        yield str(folder)
    finally:
        stop_durable(state_folder(str(folder)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
@row("nothing is left behind, by a clean stop or by kill -9")
def test_nothing_is_left_behind(number: int, cell: Cell, level: str, tmp_path: Path) -> None:
    with cell.judged(), program(*UP, cwd=tmp_path) as running:
        _served(running, pod("web", server("web")))
        children = running.descendants()
        assert children
        traces = _names_of(children)
        running.end(number)
        assert all_gone(children) == []
        until(lambda: not _left(traces), lambda: f"left behind: {_left(traces)}")


def _names_of(processes: list[psutil.Process]) -> set[str]:
    """What a cluster's processes show of its name: the folder that helpers are told of, and the control groups that containers are in."""
    words: list[str] = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):  # it may have ended meanwhile
            words += [*process.cmdline(), *Path(f"/proc/{process.pid}/cgroup").read_text().split()]
    return set(re.findall(r"callboard-[0-9a-f]+(?:-[0-9a-f]{6,})?(?![\w-])", " ".join(words)))


def _left(names: set[str]) -> set[str]:
    """Folders, mounts and control groups of such a name."""
    places = [*Path(tempfile.gettempdir()).glob("callboard-*"), *Path("/sys/fs/cgroup").glob("*/callboard-*")]
    places += [*Path("/sys/fs/cgroup").glob("callboard-*"), *map(Path, Path("/proc/self/mountinfo").read_text().split())]
    return {str(place) for place in places if names & set(place.parts)}


@row("after kill -9 and `up` with the same --data the same pods run on, and exit codes are kept")
def test_pods_are_adopted_after_kill_9(cell: Cell, data: str, tmp_path: Path) -> None:
    leave = tmp_path / "leave"
    ends = container(command=["sh", "-c", f'until [ -e "$CALLBOARD_ROOT/host/{leave.name}" ]; do sleep 0.1; done; exit 7'])
    ends["volumeMounts"] = [{"name": "host", "mountPath": "/host"}]
    volumes = [{"name": "host", "hostPath": {"path": str(tmp_path)}}]
    with cell.judged():
        with program(*UP, "--data", data, cwd=tmp_path) as running:
            verbs = _served(running, pod("web", server("web")), pod("ends", ends, restartPolicy="Never", volumes=volumes))
            before = {name: _identity(verbs, name) for name in ("web", "ends")}
            running.end(signal.SIGKILL)
        leave.touch()
        with program(*UP, "--data", data, cwd=tmp_path) as running:
            verbs = _served(running)
            until(lambda: verbs.get("pod/ends").status.phase == "Failed", lambda: verbs.describe("pod/ends"))
            assert verbs.get("pod/ends").status.container_statuses[0].state.terminated.exit_code == 7
            assert {name: _identity(verbs, name) for name in ("web", "ends")} == before
            assert verbs.exec("pod/web", ["sh", "-c", "echo $POD_IP"]).stdout.strip() == before["web"][1]
            assert running.end(signal.SIGTERM) == 0


def _identity(verbs: Verbs, name: str) -> tuple[object, ...]:
    found = verbs.get(f"pod/{name}")
    status = found.status.container_statuses[0]
    return found.metadata.uid, found.status.pod_ip, status.container_id, status.restart_count


@row("`callboard down` ends what lives on")
def test_down_ends_what_lives_on(cell: Cell, data: str, tmp_path: Path) -> None:
    with cell.judged():
        with program(*UP, "--data", data, cwd=tmp_path) as running:
            _served(running, pod("web", server("web")))
            children = running.descendants()
            traces = _names_of(children)
            running.end(signal.SIGKILL)
        assert any(process.is_running() for process in children), "the containers live on"
        with program("down", "--data", data, cwd=tmp_path) as down:
            assert down.process.wait(timeout=30) == 0
        assert all_gone(children) == []
        until(lambda: not _left(traces), lambda: f"left behind: {_left(traces)}")
