"""A pod as a unit: what its containers share, what its security context asks for, and what other pods can't reach."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.e2e.levels.cells import Cell, row
from tests.e2e.levels.scripts import get, holds, reach
from tests.e2e.levels.table import LEVELS
from tests.e2e.levels.yard import SLEEP, Yard, container, pod, server

AWAKE = "trap 'exit 0' TERM; while :; do sleep 0.2; done"


@row("containers of a pod share one address")
def test_containers_of_a_pod_share_one_address(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        yard.run(pod("pair", server("first", name="first"), server("second", name="second", port=8081), container("client")))
        address = yard.ip("pair")
        said = [yard.sh("pair", "echo $POD_IP", inside=name) for name in ("first", "second")]
        assert said == [address, address]
        assert yard.python("pair", get(f"http://{address}:8080/"), inside="client").startswith("first ")
        assert yard.python("pair", get(f"http://{address}:8081/"), inside="first").startswith("second ")


@row("containers of a pod reach each other by localhost")
def test_containers_of_a_pod_reach_each_other_by_localhost(cell: Cell, yard: Yard) -> None:
    port = 21_731 + LEVELS.index(cell.level)
    with cell.judged():
        yard.run(pod("local", server("inside", port=port, bind="127.0.0.1"), container("client")))
        assert yard.python("local", get(f"http://localhost:{port}/"), inside="client") == "inside 127.0.0.1"


@row("another pod's localhost is out of reach")
def test_another_pods_localhost_is_out_of_reach(cell: Cell, yard: Yard) -> None:
    port = 21_741 + LEVELS.index(cell.level)
    yard.run(pod("local", server("inside", port=port, bind="127.0.0.1"), container("client")), pod("other"))
    assert yard.python("local", reach(port, 5.0), inside="client") == "reached", "from the same pod it can be reached"
    assert yard.python("other", reach(port, 0.0)) == ("reached" if cell.is_open else "refused")


@row("containers of a pod share an emptyDir")
def test_containers_of_a_pod_share_an_empty_dir(cell: Cell, yard: Yard) -> None:
    volumes = [{"name": "shared", "emptyDir": {}}, {"name": "quick", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
    here, there = ([{"name": "shared", "mountPath": path}, {"name": "quick", "mountPath": "/quick"}] for path in ("/here", "/there"))
    with cell.judged():
        yard.run(pod("sharing", container("writer", volumeMounts=here), container("reader", volumeMounts=there), volumes=volumes))
        yard.sh("sharing", 'echo hello > "$CALLBOARD_ROOT/here/greeting"; echo quick > "$CALLBOARD_ROOT/quick/greeting"', inside="writer")
        assert (
            yard.sh("sharing", 'cat "$CALLBOARD_ROOT/there/greeting" "$CALLBOARD_ROOT/quick/greeting"', inside="reader") == "hello\nquick"
        )


@row("containers of a pod share a hostPath")
def test_containers_of_a_pod_share_a_host_path(cell: Cell, yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "from-host").write_text("host")
    volumes = [{"name": "host", "hostPath": {"path": str(tmp_path), "type": "Directory"}}]
    mounts = [{"name": "host", "mountPath": "/host"}]
    with cell.judged():
        yard.run(pod("hosted", container("one", volumeMounts=mounts), container("two", volumeMounts=mounts), volumes=volumes))
        assert yard.sh("hosted", 'cat "$CALLBOARD_ROOT/host/from-host"; echo pod > "$CALLBOARD_ROOT/host/from-pod"', inside="one") == "host"
        assert yard.sh("hosted", 'cat "$CALLBOARD_ROOT/host/from-pod"', inside="two") == "pod"
        assert (tmp_path / "from-pod").read_text() == "pod\n"


@row("containers of a pod share a process namespace on demand")
def test_containers_of_a_pod_share_a_process_namespace_on_demand(cell: Cell, yard: Yard) -> None:
    mark = uuid.uuid4().hex
    with cell.judged():
        marked = container("one", ["sh", "-c", f"{AWAKE} # {mark}"])
        yard.run(pod("together", marked, container("two"), shareProcessNamespace=True))
        assert _processes_seen(yard, "together", "two", mark)


@row("a container doesn't see other pods' processes")
def test_a_container_does_not_see_other_pods_processes(cell: Cell, yard: Yard) -> None:
    mark = uuid.uuid4().hex
    yard.run(pod("seen", container("main", ["sh", "-c", f"{AWAKE} # {mark}"])), pod("seeing"))
    assert _processes_seen(yard, "seeing", "main", mark) == cell.is_open


def _processes_seen(yard: Yard, name: str, inside: str, mark: str) -> bool:
    """Whether a container sees a process whose command line holds the mark."""
    return yard.python(name, holds("/proc/[0-9]*/cmdline", mark), inside=inside) == "True"


@row("the hostname is the pod's name")
def test_the_hostname_is_the_pods_name(cell: Cell, yard: Yard) -> None:
    yard.run(pod("named"))
    assert (yard.sh("named", "uname -n") == "named") != cell.is_open


@row("runAsUser, runAsGroup, fsGroup")
def test_user_and_groups_are_those_of_the_security_context(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        context = {"runAsUser": 1234, "runAsGroup": 2345, "fsGroup": 3456}
        mounts = [{"name": "data", "mountPath": "/data"}]
        yard.run(pod("ids", container(volumeMounts=mounts), securityContext=context, volumes=[{"name": "data", "emptyDir": {}}]))
        assert yard.sh("ids", "id -u; id -g; id -G").split() == ["1234", "2345", "2345", "3456"]
        assert yard.sh("ids", 'touch "$CALLBOARD_ROOT/data/own"; stat -c "%u %g" "$CALLBOARD_ROOT/data/own"') == "1234 3456"


@row("capabilities dropped")
def test_capabilities_are_dropped(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        yard.run(pod("weak", container(securityContext={"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}})))
        # bit 10 of include/uapi/linux/capability.h
        assert int(yard.sh("weak", "grep CapEff /proc/1/status /proc/self/status | tail -n 1").split()[-1], 16) in (1 << 10, 0)
        assert int(yard.sh("weak", "grep CapBnd /proc/self/status").split()[-1], 16) == 1 << 10


@row("no more privileges than at the start (allowPrivilegeEscalation: false)")
def test_privileges_are_not_gained(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        yard.run(pod("kept", container(securityContext={"allowPrivilegeEscalation": False})))
        assert yard.sh("kept", "grep NoNewPrivs /proc/self/status").split() == ["NoNewPrivs:", "1"]


@row("readOnlyRootFilesystem")
def test_a_read_only_root_filesystem_is_read_only_but_for_volumes(cell: Cell, yard: Yard) -> None:
    mounts = [{"name": "data", "mountPath": "/data"}]
    read_only = container(securityContext={"readOnlyRootFilesystem": True}, volumeMounts=mounts)
    with cell.judged():
        yard.run(pod("fixed", read_only, volumes=[{"name": "data", "emptyDir": {}}]))
        for folder in ("/", "/etc", "/usr", "/var"):  # asked, not tried: were it not so, the file would lie in the machine's own
            assert yard.exec("fixed", f"test -w {folder}").exit_code != 0, folder
        assert yard.sh("fixed", 'echo so > "$CALLBOARD_ROOT/data/written"; cat "$CALLBOARD_ROOT/data/written"') == "so"


@row("what a container writes outside its volumes is its own")
def test_what_a_container_writes_outside_its_volumes_is_its_own(cell: Cell, yard: Yard) -> None:
    mark = f"callboard-{uuid.uuid4().hex}"
    places = ["/tmp"] if cell.is_open else ["/tmp", "/etc", "/var", "/run"]
    yard.run(pod("writing"), pod("looking"))
    try:
        for place in places:
            yard.sh("writing", f"echo x > {place}/{mark}; cat {place}/{mark}")
            assert Path(place, mark).exists() == cell.is_open
            assert (yard.exec("looking", f"cat {place}/{mark}").exit_code == 0) == cell.is_open
    finally:
        if cell.is_open:
            Path("/tmp", mark).unlink(missing_ok=True)


@row("programs of the machine can't be overwritten")
def test_programs_of_the_machine_cannot_be_overwritten(cell: Cell, yard: Yard) -> None:
    yard.run(pod("writing"))
    writable = yard.exec("writing", "test -w /usr/bin/env").exit_code == 0
    assert writable == (cell.is_open and yard.sh("writing", "id -u") == "0"), "at C0 a container may do what its user may"


@row("homes and the cluster's own state are out of sight")
def test_homes_and_the_clusters_own_state_are_out_of_sight(cell: Cell, yard: Yard) -> None:
    yard.run(pod("looking"))
    folder = yard.cluster.folder
    assert folder is not None
    assert (yard.exec("looking", f"ls {folder}").exit_code == 0) == cell.is_open
    assert (yard.exec("looking", f"ls -A {Path.home()}").stdout != "") == (cell.is_open and any(Path.home().iterdir()))


@pytest.mark.parametrize("command", [["true"], SLEEP])
@row("a volume mount inside another")
def test_a_volume_may_be_mounted_inside_another(command: list[str], cell: Cell, yard: Yard) -> None:
    volumes = [{"name": "outer", "emptyDir": {}}, {"name": "inner", "emptyDir": {}}]
    mounts = [{"name": "inner", "mountPath": "/data/inner"}, {"name": "outer", "mountPath": "/data"}]
    with cell.judged():
        yard.run(pod("nested", container(command=command, volumeMounts=mounts), volumes=volumes, restartPolicy="Never"))
        if command == SLEEP:
            assert yard.sh("nested", 'cd "$CALLBOARD_ROOT/data"; echo out > a; echo in > inner/b; cat a inner/b') == "out\nin"
