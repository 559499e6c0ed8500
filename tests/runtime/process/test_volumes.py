"""Volumes of pods: the plan as a pure decision, and the folder that it becomes, which nothing leads out of."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callboard.models.api import core
from callboard.models.base import decode_hook
from callboard.runtime.process.podfolder import VolumeError, container_root, pod_folder, remove_pod_folder, write_plan
from callboard.runtime.process.volumes import MissingReferences, VolumePlan, VolumesRefused, plan_volumes


def pod(volumes: list[dict[str, Any]], **mounts: list[dict[str, Any]]) -> core.Pod:
    """A pod with these volumes and, for each container by its name, these mounts."""
    containers = [{"name": name, "image": "x", "volumeMounts": entries} for name, entries in mounts.items()]
    return msgspec.convert(
        {"metadata": {"name": "web"}, "spec": {"volumes": volumes, "containers": containers}}, core.Pod, dec_hook=decode_hook
    )


def configmap(binary: dict[str, bytes] | None = None, /, **data: str) -> core.ConfigMap:
    encoded = {key: base64.b64encode(value).decode() for key, value in (binary or {}).items()}
    return msgspec.convert({"metadata": {"name": "cfg"}, "data": data, "binaryData": encoded}, core.ConfigMap, dec_hook=decode_hook)


def secret(**data: bytes) -> core.Secret:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return msgspec.convert({"metadata": {"name": "key"}, "data": encoded}, core.Secret, dec_hook=decode_hook)


def planned(
    pod: core.Pod, configmaps: dict[str, core.ConfigMap | None] | None = None, secrets: dict[str, core.Secret | None] | None = None
) -> VolumePlan:
    plan = plan_volumes(pod, configmaps or {}, secrets or {})
    assert isinstance(plan, VolumePlan), plan
    return plan


def mount(name: str, path: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "mountPath": path, **more}


CFG = {"name": "cfg", "configMap": {"name": "cfg"}}
EMPTY = {"name": "data", "emptyDir": {}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return pod_folder(tmp_path / "state", "node-1", "uid-1")


def test_a_configmap_appears_at_its_mount_path_in_each_containers_root(folder: Path) -> None:
    plan = planned(
        pod([CFG], web=[mount("cfg", "/etc/web")], side=[mount("cfg", "/cfg")]), {"cfg": configmap({"logo": b"\xff\0"}, index="hello")}
    )
    write_plan(folder, plan)
    assert (container_root(folder, "web") / "etc/web/index").read_text() == "hello"
    assert (container_root(folder, "web") / "etc/web/logo").read_bytes() == b"\xff\0"
    assert (container_root(folder, "side") / "cfg/index").read_text() == "hello"
    assert os.readlink(folder / "volumes/cfg/index") == "..data/index"


def test_items_choose_keys_paths_and_modes(folder: Path) -> None:
    items = [{"key": "password", "path": "deep/er/pw", "mode": 0o400}, {"key": "user", "path": "user"}]
    volume = {"name": "key", "secret": {"secretName": "key", "items": items, "defaultMode": 0o440}}
    write_plan(folder, planned(pod([volume], web=[mount("key", "/key")]), secrets={"key": secret(password=b"s3", user=b"me", other=b"")}))
    root = container_root(folder, "web") / "key"
    assert (root / "deep/er/pw").read_bytes() == b"s3"
    assert (root / "deep/er/pw").stat().st_mode & 0o777 == 0o400
    assert (root / "user").stat().st_mode & 0o777 == 0o440
    assert not (root / "other").exists()


def test_a_projected_volume_joins_its_sources(folder: Path) -> None:
    sources = [{"configMap": {"name": "cfg"}}, {"secret": {"name": "key", "items": [{"key": "a", "path": "secrets/a"}]}}]
    volume = {"name": "all", "projected": {"sources": sources, "defaultMode": 0o600}}
    write_plan(folder, planned(pod([volume], web=[mount("all", "/all")]), {"cfg": configmap(index="x")}, {"key": secret(a=b"1")}))
    root = container_root(folder, "web") / "all"
    assert ((root / "index").read_text(), (root / "secrets/a").read_bytes()) == ("x", b"1")


def test_what_the_downward_api_shows_lands_in_files_alone_or_beside_others(folder: Path) -> None:
    items = [{"path": "meta/labels", "fieldRef": {"fieldPath": "metadata.labels"}}, {"path": "cpu", "mode": 0o600}]
    sources = [{"configMap": {"name": "cfg"}}, {"downwardAPI": {"items": items[:1]}}]
    volumes = [{"name": "own", "downwardAPI": {"items": items}}, {"name": "all", "projected": {"sources": sources}}]
    shown = {"own": {"meta/labels": 'app="web"', "cpu": "2"}, "all": {"meta/labels": 'app="web"'}}
    plan = plan_volumes(pod(volumes, web=[mount("own", "/own"), mount("all", "/all")]), {"cfg": configmap(a="1")}, {}, shown)
    assert isinstance(plan, VolumePlan), plan
    write_plan(folder, plan)
    root = container_root(folder, "web")
    assert [(root / path).read_text() for path in ("own/meta/labels", "own/cpu", "all/meta/labels", "all/a")] == [
        'app="web"',
        "2",
        'app="web"',
        "1",
    ]
    assert (root / "own/cpu").stat().st_mode & 0o777 == 0o600


def test_new_content_is_swapped_in_by_one_rename_and_the_old_is_removed(folder: Path) -> None:
    spec = pod([CFG], web=[mount("cfg", "/etc/web")])
    write_plan(folder, planned(spec, {"cfg": configmap(a="1", b="1")}))
    place = folder / "volumes/cfg"
    first = os.readlink(place / "..data")
    write_plan(folder, planned(spec, {"cfg": configmap(a="1", b="1")}))
    assert os.readlink(place / "..data") == first, "the same content changes nothing"
    opened = (place / "a").open()
    write_plan(folder, planned(spec, {"cfg": configmap(a="2", c="2")}))
    with opened:
        assert opened.read() == "1"
    assert {entry.name for entry in place.iterdir()} == {"..data", os.readlink(place / "..data"), "a", "c"}
    assert (container_root(folder, "web") / "etc/web/a").read_text() == "2"


def test_a_writer_killed_half_way_is_cleared_up_by_the_next(folder: Path) -> None:
    spec = pod([CFG], web=[mount("cfg", "/etc/web")])
    write_plan(folder, planned(spec, {"cfg": configmap(a="1")}))
    place = folder / "volumes/cfg"
    (place / "..2").mkdir()
    (place / "..2/half").write_text("")
    (place / "..data_tmp").symlink_to("..2")
    write_plan(folder, planned(spec, {"cfg": configmap(a="2")}))
    assert {entry.name for entry in place.iterdir()} == {"..data", "..3", "a"}


def test_an_empty_dir_is_shared_by_the_pods_containers_and_kept(folder: Path) -> None:
    plan = planned(pod([EMPTY], one=[mount("data", "/data")], two=[mount("data", "/in", subPath="sub")]))
    write_plan(folder, plan)
    (container_root(folder, "one") / "data/sub/file").write_text("shared")
    write_plan(folder, plan)
    assert (container_root(folder, "two") / "in/file").read_text() == "shared"


def test_a_single_file_can_be_mounted_by_sub_path(folder: Path) -> None:
    mounts = [mount("cfg", "/etc/nginx/nginx.conf", subPath="nginx.conf"), mount("data", "/etc/nginx/cache")]
    write_plan(folder, planned(pod([CFG, EMPTY], web=mounts), {"cfg": configmap(None, **{"nginx.conf": "worker"})}))
    assert (container_root(folder, "web") / "etc/nginx/nginx.conf").read_text() == "worker"


def test_a_mount_inside_an_empty_dir_is_made_there(folder: Path) -> None:
    write_plan(folder, planned(pod([CFG, EMPTY], web=[mount("cfg", "/data/cfg"), mount("data", "/data")]), {"cfg": configmap(a="1")}))
    assert (container_root(folder, "web") / "data/cfg/a").read_text() == "1"


def test_a_host_path_is_a_link_and_stays_when_the_pod_is_removed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("host")
    volume = {"name": "host", "hostPath": {"path": str(tmp_path / "mine"), "type": "Directory"}}
    write_plan(folder, planned(pod([volume, EMPTY], web=[mount("host", "/host"), mount("data", "/data")])))
    assert (container_root(folder, "web") / "host/file").read_text() == "host"
    (container_root(folder, "web") / "data/closed").mkdir(mode=0)
    remove_pod_folder(folder)
    remove_pod_folder(folder)
    assert not folder.exists()
    assert (tmp_path / "mine/file").read_text() == "host"


@pytest.mark.parametrize(
    ("kind", "words"), [("DirectoryOrCreate", "nothing is made outside the pod's folder"), ("Strange", "does not exist")]
)
def test_a_host_path_is_never_made(folder: Path, tmp_path: Path, kind: str, words: str) -> None:
    volume = {"name": "host", "hostPath": {"path": str(tmp_path / "absent"), "type": kind}}
    with pytest.raises(VolumeError, match=words):
        write_plan(folder, planned(pod([volume], web=[mount("host", "/host")])))
    assert not (tmp_path / "absent").exists()


def test_missing_configmaps_secrets_and_keys_are_told_in_kubernetes_words() -> None:
    volumes = [
        CFG,
        {"name": "key", "secret": {"secretName": "key"}},
        {"name": "some", "configMap": {"name": "there", "items": [{"key": "no", "path": "no"}]}},
        {"name": "maybe", "configMap": {"name": "absent", "optional": True}},
    ]
    answer = plan_volumes(pod(volumes), {"there": configmap(yes="1"), "cfg": None}, {})
    assert answer == MissingReferences(
        (
            'MountVolume.SetUp failed for volume "cfg" : configmap "cfg" not found',
            'MountVolume.SetUp failed for volume "key" : secret "key" not found',
            'MountVolume.SetUp failed for volume "some" : configmap references non-existent config key: no',
        )
    )


@pytest.mark.parametrize(
    ("volume", "mounted", "words"),
    [
        (EMPTY, mount("data", "/a/../../b"), "mountPath 'a/../../b' must be a path below its folder"),
        (EMPTY, mount("data", "/"), "mountPath"),
        (EMPTY, mount("data", "/a", subPath="../up"), "subPath '../up'"),
        (EMPTY, mount("data", "/a", subPath="/abs"), "subPath '/abs'"),
        ({"name": "d", "emptyDir": {"medium": "HugePages"}}, mount("d", "/a"), "emptyDir.medium 'HugePages' is not supported"),
        (EMPTY, mount("data", "/a", mountPropagation="Bidirectional"), "mountPropagation Bidirectional"),
        (EMPTY, mount("other", "/a"), 'Not found: "other"'),
        ({"name": "d", "nfs": {"server": "n", "path": "/"}}, mount("d", "/a"), "nfs volumes are not supported"),
        ({"name": "d", "persistentVolumeClaim": {"claimName": "c"}}, mount("d", "/a"), 'persistentvolumeclaim "c" can\'t be bound'),
        (
            {"name": "d", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            mount("d", "/a"),
            "serviceAccountToken sources",
        ),
        ({"name": "d", "hostPath": {"path": "/a/../etc"}}, mount("d", "/a"), "must be absolute and without '..'"),
        ({"name": "d", "configMap": {"name": "cfg", "items": [{"key": "a", "path": "../x"}]}}, mount("d", "/a"), "items[].path"),
        ({"name": "d", "configMap": {"name": "cfg", "items": [{"key": "a", "path": "..x"}]}}, mount("d", "/a"), "must not begin with '..'"),
        ({"name": "../d", "emptyDir": {}}, mount("../d", "/a"), "cannot be a folder's name"),
    ],
)
def test_what_cannot_be_done_or_leads_out_of_the_folder_is_refused(volume: dict[str, Any], mounted: dict[str, Any], words: str) -> None:
    answer = plan_volumes(pod([volume], web=[mounted]), {"cfg": configmap(a="1")}, {})
    assert isinstance(answer, VolumesRefused)
    assert words in answer.messages[0]


def test_a_mount_inside_a_configmap_is_refused() -> None:
    answer = plan_volumes(pod([CFG, EMPTY], web=[mount("cfg", "/etc"), mount("data", "/etc/data")]), {"cfg": configmap(a="1")}, {})
    assert isinstance(answer, VolumesRefused)
    assert "lies inside the mount /etc" in answer.messages[0]


@pytest.mark.parametrize("where", ["root/web/etc", "volumes/cfg", "volumes/data/sub", "root"])
def test_links_that_a_pod_has_planted_are_not_followed(folder: Path, tmp_path: Path, where: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    plan = planned(pod([CFG, EMPTY], web=[mount("cfg", "/etc/web"), mount("data", "/d", subPath="sub/deep")]), {"cfg": configmap(a="1")})
    (folder / where).parent.mkdir(parents=True)
    (folder / where).symlink_to(victim)
    with pytest.raises(VolumeError, match="links are not followed there"):
        write_plan(folder, plan)
    assert list(victim.iterdir()) == []
