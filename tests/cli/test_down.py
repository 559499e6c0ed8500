"""`callboard down`: what it ends, what it says, whom it leaves alone."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from callboard.cli.group import run
from callboard.cli.holder import end, holder, holding, journal_user
from callboard.runtime.errors import CallboardError
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.launch import connect, state_folder
from callboard.runtime.process.protocol import Started

HOLDER = """
import signal, sys, threading
from pathlib import Path
from callboard.cli.holder import holding
done = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: done.set())
with holding(Path(sys.argv[1])):
    print("held", flush=True)
    done.wait()
"""


def test_a_folder_without_a_cluster_is_one_sentence_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down", "--data", str(tmp_path)]) == 1
    assert (
        capsys.readouterr().err == f"callboard: there is no cluster in {tmp_path}; give the folder that `callboard up --data` was given\n"
    )


def test_containers_and_their_daemon_are_ended_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = ProcessDaemon.start(state_folder(tmp_path), lambda _: None)
    for name in ("a", "b"):
        log = daemon.state_dir / name
        daemon.ask(Started, daemon.start_container, name, "node-1", ["sleep", "1000"], {"PATH": os.environ["PATH"]}, "/", log)
    pids = [record.pid for record in daemon.list_now().containers]
    assert run(["down", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"2 containers ended; the cluster's objects stay in {tmp_path}.\n"
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert connect(state_folder(tmp_path), 1.0) is None
    assert run(["down", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"Nothing of the cluster in {tmp_path} runs; its objects stay there.\n"


def test_the_program_that_keeps_the_cluster_up_is_asked_to_end_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stdout.readline() == "held\n"
    assert holder(tmp_path) == program.pid
    with pytest.raises(CallboardError, match=f"in use by another cluster \\(process {program.pid}\\): stop that one"), holding(tmp_path):
        pass
    assert run(["down", "--data", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said == f"The program that kept the cluster up (process {program.pid}) has ended; the cluster's objects stay in {tmp_path}.\n"
    assert program.wait(10) == 0
    program.stdout.close()
    assert holder(tmp_path) == 0


def test_a_killed_program_holds_nothing(tmp_path: Path) -> None:
    program = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    program.stdout.readline()
    program.kill()
    program.wait()
    program.stdout.close()
    assert holder(tmp_path) == 0
    with holding(tmp_path):
        assert holder(tmp_path) == os.getpid()
    assert end(program.pid, 0.1), "what has ended need not be asked"


def test_a_program_that_embeds_the_cluster_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "callboard.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        assert journal_user(tmp_path) == os.getpid()
        assert run(["down", "--data", str(tmp_path)]) == 1
    assert f"a program (process {os.getpid()}) has the cluster in {tmp_path} open" in capsys.readouterr().err


def test_a_program_that_does_not_end_is_not_waited_for_without_end() -> None:
    ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(1000)"
    program = subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    program.stdout.readline()
    assert not end(program.pid, 0.2)
    program.send_signal(signal.SIGKILL)
    program.wait()
    program.stdout.close()
