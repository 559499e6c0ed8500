"""ConfigMaps and Secrets in running containers: as files and in the environment, changed, missing, and read by nobody else."""

from __future__ import annotations

import os
import subprocess
import uuid
from functools import partial
from pathlib import Path

from tests.e2e.levels.cells import Cell, row
from tests.e2e.levels.scripts import holds
from tests.e2e.levels.yard import Yard, config, container, pod, until

AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def _mount(name: str, path: str, **more: object) -> dict[str, object]:
    return {"name": name, "mountPath": path, **more}


@row("ConfigMap and Secret as files at the mountPath")
def test_config_maps_and_secrets_are_files_at_their_mount_path(cell: Cell, yard: Yard) -> None:
    mounts = [_mount("config", "/etc/app"), _mount("secret", "/etc/secret", readOnly=True)]
    volumes = [
        {"name": "config", "configMap": {"name": "app", "items": [{"key": "greeting", "path": "deep/hello"}]}},
        {"name": "secret", "secret": {"secretName": "key", "defaultMode": 0o400}},
    ]
    with cell.judged():
        yard.run(
            config("app", greeting="hello", other="x"),
            config("key", "Secret", word="sesame"),
            pod("reading", container(volumeMounts=mounts), volumes=volumes),
        )
        root = "$CALLBOARD_ROOT" if cell.kind == "emulated" else ""
        assert yard.sh("reading", f'cat "{root}/etc/app/deep/hello"; echo; cat "{root}/etc/secret/word"') == "hello\nsesame"
        assert yard.sh("reading", f'ls "{root}/etc/app"') == "deep", "only the items that were named"
        assert yard.sh("reading", f'stat -L -c %a "{root}/etc/secret/word"') == "400"


@row("one file by subPath, optional sources, projected sources")
def test_sub_path_optional_and_projected_sources(cell: Cell, yard: Yard) -> None:
    sources = [
        {"configMap": {"name": "app", "items": [{"key": "greeting", "path": "a"}]}},
        {"secret": {"name": "absent", "optional": True}},
        {"downwardAPI": {"items": [{"path": "me", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    mounts = [_mount("app", "/etc/one.conf", subPath="greeting"), _mount("absent", "/etc/absent"), _mount("all", "/etc/all")]
    volumes = [
        {"name": "app", "configMap": {"name": "app"}},
        {"name": "absent", "configMap": {"name": "absent", "optional": True}},
        {"name": "all", "projected": {"sources": sources}},
    ]
    with cell.judged():
        yard.run(config("app", greeting="hello"), pod("reading", container(volumeMounts=mounts), volumes=volumes))
        root = "$CALLBOARD_ROOT"
        assert (
            yard.sh("reading", f'cat "{root}/etc/one.conf" "{root}/etc/all/a" "{root}/etc/all/me"; ls "{root}/etc/absent"')
            == "hellohelloreading"
        )


@row("ConfigMap and Secret in the environment")
def test_config_maps_and_secrets_in_the_environment(cell: Cell, yard: Yard) -> None:
    env = [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "key", "key": "word"}}}]
    reading = container(env=env, envFrom=[{"configMapRef": {"name": "app"}, "prefix": "APP_"}])
    with cell.judged():
        yard.run(config("app", greeting="hello"), config("key", "Secret", word="sesame"), pod("reading", reading))
        assert yard.sh("reading", "echo $APP_greeting $WORD") == "hello sesame"


FOLLOW = """
import os, time
root = os.environ.get("CALLBOARD_ROOT", "") + "/etc/app"
last, torn = "", 0
while True:
    try:
        folder = os.open(root + "/..data", os.O_RDONLY | os.O_DIRECTORY)
        try:
            first, second = (open(os.open(name, os.O_RDONLY, dir_fd=folder)).read() for name in ("first", "second"))
        finally:
            os.close(folder)
    except FileNotFoundError:  # swapped between the two steps
        continue
    torn += first != second
    if first != last:
        print(first, torn, flush=True)
        last = first
    time.sleep(0.002)
"""


@row("a ConfigMap's change arrives in the running container, whole")
def test_a_changed_config_map_arrives_whole(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        following = container(command=["python3", "-c", FOLLOW], volumeMounts=[_mount("app", "/etc/app")])
        yard.run(config("app", first="0", second="0"), pod("following", following, volumes=[{"name": "app", "configMap": {"name": "app"}}]))
        for number in ("1", "2", "3"):
            yard.apply(config("app", first=number, second=number))
            until(partial(_last_line_begins, yard, "following", number), f"{number} arrives")
        assert yard.verbs.logs("pod/following").splitlines() == ["0 0", "1 0", "2 0", "3 0"]


def _last_line_begins(yard: Yard, name: str, word: str) -> bool:
    lines = yard.verbs.logs(f"pod/{name}").splitlines()
    return bool(lines) and lines[-1].split()[0] == word


@row("a missing ConfigMap or key is waited for")
def test_a_missing_config_map_or_key_is_waited_for(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        volumes = [{"name": "later", "configMap": {"name": "later"}}]
        yard.apply(pod("waiting", container(volumeMounts=[_mount("later", "/etc/later")]), volumes=volumes))
        until(lambda: 'configmap "later" not found' in yard.told("waiting"), lambda: yard.told("waiting"))
        env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "missing"}}}]
        yard.run(config("later", there="1"), pod("waiting", container(volumeMounts=[_mount("later", "/etc/later")]), volumes=volumes))
        yard.apply(pod("keyless", container(env=env)))
        until(lambda: "couldn't find key missing in ConfigMap" in yard.told("keyless"), lambda: yard.told("keyless"))
        yard.apply(config("later", there="1", missing="found"))
        until(lambda: yard.verbs.get("pod/keyless").status.phase == "Running", lambda: yard.told("keyless"))
        assert yard.sh("keyless", "echo $A") == "found"


@row("another pod can't read a pod's Secret")
def test_another_pod_cannot_read_a_pods_secret(cell: Cell, yard: Yard) -> None:
    canary = uuid.uuid4().hex
    yard.run(
        config("key", "Secret", word=canary),
        pod("owner", container(volumeMounts=[_mount("key", "/etc/secret")]), volumes=[{"name": "key", "secret": {"secretName": "key"}}]),
        pod("thief"),
    )
    assert yard.sh("owner", 'cat "$CALLBOARD_ROOT/etc/secret/word"') == canary
    ways = ["$CALLBOARD_ROOT/etc/secret/word", yard.sh("owner", 'realpath "$CALLBOARD_ROOT/etc/secret/word"'), *_on_the_host(yard, canary)]
    found = [way for way in ways if canary in yard.exec("thief", f'cat "{way}"').stdout]
    assert bool(found) == cell.is_open, found
    assert yard.python("thief", holds("/proc/*/root/etc/secret/word", canary)) == "False"


@row("a Secret's files can't be read by other users of the machine")
def test_a_secrets_files_cannot_be_read_by_other_users(cell: Cell, yard: Yard) -> None:
    canary = uuid.uuid4().hex
    mounted = container(volumeMounts=[_mount("key", "/etc/secret")])
    yard.run(config("key", "Secret", word=canary), pod("owner", mounted, volumes=[{"name": "key", "secret": {"secretName": "key"}}]))
    files = _on_the_host(yard, canary)
    for file in files:
        if os.geteuid() == 0:
            done = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", file], capture_output=True, check=False
            )
            assert done.returncode != 0
            assert canary.encode() not in done.stdout
        else:
            closed = [folder for folder in Path(file).parents if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o077]
            assert closed, f"{file} lies in no folder that only its user may enter"
    assert files or cell.level != "C0", "there, files lie in the machine's own view"


def _on_the_host(yard: Yard, canary: str) -> list[str]:
    """Files below the cluster's folder that hold the canary."""
    assert yard.cluster.folder is not None
    found = []
    for folder, _, names in os.walk(yard.cluster.folder):  # it minds no folder of another pod that goes meanwhile
        path = Path(folder, "word")
        if "word" in names and path.is_file() and canary in path.read_text(errors="replace"):
            found.append(str(path))
    return found
