"""The process daemon with real processes: starting, ends, signals, node crashes, what containers leave behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.protocol import (
    DaemonLost,
    Exited,
    Forgotten,
    NodeKilled,
    ProcessDaemonError,
    RequestFailed,
    Signalled,
    Started,
    StartFailed,
)

from .conftest import ENV, WAIT_S, Driver, wait_until_gone


def test_a_container_runs_with_its_own_environment_and_its_output_lands_in_its_log(ephemeral: Driver) -> None:
    os.environ["CALLBOARD_TEST_LEAK"] = "yes"
    number = ephemeral.shell("c1", "env; echo problem >&2; exit 7")
    started = ephemeral.next(Started)
    exited = ephemeral.next(Exited)
    assert (started.id, started.container_id, started.node) == (number, "c1", "node-1")
    assert (exited.container_id, exited.exit_code, exited.signal, exited.pid) == ("c1", 7, 0, started.pid)
    assert started.started_at_s <= exited.finished_at_s
    output = ephemeral.log("c1").read_text()
    assert "CALLBOARD_CONTAINER_ID=c1" in output
    assert "problem" in output
    assert "CALLBOARD_TEST_LEAK" not in output


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["no-such-program-here"], "no program 'no-such-program-here' was found in PATH"),
        (["/no/such/file"], "there is no such file"),
        (["/etc/passwd"], "permission denied; it must be an executable file"),
        ([], "the container has no command"),
        (["x\0y"], "null byte"),
    ],
)
def test_a_program_that_cannot_be_executed_is_a_failed_start_in_plain_words(ephemeral: Driver, argv: list[str], reason: str) -> None:
    ephemeral.run("c1", *argv)
    failed = ephemeral.next(StartFailed)
    assert failed.reason == "CreateContainerError"
    assert reason in failed.message
    ephemeral.shell("c1", "exit 0")
    assert ephemeral.next(Started).container_id == "c1", "the id is free again and the daemon lives"


def test_scripts_without_an_interpreter_and_missing_folders_are_told_apart(ephemeral: Driver, tmp_path: Path) -> None:
    script, garbage = tmp_path / "script", tmp_path / "garbage"
    script.write_text("#!/no/such/interpreter\n")
    garbage.write_bytes(b"\x7fELF nonsense")
    for path in (script, garbage):
        path.chmod(0o755)
    ephemeral.run("a", str(script))
    assert "the interpreter that its first line names does not" in ephemeral.next(StartFailed).message
    ephemeral.run("b", str(garbage))
    assert "neither a program for this machine" in ephemeral.next(StartFailed).message
    ephemeral.daemon.start_container("c", "node-1", ["true"], ENV, str(tmp_path / "nowhere"), ephemeral.log("c"))
    assert "its working directory" in ephemeral.next(StartFailed).message
    ephemeral.daemon.start_container("d", "node-1", ["true"], ENV, "/", script / "log")
    assert "cannot open the log file" in ephemeral.next(StartFailed).message


def test_a_signal_reaches_the_whole_process_group_and_is_told_as_kubernetes_does(ephemeral: Driver) -> None:
    ephemeral.shell("c1", "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done")
    ephemeral.next(Started)
    wait_for_text(ephemeral.log("c1"), "up")
    ephemeral.daemon.signal("c1", signal.SIGTERM)
    assert ephemeral.next(Signalled).delivered
    assert ephemeral.next(Exited).exit_code == 3
    ephemeral.daemon.signal("c1", signal.SIGTERM)
    assert not ephemeral.next(Signalled).delivered
    ephemeral.run("c2", "sleep", "1000")
    ephemeral.next(Started)
    ephemeral.daemon.signal("c2", signal.SIGKILL)
    ephemeral.next(Signalled)
    exited = ephemeral.next(Exited)
    assert (exited.exit_code, exited.signal) == (137, 9)


def test_what_a_container_leaves_behind_dies_with_it(ephemeral: Driver) -> None:
    """A child in the group, one in a session of its own, and a grandchild that was orphaned on purpose."""
    escape = "import os,time\nif os.fork(): os._exit(0)\nos.setsid()\nprint(os.getpid(), flush=True)\ntime.sleep(1000)"
    all_have_told = f"while [ $(wc -l < {ephemeral.log('c1')}) -lt 3 ]; do sleep 0.01; done"
    script = f"sleep 1000 & echo $!; setsid sleep 1000 & echo $!; {sys.executable} -c '{escape}'; {all_have_told}; exit 5"
    ephemeral.shell("c1", script)
    ephemeral.next(Started)
    wait_for_lines(ephemeral.log("c1"), 3)
    exited = ephemeral.next(Exited)
    assert exited.exit_code == 5
    for pid in map(int, ephemeral.log("c1").read_text().split()):
        assert not Path(f"/proc/{pid}").exists(), "Exited is told only when nothing is left"


def test_orphans_of_a_running_container_are_left_alone(ephemeral: Driver) -> None:
    ephemeral.shell("c1", "(setsid sleep 1000 & echo $!); exec sleep 1000")
    ephemeral.shell("c2", "exit 0")
    ephemeral.next(Started)
    wait_for_lines(ephemeral.log("c1"), 1)
    ephemeral.next(Started)
    assert ephemeral.next(Exited).container_id == "c2"
    orphan = int(ephemeral.log("c1").read_text())
    assert Path(f"/proc/{orphan}").exists()
    ephemeral.daemon.signal("c1", signal.SIGKILL)
    ephemeral.next(Signalled)
    ephemeral.next(Exited)
    assert not Path(f"/proc/{orphan}").exists()


def test_a_node_crash_kills_that_node_only(ephemeral: Driver) -> None:
    for container_id, node in (("a", "node-1"), ("b", "node-1"), ("c", "node-2")):
        ephemeral.run(container_id, "sleep", "1000", node=node)
        ephemeral.next(Started)
    ephemeral.daemon.kill_node("node-1")
    assert ephemeral.next(NodeKilled).container_ids == ("a", "b")
    assert {ephemeral.next(Exited).container_id for _ in range(2)} == {"a", "b"}
    listed = ephemeral.daemon.list_now().containers
    assert [(r.container_id, r.running, r.signal) for r in listed] == [("a", False, 9), ("b", False, 9), ("c", True, 0)]
    assert [r.container_id for r in ephemeral.daemon.list_now("node-2").containers] == ["c"]


def test_ended_containers_are_remembered_until_they_are_forgotten(ephemeral: Driver) -> None:
    ephemeral.run("c1", "sleep", "1000")
    ephemeral.next(Started)
    ephemeral.daemon.forget("c1")
    assert "still runs" in ephemeral.next(RequestFailed).message
    ephemeral.run("c1", "true")
    assert "there is a container 'c1' already" in ephemeral.next(StartFailed).message
    ephemeral.daemon.kill_node("node-1")
    ephemeral.next(NodeKilled)
    ephemeral.next(Exited)
    assert ephemeral.daemon.ask(Forgotten, ephemeral.daemon.forget, "c1").node == "node-1"
    assert ephemeral.daemon.list_now().containers == ()


def test_requests_from_many_threads_are_each_answered_once(ephemeral: Driver) -> None:
    answers: list[object] = []

    def ask_often() -> None:
        for _ in range(50):
            answers.append(ephemeral.daemon.list_now())

    threads = [threading.Thread(target=ask_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 200


def test_a_daemon_that_is_killed_takes_its_containers_along_and_is_reported(ephemeral: Driver) -> None:
    ephemeral.shell("c1", "setsid sleep 1000 & echo $!; exec sleep 1000")
    pid = ephemeral.next(Started).pid
    wait_for_lines(ephemeral.log("c1"), 1)
    grandchild = int(ephemeral.log("c1").read_text())
    os.kill(ephemeral.daemon.hello.pid, signal.SIGKILL)
    assert "its containers have been killed" in ephemeral.next(DaemonLost).message
    wait_until_gone(pid)
    wait_until_gone(grandchild)
    ephemeral.shell("c2", "exit 0")
    assert "is gone" in ephemeral.next(RequestFailed).message


def test_a_receiver_that_fails_does_not_end_the_driver() -> None:
    def fail(message: object) -> None:
        raise ValueError("not my day")

    daemon = ProcessDaemon.start(None, fail)
    daemon.start_container("c1", "node-1", ["true"], ENV, "/", daemon.state_dir / "log")
    assert daemon.list_now().containers[0].container_id == "c1"
    daemon.stop()


def test_two_clusters_at_once_have_different_blocks() -> None:
    drivers = [Driver(lambda emit: ProcessDaemon.start(None, emit)) for _ in range(3)]
    blocks = {driver.daemon.block for driver in drivers}
    for driver in drivers:
        driver.daemon.stop()
    assert len(blocks) == 3
    assert all(64 <= block <= 254 for block in blocks)


def test_stopping_asks_first_when_there_is_grace() -> None:
    driver = Driver(lambda emit: ProcessDaemon.start(None, emit))
    driver.shell("polite", "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done")
    driver.shell("stubborn", "trap '' TERM; echo up; while :; do sleep 0.01; done")
    driver.next(Started), driver.next(Started)
    for name in ("polite", "stubborn"):
        wait_for_text(driver.log(name), "up")
    assert set(driver.daemon.stop(grace_s=0.3)) == {"polite", "stubborn"}
    ends = {}
    for _ in range(2):
        exited = driver.next(Exited)
        ends[exited.container_id] = exited.exit_code
    assert ends == {"polite": 0, "stubborn": 137}
    with pytest.raises(ProcessDaemonError, match="closed|gone"):
        driver.daemon.list_now()


def wait_for_text(path: Path, text: str) -> None:
    wait_for_lines(path, 1)
    assert text in path.read_text()


def wait_for_lines(path: Path, count: int) -> None:
    """Until a log has that many lines; polled, since a plain file tells nobody."""
    pause = threading.Event()
    for _ in range(int(WAIT_S / 0.01)):
        if path.exists() and path.read_text().count("\n") >= count:
            return
        pause.wait(0.01)
    raise AssertionError(f"{path} has not got {count} lines: {path.read_text() if path.exists() else 'no file'}")
