"""The process container runtime with real processes: what a kubelet asks for, and what it is told."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.models.api import core, meta
from callboard.models.base import FrozenMap
from callboard.models.messages.runtime import (
    ContainerExited,
    ContainerStarted,
    ContainerStopping,
    ListSandboxes,
    RemoveSandbox,
    RunSandbox,
    RuntimeRefused,
    RuntimeStarted,
    SandboxesListed,
    SandboxRemoved,
    StartContainer,
    StopContainer,
    UpdateVolumes,
    VolumesUpdated,
)
from callboard.runtime.process.client import ProcessDaemon

from .test_daemon import wait_for_lines
from .world import ME, Node, make_pod

SHOW = 'echo "$POD_IP $HOSTNAME $GREETING"; pwd; echo "$CALLBOARD_ROOT"; cat "$CALLBOARD_ROOT/etc/page/text"'
UNTIL_KILLED = "echo up; while :; do sleep 0.01; done"


@pytest.fixture
def node() -> Iterator[Node]:
    running = Node(lambda emit: ProcessDaemon.start(None, emit))
    yield running
    running.close()
    running.daemon.stop()
    assert not running.daemon.state_dir.exists()


def configmap(text: str) -> tuple[str, core.ConfigMap]:
    metadata = meta.ObjectMeta(name="page", namespace="default")
    return "configmaps/default/page", core.ConfigMap(metadata=metadata, data=FrozenMap(text=text))


def pod_with_page(name: str) -> core.Pod:
    mount = core.VolumeMount(name="page", mount_path="/etc/page")
    volume = core.Volume(name="page", config_map=core.ConfigMapVolumeSource(name="page"))
    return make_pod(name, containers=(core.Container(name="web", volume_mounts=(mount,)),), volumes=(volume,))


def test_a_container_finds_its_address_its_name_its_volumes_and_its_environment(node: Node) -> None:
    pod = pod_with_page("a")
    running = node.run(pod, configmap("hello\n"))
    assert running.host_ip == f"127.{node.daemon.block}.0.1"
    assert running.ip == f"127.{node.daemon.block}.0.2"
    started = node.started(pod, "sh", "-c", SHOW, env={"GREETING": "hi"})
    exited = node.expect(ContainerExited)
    assert (exited.container_id, exited.exit_code, exited.reason) == (started.container_id, 0, "Completed")
    assert exited.started_at_s == started.started_at_s <= exited.finished_at_s
    root = str(node.folder(pod) / "root" / "web")
    assert node.log(pod).splitlines() == [f"{running.ip} a hi", root, root, "hello"]


def test_the_working_directory_lies_inside_the_root_and_is_made(node: Node) -> None:
    pod = make_pod("a")
    node.run(pod)
    node.started(pod, "pwd", working_dir="/srv/../opt/app")
    node.expect(ContainerExited)
    assert node.log(pod).strip() == str(node.folder(pod) / "root" / "web" / "opt" / "app")


def test_variables_are_replaced_in_command_and_arguments_as_kubernetes_does(node: Node) -> None:
    pod = make_pod("a")
    running = node.run(pod)
    node.started(pod, "echo", args=("$(POD_IP)", "$(NOBODY)", "$$(POD_IP)", "$(GREETING)!", "100$"), env={"GREETING": "hi"})
    node.expect(ContainerExited)
    assert node.log(pod).strip() == f"{running.ip} $(NOBODY) $(POD_IP) hi! 100$"


def test_a_changed_configmap_is_swapped_in_while_the_container_runs(node: Node) -> None:
    pod = pod_with_page("a")
    node.run(pod, configmap("old"))
    node.started(pod, "sh", "-c", 'while ! grep -q new "$CALLBOARD_ROOT/etc/page/text"; do sleep 0.01; done')
    updated = node.ask(UpdateVolumes, pod_uid=pod.metadata.uid, configs=(configmap("new"),))
    assert isinstance(updated, VolumesUpdated)
    assert node.expect(ContainerExited).exit_code == 0


@pytest.mark.parametrize(
    ("command", "reason", "said"),
    [
        (("no-such-program-here",), "CreateContainerError", "no program 'no-such-program-here' was found in PATH"),
        ((), "ErrImagePull", "give the container a command, or name the program"),
        (("x" * (17 * 1024 * 1024),), "CreateContainerError", "too large"),
    ],
)
def test_what_cannot_be_started_is_told_why_and_the_node_lives(node: Node, command: tuple[str, ...], reason: str, said: str) -> None:
    pod = make_pod("a")
    node.run(pod)
    refused = node.start(pod, *command)
    assert isinstance(refused, RuntimeRefused)
    assert refused.reason == reason
    assert said in refused.message
    assert isinstance(node.start(pod, "true"), ContainerStarted), "the same attempt may be tried again"


def test_a_missing_configmap_refuses_the_sandbox_until_it_is_there(node: Node) -> None:
    pod = pod_with_page("a")
    refused = node.ask(RunSandbox, pod=pod, configs=(("configmaps/default/page", None),))
    assert isinstance(refused, RuntimeRefused)
    assert refused.message == 'MountVolume.SetUp failed for volume "page" : configmap "page" not found'
    node.remove(pod)
    assert not node.folder(pod).exists()
    node.run(pod, configmap("there"))


def test_stopping_asks_first_and_kills_after_the_grace(node: Node) -> None:
    polite, stubborn = make_pod("polite"), make_pod("stubborn")
    ids = {}
    for pod, trap in ((polite, "trap 'exit 3' TERM; "), (stubborn, "trap '' TERM; ")):
        node.run(pod)
        ids[pod.metadata.uid] = node.started(pod, "sh", "-c", trap + UNTIL_KILLED).container_id
        wait_for_lines(node.folder(pod) / "logs" / "web" / "0.log", 1)
    for pod, grace_s in ((polite, 20.0), (stubborn, 0.2)):
        answer = node.ask(StopContainer, pod_uid=pod.metadata.uid, container_id=ids[pod.metadata.uid], grace_s=grace_s)
        assert isinstance(answer, ContainerStopping)
    ends = {}
    for _ in range(2):
        exited = node.expect(ContainerExited)
        ends[exited.pod_uid] = (exited.exit_code, exited.signal)
    assert ends == {"uid-of-polite": (3, 0), "uid-of-stubborn": (137, signal.SIGKILL)}
    again = node.ask(StopContainer, pod_uid=polite.metadata.uid, container_id=ids[polite.metadata.uid], grace_s=1.0)
    assert isinstance(again, ContainerStopping)
    assert node.expect(ContainerExited).exit_code == 3, "told again to whoever asks"


def test_removing_a_sandbox_kills_what_runs_and_removes_the_folder(node: Node) -> None:
    pod = make_pod("a")
    node.run(pod)
    node.started(pod, "sh", "-c", "trap '' TERM; " + UNTIL_KILLED)
    node.remove(pod)
    assert node.expect(ContainerExited).signal == signal.SIGKILL
    assert not node.folder(pod).exists()
    assert node.daemon.list_now().containers == ()
    node.remove(pod)


def test_removing_while_everything_is_under_way_leaves_nothing(node: Node) -> None:
    """Sandbox, start and removal are asked for at once, without waiting for answers."""
    pods = [make_pod(f"p{number}") for number in range(10)]
    container = core.Container(name="web", command=("sleep", "1000"))
    for pod in pods:
        uid = pod.metadata.uid
        node.post(node.port.name, RunSandbox(1, ME, pod))
        node.post(node.port.name, StartContainer(2, ME, uid, "web", 0, container, ()))
        node.post(node.port.name, RemoveSandbox(3, ME, uid))
    assert {node.expect(SandboxRemoved).pod_uid for _ in pods} == {pod.metadata.uid for pod in pods}
    assert all(not node.folder(pod).exists() for pod in pods)
    listed = node.ask(ListSandboxes)
    assert listed == SandboxesListed(listed.id, (), node.runtime.addresses.host)  # type: ignore[attr-defined]
    assert not any(record.running for record in node.daemon.list_now().containers)


def test_an_address_is_given_to_one_pod_only_and_released_ones_come_last(node: Node) -> None:
    first, second = make_pod("a"), make_pod("b")
    ip = node.run(first).ip
    assert node.run(first).ip == ip, "asking twice is the same sandbox"
    assert node.run(second).ip != ip
    node.remove(first)
    assert node.run(make_pod("c")).ip not in (ip, node.run(second).ip)


def test_asking_twice_for_a_start_is_one_container(node: Node) -> None:
    pod = make_pod("a")
    node.run(pod)
    first = node.started(pod, "sleep", "1000")
    second = node.started(pod, "sleep", "1000")
    assert second.container_id == first.container_id
    assert len(node.daemon.list_now().containers) == 1
    refused = node.start(pod, "sleep", "1000", attempt=1)
    assert isinstance(refused, RuntimeRefused)
    assert "attempt 0 of container web is here (running)" in refused.message


def test_a_restart_is_a_new_attempt_with_a_log_of_its_own_and_two_logs_are_kept(node: Node) -> None:
    pod = make_pod("a")
    node.run(pod)
    for attempt in range(4):
        node.started(pod, "sh", "-c", f"echo attempt {attempt}; exit 1", attempt=attempt)
        assert node.expect(ContainerExited).reason == "Error"
    logs = node.folder(pod) / "logs" / "web"
    assert sorted(path.name for path in logs.iterdir()) == ["2.log", "3.log"]
    assert node.log(pod, 3) == "attempt 3\n"
    assert len(node.daemon.list_now().containers) == 1, "older attempts are forgotten"


def test_two_clusters_at_once_have_different_addresses(node: Node) -> None:
    other = Node(lambda emit: ProcessDaemon.start(None, emit))
    try:
        pod = make_pod("a")
        assert node.run(pod).ip != other.run(pod).ip
        other.started(pod, "sleep", "1000")
    finally:
        other.close()
        other.daemon.stop()
    assert isinstance(node.start(pod, "true"), ContainerStarted)


def test_the_loss_of_the_daemon_ends_its_containers_and_further_starts_say_so(node: Node) -> None:
    other = Node(lambda emit: ProcessDaemon.start(None, emit), "node-2", 1)
    pod = make_pod("a")
    other.run(pod)
    other.started(pod, "sleep", "1000")
    threading.Thread(target=other.daemon.stop).start()
    assert other.expect(ContainerExited).exit_code == 137
    other.ask(ListSandboxes)
    refused = other.start(pod, "true", attempt=1)
    assert isinstance(refused, RuntimeRefused)
    assert "process daemon" in refused.message
    other.close()


def test_nothing_is_written_outside_the_pods_folder(node: Node, tmp_path: Path) -> None:
    volume = core.Volume(name="host", host_path=core.HostPathVolumeSource(path=str(tmp_path)))
    mount = core.VolumeMount(name="host", mount_path="/host")
    pod = make_pod("a", containers=(core.Container(name="web", volume_mounts=(mount,)),), volumes=(volume,))
    node.run(pod)
    refused = node.start(pod, "pwd", working_dir="/host/made")
    assert isinstance(refused, RuntimeRefused)
    assert "links are not followed" in refused.message
    assert list(tmp_path.iterdir()) == []


def test_a_node_says_its_address_before_it_has_pods_and_after_its_runtime_was_started_again(node: Node) -> None:
    for _ in range(2):
        listed = node.ask(ListSandboxes)
        assert isinstance(listed, SandboxesListed)
        assert listed.host_ip == node.runtime.addresses.host
        node.restart()


def test_a_node_whose_daemon_is_gone_says_that_nothing_can_be_started(node: Node) -> None:
    node.ask(ListSandboxes)
    node.expect(RuntimeStarted)
    os.kill(node.daemon.hello.pid, signal.SIGKILL)
    assert node.expect(RuntimeStarted).node == node.name, "its kubelet is told to ask"
    listed = node.ask(ListSandboxes)
    assert isinstance(listed, SandboxesListed)
    assert "is gone" in listed.problem
