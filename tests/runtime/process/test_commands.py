"""Commands beside real containers: their input and output, their end, their time, and that nothing of them is left behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callboard.models.api import core
from callboard.models.messages.runtime import CommandDone, ContainerStarted, ProbeContainer, Probed, RunCommand
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.commands import RUNNING_LIMIT
from callboard.runtime.process.protocol import CommandEnded, RequestFailed, Started

from .conftest import Driver, wait_until_gone
from .world import Node, make_pod

POD = make_pod("a")
Run = Callable[..., CommandDone]


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    one = Node(lambda emit: ProcessDaemon.start(None, emit))
    one.run(POD)
    yield one
    one.close()
    one.daemon.stop()


@pytest.fixture(scope="module")
def web(node: Node) -> ContainerStarted:
    return node.started(POD, "sleep", "1000", env={"GREETING": "hi"})


@pytest.fixture
def run(node: Node, web: ContainerStarted) -> Run:
    def ask(*words: str, stdin: bytes = b"", timeout_s: float = 20.0) -> CommandDone:
        about = {"pod_uid": web.pod_uid, "container_id": web.container_id, "name": "web"}
        answer = node.ask(RunCommand, **about, command=words, stdin=stdin, timeout_s=timeout_s)
        assert isinstance(answer, CommandDone)
        return answer

    return ask


def test_a_command_has_the_environment_and_folder_of_its_container_and_two_streams(run: Run) -> None:
    done = run("sh", "-c", 'echo "$GREETING"; [ "$PWD" = "$CALLBOARD_ROOT" ] && echo home; echo no >&2; exit 3')
    assert (done.exit_code, done.stdout, done.stderr, done.problem) == (3, b"hi\nhome\n", b"no\n", "")


def test_input_and_output_are_bytes_of_any_size_within_the_limit(run: Run) -> None:
    data = bytes(range(256)) * 8192  # 2 MiB: far more than a pipe holds
    done = run("cat", stdin=data)
    assert done.stdout == data
    assert not done.truncated
    assert run("cat").stdout == b""
    assert run("true", stdin=data).exit_code == 0


def test_output_beyond_the_limit_is_cut_off_and_the_command_goes_on(run: Run) -> None:
    done = run("sh", "-c", "head -c 5000000 /dev/zero; echo end >&2")
    assert (done.exit_code, len(done.stdout), done.stderr, done.truncated) == (0, 4 * 1024 * 1024, b"end\n", True)


def test_a_command_that_is_not_there_has_a_shells_exit_code_and_a_runtimes_words(run: Run) -> None:
    done = run("no-such-program")
    assert done.exit_code == 127
    assert b'exec: "no-such-program": executable file not found in $PATH' in done.stderr
    assert run("/etc").exit_code == 126
    assert run("/no/such").exit_code == 127


def test_a_command_that_a_signal_ends_has_its_code(run: Run) -> None:
    assert run("sh", "-c", "kill -9 $$").exit_code == 137


def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started(run: Run, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    hidden = f"setsid sh -c 'echo $$ >> {pids}; exec sleep 1000'"
    done = run("sh", "-c", f"echo said; sleep 1000 & echo $! >> {pids}; {hidden} & wait", timeout_s=1.0)
    assert done.timed_out
    assert done.stdout == b"said\n"
    left = pids.read_text().split()
    assert len(left) == 2
    for pid in left:
        wait_until_gone(int(pid))


def test_what_a_command_leaves_behind_dies_when_it_ends_and_nobody_waits_for_it(run: Run, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    hidden = f"setsid sh -c 'echo $$ >> {pids}; echo ready; exec sleep 1000' > {tmp_path}/fifo"
    done = run("sh", "-c", f"mkfifo {tmp_path}/fifo; {hidden} & sleep 1000 & echo $! >> {pids}; read line < {tmp_path}/fifo; echo $line")
    assert (done.exit_code, done.stdout) == (0, b"ready\n")
    left = pids.read_text().split()
    assert len(left) == 2
    for pid in left:
        wait_until_gone(int(pid))


def test_many_probes_wait_for_their_turn_and_many_commands_are_refused(ephemeral: Driver, tmp_path: Path) -> None:
    ephemeral.shell("c", "sleep 1000")
    ephemeral.next(Started)
    go = tmp_path / "go"
    os.mkfifo(go)
    held = os.open(go, os.O_RDWR)
    for patient in (True, False):
        for _ in range(RUNNING_LIMIT + 2):
            ephemeral.daemon.execute("c", ["sh", "-c", f"read word < {go}"], b"", 100.0, 100, patient=patient)
    for _ in range(2):  # at once; all others are under way or wait
        assert "64 commands are being carried out already" in ephemeral.next(RequestFailed).message
    os.write(held, b"\n" * (2 * RUNNING_LIMIT + 2))  # a line for each
    ended = [ephemeral.next(CommandEnded) for _ in range(2 * RUNNING_LIMIT + 2)]
    os.close(held)
    assert {(one.exit_code, one.timed_out) for one in ended} == {(0, False)}
    assert len({one.id for one in ended}) == 2 * RUNNING_LIMIT + 2


def test_a_command_dies_with_its_container(node: Node, tmp_path: Path) -> None:
    pod = make_pod("short")
    node.run(pod)
    started = node.started(pod, "sh", "-c", f"while ! [ -e {tmp_path}/pid ]; do sleep 0.01; done")
    about = {"pod_uid": started.pod_uid, "container_id": started.container_id, "name": "web"}
    command = ("sh", "-c", f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; exec sleep 1000")
    done = node.ask(RunCommand, **about, command=command, timeout_s=15.0)
    assert isinstance(done, CommandDone)
    assert (done.exit_code, done.timed_out) == (137, False)
    again = node.ask(RunCommand, **about, command=("true",), timeout_s=15.0)
    assert isinstance(again, CommandDone)
    assert again.problem.startswith("container not found")


def test_an_exec_probe_succeeds_with_exit_code_0_and_says_what_the_command_said(node: Node, web: ContainerStarted) -> None:
    def probe(*words: str, timeout_s: float = 10.0) -> tuple[bool, str]:
        about = {"pod_uid": web.pod_uid, "container_id": web.container_id, "name": "web", "ip": ""}
        action = core.Probe(exec=core.ExecAction(command=words))
        said = node.ask(ProbeContainer, **about, probe=action, port=0, timeout_s=timeout_s)
        assert isinstance(said, Probed)
        return said.ok, said.message

    assert probe("sh", "-c", 'echo "$GREETING"') == (True, "hi\n")
    assert probe("sh", "-c", "echo no >&2; exit 3") == (False, "no\n")
    assert probe("sleep", "1000", timeout_s=0.5) == (False, 'command "sleep 1000" timed out after 0.5 s')
    assert "executable file not found" in probe("no-such-program")[1]
    assert len(probe("sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x")[1]) == 10 * 1024


@pytest.mark.parametrize("timeout_s", [float("inf"), float("nan"), -1.0, 1e300])
def test_a_time_that_is_none_harms_no_daemon(run: Run, node: Node, web: ContainerStarted, timeout_s: float) -> None:
    pid = node.daemon.hello.pid
    done = run("true", timeout_s=timeout_s)
    assert done.timed_out or done.exit_code == 0
    assert run("echo", "well").stdout == b"well\n"
    assert node.daemon.hello.pid == pid


def test_a_command_that_can_t_be_told_to_the_daemon_is_refused_in_words(run: Run) -> None:
    assert "surrogates not allowed" in run("echo", "\udfff").problem
    assert "can't be carried out" in run("true", timeout_s=2**80).problem
    assert run("echo", "well").stdout == b"well\n"


def test_a_command_that_is_delivered_several_times_is_carried_out_once(run: Run, node: Node, web: ContainerStarted, tmp_path: Path) -> None:
    words = ("sh", "-c", f"echo ran >> {tmp_path}/runs")
    request = RunCommand(1_000_000, "kubelet#1", web.pod_uid, web.container_id, "web", words, b"", 20.0)
    node.post(node.port.name, request)
    node.post(node.port.name, request)  # while it is under way
    assert node.expect(CommandDone).exit_code == 0
    for _ in range(3):
        node.post(node.port.name, request)  # and when it has been answered
    assert run("cat", f"{tmp_path}/runs").stdout == b"ran\n"
