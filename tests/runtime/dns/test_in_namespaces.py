"""The dns helper in a cell: names are answered in every node's namespace, to the node and its pods."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack
import psutil
import pytest
from dnslib import RCODE, DNSRecord

from callboard.models.dns import Record
from callboard.models.messages.dns import NamesPart, ServeNames
from callboard.runtime.dns.driver import MODULE, DnsDriver
from callboard.runtime.network.messages import NodeGone, NodeNetwork
from callboard.runtime.network.plan import CLUSTER_DNS
from callboard.runtime.process import boot
from tests.programs import in_ci
from tests.runtime.network.world import LIMIT_S, PREFIXES, World, asked, refused

WEB = "web.default.svc.cluster.local"
CONF = f"search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver {CLUSTER_DNS}\noptions ndots:5\n"


class NamesWorld(World):
    """A cell with both helpers. The second one is started from outside, into the cell."""

    def __init__(self, folder: Path, level: str) -> None:
        self._dns: list[subprocess.Popen[bytes]] = []
        super().__init__(folder, level)
        self.names = DnsDriver(self, CLUSTER_DNS)
        self.driver.on_nodes(self._node_changed)

    def _node_changed(self, change: NodeNetwork | NodeGone) -> None:
        if isinstance(change, NodeGone):
            self.names.leave_node(change.node)
        else:
            self.names.serve_node(change.node, change.netns)

    def start_helper(self, name: str, module: str, arguments: list[str], callback: Callable[[Any], None]) -> int:
        if name != "dns":
            return super().start_helper(name, module, arguments, callback)
        assert module == MODULE
        if not self._dns or self._dns[-1].poll() is not None:
            site = str(Path(msgpack.__file__).parents[1])
            program = [sys.executable, "-I", "-S", boot.__file__, site, module, *arguments]
            with (self.state_dir / "dns.log").open("ab") as log:
                self._dns.append(subprocess.Popen([*self.entering(), *program], stdin=subprocess.DEVNULL, stderr=log))
        callback(SimpleNamespace(name=name, pid=self._dns[-1].pid))
        return 0

    def entering(self) -> list[str]:
        """The command that begins a program in the cell."""
        deadline_s = time.monotonic() + LIMIT_S
        while not (children := psutil.Process(self._cell.pid).children()):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        as_whom = ["--user", "--preserve-credentials"] if self._level == "B" else []
        return ["nsenter", "--target", str(children[0].pid), *as_whom, "--mount", "--pid", "--net"]

    def tell(self, number: int, whole: bool, *records: Record, key: str = "web") -> None:
        self.names.tell(ServeNames(number, whole, ("default",), (NamesPart(key, records),)))

    def ask(self, where: str, name: str, kind: str = "A", tcp: bool = False, limit_s: float = LIMIT_S) -> Any:
        """One question from a namespace, read by dnslib."""
        with self.driver.socket_now(where, LIMIT_S, "tcp" if tcp else "udp") as sock:
            sock.settimeout(limit_s)
            sock.connect((CLUSTER_DNS, 53))
            data = bytes(DNSRecord.question(name, kind).pack())
            sock.sendall(len(data).to_bytes(2, "big") + data if tcp else data)
            reply = sock.recv(65535)
            while tcp and len(reply) < 2 + int.from_bytes(reply[:2], "big"):
                reply += sock.recv(65535)
        return DNSRecord.parse(reply[2:] if tcp else reply)

    def answers(self, where: str, name: str, tcp: bool = False) -> bool:
        """Whether a name is answered with records there now. Like every client of UDP it doesn't wait for ever: what was in the socket of
        a program that ended is lost."""
        try:
            return bool(self.ask(where, name, tcp=tcp, limit_s=1.0).rr)
        except OSError:
            return False

    def until_answered(self, where: str, name: str, tcp: bool = False) -> None:
        self.until(lambda: self.answers(where, name, tcp))

    def looked_up(self, pod: str, *command: str) -> subprocess.CompletedProcess[str]:
        """A program in a pod's namespace, with a resolv.conf as pods have it."""
        conf = self.state_dir / "resolv.conf"
        conf.write_text(CONF)
        mounted = f'mount --bind {conf} /etc/resolv.conf && exec "$@"'
        inside = ["nsenter", f"--net={self.netns_folder / f'pod-{pod}'}", "unshare", "--mount", "sh", "-c", mounted, "sh", *command]
        return subprocess.run([*self.entering(), *inside], capture_output=True, text=True, timeout=LIMIT_S)

    def kill_dns(self) -> None:
        """Kill the program that answers: first the one that entered the cell with it, so that it counts as ended once the link is lost."""
        entered = psutil.Process(self._dns[-1].pid)
        inside = entered.children(recursive=True)
        entered.kill()
        self._dns[-1].wait(LIMIT_S)
        for process in inside:
            process.kill()

    def end(self) -> None:
        self.names.close()
        if self._dns and self._dns[-1].poll() is None:
            self.kill_dns()
        super().end()


@pytest.fixture(scope="module", params=sorted(PREFIXES))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamesWorld]:
    if words := refused(request.param):
        in_vain = in_ci() and (request.param == "B" or os.geteuid() == 0)
        pytest.fail(words, pytrace=False) if in_vain else pytest.skip(words)
    made = NamesWorld(tmp_path_factory.mktemp("state"), request.param)
    made.tell(1, True, Record(WEB, "A", "10.96.0.7"))
    yield made
    made.end()


@pytest.fixture
def nodes(world: NamesWorld) -> Iterator[tuple[str, str]]:
    """Two nodes that know names, with a pod each: node `x` has the pod `x-pod`."""
    names = tuple(f"{uuid.uuid4().hex[:6]}" for _ in range(2))
    for index, node in enumerate(names):
        assert isinstance(asked(world.driver.ensure_node, node, index), NodeNetwork)
        asked(world.driver.ensure_pod, f"{node}-pod", node, f"10.244.{index + 1}.2")
    for node in names:
        world.until_answered(f"node/{node}", WEB)
    yield names[0], names[1]
    for node in names:
        asked(world.driver.remove_node, node)


def test_nodes_and_pods_are_answered_over_udp_and_tcp_by_their_own_node(world: NamesWorld, nodes: tuple[str, str]) -> None:
    one, two = nodes
    db = "db.default.svc.cluster.local"
    world.tell(2, False, *(Record(db, "A", f"10.244.1.{number}") for number in range(2, 100)), key="db")
    world.driver.cut(one)
    for where in (f"node/{one}", f"pod/{one}-pod", f"node/{two}", f"pod/{two}-pod"):
        world.until_answered(where, db, tcp=True)
        assert [str(record.rdata) for record in world.ask(where, WEB).rr] == ["10.96.0.7"]
        assert world.ask(where, db).header.tc == 1
        assert len(world.ask(where, db, tcp=True).rr) == 98
        assert world.ask(where, f"no.{WEB}").header.rcode == RCODE.NXDOMAIN


def test_programs_find_short_names_and_are_told_which_do_not_exist(world: NamesWorld, nodes: tuple[str, str]) -> None:
    one, two = (f"{node}-pod" for node in nodes)
    for name in ("web", "web.default", "web.default.svc.cluster.local"):
        found = world.looked_up(one, "getent", "ahostsv4", name)
        assert found.stdout.split()[:2] == ["10.96.0.7", "STREAM"], found
    assert world.looked_up(two, "getent", "hosts", "absent").returncode == 2
    code = "import socket; print(socket.gethostbyname('web')); socket.getaddrinfo('absent', 80)"
    done = world.looked_up(two, sys.executable, "-c", code)
    assert done.stdout == "10.96.0.7\n"
    assert "Name or service not known" in done.stderr


def test_a_helper_that_was_killed_knows_everything_again(world: NamesWorld, nodes: tuple[str, str]) -> None:
    world.kill_dns()
    for node in nodes:
        world.until_answered(f"pod/{node}-pod", WEB)


def test_a_node_that_comes_again_is_served_anew_and_one_that_is_gone_is_let_go(world: NamesWorld, nodes: tuple[str, str]) -> None:
    one, two = nodes
    asked(world.driver.crash_node, one)
    assert world.answers(f"pod/{two}-pod", WEB)
    asked(world.driver.ensure_node, one, 0)
    asked(world.driver.ensure_pod, "again", one, "10.244.1.3")
    world.until_answered("pod/again", WEB)
    late = "late.default.svc.cluster.local"
    world.tell(3, False, Record(late, "A", "10.96.0.9"), key="late")
    world.until_answered("pod/again", late)
