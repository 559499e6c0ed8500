"""Containers in a cell: what they see, may and can't do, how they start and end, and commands beside them. At levels A, B and C1."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.runtime.process.confinement import Bind, Confinement
from callboard.runtime.process.protocol import Exited, NodeKilled, ProcessDaemonError, Signalled, Started, StartFailed

from .cells import LEVELS, WITH_USERS, CellDriver, level_named, needs_users
from .conftest import WAIT_S

pytestmark = pytest.mark.needs("bwrap", "unshare", "setpriv", "ip")


@pytest.fixture(params=LEVELS)
def cell(request: pytest.FixtureRequest) -> Iterator[CellDriver]:
    driver = CellDriver(level_named(request.param))
    yield driver
    driver.daemon.stop()
    assert not driver.daemon.state_dir.exists()


@pytest.fixture
def volume(cell: CellDriver, request: pytest.FixtureRequest) -> Path:
    """A folder below the state folder with one file, as a pod's volume is."""
    folder = cell.daemon.state_dir / "volumes" / str(abs(hash(request.node.name)))
    folder.mkdir(parents=True)
    (folder / "file").write_text("content\n")
    return folder


def end(cell: CellDriver, container_id: str) -> Exited:
    cell.daemon.signal(container_id, signal.SIGKILL, lambda _answer: None)
    exited = cell.next(Exited)
    cell.daemon.forget(container_id, lambda _answer: None)
    return exited


def test_a_container_sees_its_own_processes_name_and_nothing_of_the_hosts_homes_passwords_and_state(cell: CellDriver) -> None:
    hidden = f"/etc/shadow /home/x {cell.daemon.state_dir}/daemon.log"
    said = cell.output(f"hostname; ls /proc | grep -c '^[0-9]*$'; ls -A /root; ls -A /tmp; ls -A /run; cat {hidden}")
    lines = said.splitlines()
    assert lines[0] == "web-0"
    assert int(lines[1]) <= 5
    assert lines[2:] == [
        "cat: /etc/shadow: No such file or directory",
        "cat: /home/x: No such file or directory",
        f"cat: {cell.daemon.state_dir}/daemon.log: No such file or directory",
    ]


def test_what_is_written_to_folders_of_the_host_is_gone_with_the_container(cell: CellDriver) -> None:
    said = cell.output("for d in /etc /var/log /var/lib /tmp /run /root; do echo x >$d/callboard-test && cat $d/callboard-test; done")
    assert said == "x\n" * 6
    assert cell.output("cat /etc/callboard-test /var/log/callboard-test /tmp/callboard-test 2>&1 | grep -c 'No such file'") == "3\n"
    assert not any(Path(folder, "callboard-test").exists() for folder in ("/etc", "/var/log", "/tmp"))


def test_programs_can_be_run_and_not_be_changed(cell: CellDriver) -> None:
    said = cell.output("/bin/ls /usr/bin/env; touch /usr/bin/x; touch /bin/x")
    assert said.splitlines()[0] == "/usr/bin/env"
    assert said.count("Read-only file system") == 2


def test_settings_of_the_kernel_can_be_read_and_not_be_changed(cell: CellDriver) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    said = cell.output("cd /proc/sys/kernel; cat core_pattern; cat core_pattern >/proc/sys/kernel/core_pattern")
    assert said.startswith(before)
    assert "cannot create /proc/sys/kernel/core_pattern: Read-only file system" in said
    assert "Permission denied" in cell.output("wc -c </proc/keys")


def test_volumes_are_where_the_spec_wants_them_also_inside_folders_of_the_host(cell: CellDriver, volume: Path) -> None:
    binds = (
        Bind(str(volume), "/data"),
        Bind(str(volume / "file"), "/data/inner/file", True),
        Bind(str(volume), "/etc/web/deep", True),
        Bind(str(volume), "/usr/share/callboard-test"),
        Bind(str(volume), "/var/run/volume"),
        Bind(str(volume / "file"), "/etc/resolv.conf"),
        Bind(str(volume / "file"), "/bin/callboard-file"),
    )
    (volume / "inner").mkdir()
    (volume / "inner" / "file").touch()
    places = "/data/file /data/inner/file /etc/web/deep/file /usr/share/callboard-test/file /run/volume/file"
    places += " /etc/resolv.conf /usr/bin/callboard-file"
    script = f"cat {places}; echo new >/data/new; touch /etc/web/deep/no; touch /data/inner/file; touch /usr/share/no; ls /etc/passwd"
    said = cell.output(script, confinement=Confinement(binds=binds))
    assert said.count("content") == 7
    assert said.count("Read-only file system") == 3
    assert "/etc/passwd" in said
    assert (volume / "new").read_text() == "new\n"


def test_a_change_of_a_volume_outside_is_seen_inside(cell: CellDriver, volume: Path) -> None:
    cell.begin("c1", "sleep", "1000", confinement=Confinement(binds=(Bind(str(volume), "/data"),)))
    cell.next(Started)
    (volume / "later").write_text("later\n")
    assert cell.command("c1", "cat", "/data/later").stdout == b"later\n"
    end(cell, "c1")


def test_memory_as_a_folder_has_its_size(cell: CellDriver) -> None:
    said = cell.output("df -B1 /fast | tail -1; echo x >/fast/x && cat /fast/x", confinement=Confinement(tmpfs=(("/fast", 1 << 20),)))
    assert said.split()[1] == str(1 << 20)
    assert said.splitlines()[1] == "x"


def test_a_read_only_root_can_be_written_nowhere_but_in_volumes(cell: CellDriver, volume: Path) -> None:
    confinement = Confinement(read_only_root=True, binds=(Bind(str(volume), "/data"),))
    said = cell.output("touch /x /etc/x /var/x /tmp/x /run/x /data/x; cat /data/file; pwd", cwd="/work", confinement=confinement)
    assert said.count("Read-only file system") == 5
    assert said.splitlines()[-2:] == ["content", "/work"]


def test_a_container_has_the_capabilities_it_is_given_and_gains_none(cell: CellDriver) -> None:
    script = "grep -E 'CapEff|NoNewPrivs' /proc/self/status"
    assert cell.output(script, confinement=Confinement(capabilities=("CHOWN", "KILL"))).split()[1::2] == ["0000000000000021", "1"]
    assert cell.output(script, confinement=Confinement(capabilities=())).split()[1] == "0" * 16


@pytest.mark.parametrize("cell", WITH_USERS, indirect=True)
def test_a_container_runs_as_its_user_with_its_groups_and_without_capabilities(cell: CellDriver, volume: Path) -> None:
    needs_users(cell.level)
    volume.chmod(0o700)
    script = "id -u; id -g; id -G; grep CapEff /proc/self/status; cat /data/file; echo out >>/dev/stdout"
    said = cell.output(script, user=[1000, 1001, 44, 45], confinement=Confinement(binds=(Bind(str(volume), "/data"),)))
    lines = said.splitlines()
    assert lines[:4] == ["1000", "1001", "1001 44 45", "CapEff:\t0000000000000000"]
    assert lines[4:] == ["cat: /data/file: Permission denied", "out"]


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["no-such-program-here"], "no program 'no-such-program-here' was found in PATH (/usr/bin:/bin)"),
        (["/no/such/file"], "there is no such file"),
        (["/etc/passwd"], "permission denied; it must be an executable file"),
        ([], "the container has no command"),
    ],
)
@pytest.mark.parametrize(
    ("cell", "user"), [*((name, None) for name in LEVELS), *((name, [1000, 1000]) for name in WITH_USERS)], indirect=["cell"]
)
def test_a_program_that_cannot_be_executed_is_a_failed_start_in_plain_words(
    cell: CellDriver, argv: list[str], reason: str, user: list[int] | None
) -> None:
    if user:
        needs_users(cell.level)
    cell.begin("c1", *argv, user=user)
    failed = cell.next(StartFailed)
    assert failed.reason == "CreateContainerError"
    assert reason in failed.message
    assert not cell.log("c1").exists() or cell.log("c1").read_text() == "", "what our own tools say is no output of the container"
    assert "back" in cell.output("echo back"), "the id is free again and the daemon lives"


def test_a_null_byte_in_a_variable_is_no_way_to_slip_in_options(cell: CellDriver) -> None:
    env = {"A": "x\0--bind\0/\0/host"}
    cell.daemon.start_container("c1", "node-1", ["ls", "/host"], env, "/", cell.log("c1"), confinement=Confinement())
    assert "null byte" in cell.next(StartFailed).message


def test_surroundings_that_cannot_be_made_are_told(cell: CellDriver) -> None:
    cell.begin("c1", "true", confinement=Confinement(netns="/no/such/namespace"))
    assert "what surrounds 'true' could not be made: /no/such/namespace: No such file" in cell.next(StartFailed).message
    cell.begin("c1", "true", confinement=Confinement(binds=(Bind("/no/such/source", "/data"),)))
    assert "/no/such/source" in cell.next(StartFailed).message


def test_exit_codes_are_the_programs(cell: CellDriver) -> None:
    for code in (0, 1, 7, 126, 127, 255):
        cell.output(f"exit {code}")
        assert (cell.last.exit_code, cell.last.signal) == (code, 0)


def test_a_signal_reaches_the_program_itself_and_nobody_else(cell: CellDriver) -> None:
    script = "trap 'echo heard; exit 3' TERM; sleep 1000 & echo ready; wait"
    cell.begin("c1", "sh", "-c", script)
    cell.next(Started)
    wait_for(cell, "c1", "ready")
    answer = cell.daemon.ask(Signalled, cell.daemon.signal, "c1", signal.SIGTERM)
    assert answer.delivered
    exited = cell.next(Exited)
    assert (exited.exit_code, exited.signal, exited.running) == (3, 0, False)
    assert "heard" in cell.log("c1").read_text()
    cell.daemon.forget("c1", lambda _answer: None)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_program_without_a_handler_ends_of_the_signal_also_if_it_comes_at_once(cell: CellDriver, signum: int) -> None:
    cell.begin("c1", "sleep", "1000")
    cell.daemon.signal("c1", signum, lambda _answer: None)
    cell.next(Started)
    exited = cell.next(Exited)
    assert (exited.exit_code, exited.signal) == (128 + signum, signum)
    cell.daemon.forget("c1", lambda _answer: None)


@pytest.mark.parametrize("how", ["kill", "node", "end"])
def test_nothing_that_a_container_has_started_outlives_it(cell: CellDriver, how: str) -> None:
    mark = f"10{abs(hash((cell.level.name, how))) % 10**7}"
    cell.begin("c1", "sh", "-c", f"setsid sleep {mark} & sleep {mark} & echo ready; sleep 1000; exit 0")
    cell.next(Started)
    wait_for(cell, "c1", "ready")
    if how == "end":
        end_by_itself = cell.command("c1", "sh", "-c", "kill -KILL 2")
        assert end_by_itself.exit_code in (0, 137)
    elif how == "node":
        cell.daemon.ask(NodeKilled, cell.daemon.kill_node, "node-1")
    else:
        cell.daemon.signal("c1", signal.SIGKILL, lambda _answer: None)
    assert cell.next(Exited).exit_code == 137
    cell.daemon.forget("c1", lambda _answer: None)
    cell.log("c1").unlink()
    listing = cell.output(f"ps -eo args | grep -c '^sleep {mark}$'", confinement=Confinement(pid_namespace="host"))
    assert listing == "0\n"


def test_containers_of_a_pod_see_each_others_processes_if_they_share_them(cell: CellDriver) -> None:
    shared = Confinement(pid_namespace="pod:77")
    cell.begin("c1", "sh", "-c", "setsid sleep 1001 & sleep 1002", confinement=shared)
    first = cell.next(Started)
    said = cell.output("ps -eo args; kill -0 $(pgrep -f 'sleep 1002') && echo reached", "c2", confinement=shared)
    assert "sleep 1002" in said
    assert "reached" in said
    assert "sleep 1002" not in cell.output("ps -eo args", "c3")
    assert end(cell, "c1").pid == first.pid
    left = "ps -eo args | grep -c -e '^sleep 100[12]$' -e 'sleep infinity$'"
    assert cell.output(left, confinement=Confinement(pid_namespace="host")) == "0\n", "the pod's namespace goes with its last container"


def test_the_processes_that_surround_a_container_are_no_way_to_the_machine(cell: CellDriver) -> None:
    look = "ls /proc/1/root; readlink /proc/1/exe; echo x >/proc/1/exe; touch /proc/1/root/usr/x /proc/1/root/x"
    said = cell.output(look, "c1", confinement=Confinement(pid_namespace="pod:79"))
    assert not {"etc", "home", "proc", "root", "var"} & set(said.split())
    assert "/memfd:callboard-sandbox" in said, "not the file that others execute"
    assert said.count("Read-only file system") == 2
    assert "cannot create /proc/1/exe" in said
    said = cell.output(look, "c1")
    assert "/memfd:callboard-sandbox" in said
    assert "cannot create /proc/1/exe" in said


def test_a_pod_whose_shared_processes_were_ended_as_a_whole_can_begin_again(cell: CellDriver) -> None:
    shared = Confinement(pid_namespace="pod:78")
    cell.begin("c1", "sleep", "1000", confinement=shared)
    cell.next(Started)
    killing = "kill -KILL $(pgrep -f '^/usr/bin/sleep infinity$')"
    cell.begin("c2", "sh", "-c", killing, confinement=Confinement(pid_namespace="host"))
    cell.next(Started)
    ended = {exited.container_id: exited.exit_code for exited in (cell.next(Exited), cell.next(Exited))}
    assert ended == {"c1": 137, "c2": 0}
    assert cell.output("echo again", "c3", confinement=shared) == "again\n"


def test_a_command_is_beside_the_program_with_its_environment_folder_and_privileges(cell: CellDriver, volume: Path) -> None:
    confinement = Confinement(hostname="web-1", binds=(Bind(str(volume), "/data"),), capabilities=("CHOWN",))
    cell.begin("c1", "sleep", "1003", cwd="/data", confinement=confinement)
    cell.next(Started)
    script = "hostname; pwd; cat file; echo $CALLBOARD_CONTAINER_ID; ps -eo args | grep -c 'sleep 1003$'; echo err >&2; exit 9"
    ended = cell.command("c1", "sh", "-c", script)
    assert ended.exit_code == 9
    assert ended.stdout.decode().splitlines() == ["web-1", "/data", "content", "c1", "2"] or b"web-1\n/data\ncontent\nc1\n" in ended.stdout
    assert ended.stderr == b"err\n"
    status = cell.command("c1", "grep", "-E", "CapEff|CapBnd|NoNewPrivs", "/proc/self/status").stdout.split()
    assert status[1::2] == [b"0000000000000001", b"0000000000000001", b"1"]
    assert cell.command("c1", "no-such-program-here").exit_code == 127
    assert cell.command("c1", "/etc/passwd").exit_code == 126
    end(cell, "c1")
    with pytest.raises(ProcessDaemonError, match="does not run"):
        cell.command("c1", "true")


@pytest.mark.parametrize("cell", WITH_USERS, indirect=True)
def test_a_command_runs_as_the_containers_user(cell: CellDriver) -> None:
    needs_users(cell.level)
    cell.begin("c1", "sleep", "1000", user=[1000, 1001, 44])
    cell.next(Started)
    ended = cell.command("c1", "sh", "-c", "id -u; id -G; grep CapEff /proc/self/status")
    assert ended.stdout.split() == [b"1000", b"1001", b"44", b"CapEff:", b"0" * 16]
    end(cell, "c1")


def test_what_a_command_leaves_is_killed_when_it_ends_or_its_time_is_over(cell: CellDriver) -> None:
    cell.begin("c1", "sleep", "1000")
    cell.next(Started)
    assert cell.command("c1", "sh", "-c", "setsid sleep 1004 & exit 5").exit_code == 5
    late = cell.command("c1", "sh", "-c", "setsid sleep 1004 & sleep 1004", timeout_s=0.2)
    assert (late.timed_out, late.exit_code) == (True, 137)
    wait_for(cell, "c1", b"none", lambda: cell.command("c1", "sh", "-c", "ps -eo args | grep -q '^sleep 1004$' || echo none").stdout)
    end(cell, "c1")


def test_many_containers_start_and_end_and_their_numbers_are_the_cells(cell: CellDriver) -> None:
    for number in range(20):
        cell.begin(f"many-{number}", "sleep", "1000")
    started = [cell.next(Started) for _ in range(20)]
    assert len({one.pid for one in started}) == 20
    listed = cell.daemon.list_now("node-1")
    assert {record.pid for record in listed.containers if record.running} == {one.pid for one in started}
    cell.daemon.ask(NodeKilled, cell.daemon.kill_node, "node-1")
    assert {cell.next(Exited).exit_code for _ in range(20)} == {137}
    for number in range(20):
        cell.daemon.forget(f"many-{number}", lambda _answer: None)


def wait_for(cell: CellDriver, container_id: str, text: str | bytes, look: object = None) -> None:
    """Wait until a container's log, or what `look` gives, holds this text."""
    deadline_s = time.monotonic() + WAIT_S
    while True:
        seen = look() if callable(look) else cell.log(container_id).read_text()
        if text in seen:
            return
        assert time.monotonic() < deadline_s, f"{text!r} is not in {seen!r}"
        time.sleep(0.01)
