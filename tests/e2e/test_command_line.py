"""The command line as a user has it: `callboard up` in one program, `callboard get` and the others in programs of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from callboard.cli.group import run
from tests.e2e.programs import program

WEB = Path(__file__).resolve().parents[2] / "examples" / "web.yaml"
UP = ("up", "--containers", "simulated", "--timing", "fast", "--nodes", "2")
SHELL_POD = """
apiVersion: v1
kind: Pod
metadata: {name: talk}
spec:
  containers:
  - name: main
    image: none
    command: [sh, -c, "echo hello; echo $POD_IP; exec sleep 600"]
"""


@pytest.fixture(autouse=True)
def _own_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("CALLBOARD_SOCKET", raising=False)


def say(*words: str, code: int = 0) -> tuple[str, str]:
    """Run a command to its end; its output and errors."""
    done = subprocess.run([sys.executable, "-m", "callboard", *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done
    return done.stdout, done.stderr


def test_a_running_cluster_is_watched_changed_and_left_by_other_programs(tmp_path: Path) -> None:
    with program(*UP, "--name", "one", "-f", str(WEB), cwd=tmp_path) as up:
        told = up.wait_line(lambda line: line.startswith("Reach it"))
        assert told == "Reach it from elsewhere with: callboard get pods --cluster one"
        up.wait_line(lambda line: "is up" in line)
        assert say("rollout", "status", "deployment/web", "--timeout", "30s")[0].endswith("successfully rolled out\n")
        with program("get", "deploy", "-w", cwd=tmp_path) as watch:
            watch.wait_line(lambda line: line.split()[:2] == ["web", "3/3"])
            assert say("scale", "deploy/web", "--replicas", "5") == ("deployment.apps/web scaled\n", "")
            watch.wait_line(lambda line: line.split()[:2] == ["web", "5/5"])
            assert watch.end(signal.SIGINT) == 130
        with program("events", "-w", "--for", "deployment/web", "--no-headers", cwd=tmp_path) as watch:
            watch.wait_line(lambda line: "ScalingReplicaSet" in line and "from 3 to 5" in line)
            assert say("scale", "deploy/web", "--replicas", "4") == ("deployment.apps/web scaled\n", "")
            watch.wait_line(lambda line: "ScalingReplicaSet" in line and "from 5 to 4" in line)
        with program("get", "pods", "-w", "--no-headers", "-o", "name", cwd=tmp_path) as watch:
            watch.wait_line(lambda line: line.startswith("pod/web-"))
            assert up.end(signal.SIGINT) == 0
            said = watch.wait_line(lambda line: "has ended" in line)
            assert said.startswith("callboard: the cluster at ")
            assert watch.process.wait(timeout=30) == 1
    assert not (tmp_path / "run" / "callboard").exists()
    assert say("get", "pods", code=1)[1] == "callboard: no cluster runs; start one with: callboard up\n"


@pytest.fixture
def ask(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """As `say`, within this program: the cluster is another one all the same."""

    def asked(*words: str, code: int = 0) -> tuple[str, str]:
        capfd.readouterr()
        assert run([*words]) == code
        return capfd.readouterr()

    return asked


def test_several_clusters_side_by_side_and_one_that_was_killed(tmp_path: Path, ask: Callable[..., tuple[str, str]]) -> None:
    with program(*UP, cwd=tmp_path) as first, program(*UP, "--name", "b", cwd=tmp_path) as second:
        for one in (first, second):
            one.wait_line(lambda line: "is up" in line)
        assert "several clusters run (b, default); name one" in ask("get", "nodes", code=1)[1]
        assert ask("get", "nodes", "--cluster", "b", "-o", "name")[0] == "node/node-1\nnode/node-2\n"
        taken = say(*UP, "--name", "b", code=1)
        assert 'a cluster named "b" runs already' in taken[1]
        second.end(signal.SIGKILL)
        assert ask("get", "nodes", "-o", "name")[0] == "node/node-1\nnode/node-2\n"
        assert "no cluster listens at" in ask("get", "nodes", "--cluster", "b", code=1)[1]
        with program(*UP, "--name", "b", cwd=tmp_path) as third:
            third.wait_line(lambda line: "is up" in line)
            assert ask("get", "nodes", "--cluster", "b", "-o", "name")[0] == "node/node-1\nnode/node-2\n"


def test_real_processes_are_looked_into_by_other_programs(tmp_path: Path, ask: Callable[..., tuple[str, str]]) -> None:
    (tmp_path / "talk.yaml").write_text(SHELL_POD)
    up_words = ("up", "--timing", "fast", "--nodes", "1", "--data", "state")
    with program(*up_words, cwd=tmp_path) as up:
        up.wait_line(lambda line: "is up" in line)
        data = ("--data", str(tmp_path / "state"))
        assert ask("apply", "-f", str(tmp_path / "talk.yaml"), *data) == ("pod/talk created\n", "")
        assert ask("wait", "pod/talk", "--for", "condition=Ready", *data) == ("pod/talk condition met\n", "")
        address = ask("get", "pod", "talk", "-o", "jsonpath={.status.podIP}", *data)[0]
        assert ask("exec", "talk", *data, "--", "sh", "-c", "echo $POD_IP")[0] == f"{address}\n"
        failed = ask("exec", "talk", *data, "--", "sh", "-c", "echo bad >&2; exit 7", code=7)
        assert failed == ("", "bad\ncommand terminated with exit code 7\n")
        with program("logs", "-f", "talk", *data, cwd=tmp_path) as logs:
            logs.wait_line(lambda line: line == "hello")
            logs.wait_line(lambda line: line == address)
        rows = ask("top", "pods", *data)[0].splitlines()
        assert rows[1].split()[0] == "talk"
        assert int(rows[1].split()[2].removesuffix("Mi")) >= 0
        assert ask("delete", "pod", "talk", "--now", *data)[0] == 'pod "talk" deleted from default namespace\n'
        assert up.end(signal.SIGTERM) == 0
    assert ask("down", *data)[0]
