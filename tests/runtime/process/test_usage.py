"""What processes use: CPU across parents and children that come and go, memory by share, and bytes of files."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.api import core
from callboard.models.messages.runtime import LogRead, PodMeasured, ReadLog, ReadUsage, UsageRead
from callboard.runtime.containers.process_usage import cpu_milli
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.measuring import ProcessTimes, memory_of, parse_stat, process_table, spent_s
from callboard.runtime.process.usage import ENTRIES_LIMIT, ContainerSample, bytes_in, pod_storage
from tests.runtime.process.world import WAIT_S, Node, make_pod


def process(pid: int, cpu_s: float, parent: int = 1, started_s: float = 0.0) -> ProcessTimes:
    return ProcessTimes(pid, parent, pid, started_s, cpu_s, 0)


def table(*processes: ProcessTimes) -> dict[int, ProcessTimes]:
    return {one.pid: one for one in processes}


# -- CPU ----------------------------------------------------------------------------------------------------------------------------


def test_a_line_of_the_process_table_is_read_whatever_the_programs_name_is() -> None:
    line = b"42 (a) R (x 1 2) S 7 42 40 0 -1 0 0 0 0 0 100 50 25 25 20 0 3 0 1000 9999 12 0"
    ticks = os.sysconf("SC_CLK_TCK")
    found = parse_stat(line)
    assert (found.pid, found.parent, found.session) == (42, 7, 40)
    assert (found.cpu_s, found.started_s) == (200 / ticks, 1000 / ticks)
    assert found.resident_bytes == 12 * os.sysconf("SC_PAGE_SIZE")


def test_what_a_process_spends_is_the_difference_of_two_samples() -> None:
    assert spent_s(table(process(10, 5.0)), table(process(10, 7.5))) == 2.5
    assert spent_s({}, table(process(10, 7.5))) == 7.5


def test_a_child_that_has_ended_is_not_counted_twice() -> None:
    """Its parent waited for it, so the parent's figure holds all that the child ever spent."""
    before = table(process(10, 1.0), process(11, 4.0, parent=10))
    assert spent_s(before, table(process(10, 1.0 + 4.5))) == pytest.approx(0.5)


def test_a_grandchild_counts_with_the_nearest_forebear_that_lives() -> None:
    before = table(process(10, 1.0), process(11, 2.0, parent=10), process(12, 3.0, parent=11))
    assert spent_s(before, table(process(10, 1.0 + 2.0 + 3.0 + 0.25))) == pytest.approx(0.25)


def test_an_orphan_that_ends_takes_its_figure_along_and_makes_nothing_negative() -> None:
    before = table(process(10, 1.0), process(12, 9.0, parent=1))  # adopted by the daemon, which is in no container
    assert spent_s(before, table(process(10, 1.5))) == pytest.approx(0.5)


def test_a_number_that_another_process_has_got_meanwhile_is_another_process() -> None:
    before = table(process(10, 50.0, started_s=1.0))
    assert spent_s(before, table(process(10, 0.5, started_s=9.0))) == pytest.approx(0.5)


TABLES = st.dictionaries(st.integers(2, 6), st.tuples(st.floats(0, 100), st.integers(1, 6), st.sampled_from([0.0, 1.0])), max_size=5).map(
    lambda rows: table(*(process(pid, *row) for pid, row in rows.items() if row[1] < pid))
)


@given(TABLES, TABLES)
def test_no_pair_of_samples_is_negative_or_more_than_was_ever_spent(before: dict[int, ProcessTimes], now: dict[int, ProcessTimes]) -> None:
    assert 0 <= spent_s(before, now) <= sum(one.cpu_s for one in now.values())


def test_a_rate_is_over_the_time_between_two_samples_and_at_first_over_a_containers_life() -> None:
    first, second = ContainerSample("a", 4.0, 0, 1, 16.0, 100.0), ContainerSample("a", 5.0, 0, 1, 20.0, 104.0)
    assert cpu_milli(None, first) == 250
    assert cpu_milli(first, second) == 250
    assert cpu_milli(second, second) == 250
    assert cpu_milli(None, ContainerSample("a", 0.0, 0, 1, 0.0, 0.0)) == 0


# -- memory and files ---------------------------------------------------------------------------------------------------------------


def test_the_table_has_this_process_and_its_memory() -> None:
    me = process_table()[os.getpid()]
    assert me.parent == os.getppid()
    before = memory_of(me)
    assert before > 1_000_000
    held = b"x" * 50_000_000
    assert memory_of(me) - before > len(held) * 0.9


def test_memory_of_a_process_that_has_ended_is_what_the_table_said() -> None:
    assert memory_of(ProcessTimes(2**22 + 1, 1, 1, 0.0, 0.0, 4096)) == 4096


def test_files_count_by_what_they_take_of_the_disk_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "big").write_bytes(b"x" * 1_000_000)
    pod = tmp_path / "pod"
    for place in ("root/web/etc", "logs/web", "volumes/cache", "volumes/conf"):
        (pod / place).mkdir(parents=True)
    (pod / "root/web/etc/own").write_bytes(b"x" * 100_000)
    (pod / "root/web/etc/link").symlink_to(outside)
    (pod / "logs/web/0.log").write_bytes(b"x" * 50_000)
    (pod / "volumes/cache/file").write_bytes(b"x" * 200_000)
    (pod / "volumes/conf/file").write_bytes(b"x" * 300_000)
    found = pod_storage(pod, ("web", "gone"), ("cache",))
    assert 150_000 <= found.containers["web"] < 250_000
    assert found.containers["gone"] == 0
    assert [*found.volumes] == ["cache"]
    assert 200_000 <= found.volumes["cache"] < 260_000


def test_a_pod_of_very_many_files_is_not_looked_at_to_the_end(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).write_bytes(b"x" * 5000)
    left = [10]
    assert 0 < bytes_in(tmp_path, left) < 11 * 16_384
    assert left == [0]
    assert bytes_in(tmp_path, left) == 0
    assert ENTRIES_LIMIT > 1000


def test_a_folder_deeper_than_any_path_counts_as_far_as_paths_reach(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * 5000)
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):  # 30 times 200 characters: more than PATH_MAX
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        assert bytes_in(tmp_path, [ENTRIES_LIMIT]) >= 5000
    finally:
        shutil.rmtree(tmp_path / ("d" * 200))


# -- a whole node -------------------------------------------------------------------------------------------------------------------

TREE = """
import os, sys, time
hold = bytearray(40_000_000)
open("file", "wb").write(b"x" * 400_000)
child = os.fork()
if child == 0:
    os.execve(sys.executable, [sys.executable, "-S", "-c", "while True: pass"], {})
middle = os.fork()
if middle == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    time.sleep(1000)
os.waitpid(middle, 0)
print("up", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node(lambda emit: ProcessDaemon.start(None, emit))
    yield made
    made.close()
    made.daemon.stop()


def measured(node: Node) -> dict[str, PodMeasured]:
    answer = node.ask(ReadUsage)
    assert isinstance(answer, UsageRead), answer
    return {one.pod_uid: one for one in answer.pods}


def test_a_whole_tree_of_processes_is_measured_and_goes_with_its_container(node: Node) -> None:
    """A child without environment and a daemonized grandchild belong to the container too."""
    web = make_pod("web", volumes=(core.Volume(name="cache", empty_dir=core.EmptyDirVolumeSource()),))
    node.run(web)
    assert measured(node) == {}
    node.started(web, sys.executable, "-c", TREE)
    deadline_s = time.monotonic() + WAIT_S
    while True:
        found = measured(node)
        one = found[web.metadata.uid]
        (container,) = one.containers
        if one.processes == 3 and container.cpu_milli > 0 and container.storage_bytes >= 400_000 and container.memory_bytes > 40_000_000:
            break
        assert time.monotonic() < deadline_s, found
    assert container.name == "web"
    assert one.volumes == (("cache", 0),)
    node.remove(web)
    assert measured(node) == {}


def test_usage_is_known_again_after_a_restart_of_the_runtime(node: Node) -> None:
    web = make_pod("web")
    node.run(web)
    node.started(web, "sleep", "1000")
    node.restart()
    assert measured(node)[web.metadata.uid].processes == 1


def test_a_container_that_writes_and_writes_has_its_output_kept_within_kubernetes_bounds(node: Node) -> None:
    """Ten minutes of chatter at once: containerLogMaxSize 10Mi, containerLogMaxFiles 5."""
    pod = make_pod("chatty")
    node.run(pod)
    node.started(pod, "sh", "-c", "yes callboard | head -c 80000000; echo done; exec sleep 1000")
    log = node.folder(pod) / "logs" / "web" / "0.log"
    deadline_s = time.monotonic() + WAIT_S
    while not log.exists() or log.stat().st_size < 80_000_005:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    read = node.ask(ReadUsage)
    assert isinstance(read, UsageRead)
    assert log.stat().st_blocks * 512 <= 50 * 1024 * 1024
    assert read.pods[0].containers[0].storage_bytes <= 50 * 1024 * 1024
    answer = node.ask(ReadLog, pod_uid=pod.metadata.uid, name="web", tail_lines=1)
    assert isinstance(answer, LogRead)
    assert answer.content == b"done\n"
