"""Services on nodes with networks of their own where the kernel has no rules for them: the userspace proxy, in each node's namespace."""

from __future__ import annotations

import socket
from collections import Counter

import msgspec
import pytest

from tests.runtime.network.world import LIMIT_S, asked
from tests.runtime.services.conftest import Cell
from tests.runtime.services.test_traffic import ADDRESS, web, who


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_one_client_after_the_other_goes_round_the_endpoints_of_both_nodes(userspace: Cell, kind: str) -> None:
    pods = [userspace.pod("n0", 1), userspace.pod("n0", 2), userspace.pod("n1", 1)]
    userspace.serve(web(*pods, protocol=kind.upper()))
    for where in ("pod/n0-pod", "pod/n1-pod", "node/n0", "edge"):
        answers = Counter(who(userspace.ask(where, ADDRESS, kind=kind)) for _ in range(9))
        assert answers == {"n0-p1": 3, "n0-p2": 3, "n1-p1": 3}, where


def test_an_endpoint_sees_the_node_that_the_connection_went_by(userspace: Cell) -> None:
    pod = userspace.pod("n0", 1)
    userspace.serve(web(pod))
    assert userspace.ask("pod/n1-pod", ADDRESS) == "n0-p1 172.31.0.2"
    assert who(userspace.ask("pod/n0-p1", ADDRESS)) == "n0-p1", "it reaches itself"


def test_without_endpoints_connections_are_reset(userspace: Cell) -> None:
    userspace.serve(web())
    with pytest.raises(ConnectionResetError):
        userspace.ask("pod/n0-pod", ADDRESS)


def test_clients_keep_their_endpoints(userspace: Cell) -> None:
    pods = [userspace.pod("n0", 1), userspace.pod("n0", 2)]
    userspace.serve(web(*pods, affinity_s=600))
    kept = {where: {who(userspace.ask(where, ADDRESS)) for _ in range(4)} for where in ("pod/n0-pod", "pod/n0-p2")}
    assert sorted(map(sorted, kept.values())) == [["n0-p1"], ["n0-p2"]]


def test_a_node_port_answers_at_every_node_inside_and_outside_and_a_local_one_at_its_pods(userspace: Cell) -> None:
    pod = userspace.pod("n1", 1)
    served = web(pod, node_port=30080, outside=(pod.endpoint,))
    userspace.serve(served)
    for number in (1, 2):
        assert who(userspace.ask("edge", f"172.31.0.{number}", 30080)) == "n1-p1"
        with socket.create_connection((f"127.{userspace.block}.{number}.1", 30080), LIMIT_S) as client:
            assert who(client.recv(100).decode()) == "n1-p1"
    local = msgspec.structs.replace(served, local_outside=True)
    userspace.serve(local, n0=(msgspec.structs.replace(local, outside=(), outside_withheld=True),))
    assert who(userspace.ask("edge", "172.31.0.2", 30080)) == "n1-p1"
    with pytest.raises(ConnectionResetError):
        userspace.ask("edge", "172.31.0.1", 30080)


def test_a_cut_between_nodes_cuts_a_services_traffic_and_heals(userspace: Cell) -> None:
    pod = userspace.pod("n1", 1)
    userspace.serve(web(pod))
    asked(userspace.world.driver.cut, "n0", ("n1",))
    with pytest.raises(OSError):
        userspace.ask("pod/n0-pod", ADDRESS, timeout_s=0.5)
    assert who(userspace.ask("pod/n1-pod", ADDRESS)) == "n1-p1"
    asked(userspace.world.driver.heal, "n0", ("n1",))
    assert who(userspace.ask("pod/n0-pod", ADDRESS)) == "n1-p1"


def test_the_outside_opens_a_service_by_a_door(userspace: Cell) -> None:
    pod = userspace.pod("n0", 1)
    userspace.serve(web(pod, port=8080))
    found = userspace.locate()
    assert not found.problem
    with socket.create_connection((found.address, found.port), LIMIT_S) as client:
        assert who(client.recv(100).decode()) == "n0-p1"


def test_a_new_life_of_a_data_plane_serves_again(userspace: Cell) -> None:
    pod = userspace.pod("n0", 1)
    userspace.serve(web(pod))
    userspace.system.crash("dataplane/n0")
    assert who(userspace.ask("pod/n0-pod", ADDRESS)) == "n0-p1", "a crash leaves the connections as they are"
    userspace.system.restart("dataplane/n0")
    userspace.world.until(lambda: userspace.slots["n0"].driver is None)
    userspace.serve(web(pod))
    assert who(userspace.ask("pod/n0-pod", ADDRESS)) == "n0-p1"
