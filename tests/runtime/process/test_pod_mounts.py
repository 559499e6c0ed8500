"""What a container is to have mounted: found below the pod's volumes and nowhere else, whatever the pod has planted there."""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from callboard.models.api import core
from callboard.models.base import FrozenMap
from callboard.runtime.process.podfolder import VolumeError, pod_folder
from callboard.runtime.process.podmounts import prepare_mounts, remove_pod, write_pod
from callboard.runtime.process.volumemounts import PlannedMount, PlanRefused, plan_mounts
from callboard.runtime.process.volumes import VolumePlan, VolumesRefused, plan_volumes

from .test_beneath import AT_FDCWD, RENAME_EXCHANGE
from .test_volumes import CFG, EMPTY, configmap, mount, pod, secret

libc = ctypes.CDLL(None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return pod_folder(tmp_path / "state", "node-1", "uid-1")


def confined(spec: core.Pod, **configmaps: core.ConfigMap) -> VolumePlan:
    plan = plan_volumes(spec, configmaps, {"key": secret(password=b"s3")}, confined=True)
    assert isinstance(plan, VolumePlan), plan
    return plan


def sources(folder: Path, plan: VolumePlan, container: str = "web") -> list[str]:
    """What a container would have mounted: mounting itself needs privileges, so the descriptors' own paths stand for it here."""
    mounts = tuple(one for one in plan.mounts if one.container == container)
    bound: dict[str, str] = {}

    def bind(descriptor: int, target: str) -> None:
        assert Path(target).is_dir() is Path(f"/proc/self/fd/{descriptor}").is_dir(), "a place of the same kind"
        bound[target] = os.readlink(f"/proc/self/fd/{descriptor}")

    found = prepare_mounts(folder, container, mounts, plan.volumes, bind)
    return [bound.get(source, source) for source in found]


def test_a_volume_is_mounted_as_the_folder_that_is_swapped_inside(folder: Path) -> None:
    plan = confined(pod([CFG, EMPTY], web=[mount("cfg", "/etc/web"), mount("data", "/data")]), cfg=configmap(a="1"))
    write_pod(folder, plan, {"hosts": "127.0.0.1 localhost\n"})
    assert sources(folder, plan) == [str(folder / "volumes/data"), str(folder / "volumes/cfg")]
    assert (folder / "etc/hosts").read_text() == "127.0.0.1 localhost\n"
    assert [one.read_only for one in plan.mounts] == [False, True], "what the kubelet writes is read-only"


def test_nobody_else_on_this_machine_can_read_a_pods_files(folder: Path) -> None:
    volume = {"name": "key", "secret": {"secretName": "key"}}
    write_pod(folder, confined(pod([volume], web=[mount("key", "/key")])), {})
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "volumes/key/password").stat().st_mode & 0o777 == 0o644, "within the pod, what its defaultMode says"


def test_hosts_and_the_like_are_written_anew_in_place(folder: Path) -> None:
    plan = confined(pod([]))
    write_pod(folder, plan, {"hosts": "a long first text\n"})
    with (folder / "etc/hosts").open() as opened:
        write_pod(folder, plan, {"hosts": "second\n"})
        assert opened.read() == "second\n"


def test_a_sub_path_of_a_configmap_is_the_file_itself(folder: Path) -> None:
    plan = confined(pod([CFG], web=[mount("cfg", "/etc/a", subPath="a")]), cfg=configmap(a="1"))
    write_pod(folder, plan, {})
    (source,) = sources(folder, plan)
    assert Path(source) == folder / "volumes/cfg" / os.readlink(folder / "volumes/cfg/..data") / "a"


def test_a_missing_sub_path_is_made_as_a_folder_with_the_volumes_mode(folder: Path) -> None:
    plan = confined(pod([EMPTY], web=[mount("data", "/data", subPath="a/b")]))
    write_pod(folder, plan, {})
    assert sources(folder, plan) == [str(folder / "volumes/data/a/b")]
    assert (folder / "volumes/data/a/b").stat().st_mode & 0o777 == 0o777


def test_mounts_inside_others_get_a_place_there(folder: Path) -> None:
    mounts = [mount("cfg", "/etc/web"), mount("data", "/etc/web/cache"), mount("cfg", "/etc/web/cache/one", subPath="a")]
    plan = confined(pod([CFG, EMPTY], web=mounts), cfg=configmap(a="1"))
    write_pod(folder, plan, {})
    sources(folder, plan)
    assert (folder / "volumes/cfg/cache").is_dir()
    assert (folder / "volumes/data/one").read_text() == ""
    write_pod(folder, confined(pod([CFG, EMPTY], web=mounts), cfg=configmap(b="2")), {})
    assert (folder / "volumes/cfg/cache").is_dir(), "also after new content was swapped in"


@pytest.mark.parametrize("target", ["../../../../..", "/", "../cfg", "/etc"])
def test_a_link_out_of_an_empty_dir_is_not_followed_by_another_containers_sub_path(folder: Path, tmp_path: Path, target: str) -> None:
    mounts = {"evil": [mount("data", "/data")], "web": [mount("data", "/in", subPath="out/deeper")]}
    plan = confined(pod([EMPTY, CFG], **mounts), cfg=configmap(a="1"))
    write_pod(folder, plan, {})
    (folder / "volumes/data/out").symlink_to(target)
    words = 'failed to prepare subPath for volumeMount "data" of container "web": out/deeper: a link in it leads out of the volume'
    with pytest.raises(VolumeError, match=words):
        sources(folder, plan)
    assert not (tmp_path / "deeper").exists()


def test_a_link_within_the_volume_may_be_a_sub_path(folder: Path) -> None:
    plan = confined(pod([EMPTY], web=[mount("data", "/in", subPath="link/deep")]))
    write_pod(folder, plan, {})
    (folder / "volumes/data/real").mkdir()
    (folder / "volumes/data/link").symlink_to("real")
    assert sources(folder, plan) == [str(folder / "volumes/data/real/deep")]


def test_a_link_in_a_host_path_is_the_users_own_but_a_sub_path_below_it_stays_there(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/out").symlink_to(tmp_path)
    volume = {"name": "host", "hostPath": {"path": str(tmp_path / "link")}}
    plan = confined(pod([volume], web=[mount("host", "/host")], side=[mount("host", "/host", subPath="out")]))
    write_pod(folder, plan, {})
    assert sources(folder, plan) == [str(tmp_path / "real")]
    with pytest.raises(VolumeError, match="leads out of the volume"):
        sources(folder, plan, "side")


def test_a_sub_path_that_is_swapped_for_a_link_all_the_time_shows_the_inside_or_nothing(folder: Path, tmp_path: Path) -> None:
    """The attacker exchanges the sub path for a link as fast as it can."""
    plan = confined(pod([EMPTY], evil=[mount("data", "/data")], web=[mount("data", "/in", subPath="swap")]))
    write_pod(folder, plan, {})
    volume = folder / "volumes/data"
    (volume / "swap").mkdir()
    (volume / "link").symlink_to(tmp_path)
    ours, theirs, over = os.fsencode(volume / "swap"), os.fsencode(volume / "link"), threading.Event()

    def swap() -> None:
        while not over.is_set():
            assert libc.renameat2(AT_FDCWD, ours, AT_FDCWD, theirs, RENAME_EXCHANGE) == 0

    attacker = threading.Thread(target=swap)
    attacker.start()
    outcomes: dict[str, int] = {}
    try:
        for _ in range(1500):
            try:
                (source,) = sources(folder, plan)
            except VolumeError:
                outcomes["refused"] = outcomes.get("refused", 0) + 1
            else:
                assert source in (str(volume / "swap"), str(volume / "link")), "the folder itself, by either of its names"
                outcomes["found"] = outcomes.get("found", 0) + 1
    finally:
        over.set()
        attacker.join()
    assert set(outcomes) == {"refused", "found"}, f"the race was never run: {outcomes}"


@pytest.mark.parametrize("kind", ["", "DirectoryOrCreate", "FileOrCreate"])
def test_a_host_path_is_made_where_its_type_says_so(folder: Path, tmp_path: Path, kind: str) -> None:
    volume = {"name": "host", "hostPath": {"path": str(tmp_path / "new"), "type": kind}}
    write_pod(folder, confined(pod([volume], web=[mount("host", "/host")])), {})
    assert (tmp_path / "new").is_file() if kind == "FileOrCreate" else (tmp_path / "new").is_dir()


def test_a_host_path_of_the_wrong_kind_or_into_the_clusters_own_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("state/nodes")
    folder.mkdir(parents=True)
    for path, kind, words in (
        (tmp_path / "file", "Directory", "is not a folder, as its type Directory says"),
        (tmp_path / "state", "", "lies in the cluster's own folder"),
        (tmp_path / "link", "", "lies in the cluster's own folder"),
    ):
        volume = {"name": "host", "hostPath": {"path": str(path), "type": kind}}
        with pytest.raises(VolumeError, match=words):
            write_pod(folder, confined(pod([volume], web=[mount("host", "/host")])), {})


def test_no_part_of_a_host_path_shows_the_clusters_own_folder(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    volume = {"name": "host", "hostPath": {"path": str(tmp_path)}}
    for path in ("state", "state/nodes", "link"):
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to("state/nodes")
        plan = confined(pod([volume], web=[mount("host", "/host", subPath=path)]))
        write_pod(folder, plan, {})
        with pytest.raises(VolumeError, match="lies in the cluster's own folder"):
            sources(folder, plan)


def test_removing_a_pod_leaves_what_its_links_lead_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").touch()
    plan = confined(pod([EMPTY], web=[mount("data", "/data")]))
    write_pod(folder, plan, {})
    (folder / "volumes/data/link").symlink_to(tmp_path / "mine")
    remove_pod(folder)
    assert not folder.exists()
    assert (tmp_path / "mine/file").exists()


# The plan of mounts


def planned(mounts: list[dict[str, Any]], variables: dict[str, str] | None) -> tuple[PlannedMount, ...]:
    spec = pod([EMPTY], web=mounts).spec
    assert spec is not None
    return plan_mounts(spec.containers[0], {"data": "empty"}, variables, confined=True)


def test_a_sub_path_expression_is_known_once_the_environment_is() -> None:
    mounts = [mount("data", "/data", subPathExpr="logs/$(POD)/$$(X)")]
    assert planned(mounts, None) == ()
    assert [one.sub_path for one in planned(mounts, {"POD": "web-0"})] == [("logs", "web-0", "$(X)")]


@pytest.mark.parametrize(
    ("text", "variables", "words"),
    [
        ("$(B)/$(A)", {}, "missing value for A, B"),
        ("a/$(A)", {"A": "../.."}, "must be a path below its folder, without '..'"),
        ("$(A)", {"A": "/etc"}, "must be a path below its folder"),
    ],
)
def test_a_sub_path_expression_cannot_lead_out_of_the_volume(text: str, variables: dict[str, str], words: str) -> None:
    with pytest.raises(PlanRefused, match=words):
        planned([mount("data", "/data", subPathExpr=text)], variables)


def test_the_item_path_of_a_configmap_cannot_lead_out_of_the_volume() -> None:
    for path in ("../../x", "a/../../x", "/etc/passwd", ".."):
        volume = {"name": "d", "configMap": {"name": "cfg", "items": [{"key": "a", "path": path}]}}
        answer = plan_volumes(pod([volume], web=[mount("d", "/a")]), {"cfg": configmap(a="1")}, {}, confined=True)
        assert isinstance(answer, VolumesRefused), path


def test_an_empty_dir_in_memory_is_bounded_by_its_size_limit_and_the_pods_memory() -> None:
    def size(limit: str | None, *memory: str) -> int:
        volume = {"name": "m", "emptyDir": {"medium": "Memory", **({"sizeLimit": limit} if limit else {})}}
        spec = pod([volume], **{f"c{number}": [mount("m", "/m")] for number in range(max(len(memory), 1))}).spec
        assert spec is not None
        containers = [
            core.Container(name=one.name, resources=core.ResourceRequirements(limits=FrozenMap({"memory": wanted})))
            for one, wanted in zip(spec.containers, memory or ("",), strict=False)
            if wanted
        ]
        made = core.Pod(metadata=pod([]).metadata, spec=core.PodSpec(volumes=spec.volumes, containers=tuple(containers) or spec.containers))
        plan = plan_volumes(made, {}, {}, confined=True)
        assert isinstance(plan, VolumePlan), plan
        assert plan.volumes[0].memory
        return plan.volumes[0].size_bytes

    assert size(None) == 0
    assert size("1Mi") == 2**20
    assert size(None, "1Mi", "2Mi") == 3 * 2**20
    assert size("5Mi", "1Mi", "2Mi") == 3 * 2**20


def test_files_of_a_pod_with_a_group_can_be_read_by_that_group(folder: Path) -> None:
    group = os.getegid()
    base = pod([{"name": "key", "secret": {"secretName": "key", "defaultMode": 0o400}}, EMPTY], web=[mount("key", "/key")])
    assert base.spec is not None
    spec = core.PodSpec(
        volumes=base.spec.volumes, containers=base.spec.containers, security_context=core.PodSecurityContext(fs_group=group)
    )
    write_pod(folder, confined(core.Pod(metadata=base.metadata, spec=spec)), {})
    password = (folder / "volumes/key/password").stat()
    assert (password.st_mode & 0o777, password.st_gid) == (0o440, group)
    assert (folder / "volumes/data").stat().st_mode & 0o7777 == 0o2777
