"""Real pods at every level that this machine allows: their volumes, names, rights and networks, as a container sees them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callboard.models.api import core
from callboard.models.base import decode_hook
from callboard.models.messages.runtime import ContainerStarted, ProbeContainer, Probed, RuntimeRefused, SandboxRunning, UpdateVolumes
from callboard.runtime.isolation.levels import chosen
from tests.e2e.levels import choice

from .levels import PodHere, container, node_at
from .test_volumes import CFG, EMPTY, configmap, mount, secret
from .world import Node

KEY = {"name": "key", "secret": {"secretName": "key", "defaultMode": 0o400}}
CONFIG = "configmaps__default__cfg"
SECRET = "secrets__default__key"
NOBODY = 65534
WHERE_CONFINED = pytest.mark.parametrize("node", [name for name in choice.to_test() if name != "C0"], indirect=True, scope="module")
"""At level C0 a container may see and do what the user of the cluster may."""


@pytest.fixture(scope="module", params=choice.to_test())
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    if words := choice.why_not(request.param):
        text = f"this machine has no level {request.param}: {words}"
        pytest.fail(text, pytrace=False) if choice.is_obligatory(request.param) else pytest.skip(text)
    running = node_at(chosen(request.param))
    yield running
    running.close()
    running.daemon.stop()
    assert not running.daemon.state_dir.exists()


@pytest.fixture
def pods(node: Node) -> Iterator[Any]:
    """Makes pods, which are removed after the test."""
    made: list[PodHere] = []

    def make(spec: dict[str, Any], **configs: Any) -> PodHere:
        made.append(PodHere(node, spec, **configs))
        return made[-1]

    yield make
    for pod in made:
        node.remove(pod.pod)
        assert not node.folder(pod.pod).exists()


def confined(node: Node) -> bool:
    return node.place.level.confined


def other_users(node: Node) -> bool:
    """Whether containers may run as any user."""
    level = node.place.level
    return level.subuids if level.user_namespace else os.geteuid() == 0


# -- volumes


def test_volumes_are_at_their_mount_paths(node: Node, pods: Any) -> None:
    mounts = (mount("cfg", "/etc/web"), mount("data", "/data"), mount("key", "/run/key"), mount("cfg", "/opt/one", subPath="a"))
    configs = {CONFIG: configmap(a="hello"), SECRET: secret(password=b"s3")}
    pod = pods({"volumes": [CFG, EMPTY, KEY], "containers": [container("web", *mounts)]}, **configs).up()
    assert pod.says('cat "$CALLBOARD_ROOT/etc/web/a" "$CALLBOARD_ROOT/run/key/password" "$CALLBOARD_ROOT/opt/one"') == "hellos3hello"
    assert pod.says('echo kept > "$CALLBOARD_ROOT/data/file"; cat "$CALLBOARD_ROOT/data/file"') == "kept"
    if confined(node):
        assert pod.says("cat /etc/web/a; echo $CALLBOARD_ROOT; stat -c %a /run/key/..data/password") == "hello\n400"


def test_a_changed_configmap_arrives_whole_in_the_running_container(node: Node, pods: Any) -> None:
    pod = pods({"volumes": [CFG], "containers": [container("web", mount("cfg", "/etc/web"))]}, **{CONFIG: configmap(a="1", b="1")}).up()
    script = 'd="$CALLBOARD_ROOT/etc/web/..data"; while :; do set -- $(cd "$d" && cat a b); [ "$1$2" = 22 ] && break; done; echo $1$2'
    assert isinstance(
        node.ask(UpdateVolumes, pod_uid=pod.uid, configs=(("configmaps/default/cfg", configmap(a="2 ", b="2")),)), msgspec.Struct
    )
    assert pod.says(script) == "22"


def test_containers_share_an_empty_dir_and_a_sub_path_of_it_named_by_a_variable(pods: Any) -> None:
    one, two = container("one", mount("data", "/data")), container("web", mount("data", "/logs", subPathExpr="logs/$(POD)"))
    pod = pods({"volumes": [EMPTY], "containers": [one, two]})
    assert isinstance(pod.run(), SandboxRunning)
    refused = pod.start("web")
    assert isinstance(refused, RuntimeRefused)
    assert (refused.reason, "missing value for POD" in refused.message) == ("CreateContainerConfigError", True)
    assert isinstance(pod.start("one"), ContainerStarted)
    assert isinstance(pod.start("web", POD="web-0"), ContainerStarted)
    pod.says('echo shared > "$CALLBOARD_ROOT/logs/file"')
    assert pod.says('cat "$CALLBOARD_ROOT/data/logs/web-0/file"', "one") == "shared"


def test_mounts_may_lie_inside_others(node: Node, pods: Any) -> None:
    inner = (mount("data", "/data"), mount("cfg", "/data/cfg"))
    pod = pods({"volumes": [CFG, EMPTY], "containers": [container("web", *inner)]}, **{CONFIG: configmap(a="in")}).up()
    assert pod.says('cat "$CALLBOARD_ROOT/data/cfg/a"') == "in"
    around = (mount("cfg", "/etc/web"), mount("data", "/etc/web/cache"))
    other = pods({"volumes": [CFG, EMPTY], "containers": [container("web", *around)]}, **{CONFIG: configmap(a="out")})
    if confined(node):
        assert other.up().says("echo x > /etc/web/cache/f; cat /etc/web/a /etc/web/cache/f") == "outx"
    else:
        refused = other.run()
        assert isinstance(refused, RuntimeRefused)
        assert "run the cluster at level C1, B or A" in refused.message


@WHERE_CONFINED
def test_what_is_mounted_read_only_cannot_be_written(node: Node, pods: Any) -> None:
    mounts = (mount("data", "/fixed", readOnly=True), mount("cfg", "/cfg"), mount("data", "/free"))
    pod = pods({"volumes": [CFG, EMPTY], "containers": [container("web", *mounts)]}, **{CONFIG: configmap(a="1")}).up()
    for path in ("/fixed/new", "/cfg/new", "/cfg/a", "/usr/new"):
        done = pod.sh(f"echo x > {path}")
        assert done.exit_code != 0, path
        assert b"Read-only file system" in done.stderr, path
    assert pod.says("echo x > /free/new; cat /fixed/new") == "x"


@WHERE_CONFINED
def test_an_empty_dir_in_memory_is_bounded_shared_and_outlives_its_containers(node: Node, pods: Any) -> None:
    volume = {"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    pod = pods(
        {"volumes": [volume], "containers": [container("one", mount("m", "/m")), container("web", mount("m", "/m", subPath="x"))]}
    ).up()
    full = pod.sh("head -c 3000000 /dev/zero > /m/big", "one")
    assert (full.exit_code, b"No space left on device" in full.stderr) == (1, True)
    pod.says("rm /m/big; echo kept > /m/x/file", "one")
    assert pod.says("cat /m/file") == "kept"
    pod.kill("one")
    assert isinstance(pod.start("one", attempt=1), ContainerStarted)
    assert pod.says("cat /m/x/file", "one") == "kept"


# -- ways out of a volume


def test_a_link_out_of_an_empty_dir_is_no_sub_path_of_another_container(pods: Any, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "secret").write_text("of the host")
    mounts = (container("evil", mount("data", "/data")), container("web", mount("data", "/in", subPath="out/host")))
    for target in (tmp_path, "/" + "../" * 20 + str(tmp_path).lstrip("/"), "../" * 30 + str(tmp_path).lstrip("/")):
        pod = pods({"volumes": [EMPTY], "containers": list(mounts)})
        assert isinstance(pod.run(), SandboxRunning | RuntimeRefused)
        pod.start("evil")
        pod.says(f'rm -rf "$CALLBOARD_ROOT/data/out"; ln -s "{target}" "$CALLBOARD_ROOT/data/out"', "evil")
        refused = pod.start("web")
        if isinstance(refused, ContainerStarted):  # at level C0 there is nothing to hide: but its own folder shows no link's target
            assert not confined(pod.node)
            continue
        assert "leads out of the volume" in refused.message
        assert refused.reason == "CreateContainerConfigError"


@WHERE_CONFINED
def test_a_sub_path_that_is_swapped_all_the_time_never_shows_the_host(node: Node, pods: Any, tmp_path: Path) -> None:
    (tmp_path / "marker").write_text("of the host")
    swap = f"""mkdir -p /data/in; touch /data/in/inside; ln -sfn {"../" * 30}{str(tmp_path).lstrip("/")} /data/link
        while :; do mv -T /data/in /data/third; mv -T /data/link /data/in; mv -T /data/in /data/link; mv -T /data/third /data/in; done"""
    evil = container("evil", mount("data", "/data"), command=("sh", "-c", swap))
    web = container("web", mount("data", "/in", subPath="in"), command=("sh", "-c", "ls /in; exec sleep 1000"))
    pod = pods({"volumes": [EMPTY], "containers": [evil, web]})
    assert isinstance(pod.run(), SandboxRunning)
    assert isinstance(pod.start("evil"), ContainerStarted)
    started = 0
    for attempt in range(400):
        if attempt >= 12 and started:
            break
        if not isinstance(pod.start("web", attempt=attempt), ContainerStarted):
            continue  # just then it led out of the volume, or was gone
        started += 1
        assert "marker" not in pod.says("ls /in")
        pod.kill("web")
    assert started


@WHERE_CONFINED
def test_a_host_path_that_holds_the_clusters_own_folder_does_not_show_it(node: Node, pods: Any) -> None:
    other = pods({"volumes": [KEY], "containers": [container("web", mount("key", "/key"))]}, **{SECRET: secret(password=b"s3")}).up()
    volume = {"name": "host", "hostPath": {"path": str(node.daemon.state_dir.parent)}}
    pod = pods({"volumes": [volume], "containers": [container("web", mount("host", "/host"))]}).up()
    state = node.daemon.state_dir.name
    assert pod.sh(f"ls -d /host/{state}").exit_code == 0
    assert pod.says(f"ls -A /host/{state}") == ""
    assert pod.sh(f"cat {node.folder(other.pod)}/volumes/key/password").exit_code != 0
    refused = pods({"volumes": [{"name": "host", "hostPath": {"path": str(node.daemon.state_dir)}}], "containers": [container()]}).run()
    assert isinstance(refused, RuntimeRefused)
    assert "lies in the cluster's own folder" in refused.message


def test_removing_a_pod_leaves_what_it_had_mounted_of_the_host(node: Node, pods: Any, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("mine")
    tmp_path.chmod(0o755)
    volume = {"name": "host", "hostPath": {"path": str(tmp_path), "type": "Directory"}}
    pod = pods({"volumes": [volume], "containers": [container("web", mount("host", "/host", subPath="sub"))]}).up()
    assert pod.says('cat "$CALLBOARD_ROOT/host/file"') == "mine"
    node.remove(pod.pod)
    assert (tmp_path / "sub" / "file").read_text() == "mine"


# -- names


def test_hosts_hostname_and_resolv_conf_are_the_pods_own(node: Node, pods: Any) -> None:
    aliases = [{"ip": "10.1.2.3", "hostnames": ["friend"]}]
    pod = pods({"hostname": "web-0", "subdomain": "web", "hostAliases": aliases, "containers": [container()]}).up()
    assert pod.says("echo $HOSTNAME") == "web-0"
    if not confined(node):
        return
    assert pod.says("hostname; cat /etc/hostname") == "web-0\nweb-0"
    assert f"{pod.ip}\tweb-0.web.default.svc.cluster.local\tweb-0" in pod.says("cat /etc/hosts")
    assert "10.1.2.3\tfriend" in pod.says("cat /etc/hosts")
    if node.place.level.network:
        wanted = "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5"
        assert pod.says("cat /etc/resolv.conf") == wanted


@WHERE_CONFINED
def test_a_host_name_that_is_too_long_is_told_in_kubernetes_words(node: Node, pods: Any) -> None:
    pod = pods({"hostname": "h" * 60, "subdomain": "web", "setHostnameAsFQDN": True, "containers": [container()]})
    refused = pod.run()
    assert isinstance(refused, RuntimeRefused)
    assert (refused.reason, "is too long" in refused.message) == ("FailedCreatePodSandBox", True)


# -- rights


def test_users_and_groups_own_and_read_what_is_theirs(node: Node, pods: Any) -> None:
    context = {"runAsUser": NOBODY, "runAsGroup": 12, "fsGroup": 34, "supplementalGroups": [56]}
    spec = {"securityContext": context, "volumes": [EMPTY, KEY], "containers": [container("web", mount("data", "/d"), mount("key", "/k"))]}
    pod = pods(spec, **{SECRET: secret(password=b"s3")})
    assert isinstance(pod.run(), SandboxRunning)
    answer = pod.start()
    if not other_users(node):
        assert isinstance(answer, RuntimeRefused)
        assert (answer.reason, "runAsUser 65534 is not possible" in answer.message) == ("CreateContainerConfigError", True)
        return
    assert isinstance(answer, ContainerStarted), answer
    assert pod.says("id -u; id -g; id -G") == f"{NOBODY}\n12\n12 34 56" or pod.says("id -G") == "12 56 34"
    assert pod.says('cat "$CALLBOARD_ROOT/k/password"; touch "$CALLBOARD_ROOT/d/new"; stat -c %g "$CALLBOARD_ROOT/d/new"') == "s334"


def test_capabilities_and_a_fixed_root_are_honoured_or_refused(node: Node, pods: Any) -> None:
    context = {"capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}
    pod = pods({"volumes": [EMPTY], "containers": [container("web", mount("data", "/data"), securityContext=context)]})
    assert isinstance(pod.run(), SandboxRunning)
    answer = pod.start()
    if not confined(node):
        assert isinstance(answer, RuntimeRefused)
        assert (answer.reason, "levels C1, B and A can" in answer.message) == ("CreateContainerConfigError", True)
        return
    assert isinstance(answer, ContainerStarted), answer
    assert "CapEff:\t0000000000000000" in pod.says("cat /proc/self/status")
    assert "NoNewPrivs:\t1" in pod.says("cat /proc/self/status")
    for path in ("/new", "/etc/new", "/tmp/new", "/var/new"):
        assert pod.sh(f"touch {path}").exit_code != 0, path
    assert pod.says("touch /data/new; ls /data") == "new"


def test_containers_share_their_processes_on_demand(node: Node, pods: Any) -> None:
    pod = pods({"shareProcessNamespace": True, "containers": [container("one", command=("sleep", "1234")), container("web")]})
    assert isinstance(pod.run(), SandboxRunning)
    answer = pod.start("one")
    if not confined(node):
        assert isinstance(answer, RuntimeRefused)
        assert "shareProcessNamespace is not possible at isolation level C0" in answer.message
        return
    assert isinstance(answer, ContainerStarted), answer
    assert isinstance(pod.start("web"), ContainerStarted)
    assert "sleep 1234" in pod.says("ps -eo args")
    alone = pods({"containers": [container("web")]}).up()
    assert "sleep 1234" not in alone.says("ps -eo args")


@WHERE_CONFINED
def test_what_a_container_writes_is_gone_with_it_and_homes_are_out_of_sight(node: Node, pods: Any) -> None:
    pod = pods({"containers": [container("web")]}).up()
    mark = f"/etc/callboard-{pod.name}"
    pod.says(f"echo x > {mark}; cat {mark}")
    assert not Path(mark).exists()
    assert pod.sh(f"ls {Path.home()} /home").stdout == b"" or pod.says("ls -A /root; ls /home 2>/dev/null || true") == ""
    assert pod.sh(f"ls {node.daemon.state_dir}").exit_code != 0


# -- networks


@pytest.mark.needs("busybox")
def test_probes_reach_a_container_from_its_node(node: Node, pods: Any) -> None:
    serve = 'mkdir -p /tmp/$$ && cd /tmp/$$ && echo ok > index.html && exec busybox httpd -f -p "$POD_IP:8080" -h .'
    pod = pods({"containers": [container("web", command=("sh", "-c", serve))]}).up()
    probe = msgspec.convert({"httpGet": {"path": "/", "port": 8080}}, core.Probe, dec_hook=decode_hook)
    about = {"pod_uid": pod.uid, "container_id": pod.ids["web"], "name": "web", "ip": pod.ip, "timeout_s": 5.0}
    deadline_s = time.monotonic() + 20
    while True:  # a server says nowhere when it has begun to listen
        probed = node.ask(ProbeContainer, probe=probe, port=8080, **about)
        assert isinstance(probed, Probed)
        if probed.ok:
            break
        assert "refused" in probed.message or "Connection" in probed.message
        assert time.monotonic() < deadline_s
    assert probed.message == "ok\n"
    tcp = msgspec.convert({"tcpSocket": {"port": 8081}}, core.Probe, dec_hook=decode_hook)
    closed = node.ask(ProbeContainer, probe=tcp, port=8081, **about)
    assert isinstance(closed, Probed)
    assert (closed.ok, "refused" in closed.message) == (False, True)


def test_a_pod_on_its_nodes_network_has_the_nodes_address(node: Node, pods: Any) -> None:
    ran = (pod := pods({"hostNetwork": True, "containers": [container("web")]})).run()
    assert isinstance(ran, SandboxRunning)
    assert ran.ip == ran.host_ip == node.runtime.addresses.host
    assert isinstance(pod.start(), ContainerStarted)
    if node.place.level.network:
        assert f" {ran.host_ip}/" in pod.says("ip -o -4 addr show dev eth0")


def connected(address: tuple[str, int]) -> bytes:
    """What a server at this address of the host says first; it is asked again until one listens."""
    deadline_s = time.monotonic() + 20
    while True:
        try:
            with socket.create_connection(address, 5) as sock:
                said = sock.recv(100)
        except ConnectionError:
            said = b""
        if said:
            return said
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


@pytest.mark.needs("busybox")
def test_a_host_port_leads_to_the_pod_from_inside_and_from_outside_or_is_refused(node: Node, pods: Any) -> None:
    serve = ("busybox", "nc", "-ll", "-p", "8080", "-e", "echo", "hello")
    ports = [{"containerPort": 8080, "hostPort": 30999}]
    pod = pods({"containers": [container("web", command=serve, ports=ports)]})
    ran = pod.run()
    if not node.place.level.network:
        assert isinstance(ran, RuntimeRefused)
        assert (ran.reason, "levels A and B can" in ran.message) == ("FailedCreatePodSandBox", True)
        return
    assert isinstance(ran, SandboxRunning), ran
    assert isinstance(pod.start(), ContainerStarted)
    outside = (f"127.{node.daemon.block}.1.1", 30999)
    assert connected(outside) == b"hello\n"
    client = pods({"containers": [container()]}).up()
    assert client.says(f"busybox nc {ran.host_ip} 30999 < /dev/null") == "hello"
    assert pod.says(f"busybox nc {ran.host_ip} 30999 < /dev/null") == "hello", "also to itself"
    second = pods({"containers": [container("web", ports=ports)]}).run()
    assert isinstance(second, RuntimeRefused), "the door is taken"
    assert "another program listens there" in second.message
    node.restart()
    assert connected(outside) == b"hello\n"
    node.remove(pod.pod)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(outside, 5)
