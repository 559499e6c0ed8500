"""Who outlives whom where the process daemon has namespaces of its own: nothing stays of a cluster that has ended. Helpers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callboard.runtime.isolation.levels import C0, Level, chosen
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.confinement import Bind, Confinement
from callboard.runtime.process.launch import remembered_level, stop_durable
from callboard.runtime.process.protocol import DaemonLost, Exited, HelperEnded, HelperStarted, ProcessDaemonError, Started

from .cells import LEVELS, WITH_USERS, CellDriver, level_named, needs_users, processes_of
from .conftest import WAIT_S, Driver

pytestmark = pytest.mark.needs("bwrap", "unshare", "setpriv", "ip")

MAIN_PROGRAM = """
import os, queue, signal, sys
from callboard.runtime.isolation.levels import chosen
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.confinement import Bind, Confinement
said = queue.Queue()
level = chosen(sys.argv[1])
daemon = ProcessDaemon.connect(sys.argv[2], said.put, level=level) if sys.argv[2] else ProcessDaemon.start(None, said.put, level=level)
env = {"PATH": "/usr/bin:/bin"}
os.mkdir(daemon.state_dir / "volume")
confinement = Confinement(binds=(Bind(str(daemon.state_dir / "volume"), "/data"),))
script = "mkdir /data/inner; touch /data/inner/file; setsid sleep 1000 & sleep 1000"
daemon.start_container("long", "node-1", ["sh", "-c", script], env, "/", daemon.state_dir / "long", confinement=confinement)
daemon.start_container("short", "node-1", ["sh", "-c", "read x; exit 42"], env, "/", daemon.state_dir / "short", confinement=confinement)
for _ in range(3):
    print(type(said.get()).__name__, file=sys.stderr)
if os.fork() == 0:  # a child that keeps every descriptor of ours open
    sys.stdin.read()
    os._exit(0)
print(daemon.hello.pid, daemon._process.pid, daemon.state_dir, flush=True)
print(said.get(), file=sys.stderr, flush=True)
sys.stdin.read()
"""


class Main:
    """A main program in a process of its own, which can be killed."""

    def __init__(self, level: Level, state_dir: Path | None = None) -> None:
        command = [sys.executable, "-c", MAIN_PROGRAM, level.name, str(state_dir or "")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()
        assert len(line) == 3, self.process.communicate()[1]
        self.daemon, self.outer, self.state_dir = int(line[0]), int(line[1]), Path(line[2])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def wait_until(true: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S:g} s: {what}"
        time.sleep(0.01)


def nothing_is_left_of(main: Main) -> None:
    """No process of the cell and no state folder; mounts were only in the cell's own namespace."""
    wait_until(lambda: not processes_of(main.process.pid), "no daemon and nothing that made its namespaces")
    wait_until(lambda: not main.state_dir.exists(), "no state folder")
    assert str(main.state_dir) not in Path("/proc/self/mountinfo").read_text()
    assert not containers_of(main.state_dir)


def containers_of(state_dir: Path) -> list[str]:
    """Processes that have a file of this folder open, such as a log as their output."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if os.readlink(folder / "fd" / "1").startswith(str(state_dir)):
                    found.append(folder.name)
            except OSError:
                continue
    return found


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest) -> Level:
    return level_named(request.param)


@pytest.fixture
def main(level: Level) -> Iterator[Main]:
    started = Main(level)
    yield started
    started.end()


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "processes"
    yield folder
    stop_durable(folder)


def test_when_the_main_program_is_killed_all_of_its_cell_goes_also_if_a_child_of_it_lives_on(main: Main) -> None:
    assert containers_of(main.state_dir)
    main.kill()
    nothing_is_left_of(main)


def test_when_the_daemon_is_killed_the_kernel_takes_the_cell_and_the_main_program_the_folder(main: Main) -> None:
    os.kill(main.daemon, signal.SIGKILL)
    nothing_is_left_of(main)
    assert main.process.poll() is None, "the main program goes on"


def test_when_what_made_the_namespaces_is_killed_it_is_the_same(main: Main) -> None:
    os.kill(main.outer, signal.SIGKILL)
    nothing_is_left_of(main)


def test_what_stays_when_both_are_killed_is_removed_by_the_next_cluster(main: Main, level: Level) -> None:
    os.kill(main.process.pid, signal.SIGSTOP)  # or it would still have time to clear up
    os.kill(main.daemon, signal.SIGKILL)
    main.kill()
    wait_until(lambda: not processes_of(main.process.pid), "no daemon")
    CellDriver(level).daemon.stop()
    assert main.state_dir.exists(), "as long as it is young it may be somebody's who is just beginning"
    os.utime(main.state_dir, (0, 0))
    CellDriver(level).daemon.stop()
    assert not main.state_dir.exists()


def test_a_folder_that_a_daemon_holds_is_nobody_elses_however_old(level: Level) -> None:
    driver = CellDriver(level)
    folder = driver.daemon.state_dir
    os.utime(folder, (0, 0))
    CellDriver(level).daemon.stop()
    stranger = folder.with_name(f"callboard-{2**22}-{folder.name.rpartition('-')[2]}")
    stranger.symlink_to(folder)
    try:
        CellDriver(level).daemon.stop()
        assert (folder / "daemon.block").exists()
    finally:
        stranger.unlink()
        driver.daemon.stop()


def test_a_daemon_that_outlives_its_main_program_is_found_again_with_all_exit_codes(level: Level, state_dir: Path) -> None:
    main = Main(level, state_dir)
    main.kill()
    driver = CellDriver(level, state_dir)
    assert driver.daemon.hello.pid == main.daemon
    listed = {record.container_id: record for record in driver.daemon.list_now().containers}
    assert listed["long"].running
    assert listed["short"].exit_code == 42 or driver.next(Exited).exit_code == 42
    wait_until((state_dir / "volume" / "inner" / "file").exists, "what the container writes")
    driver.daemon.disconnect()
    main.end()


def test_what_callboard_down_does_ends_a_cell_and_keeps_its_folder(level: Level, state_dir: Path) -> None:
    main = Main(level, state_dir)
    main.kill()
    stopped = stop_durable(state_dir)
    main.end()
    assert (stopped.found, stopped.pid) == (True, main.daemon)
    wait_until(lambda: not processes_of(main.process.pid), "no daemon")
    assert "long" in [record.container_id for record in stopped.containers]
    assert sorted(one.name for one in state_dir.iterdir() if one.is_dir()) == ["volume"]
    assert not list(state_dir.glob("*.sock"))


def test_a_cluster_that_begins_again_has_its_addresses_again(level: Level, state_dir: Path) -> None:
    blocks = set()
    for _ in range(3):
        driver = CellDriver(level, state_dir)
        blocks.add(driver.daemon.block)
        driver.daemon.stop()
    driver = CellDriver(level, state_dir)
    os.kill(driver.daemon.hello.pid, signal.SIGKILL)
    driver.next(DaemonLost)
    driver.daemon.stop()
    driver = CellDriver(level, state_dir)
    assert blocks == {driver.daemon.block}
    driver.daemon.stop()


def test_a_folder_of_another_level_is_refused_in_words_whether_its_daemon_runs_or_not(level: Level, state_dir: Path) -> None:
    driver = CellDriver(level, state_dir)
    assert remembered_level(state_dir) == level.name
    words = f"belong to isolation level {level.name}, and level C0 is wanted: .*isolation='{level.name}'"
    with pytest.raises(ProcessDaemonError, match=words):
        ProcessDaemon.connect(state_dir, driver.said.put, level=C0)
    driver.daemon.stop()
    with pytest.raises(ProcessDaemonError, match=words):
        ProcessDaemon.connect(state_dir, driver.said.put, level=C0)


def test_a_daemon_that_is_lost_is_followed_by_another_in_a_cell_of_its_own(level: Level) -> None:
    driver = CellDriver(level, revive=True)
    driver.begin("c1", "sleep", "1000")
    driver.next(Started)
    first, block = driver.daemon.hello.pid, driver.daemon.block
    os.kill(first, signal.SIGKILL)
    driver.next(DaemonLost)
    wait_until(lambda: not driver.daemon.problem, "another daemon")
    assert driver.daemon.hello.pid != first
    assert driver.daemon.block == block
    assert driver.output("echo back") == "back\n"
    driver.daemon.stop()
    assert not driver.daemon.state_dir.exists()


def test_two_cells_know_nothing_of_each_other(level: Level) -> None:
    one, other = CellDriver(level), CellDriver(level)
    try:
        one.begin("c1", "sleep", "1005")
        one.next(Started)
        assert one.daemon.block != other.daemon.block
        listing = other.output("ps -eo args", confinement=Confinement(pid_namespace="host"))
        assert "callboard.runtime.process.daemon" in listing
        assert "sleep 1005" not in listing
    finally:
        one.daemon.stop()
        other.daemon.stop()


@pytest.mark.parametrize("level", WITH_USERS, indirect=True)
def test_what_another_user_of_the_cell_has_written_is_removed_after_a_killed_daemon_too(level: Level) -> None:
    needs_users(level)
    driver = CellDriver(level)
    volume = driver.daemon.state_dir / "volume"
    volume.mkdir()
    volume.chmod(0o777)
    script = "mkdir -m 700 /data/inner && touch /data/inner/file && echo done"
    said = driver.output(script, user=[1000, 1000], confinement=Confinement(binds=(Bind(str(volume), "/data"),)))
    assert said == "done\n"
    os.kill(driver.daemon.hello.pid, signal.SIGKILL)
    driver.next(DaemonLost)
    driver.daemon.stop()
    assert not driver.daemon.state_dir.exists()


@pytest.fixture(params=["C0", *LEVELS])
def any_level(request: pytest.FixtureRequest) -> Level:
    return chosen("C0") if request.param == "C0" else level_named(request.param)


@pytest.fixture
def helped(any_level: Level) -> Iterator[Driver]:
    driver = Driver(lambda emit: ProcessDaemon.start(None, emit, level=any_level))
    yield driver
    driver.daemon.stop()


def help_with(driver: Driver, name: str, what: str) -> HelperStarted:
    arguments = [str(driver.daemon.state_dir / f"{name}.said"), what]
    module = "callboard_tests_helping"
    return driver.daemon.ask(HelperStarted, driver.daemon.start_helper, name, module, arguments)


@pytest.fixture(autouse=True)
def _helper_module(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The helper's module in a folder that a daemon takes for one with packages."""
    folder = tmp_path_factory.mktemp("site") / "test-packages"
    folder.mkdir()
    (folder / "callboard_tests_helping.py").write_text(Path(__file__).with_name("helping.py").read_text())
    monkeypatch.syspath_prepend(str(folder))


def test_a_helper_is_the_daemons_child_and_runs_once(helped: Driver) -> None:
    started = help_with(helped, "net", "wait")
    said = helped.daemon.state_dir / "net.said"
    wait_until(said.exists, "the helper's word")
    wait_until(lambda: said.read_text().endswith("\n"), "all of it")
    pid, parent = said.read_text().split()
    inside = helped.daemon.level.unshare
    assert (int(pid), int(parent)) == (started.pid, 1 if inside else helped.daemon.hello.pid)
    assert help_with(helped, "net", "wait").pid == started.pid


def test_the_end_of_a_helper_is_told_and_then_it_can_be_started_again(helped: Driver) -> None:
    first = help_with(helped, "net", "7")
    assert helped.next(HelperEnded).exit_code == 7
    assert (helped.daemon.state_dir / "net.log").read_text() == "helping\n"
    assert help_with(helped, "net", "0").pid != first.pid
    assert helped.next(HelperEnded).exit_code == 0


def test_a_helper_that_cannot_be_imported_says_why_in_its_log(helped: Driver) -> None:
    helped.daemon.ask(HelperStarted, helped.daemon.start_helper, "net", "callboard.no_such_module", [])
    assert helped.next(HelperEnded).exit_code == 1
    assert "No module named 'callboard.no_such_module'" in (helped.daemon.state_dir / "net.log").read_text()


def test_a_helpers_name_is_no_way_out_of_the_folder(helped: Driver) -> None:
    for name in ("../net", "", ".net", "a/b"):
        with pytest.raises(ProcessDaemonError, match="can't be the name of a helper"):
            helped.daemon.ask(HelperStarted, helped.daemon.start_helper, name, "x", [])
