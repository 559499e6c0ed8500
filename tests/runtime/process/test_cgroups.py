"""Control groups where the kernel is a made-up tree of folders that keeps its rules: which are taken, what is written, what is removed."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from callboard.runtime.process.cgroupfs import Files, hierarchies
from callboard.runtime.process.cgroups import Cgroups, open_cgroups

V2_FILES = {
    "cgroup.procs": "", "cgroup.subtree_control": "", "cpu.max": "max 100000\n", "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\n",
    "memory.current": "5000000\n", "memory.max": "max\n", "memory.swap.max": "max\n", "memory.oom.group": "0\n",
    "memory.stat": "anon 100\ninactive_file 2000000\n", "memory.events": "low 0\noom 0\noom_kill 0\n", "pids.max": "max\n",
}  # fmt: skip
V1_FILES = {
    "memory": {
        "memory.usage_in_bytes": "5000000\n", "memory.limit_in_bytes": "9223372036854771712\n",
        "memory.stat": "total_inactive_file 1000000\n",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
    },
    "cpu,cpuacct": {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n", "cpuacct.usage": "1500000000\n"},
    "pids": {"pids.max": "max\n"},
}  # fmt: skip


class Tree(Files):
    """A kernel. `busy` are groups with processes; `refused` those in which nobody may make or write anything."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.busy: set[str] = set()
        self.refused: set[str] = set()
        self.wrote: list[tuple[str, str]] = []
        self.entered: list[str] = []

    def at(self, path: str) -> str:
        return os.path.relpath(path, self.root)

    def make(self, folder: str) -> None:
        if self.at(os.path.dirname(folder)) in self.refused:
            raise PermissionError(errno.EACCES, "Permission denied")
        os.mkdir(folder)
        version_1 = next((names for names in V1_FILES if self.at(folder).startswith(names)), "")
        files = V1_FILES[version_1] | {"cgroup.procs": ""} if version_1 else dict(V2_FILES)
        if not version_1:
            files["cgroup.controllers"] = Path(folder).parent.joinpath("cgroup.subtree_control").read_text()
        for name, text in files.items():
            Path(folder, name).write_text(text)

    def write(self, path: str, text: str) -> None:
        place, name = os.path.split(path)
        if not os.path.exists(path):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if self.at(place) in self.refused:
            raise PermissionError(errno.EACCES, "Permission denied")
        if name == "cgroup.subtree_control":
            if self.at(place) in self.busy and self.at(place) != "v2":
                raise OSError(errno.EBUSY, "Device or resource busy")
            have = Path(path).read_text().split()
            text = " ".join(dict.fromkeys([*have, *text.replace("+", "").split()]))
        self.wrote.append((self.at(path), text))
        Path(path).write_text(text)

    def open_to_enter(self, path: str) -> int:
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def try_to_enter(self, path: str) -> None:
        if self.at(os.path.dirname(path)) in self.refused:
            raise PermissionError(errno.EACCES, "Permission denied")
        self.entered.append(self.at(path))

    def remove(self, folder: str) -> None:
        if not os.path.isdir(folder):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if self.at(folder) in self.busy or self.groups(folder):
            raise OSError(errno.EBUSY, "Device or resource busy")
        shutil.rmtree(folder)

    def set(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)


def v2(tmp_path: Path, own: str = "/", controllers: str = "memory cpu pids") -> tuple[Tree, dict[str, str]]:
    tree = Tree(tmp_path)
    folder = tmp_path / "v2"
    folder.mkdir()
    for name, text in {**V2_FILES, "cgroup.controllers": controllers, "cgroup.subtree_control": controllers}.items():
        (folder / name).write_text(text)
    for part in [part for part in own.split("/") if part]:
        folder /= part
        tree.make(str(folder))
    tree.busy.add(tree.at(str(folder)))
    tree.wrote.clear()
    (tmp_path / "mountinfo").write_text(f"31 23 0:28 / {tmp_path}/v2 rw - cgroup2 cgroup2 rw,nsdelegate\n")
    (tmp_path / "cgroup").write_text(f"0::{own}\n")
    return tree, {"mountinfo": str(tmp_path / "mountinfo"), "membership": str(tmp_path / "cgroup")}


def v1(tmp_path: Path) -> tuple[Tree, dict[str, str]]:
    tree = Tree(tmp_path)
    lines = []
    for names in V1_FILES:
        (tmp_path / names).mkdir()
        lines.append(f"32 31 0:29 / {tmp_path}/{names} rw - cgroup cgroup rw,{names}\n")
    (tmp_path / "v2").mkdir()
    for name, text in {"cgroup.controllers": "", "cgroup.subtree_control": ""}.items():
        (tmp_path / "v2" / name).write_text(text)
    lines.append(f"33 31 0:30 / {tmp_path}/v2 rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "mountinfo").write_text("".join(lines))
    (tmp_path / "cgroup").write_text("3:pids:/\n2:cpu,cpuacct:/\n1:memory:/\n0::/\n")
    return tree, {"mountinfo": str(tmp_path / "mountinfo"), "membership": str(tmp_path / "cgroup")}


def taken(tree: Tree, places: dict[str, str], cluster: str = "one") -> Cgroups:
    return open_cgroups(cluster, tree, **places)


# -- which are taken ----------------------------------------------------------------------------------------------------------------


def test_version_2_is_taken_where_it_has_the_controllers(tmp_path: Path) -> None:
    groups = taken(*v2(tmp_path))
    assert (groups.kind, groups.controllers, groups.reason) == ("v2", ("memory", "cpu", "pids"), "")
    assert groups.folders == (f"{tmp_path}/v2/callboard-one",)
    assert (tmp_path / "v2/callboard-one/cgroup.subtree_control").read_text() == "memory cpu pids"
    groups.close()


def test_a_group_that_has_processes_can_hold_none_in_version_2_so_one_above_is_taken(tmp_path: Path) -> None:
    tree, places = v2(tmp_path, "/user.slice/session.scope")
    groups = taken(tree, places)
    assert groups.folders == (f"{tmp_path}/v2/user.slice/callboard-one",)
    assert tree.entered == ["v2/user.slice/callboard-one/trial/cgroup.procs"]
    groups.close()


def test_a_place_where_groups_may_be_made_and_no_process_be_moved_is_not_taken(tmp_path: Path) -> None:
    tree, places = v2(tmp_path, "/a")
    tree.refused.add("v2/callboard-one/trial")
    groups = taken(tree, places)
    assert groups.kind == "none"
    assert "Permission denied" in groups.reason
    assert not (tmp_path / "v2/callboard-one").exists()


def test_version_1_is_taken_where_version_2_has_no_controllers(tmp_path: Path) -> None:
    groups = taken(*v1(tmp_path))
    assert groups.kind == "v1"
    assert set(groups.controllers) == {"memory", "cpu", "cpuacct", "pids"}
    assert set(groups.folders) == {f"{tmp_path}/{names}/callboard-one" for names in V1_FILES}
    groups.close()


def test_what_is_missing_is_told_and_the_rest_is_used(tmp_path: Path) -> None:
    groups = taken(*v2(tmp_path, controllers="memory pids"))
    assert (groups.kind, groups.controllers) == ("v2", ("memory", "pids"))
    assert groups.reason == "no controller cpu: its limits have no effect"
    group = groups.create("a", memory_bytes=1, cpu_milli=100)
    assert (tmp_path / "v2/callboard-one/a/cpu.max").read_text() == "max 100000\n"
    assert group.used().cpu_s == 2.5
    groups.close()


def test_where_nothing_may_be_made_limits_have_no_effect_and_it_is_told_why(tmp_path: Path) -> None:
    tree, places = v1(tmp_path)
    tree.refused |= set(V1_FILES) | {"v2"}
    groups = taken(tree, places)
    assert groups.kind == "none"
    assert "Permission denied" in groups.reason
    group = groups.create("a", memory_bytes=1)
    group.open()
    group.enter()
    group.close()
    assert group.used().memory_bytes is None
    assert not group.oom_killed()
    groups.remove("a")
    groups.close()


def test_a_machine_without_control_groups_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    (tmp_path / "cgroup").write_text("")
    groups = open_cgroups("one", Tree(tmp_path), str(tmp_path / "mountinfo"), str(tmp_path / "cgroup"))
    assert (groups.kind, groups.folders) == ("none", ())
    assert "none are mounted" in groups.reason
    assert open_cgroups("one", mountinfo="/no/such/file").kind == "none"


@pytest.mark.parametrize(
    ("root", "own", "expected"),
    [
        ("/", "/user/a", ["/mnt/user/a", "/mnt/user", "/mnt"]),
        ("/docker/x", "/docker/x", ["/mnt"]),
        ("/docker/x", "/docker/x/in", ["/mnt/in", "/mnt"]),
        ("/docker/x", "/docker/xyz", ["/mnt"]),
        ("/", "/../outside", ["/mnt"]),
        ("/", "/", ["/mnt"]),
    ],
)
def test_the_group_of_this_process_is_looked_for_below_what_is_mounted(root: str, own: str, expected: list[str]) -> None:
    (found,) = hierarchies(f"31 23 0:28 {root} /mnt rw,relatime shared:1 - cgroup2 cgroup2 rw", f"0::{own}")
    assert found.places == expected


def test_a_blank_in_a_mounts_path_is_read(tmp_path: Path) -> None:
    (found,) = hierarchies("31 23 0:28 / /a\\040b rw - cgroup cgroup rw,memory", "4:memory:/x")
    assert (found.version, found.controllers, found.places) == (1, ("memory",), ["/a b/x", "/a b"])


# -- limits and usage ---------------------------------------------------------------------------------------------------------------


def test_limits_of_version_2_are_written_as_kubelets_write_them(tmp_path: Path) -> None:
    tree, places = v2(tmp_path)
    groups = taken(tree, places)
    groups.create("callboard://u/web/0", memory_bytes=64 * 2**20, cpu_milli=250, pids=10)
    at = tmp_path / "v2/callboard-one/u_web_0"
    assert (at / "memory.max").read_text() == str(64 * 2**20)
    assert (at / "memory.swap.max").read_text() == "0"
    assert (at / "memory.oom.group").read_text() == "1"
    assert (at / "cpu.max").read_text() == "25000 100000"
    assert (at / "pids.max").read_text() == "10"
    groups.create("tiny", cpu_milli=1)
    assert (tmp_path / "v2/callboard-one/tiny/cpu.max").read_text() == "1000 100000", "not below the kernel's least quota"
    assert (tmp_path / "v2/callboard-one/tiny/memory.max").read_text() == "max\n"
    groups.close()


def test_limits_of_version_1_are_written_and_what_its_kernel_lacks_is_left(tmp_path: Path) -> None:
    tree, places = v1(tmp_path)
    groups = taken(tree, places)
    groups.create("a", memory_bytes=5_000_000, cpu_milli=1500, pids=7)
    assert (tmp_path / "memory/callboard-one/a/memory.limit_in_bytes").read_text() == "5000000"
    assert (tmp_path / "cpu,cpuacct/callboard-one/a/cpu.cfs_quota_us").read_text() == "150000"
    assert (tmp_path / "pids/callboard-one/a/pids.max").read_text() == "7"
    groups.close()


def test_usage_is_cpu_time_and_the_working_set(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "old").mkdir()
    new, old = taken(*v2(tmp_path / "new")), taken(*v1(tmp_path / "old"))
    for groups, cpu_s, memory in ((new, 2.5, 3_000_000), (old, 1.5, 4_000_000)):
        group = groups.create("a")
        Path(group.folders[0], "cgroup.procs").write_text("1\n2\n")
        used = group.used()
        assert (used.cpu_s, used.memory_bytes, used.processes) == (cpu_s, memory, 2)
        groups.close()


@pytest.mark.parametrize(("kind", "path"), [(v2, "v2/callboard-one/a/memory.events"), (v1, "memory/callboard-one/a/memory.oom_control")])
def test_what_the_kernel_killed_for_its_memory_is_known_until_the_group_is_removed(tmp_path: Path, kind: object, path: str) -> None:
    tree, places = kind(tmp_path)  # type: ignore[operator]
    groups = taken(tree, places)
    groups.create("a", memory_bytes=1)
    assert not groups.oom_killed("a")
    tree.set(path, "oom 3\noom_kill 2\noom_group_kill 1\n")
    assert groups.oom_killed("a")
    groups.remove("a")
    assert not groups.oom_killed("a")
    groups.close()


def test_who_enters_a_group_writes_to_what_was_opened_before(tmp_path: Path) -> None:
    groups = taken(*v1(tmp_path))
    group = groups.create("a")
    group.open()
    group.enter()
    group.close()
    assert {Path(folder, "cgroup.procs").read_text() for folder in group.folders} == {"0"}
    groups.close()


def test_a_limit_that_the_kernel_refuses_leaves_no_group(tmp_path: Path) -> None:
    tree, places = v2(tmp_path)
    groups = taken(tree, places)
    tree.refused.add("v2/callboard-one/a")
    with pytest.raises(PermissionError):
        groups.create("a", memory_bytes=1)
    assert tree.groups(groups.folders[0]) == []
    groups.close()


# -- what is removed ----------------------------------------------------------------------------------------------------------------


def test_a_group_goes_with_its_container_or_when_what_is_dying_in_it_is_gone(tmp_path: Path) -> None:
    tree, places = v2(tmp_path)
    groups = taken(tree, places)
    groups.create("a")
    groups.create("b")
    tree.busy.add("v2/callboard-one/b")
    groups.remove("a")
    groups.remove("b")
    assert tree.groups(groups.folders[0]) == ["b"]
    assert groups.sweep()
    tree.busy.discard("v2/callboard-one/b")
    assert not groups.sweep()
    assert tree.groups(groups.folders[0]) == []
    groups.close()
    assert tree.groups(str(tmp_path / "v2")) == []


@pytest.mark.parametrize("kind", [v2, v1])
def test_nothing_is_left_when_the_daemon_ends(tmp_path: Path, kind: object) -> None:
    tree, places = kind(tmp_path)  # type: ignore[operator]
    groups = taken(tree, places)
    groups.create("a")
    groups.close()
    assert not list(tmp_path.rglob("callboard-*"))


def test_groups_of_a_daemon_that_was_killed_are_removed_by_the_next_one_and_those_of_a_living_one_are_not(tmp_path: Path) -> None:
    tree, places = v2(tmp_path)
    living = taken(tree, places, "living")
    living.create("a")
    tree.make(str(tmp_path / "v2/callboard-dead"))
    tree.make(str(tmp_path / "v2/callboard-dead/a"))
    other = taken(tree, places, "other")
    assert sorted(tree.groups(str(tmp_path / "v2"))) == ["callboard-living", "callboard-other"]
    assert tree.groups(living.folders[0]) == ["a"]
    other.close()
    living.close()


def test_a_daemon_that_takes_over_finds_no_groups_of_the_one_before(tmp_path: Path) -> None:
    tree, places = v2(tmp_path)
    tree.make(str(tmp_path / "v2/callboard-one"))
    tree.make(str(tmp_path / "v2/callboard-one/old"))
    groups = taken(tree, places)
    assert tree.groups(groups.folders[0]) == []
    groups.close()


def test_the_janitor_is_told_the_folders_and_the_pipe_stays_open_until_the_daemon_is_gone(tmp_path: Path) -> None:
    groups = taken(*v1(tmp_path))
    reader, writer = os.pipe()
    groups.tell_janitor(writer)
    assert os.read(reader, 4096).decode().split() == list(groups.folders)
    os.close(writer)
    groups.close()
    nothing = open_cgroups("one", mountinfo="/no/such/file")
    again_reader, again_writer = os.pipe()
    nothing.tell_janitor(again_writer)
    assert os.read(again_reader, 1) == b"", "it has nothing to wait for"
    os.close(reader)
    os.close(again_reader)
