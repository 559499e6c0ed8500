"""As which user a real container runs, and what is said where that can't be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from callboard.models.api import core
from callboard.models.messages.runtime import CommandDone, ContainerExited, ContainerStarted, RunCommand, RuntimeRefused
from callboard.runtime.containers.process_users import UserRefused, user_of
from callboard.runtime.process.client import ProcessDaemon

from .world import Node, make_pod

NOBODY = 65534
ME = 1000


@pytest.fixture
def node() -> Iterator[Node]:
    one = Node(lambda emit: ProcessDaemon.start(None, emit))
    yield one
    one.close()
    one.daemon.stop()


def user(ours: tuple[int, int], pod: dict[str, Any] | None = None, **own: Any) -> tuple[int, ...] | None:
    context = core.SecurityContext(**own) if own else None
    shared = core.PodSecurityContext(**pod) if pod else None
    return user_of(make_pod("a", security_context=shared), core.Container(name="web", security_context=context), *ours)


def test_who_asks_for_nothing_or_for_the_clusters_own_user_gets_that() -> None:
    for ours in ((0, 0), (ME, ME)):
        assert user(ours) is None
        assert user(ours, run_as_user=ours[0], run_as_group=ours[1]) is None
        assert user(ours, run_as_user=ours[0]) is None
    assert user((ME, ME), {"fs_group": 7}, run_as_non_root=True) is None


def test_root_gives_any_user_with_kubernetes_groups() -> None:
    assert user((0, 0), run_as_user=ME) == (ME, 0)
    assert user((0, 0), run_as_user=ME, run_as_group=5) == (ME, 5)
    assert user((0, 0), {"run_as_user": 7, "run_as_group": 8, "fs_group": 9, "supplemental_groups": (3, 9)}) == (7, 8, 3, 9)
    assert user((0, 0), {"run_as_user": 7}, run_as_user=ME, run_as_non_root=True) == (ME, 0)


@pytest.mark.parametrize(
    ("ours", "own", "said"),
    [
        ((0, 0), {"run_as_non_root": True}, "container has runAsNonRoot and image will run as root"),
        ((0, 0), {"run_as_non_root": True, "run_as_user": 0}, "container's runAsUser breaks non-root policy"),
        ((ME, ME), {"run_as_user": 0}, "runAsUser 0 is not possible here: the cluster's own is 1000, and only root can choose another"),
        ((ME, ME), {"run_as_group": 5}, "runAsGroup 5 is not possible here"),
    ],
)
def test_what_is_not_possible_is_said_with_the_pod_and_the_container(ours: tuple[int, int], own: dict[str, Any], said: str) -> None:
    with pytest.raises(UserRefused) as refused:
        user(ours, **own)
    assert said in str(refused.value)
    assert str(refused.value).endswith('(pod: "a_default(uid-of-a)", container: web)')


def test_a_container_runs_as_the_user_it_asks_for_and_so_do_commands_in_it_or_it_is_told_why_not(node: Node) -> None:
    pod = make_pod("a", volumes=(core.Volume(name="work", empty_dir=core.EmptyDirVolumeSource()),))
    mounts = (core.VolumeMount(name="work", mount_path="/work"),)
    pod = make_pod("a", volumes=pod.spec.volumes, containers=(core.Container(name="web", volume_mounts=mounts),))  # type: ignore[union-attr]
    node.run(pod)
    context = core.SecurityContext(run_as_user=NOBODY, run_as_non_root=True)
    script = 'id -u > "$CALLBOARD_ROOT/work/who"; cat "$CALLBOARD_ROOT/work/who"; exec sleep 1000'
    started = node.start(pod, "sh", "-c", script, security_context=context)
    if os.geteuid() != 0:
        assert isinstance(started, RuntimeRefused)
        assert started.reason == "CreateContainerConfigError"
        assert "only root can choose another" in started.message
        return
    assert isinstance(started, ContainerStarted)
    command = ("sh", "-c", 'while ! [ -s "$CALLBOARD_ROOT/work/who" ]; do sleep 0.01; done; cat "$CALLBOARD_ROOT/work/who"; id -u; id -g')
    about = {"pod_uid": started.pod_uid, "container_id": started.container_id, "name": "web"}
    done = node.ask(RunCommand, **about, command=command, timeout_s=15.0)
    assert isinstance(done, CommandDone)
    assert (done.exit_code, done.stdout.decode()) == (0, f"{NOBODY}\n{NOBODY}\n0\n")


def test_a_refused_user_can_be_mended_and_the_same_attempt_started(node: Node) -> None:
    pod = make_pod("a")
    node.run(pod)
    context = core.SecurityContext(run_as_user=0, run_as_non_root=True)
    refused = node.start(pod, "true", security_context=context)
    assert isinstance(refused, RuntimeRefused)
    assert (refused.reason, "breaks non-root policy" in refused.message) == ("CreateContainerConfigError", True)
    node.started(pod, "true")
    assert node.expect(ContainerExited).exit_code == 0


def test_a_working_directory_that_is_no_absolute_path_or_no_folder_is_an_error(node: Node) -> None:
    pod = make_pod("a")
    node.run(pod)
    relative = node.start(pod, "pwd", working_dir="app")
    assert isinstance(relative, RuntimeRefused)
    assert relative.reason == "RunContainerError"
    assert "workingDir 'app': Cwd must be an absolute path" in relative.message
    (node.folder(pod) / "root" / "web" / "file").write_text("no folder")
    inside = node.start(pod, "pwd", working_dir="/file/below")
    assert isinstance(inside, RuntimeRefused)
    assert "workingDir /file/below" in inside.message
