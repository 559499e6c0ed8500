"""What containers may use at most and what they do use: real processes, by control groups or the process table, as it is here."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from callboard.runtime.process.cgroups import JANITOR, open_cgroups
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.confinement import Limits
from callboard.runtime.process.protocol import DaemonLost, Exited, Started
from callboard.runtime.process.usage import ContainerSample

from .conftest import ENV, WAIT_S, Driver, wait_until_gone

MIB = 2**20
HOLD = "import time; held = bytearray(200 * 2**20); print(len(held), flush=True); time.sleep(1000)"
BURN = "while True: pass"


def controllers() -> tuple[str, ...]:
    """The controllers that a daemon has here."""
    groups = open_cgroups("trial")
    groups.close()
    return groups.controllers


def groups_named(cluster_id: str) -> list[str]:
    """The control groups of a cluster, wherever they are mounted."""
    return [f"{folder}/{one}" for folder, names, _ in os.walk("/sys/fs/cgroup") for one in names if one == f"callboard-{cluster_id}"]


def groups_of(driver: Driver) -> list[str]:
    return groups_named(driver.daemon.hello.cluster_id)


def wait_for_no_groups(cluster_id: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while groups_named(cluster_id):
        assert time.monotonic() < deadline_s, groups_named(cluster_id)
        time.sleep(0.02)


def run(driver: Driver, container_id: str, script: str, limits: Limits) -> None:
    command = [sys.executable, "-S", "-c", script]
    driver.daemon.start_container(container_id, "node-1", command, ENV, "/", driver.log(container_id), limits=limits)
    driver.next(Started)


def sample_where(driver: Driver, container_id: str, true: object) -> ContainerSample:
    deadline_s = time.monotonic() + WAIT_S
    while True:
        found = driver.daemon.usage_now([container_id, "nobody"])
        assert set(found) <= {container_id}
        if container_id in found and true(found[container_id]):  # type: ignore[operator]
            return found[container_id]
        assert time.monotonic() < deadline_s, found
        time.sleep(0.05)


def test_a_container_over_its_memory_limit_is_killed_and_told_apart_from_one_that_somebody_killed(ephemeral: Driver) -> None:
    """Where there is no controller for memory it goes on."""
    run(ephemeral, "glutton", HOLD, Limits(memory_bytes=64 * MIB))
    if "memory" in controllers():
        ended = ephemeral.next(Exited)
        assert (ended.container_id, ended.exit_code, ended.oom_killed) == ("glutton", 137, True)
    else:
        sample_where(ephemeral, "glutton", lambda sample: sample.memory_bytes > 190 * MIB)
    run(ephemeral, "modest", "import time; time.sleep(1000)", Limits(memory_bytes=64 * MIB))
    ephemeral.daemon.signal("modest", signal.SIGKILL)
    killed = next(said for said in iter(ephemeral.said.get, None) if isinstance(said, Exited) and said.container_id == "modest")
    assert (killed.exit_code, killed.oom_killed) == (137, False)


def test_usage_is_measured_with_memory_and_time(ephemeral: Driver) -> None:
    run(ephemeral, "holder", HOLD, Limits())
    run(ephemeral, "burner", BURN, Limits())
    holder = sample_where(ephemeral, "holder", lambda sample: sample.memory_bytes > 190 * MIB)
    assert holder.processes == 1
    first = sample_where(ephemeral, "burner", lambda sample: sample.cpu_s > 0)
    second = sample_where(ephemeral, "burner", lambda sample: sample.cpu_s > first.cpu_s)
    assert 0 < second.cpu_s - first.cpu_s <= (second.at_s - first.at_s) * 1.5 + 0.1
    assert ephemeral.daemon.usage_now([]) == {}


def test_a_container_gets_no_more_time_than_its_limit(ephemeral: Driver) -> None:
    """A quota is kept over every period; where there is no controller for it, there is none."""
    run(ephemeral, "burner", BURN, Limits(cpu_milli=200))
    first = sample_where(ephemeral, "burner", lambda sample: sample.cpu_s > 0)
    second = sample_where(ephemeral, "burner", lambda sample: sample.at_s - first.at_s > 1.5)
    rate = (second.cpu_s - first.cpu_s) / (second.at_s - first.at_s)
    assert rate < 0.35 or "cpu" not in controllers()


def test_a_command_beside_a_container_counts_with_it(ephemeral: Driver) -> None:
    run(ephemeral, "web", "import time; time.sleep(1000)", Limits())
    before = sample_where(ephemeral, "web", lambda sample: sample.processes == 1)
    ephemeral.daemon.execute("web", [sys.executable, "-S", "-c", HOLD], b"", 60.0, 1000, lambda _answer: None)
    after = sample_where(ephemeral, "web", lambda sample: sample.memory_bytes > 190 * MIB)
    assert after.processes == before.processes + 1


def test_no_group_is_left_when_containers_have_ended_or_the_daemon_has(ephemeral: Driver) -> None:
    run(ephemeral, "a", "pass", Limits(memory_bytes=64 * MIB))
    ephemeral.next(Exited)
    assert [name for folder in groups_of(ephemeral) for name in os.listdir(folder) if os.path.isdir(f"{folder}/{name}")] == []
    ephemeral.daemon.stop()
    assert groups_of(ephemeral) == []


def test_no_group_is_left_when_the_daemon_is_killed() -> None:
    driver = Driver(lambda emit: ProcessDaemon.start(None, emit))
    run(driver, "a", BURN, Limits(memory_bytes=64 * MIB))
    assert bool(groups_of(driver)) == bool(controllers())
    os.kill(driver.daemon.hello.pid, signal.SIGKILL)
    next(said for said in iter(driver.said.get, None) if isinstance(said, DaemonLost))
    wait_for_no_groups(driver.daemon.hello.cluster_id)
    driver.daemon.stop()


def test_the_janitor_waits_for_the_end_of_its_pipe_and_removes_what_it_was_told(tmp_path: Path) -> None:
    group = tmp_path / "callboard-x"
    (group / "a b" / "c").mkdir(parents=True)
    other = tmp_path / "other"
    other.mkdir()
    with subprocess.Popen(JANITOR, stdin=subprocess.PIPE) as janitor:
        assert janitor.stdin is not None
        janitor.stdin.write(f"{group}\n{tmp_path}/gone\n".encode())
        janitor.stdin.flush()
        assert group.exists()
        janitor.stdin.close()
        assert janitor.wait(WAIT_S) == 0
    assert not group.exists()
    assert other.exists()


MAIN = """
import sys, time
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.confinement import Limits
daemon = ProcessDaemon.start(None, lambda message: None)
daemon.start_container("a", "node-1", ["sleep", "1000"], {"PATH": "/usr/bin:/bin"}, "/", daemon.state_dir / "a.log",
                       lambda answer: print(daemon.hello.cluster_id, daemon.hello.pid, daemon._janitor.pid, flush=True),
                       limits=Limits(memory_bytes=2**26))
time.sleep(1000)
"""


def test_the_janitor_leaves_alone_what_another_daemon_has_locked(tmp_path: Path) -> None:
    group = tmp_path / "callboard-x"
    group.mkdir()
    taken_over = os.open(group, os.O_RDONLY)
    fcntl.flock(taken_over, fcntl.LOCK_EX)
    (tmp_path / "sleep").symlink_to("/bin/true")  # it tries a hundred times, with pauses
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    with subprocess.Popen(JANITOR, stdin=subprocess.PIPE, env=path) as janitor:
        janitor.communicate(f"{group}\n".encode(), WAIT_S)
        assert janitor.returncode == 1
    assert group.exists()
    os.close(taken_over)


def killed_main(temporary: Path, *also: int) -> tuple[str, list[int]]:
    """A main program with a container in a control group, killed with SIGKILL together with its daemon (0) or janitor (1); the cluster's id
    and the processes."""
    with subprocess.Popen(
        [sys.executable, "-c", MAIN], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temporary)}
    ) as main:
        assert main.stdout is not None
        cluster_id, *numbers = main.stdout.readline().split()
        helpers = [int(number) for number in numbers]
        assert bool(groups_named(cluster_id)) == bool(controllers())
        for pid in (*(helpers[one] for one in reversed(also)), main.pid):
            os.kill(pid, signal.SIGKILL)
    return cluster_id, helpers


def test_no_group_is_left_when_the_main_program_is_killed(tmp_path: Path) -> None:
    cluster_id, _ = killed_main(tmp_path)
    wait_for_no_groups(cluster_id)


def test_no_group_is_left_when_the_main_program_and_the_daemon_are_killed(tmp_path: Path) -> None:
    cluster_id, _ = killed_main(tmp_path, 0)
    wait_for_no_groups(cluster_id)


def test_what_is_left_when_all_are_killed_goes_when_the_next_daemon_starts(tmp_path: Path) -> None:
    """Its container dies with its daemon; nobody is left to remove its group but who comes next."""
    cluster_id, (daemon, _) = killed_main(tmp_path, 0, 1)
    wait_until_gone(daemon)
    deadline_s = time.monotonic() + WAIT_S
    while groups_named(cluster_id):
        open_cgroups("next").close()
        assert time.monotonic() < deadline_s, groups_named(cluster_id)
        time.sleep(0.02)
